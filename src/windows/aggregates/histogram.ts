/**
 * How many records fall into each of some ranges.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";

/**
 * How many records have a number in each of the ranges that `boundaries` cut the numbers into.
 *
 * There is one more count than there are boundaries: below the first, from each boundary up to the next, and from the
 * last on. A boundary belongs to the range that begins with it, as the start of a window does. A NaN is in no range, so it
 * does not count.
 *
 * @throws {RangeError} If `boundaries` are not finite numbers, each greater than the one before, or if there are none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * const delays = Aggregate.histogram((minutes: number) => minutes, { boundaries: [0, 15, 60] });
 * assert.deepEqual(Aggregate.evaluate(delays, [-4, 0, 3, 15, 59, 240]), [1, 2, 2, 1]);
 * ```
 */
export const histogram = <A>(
  select: (value: A) => number,
  options: { readonly boundaries: ReadonlyArray<number> },
): Aggregate<A, ReadonlyArray<number>, Merges> => {
  const boundaries = options.boundaries.slice();
  if (
    boundaries.length === 0 || !boundaries.every((x, k) => Number.isFinite(x) && (k === 0 || x > boundaries[k - 1]))
  ) {
    throw new RangeError(
      "Cannot make a histogram as boundaries must be finite numbers, each greater than the one before: " +
        `current value is [${boundaries.join(", ")}]`,
    );
  }
  const width = boundaries.length + 1;
  /** How many boundaries are at or below a number. */
  const rangeOf = (x: number): number => {
    let low = 0;
    let high = boundaries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (boundaries[middle] <= x) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `histogram(${boundaries.join(",")})`,
    numbers: width,
    objects: [],
    reset: (n, i) => void n.fill(0, i, i + width),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      if (!Number.isNaN(x)) n[i + rangeOf(x)]++;
    },
    merge: (n, i, _o, _j, n2, i2) => {
      for (let k = 0; k < width; k++) n[i + k] += n2[i2 + k];
    },
    result: (n, i) => Array.from(n.subarray(i, i + width)),
  };
};
