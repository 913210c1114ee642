/**
 * A source of newline-delimited JSON files.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Effect } from "effect";
import type { DecodeError } from "../errors.ts";
import type { Source } from "../source.ts";
import { fileSource, type FileSourceOptions } from "./file-source.ts";
import { JsonLines, lineDecoder } from "./json-lines.ts";

/** How many bytes a line may have unless an option says otherwise: 1 MiB. */
export const lineBytesMaxDefault = 1_048_576;

/** Which files {@link ndjson} reads, and how. */
export interface NdjsonSourceOptions<A> extends FileSourceOptions {
  /** Decodes each line's JSON. It must decode without services and without waiting. */
  readonly schema: Schema.ConstraintDecoder<A>;
  /**
   * How many bytes a line may have. A longer one is rejected without being held in memory.
   *
   * @default {1_048_576}
   */
  readonly lineBytesMax?: number;
}

/**
 * Reads newline-delimited JSON files and decodes each line with a Schema.
 *
 * A position is the byte offset after a line. The last line needs no line ending, CRLF is fine, and blank lines are
 * skipped. A line that is too long, is not UTF-8, is not JSON or does not match the Schema becomes a `DecodeError` of
 * the flow, with its bytes. Files must not change while a job reads them: one that is shorter than the recorded
 * position, or in which no line begins there, is a `SourceError`, as is one that is missing.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If there is no path, or a path is given twice, or `lineBytesMax` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import { Source } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 * import { Effect, Stream } from "effect";
 * import assert from "node:assert/strict";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, '{"city":"Zürich"}\n{"city":8000}\n');
 *
 * const cities = Source.ndjson("cities", { paths: path, schema: Schema.Struct({ city: Schema.String }) });
 * const [batch] = await Effect.runPromise(Stream.runCollect(cities.read(path, null, 1_000)));
 *
 * const [zurich, rejected] = batch.records;
 * assert.deepEqual(zurich, { city: "Zürich" });
 * assert.ok(rejected instanceof Source.Rejected);
 * assert.equal(rejected.reason, 'does not match the schema: Expected string at ["city"]');
 * assert.deepEqual(Array.from(batch.positions), [19, 33]);
 * await Deno.remove(path);
 * ```
 */
export function ndjson<A>(name: string, options: NdjsonSourceOptions<A>): Source<A, DecodeError, never, never> {
  const { schema, lineBytesMax = lineBytesMaxDefault } = options;
  if (!Number.isSafeInteger(lineBytesMax) || lineBytesMax < 1) {
    throw new RangeError(
      `Cannot make source "${name}" as lineBytesMax must be a whole number above 0: current value is ${lineBytesMax}`,
    );
  }
  const decode = lineDecoder(schema, lineBytesMax);
  const beginning = Effect.succeed({
    offset: 0,
    records: (from: number) => new JsonLines(from, lineBytesMax, decode),
  });
  return fileSource(name, options, { begin: () => beginning });
}
