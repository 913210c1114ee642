/**
 * A source of files of comma-separated values.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Effect } from "effect";
import type { DecodeError, SourceError } from "../errors.ts";
import type { Source } from "../source.ts";
import { type ByteReader, type FileOfSource, fileRefusal } from "./files/file-bytes.ts";
import { fileSource, type FileSourceOptions } from "./files/file-source.ts";
import type { Beginning, Format } from "./files/format.ts";
import { neededColumns, wrongColumns } from "./formats/csv-columns.ts";
import { type CsvRecord, CsvRecords, problemWords, rowDecoder } from "./formats/csv-records.ts";
import { Rows } from "./formats/rows.ts";
import { valueDecoder } from "./formats/value-decoder.ts";

/** How many bytes a record may have unless an option says otherwise: 1 MiB. */
export const recordBytesMaxDefault = 1_048_576;

/** Which files {@link csv} reads, and how. */
export interface CsvSourceOptions<A> extends FileSourceOptions {
  /**
   * Decodes a record: an object of text by the names of the columns. It must decode without services and without waiting.
   * Columns that it does not name are left out. Every field is text: for numbers, say `Schema.FiniteFromString`.
   */
  readonly schema: Schema.ConstraintCodec<A, CsvRecord, never, unknown>;
  /**
   * The names of the columns, for files that do not begin with a header.
   *
   * @default {undefined} The first record of each file has the names of its columns.
   */
  readonly columns?: ReadonlyArray<string>;
  /**
   * What stands between two fields: one character of ASCII, and no quote or line break.
   *
   * @default {","}
   */
  readonly delimiter?: string;
  /**
   * How many bytes a record may have. A longer one is rejected without being held in memory.
   *
   * @default {1_048_576}
   */
  readonly recordBytesMax?: number;
}

/**
 * Reads files of comma-separated values by RFC 4180, and decodes each record with a Schema: the header's names are the
 * properties, and all values are text, so a number is decoded with `Schema.FiniteFromString`. (That takes an empty field for
 * 0, as `Schema.NumberFromString` does, which also takes any text for `NaN`. Where a field must not be empty, say
 * `Schema.NonEmptyString.pipe(Schema.decodeTo(Schema.FiniteFromString))`.)
 *
 * Fields in quotes may hold delimiters, line breaks and doubled quotes. Lines end with CRLF or LF, the last one needs no
 * line ending, a byte order mark is skipped, and so are blank lines (in a file of one column, write an empty field as
 * `""`). Nothing is trimmed.
 *
 * A position is the byte offset after a record. A header that is malformed, has a column twice, or lacks one that the
 * Schema needs is a `SourceError`. A record that is malformed, has more or fewer columns than the header, is too long, is
 * not UTF-8 or does not match the Schema becomes a `DecodeError` of the flow, with its bytes, and the reason says at which
 * byte of the file it begins. A quoted field that does not end within the bytes that a record may have, or before the file
 * ends, costs the line in which its record began: the next line begins a record again.
 *
 * Files that are compressed or followed are read as {@link ndjson} does it; a file that takes the place of a rotated one
 * has a header of its own.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If there is no path, or a path or a column is given twice, or `columns` lacks one that the Schema
 * needs, or `delimiter` or `recordBytesMax` is not what it must be, or a file is both followed and compressed.
 *
 * @example
 * ```ts
 * import { Source } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 * import { Effect, Stream } from "effect";
 * import assert from "node:assert/strict";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, 'city,people\n"Zürich\nOerlikon",23000\nBern,many\n');
 *
 * const City = Schema.Struct({ city: Schema.String, people: Schema.FiniteFromString });
 * const cities = Source.csv("cities", { paths: path, schema: City });
 * const [batch] = await Effect.runPromise(Stream.runCollect(cities.read(path, null, 1_000)));
 *
 * const [oerlikon, rejected] = batch.records;
 * assert.deepEqual(oerlikon, { city: "Zürich\nOerlikon", people: 23_000 });
 * assert.ok(rejected instanceof Source.Rejected);
 * assert.match(rejected.reason, /does not match the schema: .* at \["people"\] \(record at byte 37\)/);
 * assert.deepEqual(Array.from(batch.positions), [37, 47]);
 * await Deno.remove(path);
 * ```
 */
export function csv<A>(name: string, options: CsvSourceOptions<A>): Source<A, DecodeError, never, never> {
  const { schema, columns, delimiter = ",", recordBytesMax = recordBytesMaxDefault } = options;
  const refuse = (rule: string, value: unknown): never => {
    throw new RangeError(`Cannot make source "${name}" as ${rule}: current value is ${JSON.stringify(value)}`);
  };
  if (delimiter.length !== 1 || delimiter.charCodeAt(0) >= 128 || '"\r\n'.includes(delimiter)) {
    refuse("delimiter must be one character of ASCII, and no quote or line break", delimiter);
  }
  if (!Number.isSafeInteger(recordBytesMax) || recordBytesMax < 1) {
    refuse("recordBytesMax must be a whole number above 0", recordBytesMax);
  }
  const needed = neededColumns(schema);
  if (columns !== undefined) {
    const rule = "columns must name each column once and all that the schema needs";
    if (columns.length === 0) refuse(rule, columns);
    const wrong = wrongColumns(columns, needed);
    if (wrong !== null) {
      throw new RangeError(`Cannot make source "${name}" as ${rule}: current value is one that ${wrong}`);
    }
  }
  const { decodeValue } = valueDecoder(schema);
  const beginning = (offset: number, columns: ReadonlyArray<string>): Beginning<A> => ({
    offset,
    records: (from) => new CsvRecords(from, delimiter, recordBytesMax, rowDecoder(columns, decodeValue)),
  });
  const format: Format<A> = {
    begin: (of, head, isWhole) =>
      columns !== undefined ? Effect.succeed(beginning(0, columns)) : Effect.gen(function* () {
        const rows = yield* readHeader(new Rows(0, delimiter, recordBytesMax), head, isWhole);
        if (rows === null) return null;
        const wrong = rows.cells === null ? problemWords(rows.problem!, []) : wrongColumns(rows.cells, needed);
        if (wrong !== null) return yield* wrongHeader(of, wrong);
        return beginning(rows.position, rows.cells!);
      }),
  };
  return fileSource(name, options, format);
}

/** Reads up to the first record. `null` when it is not there. */
const readHeader = (
  rows: Rows,
  head: ByteReader,
  isWhole: boolean,
): Effect.Effect<Rows | null, SourceError> =>
  Effect.gen(function* () {
    while (!rows.next()) {
      if (rows.ended) return null;
      const count = yield* head.read(rows.space());
      if (count === 0 && !isWhole) return null;
      rows.filled(count);
    }
    return rows;
  });

const wrongHeader = (of: FileOfSource, wrong: string): SourceError =>
  fileRefusal(of, "read", "its header must name each column once and all that the schema needs", `one that ${wrong}`);
