/**
 * Quantiles, such as the median or the 99th percentile, about.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import { bins } from "./dd-sketch.ts";
import { SchemaRefusal, storedList } from "./state-schema.ts";

/** The least relative error that can be asked for: the numbers of bins still fit into 32 bits. */
const relativeErrorMin = 1e-6;

/** The relative error that can be asked for is less than this. */
const relativeErrorMax = 1;

/** What there is unless something else is asked for. */
const defaultRelativeError = 0.01;

/** How many numbers each bin holds; the bins in no order. */
type Counts = Map<number, number>;

const inOrder = (counts: Counts): Array<[bin: number, count: number]> => [...counts].sort(([a], [b]) => a - b);

/**
 * Some quantiles of a number of each record, in the order in which they are asked for.
 *
 * Quantile `q` of `n` numbers is the one at place `floor(q * (n - 1))` when they are sorted and counted from 0: quantile 0
 * is the least, 1 the greatest, and 0.5 the median, the lower one where there are two. The least and the greatest are
 * exact. Any other answer `x` is off by at most `relativeError * |x|` of the right one, whatever the numbers are, where
 * their magnitude is from 1e-300 to 1e300; zeros and infinities are exact. A NaN does not count; where there is nothing
 * else, all quantiles are NaN.
 *
 * It is a DDSketch: one counter for each range that holds a number, of ranges that are 2% wide by default. Numbers between
 * a thousandth and a million fall into 1,036 of those, numbers of all magnitudes into 145,000, and each takes a few bytes
 * of the state. The answer depends on the numbers and on nothing else, so it is the same whatever the order of arrival.
 *
 * @throws {RangeError} If a quantile is not from 0 to 1, or there is none; if `relativeError` is less than 0.000001, or not
 * less than 1.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * const latency = Aggregate.quantiles((millis: number) => millis, [0.5, 0.99, 1]);
 * const [median, p99, slowest] = Aggregate.evaluate(latency, Array.from({ length: 1_000 }, (_, k) => k + 1));
 * assert.ok(Math.abs(median - 500) <= 0.01 * 500);
 * assert.ok(Math.abs(p99 - 990) <= 0.01 * 990);
 * assert.equal(slowest, 1_000);
 * ```
 */
export const quantiles = <A>(
  select: (value: A) => number,
  quantiles: ReadonlyArray<number>,
  options: {
    /** How far an answer may be off, relative to the right one. @default 0.01 */
    readonly relativeError?: number;
  } = {},
): Aggregate<A, ReadonlyArray<number>, Merges> => {
  const asked = quantiles.slice();
  if (asked.length === 0 || !asked.every((q) => typeof q === "number" && q >= 0 && q <= 1)) {
    throw new RangeError(
      `Cannot estimate quantiles as they must be numbers from 0 to 1: current value is [${
        asked.map(String).join(", ")
      }]`,
    );
  }
  const { relativeError = defaultRelativeError } = options;
  if (!(typeof relativeError === "number" && relativeError >= relativeErrorMin && relativeError < relativeErrorMax)) {
    throw new RangeError(
      `Cannot estimate quantiles as relativeError must be at least ${relativeErrorMin} and less than ` +
        `${relativeErrorMax}: current value is ${inWords(relativeError)}`,
    );
  }
  const { of: binOf, middle } = bins(relativeError);
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `quantiles(${asked.join(",")};${relativeError})`,
    numbers: 3, // how many, the least, the greatest
    // Bins and counts in turn, in order: whole numbers, most of which take a byte or two.
    objects: [{
      encode: (counts) => inOrder(counts as Counts).flat(),
      decode: (stored) => {
        const isWhole = (item: unknown, k: number): boolean =>
          Number.isSafeInteger(item) && (k % 2 === 0 || item as number > 0);
        const flat = storedList<number>(stored, "bins and counts in turn", isWhole, Infinity);
        if (flat.length % 2 > 0) throw new SchemaRefusal(`Expected a count for each bin, got ${flat.length} numbers`);
        const counts: Counts = new Map();
        for (let k = 0; k < flat.length; k += 2) counts.set(flat[k], flat[k + 1]);
        return counts;
      },
    }],
    reset: (n, i, o, j) => {
      n[i] = 0;
      n[i + 1] = Infinity;
      n[i + 2] = -Infinity;
      o[j] = new Map();
    },
    add: (n, i, o, j, value) => {
      const x = select(value) + 0; // the two zeros are one
      if (Number.isNaN(x)) return;
      n[i]++;
      if (x < n[i + 1]) n[i + 1] = x;
      if (x > n[i + 2]) n[i + 2] = x;
      const counts = o[j] as Counts;
      const bin = binOf(x);
      counts.set(bin, (counts.get(bin) ?? 0) + 1);
    },
    merge: (n, i, o, j, n2, i2, o2, j2) => {
      n[i] += n2[i2];
      n[i + 1] = Math.min(n[i + 1], n2[i2 + 1]);
      n[i + 2] = Math.max(n[i + 2], n2[i2 + 2]);
      const counts = o[j] as Counts;
      for (const [bin, count] of o2[j2] as Counts) counts.set(bin, (counts.get(bin) ?? 0) + count);
    },
    result: (n, i, o, j) => {
      const count = n[i];
      if (count === 0) return asked.map(() => NaN);
      const least = n[i + 1];
      const greatest = n[i + 2];
      const ordered = inOrder(o[j] as Counts);
      return asked.map((q) => {
        const place = Math.floor(q * (count - 1));
        if (place === 0) return least;
        if (place === count - 1) return greatest;
        let before = 0;
        for (const [bin, inBin] of ordered) {
          before += inBin;
          // The ends of the outermost bins may lie beyond every number.
          if (before > place) return Math.min(Math.max(middle(bin), least), greatest);
        }
        throw new Error("The bins hold fewer numbers than were counted");
      });
    },
  };
};
