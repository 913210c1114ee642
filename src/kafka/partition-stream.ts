/**
 * The stream of one partition's records, from what has been fetched of it.
 *
 * @module
 */
import { Cause, Effect } from "effect";
import { SourceError } from "../streams/errors.ts";
import { PositionNotice, Rejected, type SourceBatch } from "../streams/source.ts";
import type { LogRecord } from "./client.ts";
import type { KafkaError } from "./errors.ts";
import { type Chunk, OutOfRange, type PartitionFeed } from "./partition-feed.ts";
import { positionOf } from "./position.ts";

/** What a {@link PartitionStream} is made of. */
export interface PartitionStreamOptions<A> {
  readonly source: string;
  readonly split: string;
  readonly feed: PartitionFeed;
  /** The offset at which it ends; `null` where it goes on. */
  readonly end: number | null;
  /** The offset at which it begins. */
  readonly offset: number;
  readonly decode: (records: ReadonlyArray<LogRecord>) => Effect.Effect<ReadonlyArray<A | Rejected>, KafkaError>;
  /** Whether to go on where records were lost. */
  readonly skips: boolean;
  readonly batchRecordsMax: number;
  readonly failed: (error: KafkaError) => SourceError;
}

/** Reads a partition batch by batch. */
export class PartitionStream<A> {
  readonly #options: PartitionStreamOptions<A>;
  #chunk: Chunk | null = null;
  /** How many records of the chunk have been handed on. */
  #taken = 0;
  /** Where to read on behind what has been handed on. */
  #offset: number;

  constructor(options: PartitionStreamOptions<A>) {
    this.#options = options;
    this.#offset = options.offset;
  }

  /** The next batch, once there is one. */
  readonly pull: Effect.Effect<readonly [SourceBatch<A>], SourceError | Cause.Done> = Effect.suspend(() => {
    const { end, feed, failed } = this.#options;
    if (this.#chunk !== null && this.#taken < this.#chunk.records.length) return this.#records(this.#chunk);
    if (end !== null && this.#offset >= end) return Cause.done();
    return feed.take.pipe(
      Effect.catch((failure) => failure instanceof OutOfRange ? this.#lost(failure) : Effect.fail(failed(failure))),
      Effect.flatMap((next) => "nextOffset" in next ? this.#begin(next) : Effect.succeed([next] as const)),
    );
  });

  #begin(chunk: Chunk): typeof this.pull {
    const { end } = this.#options;
    const cut = end === null || chunk.nextOffset <= end ? chunk : {
      records: chunk.records.filter(({ offset }) => offset < end),
      nextOffset: end,
      end,
    };
    if (cut.records.length > 0) {
      this.#chunk = cut;
      this.#taken = 0;
      return this.pull;
    }
    // Nothing but control records and what was aborted, or the news that there is nothing.
    const isFurther = cut.nextOffset > this.#offset;
    this.#offset = cut.nextOffset;
    const lag = this.#lagBehind(cut.nextOffset, cut.end);
    return Effect.succeed([
      isFurther ? this.#batch([new PositionNotice()], [this.#offset], lag) : this.#batch([], [], lag),
    ]);
  }

  #records(chunk: Chunk): typeof this.pull {
    const { decode, batchRecordsMax, failed } = this.#options;
    const { records, nextOffset } = chunk;
    const from = this.#taken;
    const to = Math.min(records.length, from + batchRecordsMax);
    const some = from === 0 && to === records.length ? records : records.slice(from, to);
    return decode(some).pipe(
      Effect.mapError(failed),
      Effect.map((decoded) => {
        this.#taken = to;
        const offsets = new Float64Array(some.length);
        for (let i = 0; i < some.length; i++) offsets[i] = some[i].offset + 1;
        if (to === records.length) {
          offsets[some.length - 1] = nextOffset;
          this.#chunk = null;
        }
        this.#offset = offsets[some.length - 1];
        return [this.#batch(decoded, offsets, this.#lagBehind(this.#offset, chunk.end))] as const;
      }),
    );
  }

  #lagBehind(offset: number, end: number): number {
    return Math.max(0, (this.#options.end ?? end) - offset);
  }

  #batch(
    records: SourceBatch<A>["records"],
    offsets: ArrayLike<number>,
    lag: number | undefined,
  ): SourceBatch<A> {
    const { end } = this.#options;
    const positions = end === null ? offsets : Array.from(offsets, (offset) => positionOf(offset, end));
    return lag === undefined ? { records, positions } : { records, positions, lag };
  }

  /** What was asked for is gone. */
  #lost({ wanted, earliest, latest }: OutOfRange): Effect.Effect<SourceBatch<A>, SourceError> {
    const { source, split, skips, feed, end } = this.#options;
    const isGone = wanted < earliest;
    if (isGone && skips) {
      const next = end === null ? earliest : Math.min(earliest, end);
      feed.seek(next);
      this.#offset = next;
      const reason = `offsets ${wanted} to ${next - 1} were deleted before they were read: at most ${
        next - wanted
      } records`;
      return Effect.succeed(this.#batch([new Rejected(reason, null, 0)], [next], undefined));
    }
    const what = isGone
      ? `the records from where it stands must not have been deleted: current value is offset ${wanted}, where the first ` +
        `that is left is ${earliest}, so offsets ${wanted} to ${
          earliest - 1
        } are lost (lostRecords: "dead-letter" goes on)`
      : `the topic must still have what was read of it: current value is offset ${wanted}, where it ends at ${latest}, so ` +
        "it was made anew or cut off";
    return Effect.fail(
      new SourceError({
        message: `Cannot read partition ${split} for source "${source}" as ${what}`,
        source,
        split,
        position: wanted,
        retryable: false,
        cause: null,
      }),
    );
  }
}
