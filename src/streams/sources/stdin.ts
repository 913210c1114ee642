/**
 * A source of what is piped into the process.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Cause, Effect, Stream } from "effect";
import type { LiveOnly } from "../../exactly-once/sink.ts";
import { errorLine } from "../../windows/error-words.ts";
import { type DecodeError, SourceError } from "../errors.ts";
import type { Rejected, Source, SourceBatch } from "../source.ts";
import { blank, type StreamedRecords } from "./formats/records.ts";
import { JsonLines, lineDecoder } from "./formats/json-lines.ts";
import { lineBytesMaxDefault } from "./ndjson.ts";
import { lastingError, numericPosition, unknownSplit } from "./reading.ts";
import { StreamedCsv } from "./formats/streamed-csv.ts";
import { textDecoder, TextLines } from "./formats/text-lines.ts";

/** What {@link stdin} finds in standard input. */
export interface StdinOptions<A> {
  /**
   * Decodes each line's JSON, or its text; or each record of CSV, an object of text by the names of the columns. It must
   * decode without services and without waiting.
   */
  readonly schema: Schema.ConstraintDecoder<A>;
  /**
   * What there is: a line of JSON after the other (`"ndjson"`, blank lines are skipped), lines of text as they are
   * (`"lines"`), or comma-separated values under a header (`"csv"`), as {@link csv} reads them.
   *
   * @default {"ndjson"}
   */
  readonly format?: "ndjson" | "lines" | "csv";
  /**
   * How many bytes a line, or a record of CSV, may have. A longer one is rejected without being held in memory.
   *
   * @default {1_048_576}
   */
  readonly lineBytesMax?: number;
}

/**
 * Reads standard input, line by line, until it ends.
 *
 * Lines are handled as they come. A position is the byte offset after a line, counted over all runs of the job. The last
 * line needs no line ending, CRLF is fine. A line that is too long, is not UTF-8, is not JSON or does not match the Schema
 * becomes a `DecodeError` of the flow, with its bytes.
 *
 * What was read from a pipe is gone, so lines that were in flight when the process died are lost, as are those that a
 * job has read when it starts anew after an error: only at-most-once jobs take this source. For a file that is redirected
 * (`< file`) use {@link ndjson}, which can read it again.
 *
 * The end of the input is the end of the job, whose windows all fire. A job whose state is in a file has then ended for
 * good; run it with `mode: "available-now"` to go on with the next input, and with open windows.
 *
 * CSV begins with a header in each run. One that is malformed, has a column twice, or lacks one that the Schema needs is a
 * `SourceError`.
 *
 * A process has one standard input: a second source that reads it, now or later, fails with a `SourceError`.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `lineBytesMax` is not a whole number above 0, or `format` is none of its values.
 *
 * @example
 * ```ts
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 *
 * const words = Flow.from(Source.stdin("words", { schema: Schema.String, format: "lines" })).pipe(
 *   Flow.onError("fail"),
 *   Flow.flatMap((line) => line.split(/\s+/)),
 *   Flow.to(Sink.console("words")),
 * );
 * const job = Job.make({ name: "words", guarantee: "at-most-once", flows: [words] });
 * // echo to be or not to be | deno run … | sort
 * if (import.meta.main) await Job.main(job, { state: ":memory:" });
 * ```
 */
export function stdin<A>(name: string, options: StdinOptions<A>): Source<A, DecodeError, never, LiveOnly> {
  const { schema, format = "ndjson", lineBytesMax = lineBytesMaxDefault } = options;
  const action = `make source "${name}"`;
  if (!Number.isSafeInteger(lineBytesMax) || lineBytesMax < 1) {
    throw new RangeError(
      `Cannot ${action} as lineBytesMax must be a whole number above 0: current value is ${lineBytesMax}`,
    );
  }
  if (!Object.hasOwn(formats, format)) {
    throw new RangeError(
      `Cannot ${action} as format must be "ndjson", "lines" or "csv": current value is ${JSON.stringify(format)}`,
    );
  }
  let input: StandardInput<A> | null = null;
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: true,
    paced: true,
    replayable: false,
    lagUnit: "bytes",
    splits: Effect.succeed([theSplit]),
    read: (split, from, batchRecordsMax) => {
      if (split !== theSplit) return Stream.fail(unknownSplit(name, split, [theSplit]));
      const position = numericPosition(name, split, from, Number.MAX_SAFE_INTEGER);
      if (typeof position !== "number") return Stream.fail(position);
      return Stream.unwrap(Effect.gen(function* () {
        // A job that starts anew reads on where it has got to: the middle of a line is no beginning.
        const reading = input ??= new StandardInput(name, position, formats[format](schema, lineBytesMax));
        yield* reading.own;
        return Stream.fromPull(Effect.succeed(reading.pull(batchRecordsMax)));
      }));
    },
  };
}

const theSplit = "0";

/** How long to wait where a pipe that was set not to block is empty, in milliseconds. */
const emptyPipeMillis = 10;

/** The records of each format, from the beginning on. */
const formats = {
  ndjson: <A>(schema: Schema.ConstraintDecoder<A>, lineBytesMax: number): StreamedRecords<A> =>
    new JsonLines(0, lineBytesMax, lineDecoder(schema, lineBytesMax)),
  lines: <A>(schema: Schema.ConstraintDecoder<A>, lineBytesMax: number): StreamedRecords<A> =>
    new TextLines(0, lineBytesMax, textDecoder(schema, lineBytesMax)),
  csv: <A>(schema: Schema.ConstraintDecoder<A>, recordBytesMax: number): StreamedRecords<A> =>
    new StreamedCsv(schema, recordBytesMax),
} as const;

/** The source that reads standard input. */
let owner: { readonly source: string } | null = null;

/** Standard input as one source reads it, over all restarts of its job. */
class StandardInput<A> {
  /** The read that is under way: it cannot be taken back when a job is stopped. */
  #reading: Promise<void> | null = null;
  #failure: { readonly cause: unknown } | null = null;

  constructor(readonly source: string, readonly base: number, readonly records: StreamedRecords<A>) {}

  /** Keeps other sources off. What has been read ahead would be missing in what they get, so it is for good. */
  readonly own: Effect.Effect<void, SourceError> = Effect.suspend(() => {
    owner ??= this;
    return owner === this ? Effect.void : Effect.fail(lastingError(
      this.source,
      theSplit,
      this.#position,
      `Cannot read source "${this.source}" as standard input must be read by one source: current value is "${owner.source}"`,
    ));
  });

  /** The lines that are there, or the next ones that come. */
  pull(batchRecordsMax: number): Effect.Effect<readonly [SourceBatch<A>], SourceError | Cause.Done> {
    const pull: Effect.Effect<readonly [SourceBatch<A>], SourceError | Cause.Done> = Effect.suspend(() => {
      const batch = this.#next(batchRecordsMax);
      if (batch !== null) return Effect.succeed([batch] as const);
      const { wrong, ended } = this.records;
      if (wrong) {
        return Effect.fail(
          lastingError(
            this.source,
            theSplit,
            this.#position,
            `Cannot read standard input for source "${this.source}" as ${wrong}`,
          ),
        );
      }
      return ended ? Cause.done() : Effect.andThen(this.#read, pull);
    });
    return pull;
  }

  get #position(): number {
    return this.base + this.records.position;
  }

  #next(batchRecordsMax: number): SourceBatch<A> | null {
    const records: Array<A | Rejected> = [];
    const positions: Array<number> = [];
    while (records.length < batchRecordsMax && this.records.next()) {
      const record = this.records.decode();
      if (record === blank) continue;
      records.push(record);
      positions.push(this.#position);
    }
    return records.length === 0 ? null : { records, positions };
  }

  readonly #read: Effect.Effect<void, SourceError> = Effect.suspend(() => {
    this.#reading ??= Deno.stdin.read(this.records.space()).then(
      (count) => this.records.filled(count ?? 0),
      (cause) => void (this.#failure = { cause }),
    ).finally(() => void (this.#reading = null));
    return Effect.promise(() => this.#reading!);
  }).pipe(Effect.andThen(Effect.suspend(() => {
    const failure = this.#failure;
    if (failure === null) return Effect.void;
    this.#failure = null;
    // Another process may have set the pipe not to block.
    if (failure.cause instanceof Deno.errors.WouldBlock) return Effect.sleep(emptyPipeMillis);
    return Effect.fail(
      new SourceError({
        message: `Cannot read standard input for source "${this.source}" after ${this.#position} bytes: ` +
          errorLine(failure.cause),
        source: this.source,
        split: theSplit,
        position: this.#position,
        retryable: false,
        cause: failure.cause,
      }),
    );
  })));
}
