/**
 * Watermarks: how far event time has come.
 *
 * A watermark is like the tide mark of a split: it says that nothing earlier is expected any more. It is the greatest
 * timestamp seen so far, less a bound for disorder; it never goes back. A window fires when the watermark reaches its
 * end, and a record that is earlier than the watermark may come too late.
 *
 * @module
 */
import { Duration } from "effect";

/** How the watermark of a split follows the timestamps of its records. */
export interface WatermarkStrategy {
  /** Tells the kinds of strategies apart. */
  readonly _tag: "BoundedOutOfOrderness";
  /** How far the watermark stays behind the greatest timestamp seen, in milliseconds. */
  readonly bound: number;
}

/**
 * Expects records to be at most `bound` late: the watermark is the greatest timestamp seen, less the bound.
 *
 * @throws {RangeError} If the bound is negative or not finite.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Watermark } from "@weir/streams";
 *
 * assert.equal(Watermark.boundedOutOfOrderness("30 seconds").bound, 30_000);
 * ```
 */
export const boundedOutOfOrderness = (bound: Duration.Input): WatermarkStrategy => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(bound));
  if (!Number.isFinite(millis) || millis < 0) {
    throw new RangeError(
      `Cannot make a watermark as its bound must be finite and not negative: current value is ${millis}`,
    );
  }
  return { _tag: "BoundedOutOfOrderness", bound: millis };
};

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
export const monotonic: WatermarkStrategy = { _tag: "BoundedOutOfOrderness", bound: 0 };

/** Every window is over: the watermark of a split that has ended. */
export const endOfTime: number = Infinity;

/** Nothing is known yet: the watermark before the first record. */
export const beginningOfTime: number = -Infinity;

/**
 * The watermark of several splits: the least of theirs.
 *
 * A split that has not been read yet holds it back at {@link beginningOfTime}; one that has ended does not.
 */
export class SplitWatermarks {
  readonly #bound: number;
  readonly #greatest: Float64Array;
  #merged: number;

  constructor(strategy: WatermarkStrategy, splits: number) {
    this.#bound = strategy.bound;
    this.#greatest = new Float64Array(splits).fill(beginningOfTime);
    this.#merged = splits === 0 ? endOfTime : beginningOfTime;
  }

  /** The watermark of all splits together. */
  get merged(): number {
    return this.#merged;
  }

  /** The watermark of one split. */
  of(split: number): number {
    return this.#greatest[split] - this.#bound;
  }

  /** Notes a record's timestamp. Returns true when the merged watermark has moved. */
  observe(split: number, timestamp: number): boolean {
    const before = this.#greatest[split];
    if (timestamp <= before) return false;
    this.#greatest[split] = timestamp;
    if (this.#greatest.length === 1) {
      this.#merged = timestamp - this.#bound;
      return true;
    }
    // Only the split that held the minimum back can move it.
    return before - this.#bound <= this.#merged && this.#recompute();
  }

  /** Notes that a split has ended. Returns true when the merged watermark has moved. */
  end(split: number): boolean {
    this.#greatest[split] = endOfTime;
    return this.#recompute();
  }

  #recompute(): boolean {
    let least = endOfTime;
    for (const greatest of this.#greatest) if (greatest < least) least = greatest;
    const merged = least - this.#bound;
    if (merged <= this.#merged) return false;
    this.#merged = merged;
    return true;
  }

  /** The greatest timestamp seen in each split, to be given to {@link restore}. */
  snapshot(): Float64Array {
    return this.#greatest.slice();
  }

  /** Goes on from an earlier {@link snapshot}; the watermark is what it was then. */
  restore(split: number, greatest: number): void {
    this.#greatest[split] = greatest;
    this.#recompute();
  }
}
