/**
 * How many different values there are, counted exactly.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import { assertDistinguishable, type Distinguishable, isDistinguishable } from "./distinguishable.ts";
import { storedList } from "./state-schema.ts";

/** What {@link distinct} answers. */
export interface DistinctCount {
  /** How many different values there are; when it is not exact, there are more. */
  readonly count: number;
  /** Whether that is all of them: whether there were no more than `atMost`. */
  readonly exact: boolean;
}

/**
 * How many different values there are, counted exactly up to `atMost`.
 *
 * Every different value is kept in the state, hence the bound. Once there are more than `atMost` they are forgotten, and
 * the answer is `{ count: atMost, exact: false }`: more than that many. `approxDistinct` has no bound, and keeps a few
 * kilobytes however many values there are.
 *
 * Values of several fields can be put into one text, such as `JSON.stringify([flight.from, flight.to])`.
 *
 * @throws {RangeError} If `atMost` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * const words = Aggregate.distinct((word: string) => word, { atMost: 3 });
 * assert.deepEqual(Aggregate.evaluate(words, ["a", "b", "a"]), { count: 2, exact: true });
 * assert.deepEqual(Aggregate.evaluate(words, ["a", "b", "c", "d", "e"]), { count: 3, exact: false });
 * ```
 */
export const distinct = <A>(
  select: (value: A) => Distinguishable,
  options: { readonly atMost: number },
): Aggregate<A, DistinctCount, Merges> => {
  const { atMost } = options;
  if (!Number.isSafeInteger(atMost) || atMost <= 0) {
    throw new RangeError(
      `Cannot count distinct values as atMost must be a whole number above 0: current value is ${inWords(atMost)}`,
    );
  }
  const isExceeded = (n: Float64Array, i: number): boolean => n[i] !== 0;
  const exceed = (n: Float64Array, i: number, seen: Set<Distinguishable>): void => {
    n[i] = 1;
    seen.clear();
  };
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `distinct(${atMost})`,
    numbers: 1, // 1 if there are more than may be kept
    objects: [{
      encode: (seen) => [...seen as ReadonlySet<Distinguishable>],
      decode: (stored) =>
        new Set(storedList<Distinguishable>(stored, "a list of different values", isDistinguishable, atMost)),
    }],
    reset: (n, i, o, j) => {
      n[i] = 0;
      o[j] = new Set<Distinguishable>();
    },
    add: (n, i, o, j, value) => {
      if (isExceeded(n, i)) return;
      const seen = o[j] as Set<Distinguishable>;
      const selected = select(value);
      assertDistinguishable(selected);
      seen.add(selected);
      if (seen.size > atMost) exceed(n, i, seen);
    },
    merge: (n, i, o, j, n2, i2, o2, j2) => {
      if (isExceeded(n, i)) return;
      const seen = o[j] as Set<Distinguishable>;
      if (isExceeded(n2, i2)) return exceed(n, i, seen);
      for (const value of o2[j2] as ReadonlySet<Distinguishable>) {
        seen.add(value);
        if (seen.size > atMost) return exceed(n, i, seen);
      }
    },
    result: (n, i, o, j) =>
      isExceeded(n, i)
        ? { count: atMost, exact: false }
        : { count: (o[j] as ReadonlySet<Distinguishable>).size, exact: true },
  };
};
