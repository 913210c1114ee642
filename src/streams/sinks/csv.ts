/**
 * A sink that writes comma-separated values to a file.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Sink, Transactional } from "../../exactly-once/sink.ts";
import { inWords } from "../../windows/in-words.ts";
import { schemaWords } from "../../windows/schema-words.ts";
import { Rows } from "../sources/formats/rows.ts";
import { openRowFile } from "./file-writer.ts";
import { utf8Bytes } from "./utf8.ts";

/** The names that columns of rows may have. Of rows of which nothing is known, they are not checked. */
export type CsvColumn<Row> = unknown extends Row ? string : Row extends unknown ? keyof Row & string : never;

/** Where {@link csv} writes, and how: `Row` is what values are once they are encoded. */
export interface CsvSinkOptions<A, Row = A> {
  /** The file. Its folder is created when it is missing. */
  readonly path: string;
  /** The properties that become columns, in their order. They are the header, too. Others are left out. */
  readonly columns: ReadonlyArray<CsvColumn<NoInfer<Row>>>;
  /**
   * Encodes the values before they become rows. It must encode without services and without waiting.
   *
   * @default {undefined} The properties of values become fields as they are.
   */
  readonly schema?: Schema.ConstraintCodec<A, Row, unknown>;
  /**
   * What stands between two fields: one character of ASCII, and no quote or line break.
   *
   * @default {","}
   */
  readonly delimiter?: string;
  /**
   * What stands at the end of a row.
   *
   * @default {"\r\n", as RFC 4180 has it.}
   */
  readonly lineEnding?: "\r\n" | "\n";
}

/**
 * Writes a header, and a row of comma-separated values per value, to a file of its own, exactly once. What needs quotes
 * gets them, by RFC 4180, so that `Source.csv` and others read back what was written.
 *
 * Text that is well-formed Unicode is written as it is, numbers and booleans as JavaScript writes them, and `null` and what is missing as an empty
 * field. Anything else is an error of the job: encode it with a Schema.
 *
 * The header is written with the first row. As with {@link ndjson}, a reader may see a part of the epoch that is being
 * written, and opening fails if the file is not the one that the job has written.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `columns` is empty or has a name twice, or `delimiter` is not what it must be.
 *
 * @example
 * ```ts
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 * import { Effect } from "effect";
 * import assert from "node:assert/strict";
 *
 * const folder = await Deno.makeTempDir();
 * const cities = Source.array("cities", [{ city: "Bern", note: 'the "capital"' }, { city: "Zürich", note: null }]);
 * const out = Sink.csv<{ city: string; note: string | null }>("out", {
 *   path: `${folder}/cities.csv`,
 *   columns: ["city", "note"],
 *   lineEnding: "\n",
 * });
 * const job = Job.make({ name: "copy", guarantee: "exactly-once", flows: [Flow.from(cities).pipe(Flow.to(out))] });
 * await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 *
 * const text = await Deno.readTextFile(`${folder}/cities.csv`);
 * assert.equal(text, 'city,note\nBern,"the ""capital"""\nZürich,\n');
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function csv<A, Row = A>(name: string, options: CsvSinkOptions<A, Row>): Sink<A, Transactional> {
  const columns: ReadonlyArray<string> = options.columns;
  const { path, schema, delimiter = ",", lineEnding = "\r\n" } = options;
  const refuse = (rule: string, value: unknown): never => {
    throw new RangeError(`Cannot make sink "${name}" as ${rule}: current value is ${JSON.stringify(value)}`);
  };
  if (columns.length === 0 || new Set(columns).size < columns.length) {
    refuse("columns must name at least one and none twice", columns);
  }
  if (delimiter.length !== 1 || delimiter.charCodeAt(0) >= 128 || '"\r\n'.includes(delimiter)) {
    refuse("delimiter must be one character of ASCII, and no quote or line break", delimiter);
  }
  if (lineEnding !== "\r\n" && lineEnding !== "\n") refuse('lineEnding must be "\\r\\n" or "\\n"', lineEnding);
  const encodeValue = schema === undefined
    ? (value: A): unknown => value
    : Schema.encodeUnknownSync(schema as Schema.ConstraintEncoder<unknown>);
  const prepare = (value: A): Record<string, unknown> => {
    try {
      const encoded = encodeValue(value);
      if (typeof encoded === "object" && encoded !== null && !Array.isArray(encoded)) {
        return encoded as Record<string, unknown>;
      }
    } catch (cause) {
      throw new TypeError(`Cannot encode a value as its schema must take it: ${schemaWords(cause)}`, { cause });
    }
    throw new TypeError(
      `Cannot write a row to "${path}" as a value must be an object: current value is ${inWords(value)}`,
    );
  };
  /** Quotes what would be read as something else. A row must not be blank, and one column may be empty. */
  const quoted = (text: string): string =>
    text.includes('"') || text.includes(delimiter) || /[\r\n]/.test(text) || (text === "" && columns.length === 1)
      ? `"${text.replaceAll('"', '""')}"`
      : text;
  const fieldOf = (column: string, value: unknown): string => {
    if (value === null || value === undefined) return quoted("");
    // In UTF-8 half a surrogate pair would become another character.
    if (typeof value === "string" && value.isWellFormed()) return quoted(value);
    if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") {
      return quoted(String(value));
    }
    throw new TypeError(
      `Cannot write a row to "${path}" as column ${
        JSON.stringify(column)
      } must be well-formed text, a number, true or ` +
        `false, or nothing: current value is ${inWords(value)}`,
    );
  };
  const header = columns.map(quoted).join(delimiter) + lineEnding;
  return {
    "~weir/Sink": undefined as never,
    name,
    driver: {
      kind: "transactional",
      encode: (value: A): string => {
        const record = prepare(value);
        return columns.map((column) => fieldOf(column, record[column])).join(delimiter) + lineEnding;
      },
      byteLength: utf8Bytes,
      file: { path, shared: false },
      open: (context) =>
        openRowFile(
          { sink: name, path, header, wholeRowsBytes: (bytes) => wholeRowsBytes(bytes, delimiter), noRow: blankLines },
          context,
        ),
    },
  };
}

/** A line break may be within a field. */
const wholeRowsBytes = (bytes: Uint8Array, delimiter: string): number => {
  const rows = new Rows(0, delimiter, bytes.length);
  let whole = 0;
  for (let start = 0; start < bytes.length;) {
    const space = rows.space();
    const part = bytes.subarray(start, start + space.length);
    space.set(part);
    rows.filled(part.length);
    start += part.length;
    while (rows.next()) whole = rows.position;
  }
  return whole;
};

const newline = 0x0a;

/** Blank lines are no rows. */
const blankLines = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(newline);
