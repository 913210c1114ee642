/**
 * How much there is for each unit of event time.
 *
 * @module
 */
import type { Duration } from "effect";
import type { Aggregate, Merges } from "../aggregate.ts";
import { aboveZero, millisOf } from "../millis-of.ts";

/**
 * How many records there are for each `per` of event time, or how much weight they have.
 *
 * An aggregate does not know its window, so the answer is the number of records, or their weight, divided by the time
 * from the earliest to the latest of them. A span shorter than `per` counts as `per`: one record, or several at once, are
 * then a rate of that many for each `per`, rather than of infinitely many. `n` records that come one every `per` span
 * `n - 1` of them, so they have a rate of `n / (n - 1)`, which comes close to 1.
 *
 * Windows of one size are better compared by a rate over that size, silence included: give it as `over`. A flow without
 * event time has no span, so without `over` its rate is NaN.
 *
 * @throws {RangeError} If `per` or `over` is not a finite number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * // Here the values come one a millisecond, so that five of them span four.
 * const clicks = Aggregate.rate({ per: "2 millis" });
 * assert.equal(Aggregate.evaluate(clicks, ["a", "b", "c", "d", "e"]), 2.5);
 * assert.equal(Aggregate.evaluate(clicks, ["a"]), 1);
 *
 * const bytes = Aggregate.rate({ per: "1 second", over: "1 minute", weight: (packet: { bytes: number }) => packet.bytes });
 * assert.equal(Aggregate.evaluate(bytes, [{ bytes: 400 }, { bytes: 200 }]), 10);
 * ```
 */
export const rate = <A = unknown>(options: {
  /** The unit of time: a rate of 3 per `"1 second"` is one of 180 per `"1 minute"`. */
  readonly per: Duration.Input;
  /** The time that the records are divided by. Without it, that from the earliest to the latest, and at least `per`. */
  readonly over?: Duration.Input;
  /** What a record counts for. @default 1 */
  readonly weight?: (value: A) => number;
}): Aggregate<A, number, Merges> => {
  const { weight } = options;
  const per = millisOf("take a rate", "per", options.per, aboveZero);
  const over = options.over === undefined ? undefined : millisOf("take a rate", "over", options.over, aboveZero);
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `rate(per=${per},over=${over ?? "span"},${weight === undefined ? "records" : "weight"})`,
    numbers: 3, // the weight, the earliest time, the latest
    objects: [],
    reset: (n, i) => {
      n[i] = 0;
      n[i + 1] = Infinity;
      n[i + 2] = -Infinity;
    },
    add: (n, i, _o, _j, value, timestamp) => {
      n[i] += weight === undefined ? 1 : weight(value);
      n[i + 1] = Math.min(n[i + 1], timestamp);
      n[i + 2] = Math.max(n[i + 2], timestamp);
    },
    merge: (n, i, _o, _j, n2, i2) => {
      n[i] += n2[i2];
      n[i + 1] = Math.min(n[i + 1], n2[i2 + 1]);
      n[i + 2] = Math.max(n[i + 2], n2[i2 + 2]);
    },
    result: (n, i) => n[i] * per / (over ?? Math.max(n[i + 2] - n[i + 1], per)),
  };
};
