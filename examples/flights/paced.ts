/**
 * A source that takes its time, so that a person can watch.
 *
 * @module
 */
import { Effect, Stream } from "effect";
import type { Source } from "@weir/streams";

/** The same records in the same order, some per second. What the job makes of them does not change. */
export const paced = <A, E, R, S>(
  source: Source.Source<A, E, R, S>,
  recordsPerSecond: number,
): Source.Source<A, E, R, S> => ({
  ...source,
  read: (split, from, batchRecordsMax) =>
    source.read(split, from, batchRecordsMax).pipe(
      Stream.tap(({ records }) => Effect.sleep(records.length / recordsPerSecond * 1_000)),
    ),
});
