/**
 * Watermarks that learn how late records come.
 *
 * Like someone at the door who has seen how late guests tend to be: after enough of them, the wait is as long as all but
 * a few need. Guests of long ago count less and less.
 *
 * @module
 */
import type { Duration } from "effect";
import { bucketOf, delayBuckets, upToOf } from "../delay-histogram.ts";
import { inWords } from "../in-words.ts";
import { millisOf, notNegative } from "../millis-of.ts";
import { beginningOfTime, type FollowingStrategy, type WatermarkFollower } from "../watermark.ts";

/** What {@link adaptive} is told. */
export interface AdaptiveOptions {
  /** Which share of the records may come behind the watermark; above 0 and below 1. */
  readonly lossRate: number;
  /** The least bound. Default: 0. */
  readonly min?: Duration.Input;
  /** The greatest bound, and the one that holds until enough records were seen. Default: 1 hour. */
  readonly max?: Duration.Input;
  /**
   * After how many records of a split one counts half. A shorter one follows changes faster and estimates less exactly.
   *
   * @default {64 / lossRate}
   */
  readonly halfLifeRecords?: number;
}

/** The greatest bound unless told otherwise. */
const boundMillisMax = 3_600_000;

/** How many records are to be expected beyond a quantile before it is taken for known: its error is then about 1/8. */
const beyondQuantile = 64;

/** The bound is worked out anew after this many records: a compromise between currency and speed. */
const boundRecords = 64;

/**
 * Follows the disorder that it sees: the bound is such that, of the delays of the split's records so far, a share of
 * `lossRate` is longer. Records of long ago count less and less.
 *
 * It is cautious at first: until `64 / lossRate` records of a split (or `halfLifeRecords`, if these are fewer) were seen
 * the bound is `max`. Where disorder does not change, the share of the records behind the watermark stays about
 * `lossRate`. When disorder grows, more come behind until it has learnt. The bound depends on the records of the split
 * and their order alone.
 *
 * @throws {RangeError} If `lossRate` is not between 0 and 1, `min` or `max` is no duration, negative or not finite, `max` is less than
 * `min`, or `halfLifeRecords` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import { Flow, Source, Watermark } from "@weir/streams";
 *
 * const flow = Flow.from(Source.array("readings", [{ at: 0 }, { at: 60_000 }])).pipe(
 *   Flow.eventTime({
 *     timestamp: (reading) => reading.at,
 *     watermark: Watermark.adaptive({ lossRate: 0.001, max: "10 minutes" }),
 *   }),
 * );
 * ```
 */
export const adaptive = (options: AdaptiveOptions): FollowingStrategy => {
  const { lossRate } = options;
  const check = (option: string, rule: string, value: number, holds: boolean): void => {
    if (!holds) {
      throw new RangeError(`Cannot make a watermark as ${option} must be ${rule}: current value is ${inWords(value)}`);
    }
  };
  check("lossRate", "above 0 and below 1", lossRate, typeof lossRate === "number" && lossRate > 0 && lossRate < 1);
  const { min: minBound = 0, max: maxBound = boundMillisMax } = options;
  const min = millisOf("make a watermark", "min", minBound, notNegative);
  const max = millisOf("make a watermark", "max", maxBound, {
    words: `finite and at least min, which is ${min}`,
    holds: (millis) => Number.isFinite(millis) && millis >= min,
  });
  const enough = Math.ceil(beyondQuantile / lossRate);
  const halfLife = options.halfLifeRecords ?? enough;
  check("halfLifeRecords", "a whole number above 0", halfLife, Number.isSafeInteger(halfLife) && halfLife > 0);
  const parts = { lossRate, min, max, halfLife, enough: Math.min(enough, halfLife) };
  return { _tag: "Adaptive", follow: () => new AdaptiveFollower(parts) };
};

/** What is remembered of a split. */
interface AdaptiveState {
  readonly greatest: number;
  readonly bound: number;
  readonly seen: number;
  readonly inOrder: number;
  readonly weights: ReadonlyArray<readonly [bucket: number, weight: number]>;
}

/** What every split's follower is told. */
interface AdaptiveParts {
  readonly lossRate: number;
  readonly min: number;
  readonly max: number;
  readonly halfLife: number;
  /** How many records must have been seen before the bound is less than `max`. */
  readonly enough: number;
}

/** Keeps the delays of one split, each counting the less the older it is. */
class AdaptiveFollower implements WatermarkFollower {
  readonly #parts: AdaptiveParts;
  readonly #weights = new Float64Array(delayBuckets);
  #greatest = beginningOfTime;
  #bound: number;
  #seen = 0;
  #inOrder = 0;

  constructor(parts: AdaptiveParts) {
    this.#parts = parts;
    this.#bound = parts.max;
  }

  next(_value: unknown, timestamp: number): number {
    if (timestamp >= this.#greatest) {
      this.#greatest = timestamp;
      this.#inOrder++;
    } else {
      this.#weights[bucketOf(this.#greatest - timestamp)]++;
    }
    const { halfLife, enough } = this.#parts;
    if (++this.#seen % halfLife === 0) this.#halve();
    if (this.#seen >= enough && this.#seen % boundRecords === 0) this.#bound = this.#quantile();
    return this.#greatest - this.#bound;
  }

  /** Weights are halved at once rather than a little with each record, which costs less and comes to the same. */
  #halve(): void {
    this.#inOrder /= 2;
    for (let bucket = 0; bucket < delayBuckets; bucket++) this.#weights[bucket] /= 2;
  }

  #quantile(): number {
    const { lossRate, min, max } = this.#parts;
    let total = this.#inOrder;
    for (let bucket = 0; bucket < delayBuckets; bucket++) total += this.#weights[bucket];
    const allowed = lossRate * total;
    let beyond = 0;
    for (let bucket = delayBuckets - 1; bucket >= 0; bucket--) {
      beyond += this.#weights[bucket];
      if (beyond > allowed) return Math.min(max, Math.max(min, upToOf(bucket)));
    }
    return min;
  }

  snapshot(): AdaptiveState {
    const weights: Array<readonly [bucket: number, weight: number]> = [];
    this.#weights.forEach((weight, bucket) => {
      if (weight > 0) weights.push([bucket, weight]);
    });
    return { greatest: this.#greatest, bound: this.#bound, seen: this.#seen, inOrder: this.#inOrder, weights };
  }

  restore(snapshot: unknown): void {
    const { greatest, bound, seen, inOrder, weights } = snapshot as AdaptiveState;
    this.#greatest = greatest;
    this.#bound = bound;
    this.#seen = seen;
    this.#inOrder = inOrder;
    this.#weights.fill(0);
    for (const [bucket, weight] of weights) this.#weights[bucket] = weight;
  }
}
