/**
 * The columns that records of CSV must have.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { SchemaAST } from "effect";

/** The columns without which no record can match the Schema, as far as it tells. */
export const neededColumns = (schema: Schema.Constraint): ReadonlyArray<string> => {
  const encoded = SchemaAST.toEncoded(schema.ast);
  if (!SchemaAST.isObjects(encoded)) return [];
  return encoded.propertySignatures.flatMap(({ name, type }) =>
    type.context?.isOptional === true || typeof name !== "string" ? [] : [name]
  );
};

/** What is wrong with the names of columns, if anything. */
export const wrongColumns = (columns: ReadonlyArray<string>, needed: ReadonlyArray<string>): string | null => {
  const twice = columns.find((column, i) => columns.indexOf(column) < i);
  if (twice !== undefined) return `has "${twice}" twice`;
  const missing = needed.find((column) => !columns.includes(column));
  return missing === undefined ? null : `lacks "${missing}"`;
};
