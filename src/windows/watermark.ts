/**
 * Watermarks: how far event time has come.
 *
 * A watermark is like the tide mark of a split: it says that nothing earlier is expected any more. A strategy draws it
 * from the records of the split; it never goes back. A window fires when the watermark reaches its end, and a record that
 * is earlier than the watermark may come too late.
 *
 * @module
 */
import type { Duration } from "effect";
import { millisOf, notNegative } from "./millis-of.ts";

/** The watermark stays a fixed bound behind the greatest timestamp of the split. */
export interface BoundedOutOfOrderness {
  /** Tells the kinds of strategies apart. */
  readonly _tag: "BoundedOutOfOrderness";
  /** How far the watermark stays behind the greatest timestamp seen, in milliseconds. */
  readonly bound: number;
}

/** Follows the records of one split, in order, for a strategy that has a state or looks at values. */
export interface WatermarkFollower<in A = unknown> {
  /** Takes a record into account; gives where the watermark is then, in epoch milliseconds, or -Infinity. */
  readonly next: (value: A, timestamp: number) => number;
  /** What to remember: small, plain data that nobody changes any more. */
  readonly snapshot: () => unknown;
  /** Goes on from a snapshot. */
  readonly restore: (snapshot: unknown) => void;
}

/** The watermark is what a follower of each split says; where it says less than before, it stays. */
export interface FollowingStrategy<in A = unknown> {
  /** Tells the kinds of strategies apart. State of one kind is not read by another. */
  readonly _tag: "Punctuated" | "Custom" | "Adaptive";
  /** Makes a follower for a split. */
  readonly follow: () => WatermarkFollower<A>;
}

/** How the watermark of a split follows its records, of type `A`. */
export type WatermarkStrategy<A = unknown> = BoundedOutOfOrderness | FollowingStrategy<A>;

/**
 * Expects records to be at most `bound` late: the watermark is the greatest timestamp seen, less the bound.
 *
 * @throws {RangeError} If the bound is no duration, negative or not finite.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Watermark } from "@weir/streams";
 *
 * assert.equal(Watermark.boundedOutOfOrderness("30 seconds").bound, 30_000);
 * ```
 */
export const boundedOutOfOrderness = (bound: Duration.Input): BoundedOutOfOrderness => ({
  _tag: "BoundedOutOfOrderness",
  bound: millisOf("make a watermark", "its bound", bound, notNegative),
});

/**
 * Expects the timestamps of each split never to go down: the watermark is the greatest timestamp seen.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Watermark } from "@weir/streams";
 *
 * assert.equal(Watermark.monotonic.bound, 0);
 * ```
 */
export const monotonic: BoundedOutOfOrderness = { _tag: "BoundedOutOfOrderness", bound: 0 };

/** Every window is over: the watermark of a split that has ended. */
export const endOfTime: number = Infinity;

/** Nothing is known yet: the watermark before the first record. */
export const beginningOfTime: number = -Infinity;

/** The furthest that a date can be from the epoch, in milliseconds (ECMA-262, "Time Values and Time Range"). */
export const timestampMax = 8.64e15;
