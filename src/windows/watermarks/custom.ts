/**
 * Watermarks by a rule of one's own.
 *
 * @module
 */
import type { FollowingStrategy } from "../watermark.ts";

/** What {@link custom} makes a strategy of. `S` is the state, `A` the type of the records. */
export interface CustomOptions<S, in A> {
  /** The state of a split before its first record. */
  readonly initial: S;
  /**
   * The state after a record. The state is kept in the manifest, so it is small, plain data (numbers, strings, arrays,
   * objects), and a new value is made rather than the old one changed.
   */
  readonly next: (state: S, timestamp: number, value: A) => S;
  /** Where the watermark is, in epoch milliseconds; -Infinity for nowhere yet. */
  readonly watermark: (state: S) => number;
}

/**
 * Follows the records of each split with a state of one's own. It must depend on nothing else, so that a restart goes on
 * as if nothing had happened. Where it goes down, the watermark stays.
 *
 * Where a function throws, or `watermark` gives what is not a date, the watermark stays and the job fails with a
 * `UserCodeError` that has the record's coordinates. Where the flow says `Flow.onError(…, { defects: true })` further on
 * the record becomes a dead letter instead, and the job goes on: with the state that `next` has made, or with the one
 * before if it was `next` that threw.
 *
 * @example
 * ```ts
 * import { Flow, Source, Watermark } from "@weir/streams";
 *
 * // The second greatest timestamp: one record from the future cannot pull the watermark along.
 * const flow = Flow.from(Source.array("readings", [{ at: 1 }, { at: 9_999 }, { at: 2 }])).pipe(
 *   Flow.eventTime({
 *     timestamp: (reading) => reading.at,
 *     watermark: Watermark.custom({
 *       initial: [-Infinity, -Infinity],
 *       next: ([first, second], at) => at > first ? [at, first] : [first, Math.max(second, at)],
 *       watermark: ([, second]) => second,
 *     }),
 *   }),
 * );
 * ```
 */
export const custom = <S, A = unknown>(options: CustomOptions<S, A>): FollowingStrategy<A> => ({
  _tag: "Custom",
  follow: () => {
    let state = options.initial;
    return {
      next: (value, timestamp) => {
        state = options.next(state, timestamp, value);
        return options.watermark(state);
      },
      snapshot: () => state,
      restore: (snapshot) => void (state = snapshot as S),
    };
  },
});
