/**
 * How many different values there are among several sorts of records, counted exactly.
 *
 * Each value is kept once, with a bit for each sort among which it was: one place instead of a set for each sort.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import type { DistinctCount } from "./distinct.ts";
import { assertDistinguishable, type Distinguishable, isDistinguishable } from "./distinguishable.ts";
import { storedList } from "./state-schema.ts";

/** How many sorts of records there may be: as many as a number has bits. */
export const sortsMax = 31;

/** What {@link distinctAmong} answers. */
export interface DistinctAmong<N extends string> extends DistinctCount {
  /** How many of the values were among the records of each sort; when the count is not exact, 0. */
  readonly among: { readonly [name in N]: number };
}

/**
 * How many different values there are, and how many among the records that each of some predicates holds for, counted
 * exactly up to `atMost`.
 *
 * It says what `distinct` does, and for each predicate what `where` of a `distinct` does, but keeps each value once. A record
 * may be of several sorts, or of none. Once there are more than `atMost` values they are forgotten, and the answer is
 * `{ count: atMost, exact: false }` and 0 of each sort.
 *
 * @throws {RangeError} If `atMost` is not a whole number above 0, or if there are more than 31 predicates.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * interface Order {
 *   readonly buyer: string;
 *   readonly total: number;
 * }
 *
 * const buyers = Aggregate.distinctAmong(
 *   ({ buyer }: Order) => buyer,
 *   { small: ({ total }) => total < 100, large: ({ total }) => total >= 100 },
 *   { atMost: 1_000 },
 * );
 * const orders = [{ buyer: "ada", total: 5 }, { buyer: "bob", total: 10 }, { buyer: "ada", total: 200 }];
 * assert.deepEqual(Aggregate.evaluate(buyers, orders), { count: 2, exact: true, among: { small: 2, large: 1 } });
 * ```
 */
export const distinctAmong = <A, const N extends string>(
  select: (value: A) => Distinguishable,
  sorts: { readonly [name in N]: (value: NoInfer<A>) => boolean },
  options: { readonly atMost: number },
): Aggregate<A, DistinctAmong<N>, Merges> => {
  const { atMost } = options;
  const names = Object.keys(sorts) as Array<N>;
  const holds = names.map((name) => sorts[name]);
  const count = names.length;
  if (!Number.isSafeInteger(atMost) || atMost <= 0) {
    throw new RangeError(
      `Cannot count distinct values as atMost must be a whole number above 0: current value is ${inWords(atMost)}`,
    );
  }
  if (count > sortsMax) {
    throw new RangeError(
      `Cannot count distinct values as there must be at most ${sortsMax} sorts of records: current value is ${count}`,
    );
  }
  const isExceeded = (n: Float64Array, i: number): boolean => n[i] !== 0;
  const exceed = (n: Float64Array, i: number, seen: Map<Distinguishable, number>): void => {
    n[i] = 1;
    n.fill(0, i + 1, i + 1 + count);
    seen.clear();
  };

  /** Takes note that a value was among records of some sorts, each a bit. */
  const see = (
    n: Float64Array,
    i: number,
    seen: Map<Distinguishable, number>,
    value: Distinguishable,
    bits: number,
  ) => {
    const before = seen.get(value);
    if (before !== undefined && (before | bits) === before) return;
    if (before === undefined && seen.size === atMost) return exceed(n, i, seen);
    seen.set(value, (before ?? 0) | bits);
    const added = bits & ~(before ?? 0);
    for (let k = 0; k < count; k++) n[i + 1 + k] += added >>> k & 1;
  };

  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `distinctAmong([${names.map((name) => JSON.stringify(name)).join(",")}],${atMost})`,
    numbers: 1 + count, // 1 if there are more than may be kept, and how many there are of each sort
    objects: [{
      // Values and bits in turn.
      encode: (seen) => [...seen as ReadonlyMap<Distinguishable, number>].flat(),
      decode: (stored) => {
        const isBits = (item: unknown): boolean => Number.isInteger(item) && item as number >>> count === 0;
        const flat = storedList<Distinguishable>(
          stored,
          "different values and the bits of their sorts in turn",
          (item, k) => k % 2 === 0 ? isDistinguishable(item) : isBits(item),
          2 * atMost,
        );
        const seen = new Map<Distinguishable, number>();
        for (let k = 0; k + 1 < flat.length; k += 2) seen.set(flat[k], flat[k + 1] as number);
        return seen;
      },
    }],
    reset: (n, i, o, j) => {
      n.fill(0, i, i + 1 + count);
      o[j] = new Map<Distinguishable, number>();
    },
    add: (n, i, o, j, value) => {
      if (isExceeded(n, i)) return;
      const selected = select(value);
      assertDistinguishable(selected);
      let bits = 0;
      for (let k = 0; k < count; k++) if (holds[k](value)) bits |= 1 << k;
      see(n, i, o[j] as Map<Distinguishable, number>, selected, bits);
    },
    merge: (n, i, o, j, n2, i2, o2, j2) => {
      if (isExceeded(n, i)) return;
      const seen = o[j] as Map<Distinguishable, number>;
      if (isExceeded(n2, i2)) return exceed(n, i, seen);
      for (const [value, bits] of o2[j2] as ReadonlyMap<Distinguishable, number>) {
        see(n, i, seen, value, bits);
        if (isExceeded(n, i)) return;
      }
    },
    result: (n, i, o, j) => {
      const among: Partial<Record<N, number>> = {};
      names.forEach((name, k) => among[name] = n[i + 1 + k]);
      const exact = !isExceeded(n, i);
      const seen = o[j] as ReadonlyMap<Distinguishable, number>;
      return { count: exact ? seen.size : atMost, exact, among: among as Record<N, number> };
    },
  };
};
