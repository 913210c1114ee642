/**
 * The columns that records of CSV must have.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { SchemaAST } from "effect";
import { inWords } from "../../../windows/in-words.ts";

/** The columns without which no record can match the Schema, as far as it tells. */
export const neededColumns = (schema: Schema.Constraint): ReadonlyArray<string> => {
  const encoded = SchemaAST.toEncoded(schema.ast);
  if (!SchemaAST.isObjects(encoded)) return [];
  return encoded.propertySignatures.flatMap(({ name, type }) =>
    type.context?.isOptional === true || typeof name !== "string" ? [] : [name]
  );
};

/** How many columns an error names. */
const columnsToldMax = 20;

/** What is wrong with the names of columns, if anything. */
export const wrongColumns = (columns: ReadonlyArray<string>, needed: ReadonlyArray<string>): string | null => {
  const twice = columns.find((column, i) => columns.indexOf(column) < i);
  if (twice !== undefined) return `has "${twice}" twice`;
  const missing = needed.find((column) => !columns.includes(column));
  if (missing === undefined) return null;
  const others = columns.length > columnsToldMax ? ` and ${columns.length - columnsToldMax} more` : "";
  const told = columns.slice(0, columnsToldMax).map((column) => inWords(column)).join(", ");
  return `lacks ${inWords(missing)}, its columns are ${told}${others}`;
};
