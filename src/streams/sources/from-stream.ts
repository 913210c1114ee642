/**
 * A source made of any Effect Stream.
 *
 * @module
 */
import type { LiveOnly } from "../../exactly-once/sink.ts";
import { Cause, Effect, Stream } from "effect";
import { SourceError } from "../errors.ts";
import type { Source, SourceBatch } from "../source.ts";
import { indexPositions, numericPosition, unknownSplit } from "./reading.ts";

/** What {@link fromStream} is told of its stream. */
export interface FromStreamOptions {
  /**
   * Whether the stream ends.
   *
   * @default {false}
   */
  readonly bounded?: boolean;
  /**
   * Whether records come at a pace of their own, so that those that are there are handled without waiting for a full batch.
   * `false` is for a bounded stream that has them ready: it is then read in full batches.
   *
   * @default {true}
   */
  readonly paced?: boolean;
}

/**
 * Yields what an Effect Stream yields, as one split named `"0"`.
 *
 * A stream cannot be read again from a recorded position, so records that were in flight when the process died are lost;
 * the type says so, and an exactly-once job refuses such a source. After a restart the stream is run afresh and the job
 * goes on with what comes then. Positions count records. A failure of the stream is a `SourceError` whose `cause` is
 * the failure.
 *
 * @param name A stable name, unique in the job.
 * @param stream What to read. Its arrays become batches, cut where they are longer than a batch may be.
 * @param options What the job must know of the stream: see {@link FromStreamOptions}.
 *
 * @example
 * ```ts
 * import { Source } from "@weir/streams";
 * import { Effect, Stream } from "effect";
 * import assert from "node:assert/strict";
 *
 * const ticks = Source.fromStream("ticks", Stream.make("tick", "tock"), { bounded: true });
 * const batches = await Effect.runPromise(Stream.runCollect(ticks.read("0", null, 1_000)));
 * assert.deepEqual(batches.map((batch) => batch.records), [["tick", "tock"]]);
 * ```
 */
export function fromStream<A, E, R>(
  name: string,
  stream: Stream.Stream<A, E, R>,
  options: FromStreamOptions = {},
): Source<A, never, R, LiveOnly> {
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: options.bounded ?? false,
    paced: options.paced ?? true,
    replayable: false,
    lagUnit: "records",
    splits: Effect.succeed(["0"]),
    read: (split, from, batchRecordsMax) => {
      if (split !== "0") return Stream.fail(unknownSplit(name, split, ["0"]));
      const first = numericPosition(name, split, from, Number.MAX_SAFE_INTEGER);
      if (typeof first !== "number") return Stream.fail(first);
      return Stream.suspend(() => {
        let count = first;
        return stream.pipe(
          Stream.mapError((cause) => failureOf(name, count, cause)),
          Stream.mapArray((records) => {
            const batches: Array<SourceBatch<A>> = [];
            for (let start = 0; start < records.length; start += batchRecordsMax) {
              const slice = records.slice(start, start + batchRecordsMax);
              batches.push({ records: slice, positions: indexPositions(count, slice.length) });
              count += slice.length;
            }
            return batches as [SourceBatch<A>, ...Array<SourceBatch<A>>];
          }),
        );
      });
    },
  };
}

const failureOf = (source: string, position: number, cause: unknown): SourceError =>
  new SourceError({
    message: `Cannot read source "${source}" after ${position} records as its stream must not fail: current value is ` +
      (cause instanceof Error ? cause.message : Cause.pretty(Cause.fail(cause))),
    source,
    split: "0",
    position,
    retryable: true,
    cause,
  });
