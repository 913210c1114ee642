/**
 * A sum in which what is older counts for less.
 *
 * @module
 */
import type { Duration } from "effect";
import type { Aggregate, Merges } from "../aggregate.ts";
import { aboveZero, millisOf } from "../millis-of.ts";

/**
 * The sum of a number of each record, where a number counts for half after each `halfLife` of event time.
 *
 * It is the sum as of the latest record: `x * 2 ** (-age / halfLife)`, where the age of a record is how far its event time
 * lies before the latest. The order of arrival does not matter, but for rounding. In a flow without event time it is NaN.
 *
 * @throws {RangeError} If `halfLife` is not a finite number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * // Here the values come one a millisecond: 4 is two half-lives old, 2 is one, and 1 is new.
 * const heat = Aggregate.decayed((x: number) => x, { halfLife: "1 milli" });
 * assert.equal(Aggregate.evaluate(heat, [4, 2, 1]), 3);
 * ```
 */
export const decayed = <A>(
  select: (value: A) => number,
  options: {
    /** After how long a number counts for half. */
    readonly halfLife: Duration.Input;
  },
): Aggregate<A, number, Merges> => {
  const halfLife = millisOf("decay a sum", "halfLife", options.halfLife, aboveZero);
  /** Adds a sum as of one time to the sum of an accumulator, as of the later of both times. */
  const addSum = (n: Float64Array, i: number, sum: number, time: number): void => {
    const age = n[i + 1] - time;
    if (age >= 0) {
      n[i] += sum * 2 ** (-age / halfLife);
    } else {
      n[i] = n[i] * 2 ** (age / halfLife) + sum;
      n[i + 1] = time;
    }
  };
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `decayed(${halfLife})`,
    numbers: 2, // the sum, and the time as of which it is that
    objects: [],
    reset: (n, i) => {
      n[i] = 0;
      n[i + 1] = -Infinity;
    },
    add: (n, i, _o, _j, value, timestamp) => addSum(n, i, select(value), timestamp),
    merge: (n, i, _o, _j, n2, i2) => {
      if (n2[i2 + 1] !== -Infinity) addSum(n, i, n2[i2], n2[i2 + 1]);
    },
    result: (n, i) => n[i],
  };
};
