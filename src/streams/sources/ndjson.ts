/**
 * A source of newline-delimited JSON files.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Cause, Effect, Result, Stream } from "effect";
import { SchemaJITCompiler } from "effect/schema";
import type { DecodeError, SourceError } from "../errors.ts";
import { Rejected, type Source, type SourceBatch } from "../source.ts";
import { Lines, readable } from "./lines.ts";
import { openAt } from "./open-at.ts";
import { messageOf, numericPosition, unknownSplit } from "./reading.ts";

/** How many bytes a line may have unless an option says otherwise: 1 MiB. */
export const lineBytesMaxDefault = 1_048_576;

/** Which files {@link ndjson} reads, and how. */
export interface NdjsonSourceOptions<A> {
  /** A file, or several; each is a split named by its path. */
  readonly paths: string | ReadonlyArray<string>;
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
  const paths = typeof options.paths === "string" ? [options.paths] : [...options.paths];
  if (paths.length === 0 || new Set(paths).size < paths.length) {
    throw new RangeError(
      `Cannot make source "${name}" as paths must name at least one file and none twice: current value is ` +
        JSON.stringify(paths),
    );
  }
  if (!Number.isSafeInteger(lineBytesMax) || lineBytesMax < 1) {
    throw new RangeError(
      `Cannot make source "${name}" as lineBytesMax must be a whole number above 0: current value is ${lineBytesMax}`,
    );
  }
  const decode = lineDecoder(schema, lineBytesMax);
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: true,
    replayable: true,
    lagUnit: "bytes",
    splits: Effect.succeed(paths),
    read: (path, from, batchRecordsMax) => {
      if (!paths.includes(path)) return Stream.fail(unknownSplit(name, path, paths));
      return Stream.unwrap(Effect.gen(function* () {
        const position = numericPosition(name, path, from, Number.MAX_SAFE_INTEGER);
        if (typeof position !== "number") return yield* position;
        const { read, sizeBytes } = yield* openAt(name, path, position);
        const lines = new Lines(position, lineBytesMax);
        const readBlock = Effect.map(Effect.suspend(() => read(lines.space())), (count) => lines.filled(count));
        const batches = new Batches(lines, decode, sizeBytes, batchRecordsMax);
        const pull: Effect.Effect<readonly [SourceBatch<A>], SourceError | Cause.Done> = Effect.suspend(() => {
          const batch = batches.next();
          if (batch !== null) return Effect.succeed([batch] as const);
          return lines.ended ? Cause.done() : Effect.andThen(readBlock, pull);
        });
        return Stream.fromPull(Effect.succeed(pull));
      }));
    },
  };
}

/** Collects decoded lines until a batch is full or the file ends. */
class Batches<A> {
  #records: Array<A | Rejected> = [];
  #positions: Float64Array;

  constructor(
    readonly lines: Lines,
    readonly decode: (lines: Lines) => A | Rejected | typeof blank,
    readonly sizeBytes: number,
    readonly batchRecordsMax: number,
  ) {
    this.#positions = new Float64Array(batchRecordsMax);
  }

  /** The next batch, or `null` when more bytes are needed or there is nothing left. */
  next(): SourceBatch<A> | null {
    const { lines, decode, batchRecordsMax } = this;
    while (lines.next()) {
      const record = decode(lines);
      if (record === blank) continue;
      this.#positions[this.#records.length] = lines.position;
      if (this.#records.push(record) === batchRecordsMax) return this.#take();
    }
    return lines.ended && this.#records.length > 0 ? this.#take() : null;
  }

  #take(): SourceBatch<A> {
    const records = this.#records;
    const positions = this.#positions.subarray(0, records.length);
    this.#records = [];
    this.#positions = new Float64Array(this.batchRecordsMax);
    // A file that has grown since it was opened has no negative lag.
    return { records, positions, lag: Math.max(0, this.sizeBytes - positions[positions.length - 1]) };
  }
}

/** What a line without any JSON decodes to. */
export const blank: unique symbol = Symbol("blank");
const blankLine = /^[ \t\r]*$/; // The white space of JSON.
const byteOrderMark = "\uFEFF";

/** Decodes the current line. The fast path is `JSON.parse` and the Schema's parser; everything else is a rejection. */
export function lineDecoder<A>(
  schema: Schema.ConstraintDecoder<A>,
  lineBytesMax: number,
): (lines: Lines) => A | Rejected | typeof blank {
  // Compiled, a Schema of six fields takes a tenth of the time of `JSON.parse`; interpreted, it takes almost as long.
  // Where code cannot be generated it stays interpreted.
  SchemaJITCompiler.enable(schema.ast);
  const parse = Schema.decodeUnknownResult(schema);
  const reject = (lines: Lines, reason: string) => new Rejected(reason, lines.raw(), lines.rawLength);
  const rejectText = (lines: Lines, text: string, error: unknown) =>
    blankLine.test(text) ? blank : reject(lines, `is not JSON: ${messageOf(error)}`);
  return (lines) => {
    let text = lines.text;
    if (text === null) {
      return lines.tooLong
        ? reject(lines, `is longer than ${lineBytesMax} bytes: it has ${lines.rawLength}`)
        : reject(lines, `is not UTF-8: "${readable(lines.raw()).slice(0, excerptCharactersMax)}"`);
    }
    if (lines.offset === 0 && text.startsWith(byteOrderMark)) text = text.slice(1);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      return rejectText(lines, text, error);
    }
    try {
      const result = parse(json);
      if (Result.isSuccess(result)) return result.success as A;
      return reject(lines, `does not match the schema: ${messageOf(result.failure)}`);
    } catch (error) {
      return reject(lines, `made the schema throw: ${messageOf(error)}`);
    }
  };
}

/** How many characters of a line that is not UTF-8 a reason shows. */
const excerptCharactersMax = 80;
