/**
 * Watermarks that records say themselves.
 *
 * @module
 */
import { beginningOfTime, type FollowingStrategy } from "../watermark.ts";

/**
 * Takes the watermark from the records: where a record says one, no record of its split before that instant is expected
 * any more. Where it says null, the watermark stays. One that is lower than before has no effect.
 *
 * A record that is behind what an earlier one said comes behind the watermark as usual.
 *
 * Where `says` throws, or gives what is not a date, the watermark stays and the job fails with a `UserCodeError` that has
 * the record's coordinates. Where the flow says `Flow.onError(…, { defects: true })` further on the record becomes a dead
 * letter instead, and the job goes on.
 *
 * @param says Gives the watermark that a record says, in epoch milliseconds, or null.
 *
 * @example
 * ```ts
 * import { Flow, Source, Watermark } from "@weir/streams";
 *
 * const readings = [{ at: 3, upTo: null }, { at: 1, upTo: null }, { at: 4, upTo: 4 }];
 * const flow = Flow.from(Source.array("readings", readings)).pipe(
 *   Flow.eventTime({
 *     timestamp: (reading) => reading.at,
 *     watermark: Watermark.punctuated((reading) => reading.upTo),
 *   }),
 * );
 * ```
 */
export const punctuated = <A>(says: (value: A, timestamp: number) => number | null): FollowingStrategy<A> => ({
  _tag: "Punctuated",
  follow: () => ({
    next: (value, timestamp) => says(value, timestamp) ?? beginningOfTime,
    // What was said last is the watermark itself.
    snapshot: () => null,
    restore: () => {},
  }),
});
