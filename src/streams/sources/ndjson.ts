/**
 * A source of newline-delimited JSON files.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Effect } from "effect";
import type { DecodeError } from "../errors.ts";
import type { Source } from "../source.ts";
import { fileSource, type FileSourceOptions } from "./files/file-source.ts";
import { JsonLines, lineDecoder } from "./formats/json-lines.ts";

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
 * position, or in which no line begins there, or that shrinks, is a `SourceError`, as is one that is missing.
 *
 * Of a file that ends in `.gz` (or see `compression`) the decompressed bytes count, and going on in the middle of it
 * means decompressing what stands before. One that is cut off or damaged is a `SourceError`, which comes after the records
 * that were there. Damage may be noticed as late as at the checksum that stands at the end, so what comes before the error
 * is what the damaged file says.
 *
 * With `follow` the source does not end but waits for more, and goes on with the next file when the file is rotated. A
 * line counts once it has been ended. Positions are text then, as they say whose offset they are. A file need not be there
 * yet. A job that has not read any record so far begins with the file that the path names. {@link FollowOptions} says
 * which ways of rotating a file lose nothing.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If there is no path, or a path is given twice, or `lineBytesMax` is not a whole number above 0, or
 * an option of `follow` is not what it must be, or a file is both followed and compressed.
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
 *
 * @example A log that grows and is rotated
 * ```ts
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 * import { Effect } from "effect";
 * import assert from "node:assert/strict";
 *
 * const folder = await Deno.makeTempDir();
 * const path = `${folder}/app.log`;
 * await Deno.writeTextFile(path, "1\n2\n");
 *
 * const lines = Source.ndjson("lines", { paths: path, schema: Schema.Number, follow: { pollInterval: "1 second" } });
 * const job = Job.make({
 *   name: "copy",
 *   guarantee: "exactly-once",
 *   flows: [Flow.from(lines).pipe(Flow.onError("fail"), Flow.to(Sink.ndjson("out", { path: `${folder}/out.ndjson` })))],
 * });
 * const run = Job.run(job, { state: `${folder}/copy.kv`, mode: "available-now" });
 *
 * await Effect.runPromise(run);
 * await Deno.writeTextFile(path, "3\n", { append: true });
 * await Deno.rename(path, `${path}.1`);
 * await Deno.writeTextFile(path, "4\n");
 * await Effect.runPromise(run);
 *
 * assert.equal(await Deno.readTextFile(`${folder}/out.ndjson`), "1\n2\n3\n4\n");
 * await Deno.remove(folder, { recursive: true });
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
