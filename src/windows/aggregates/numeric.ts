/**
 * Aggregates that numbers do for.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";

/** An aggregate that numbers do for. */
const numeric = <A, B>(
  aggregate: Omit<Aggregate<A, B, Merges>, "~weir/Aggregate" | "merging" | "objects">,
): Aggregate<A, B, Merges> => ({ "~weir/Aggregate": true, merging: "merges", objects: [], ...aggregate });

/**
 * How many records there are.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.count, ["a", "b", "c"]), 3);
 * ```
 */
export const count: Aggregate<unknown, number, Merges> = numeric({
  fingerprint: "count",
  numbers: 1,
  reset: (n, i) => void (n[i] = 0),
  add: (n, i) => void n[i]++,
  addAll: (i, _j, { numbers: n, width, accumulators, from, to }) => {
    for (let k = from; k < to; k++) n[accumulators[k] * width + i]++;
  },
  merge: (n, i, _o, _j, n2, i2) => void (n[i] += n2[i2]),
  result: (n, i) => n[i],
});

/**
 * The sum of a number of each record, added in order of arrival in double precision.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.sum((price: number) => price), [1, 2, 3.5]), 6.5);
 * ```
 */
export const sum = <A>(select: (value: A) => number): Aggregate<A, number, Merges> =>
  numeric({
    fingerprint: "sum",
    numbers: 1,
    reset: (n, i) => void (n[i] = 0),
    add: (n, i, _o, _j, value) => void (n[i] += select(value)),
    addAll: (i, _j, { numbers: n, width, accumulators, rows, values, from, to }) => {
      for (let k = from; k < to; k++) n[accumulators[k] * width + i] += select(values[rows[k]]);
    },
    merge: (n, i, _o, _j, n2, i2) => void (n[i] += n2[i2]),
    result: (n, i) => n[i],
  });

/**
 * The arithmetic mean of a number of each record.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.mean((delay: number) => delay), [10, 20, 60]), 30);
 * ```
 */
export const mean = <A>(select: (value: A) => number): Aggregate<A, number, Merges> =>
  numeric({
    fingerprint: "mean",
    numbers: 2,
    reset: (n, i) => void (n[i] = n[i + 1] = 0),
    add: (n, i, _o, _j, value) => {
      n[i] += select(value);
      n[i + 1]++;
    },
    addAll: (i, _j, { numbers: n, width, accumulators, rows, values, from, to }) => {
      for (let k = from; k < to; k++) {
        const at = accumulators[k] * width + i;
        n[at] += select(values[rows[k]]);
        n[at + 1]++;
      }
    },
    merge: (n, i, _o, _j, n2, i2) => {
      n[i] += n2[i2];
      n[i + 1] += n2[i2 + 1];
    },
    result: (n, i) => n[i] / n[i + 1],
  });

/**
 * The least of a number of each record. A NaN is greater than nothing and less than nothing, so it does not count: where
 * every number is NaN the answer is Infinity, the least of no number.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.min((delay: number) => delay), [3, -5, 8]), -5);
 * ```
 */
export const min = <A>(select: (value: A) => number): Aggregate<A, number, Merges> =>
  numeric({
    fingerprint: "min",
    numbers: 1,
    reset: (n, i) => void (n[i] = Infinity),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      if (x < n[i]) n[i] = x;
    },
    addAll: (i, _j, { numbers: n, width, accumulators, rows, values, from, to }) => {
      for (let k = from; k < to; k++) {
        const x = select(values[rows[k]]);
        const at = accumulators[k] * width + i;
        if (x < n[at]) n[at] = x;
      }
    },
    merge: (n, i, _o, _j, n2, i2) => {
      if (n2[i2] < n[i]) n[i] = n2[i2];
    },
    result: (n, i) => n[i],
  });

/**
 * The greatest of a number of each record. A NaN is greater than nothing and less than nothing, so it does not count: where
 * every number is NaN the answer is -Infinity, the greatest of no number.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.max((delay: number) => delay), [3, -5, 8]), 8);
 * ```
 */
export const max = <A>(select: (value: A) => number): Aggregate<A, number, Merges> =>
  numeric({
    fingerprint: "max",
    numbers: 1,
    reset: (n, i) => void (n[i] = -Infinity),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      if (x > n[i]) n[i] = x;
    },
    addAll: (i, _j, { numbers: n, width, accumulators, rows, values, from, to }) => {
      for (let k = from; k < to; k++) {
        const x = select(values[rows[k]]);
        const at = accumulators[k] * width + i;
        if (x > n[at]) n[at] = x;
      }
    },
    merge: (n, i, _o, _j, n2, i2) => {
      if (n2[i2] > n[i]) n[i] = n2[i2];
    },
    result: (n, i) => n[i],
  });

/**
 * The population variance of a number of each record: the mean squared distance from the mean.
 *
 * It is updated by Welford's method and merged by that of Chan, Golub and LeVeque (1979), which stay accurate where the
 * difference of two large sums would not.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.variance((x: number) => x), [2, 4, 4, 4, 5, 5, 7, 9]), 4);
 * ```
 */
export const variance = <A>(select: (value: A) => number): Aggregate<A, number, Merges> =>
  numeric({
    fingerprint: "variance",
    numbers: 3, // how many, their mean, the sum of their squared distances from it
    reset: (n, i) => void (n[i] = n[i + 1] = n[i + 2] = 0),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      const count = ++n[i];
      const distance = x - n[i + 1];
      n[i + 1] += distance / count;
      n[i + 2] += distance * (x - n[i + 1]);
    },
    merge: (n, i, _o, _j, n2, i2) => {
      const a = n[i];
      const b = n2[i2];
      if (b === 0) return;
      const distance = n2[i2 + 1] - n[i + 1];
      const count = a + b;
      n[i] = count;
      n[i + 1] += distance * b / count;
      n[i + 2] += n2[i2 + 2] + distance * distance * a * b / count;
    },
    result: (n, i) => n[i + 2] / n[i],
  });
