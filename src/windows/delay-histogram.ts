/**
 * A histogram of delays: how far records were behind the greatest timestamp of their split when they came.
 *
 * Its buckets are like the marks of a measuring cup: fine at the bottom, coarser further up, always about as exact in
 * proportion. So delays from a millisecond to the whole range of dates fit into a few hundred numbers.
 *
 * @module
 */

/** Into how many buckets of one width each doubling of a delay is cut: a bucket's limit is at most 1/16 too high. */
export const delayBucketsPerDoubling = 16;

/** Doublings below this one are cut into whole milliseconds. */
const firstDoubling = Math.log2(delayBucketsPerDoubling);

/** No delay is longer than the range of dates: 2 * 8.64e15 ms, below 2^54. */
const doublingsMax = 54;

/** The longest delay whose bucket is found with whole numbers of 32 bits. */
const smallDelayMax = 2 ** 31;

/** How many buckets there are. */
export const delayBuckets: number = (doublingsMax - firstDoubling + 1) * delayBucketsPerDoubling;

/** The bucket of a delay above 0. */
export const bucketOf = (delay: number): number => {
  if (delay <= delayBucketsPerDoubling) return Math.ceil(delay) - 1;
  if (delay <= smallDelayMax) {
    // The same in whole numbers, for speed: a logarithm for each record that is behind would be felt.
    const before = Math.ceil(delay) - 1;
    const doubling = 31 - Math.clz32(before);
    return (doubling - firstDoubling) * delayBucketsPerDoubling + (before >>> (doubling - firstDoubling));
  }
  const doubling = Math.ceil(Math.log2(delay)) - 1;
  const floor = 2 ** doubling;
  // Should the logarithm have been rounded down, the bucket after the last one of a doubling is the first of the next.
  return (doubling - firstDoubling + 1) * delayBucketsPerDoubling +
    Math.ceil((delay - floor) * delayBucketsPerDoubling / floor) - 1;
};

/** The longest delay that belongs to a bucket. */
export const upToOf = (bucket: number): number => {
  if (bucket < delayBucketsPerDoubling) return bucket + 1;
  const floor = 2 ** (Math.floor(bucket / delayBucketsPerDoubling) + firstDoubling - 1);
  return floor + (bucket % delayBucketsPerDoubling + 1) * floor / delayBucketsPerDoubling;
};

/** Records whose delay is in one bucket: above the limit of the bucket before, and not above its own. */
export interface DelayBucket {
  /** The longest delay of the bucket, in milliseconds. */
  readonly upTo: number;
  /** How many records it holds. */
  readonly records: number;
}

/** How late records came over the life of a job. */
export interface Lateness {
  /** How many records were stamped. */
  readonly records: number;
  /** How many of them were not behind any earlier record of their split. Exact. */
  readonly inOrder: number;
  /** The others, in ascending order of delay; buckets without records are left out. */
  readonly delays: ReadonlyArray<DelayBucket>;
}

/** Counts delays. Buckets that were counted in are kept sparse in snapshots. */
export class DelayHistogram {
  /** Records that were not behind, then those in each bucket. */
  readonly #counts = new Float64Array(1 + delayBuckets);

  /** Counts records that were not behind: one, if not said otherwise. */
  addInOrder(records: number = 1): void {
    this.#counts[0] += records;
  }

  /** Counts a record that was behind. */
  add(delay: number): void {
    this.#counts[1 + bucketOf(delay)]++;
  }

  /** What was counted, for people to read. */
  get lateness(): Lateness {
    const { inOrder, counts } = this.snapshot();
    const delays = counts.map(([bucket, records]): DelayBucket => ({ upTo: upToOf(bucket), records }));
    return { records: delays.reduce((sum, { records }) => sum + records, inOrder), inOrder, delays };
  }

  /** What was counted, to be given to {@link restore}. */
  snapshot(): DelaySnapshot {
    const counts: Array<readonly [bucket: number, count: number]> = [];
    for (let bucket = 0; bucket < delayBuckets; bucket++) {
      const count = this.#counts[1 + bucket];
      if (count > 0) counts.push([bucket, count]);
    }
    return { inOrder: this.#counts[0], counts };
  }

  /** Goes on from a snapshot. */
  restore({ inOrder, counts }: DelaySnapshot): void {
    this.#counts.fill(0);
    this.#counts[0] = inOrder;
    for (const [bucket, count] of counts) this.#counts[1 + bucket] = count;
  }
}

/** What is remembered of a histogram. */
export interface DelaySnapshot {
  readonly inOrder: number;
  readonly counts: ReadonlyArray<readonly [bucket: number, count: number]>;
}

/** What a bound costs. */
export interface TradeOff {
  /** The bound: how long results would wait, in milliseconds. */
  readonly bound: number;
  /** How many records would have come behind the watermark. */
  readonly behind: number;
  /** The share of the records that would have, from 0 to 1. */
  readonly share: number;
}

/**
 * What each bound of `Watermark.boundedOutOfOrderness` would have cost: from the records of a job, the share that would
 * have come behind a watermark of that bound.
 *
 * Candidates are 0 and the limit of each bucket, for which the numbers are exact, in ascending order. They are for the
 * watermark of a record's own split; the merged one is never ahead of it, so with several splits fewer come behind. A
 * record behind the watermark is late only where its windows are over.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Watermark } from "@weir/streams";
 *
 * const lateness = { records: 100, inOrder: 90, delays: [{ upTo: 4, records: 8 }, { upTo: 60, records: 2 }] };
 * assert.deepEqual(Watermark.tradeOff(lateness), [
 *   { bound: 0, behind: 10, share: 0.1 },
 *   { bound: 4, behind: 2, share: 0.02 },
 *   { bound: 60, behind: 0, share: 0 },
 * ]);
 * ```
 */
export const tradeOff = ({ records, inOrder, delays }: Lateness): ReadonlyArray<TradeOff> => {
  let behind = records - inOrder;
  const shareOf = (count: number): number => records === 0 ? 0 : count / records;
  const choices: Array<TradeOff> = [{ bound: 0, behind, share: shareOf(behind) }];
  for (const bucket of delays) {
    behind -= bucket.records;
    choices.push({ bound: bucket.upTo, behind, share: shareOf(behind) });
  }
  return choices;
};
