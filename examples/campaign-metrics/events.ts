/**
 * Impressions and clicks as an ad server might log them, made up.
 *
 * @module
 */

/** An ad that was shown. */
export interface Impression {
  readonly type: "impression";
  readonly impression: string;
  readonly campaign: string;
  /** When the ad was served, in epoch milliseconds. */
  readonly servedAt: number;
  /** What showing it costs, in millionths of a dollar. */
  readonly price: number;
}

/** A click on an ad. The link carries where and when the ad was shown. */
export interface Click {
  readonly type: "click";
  readonly impression: string;
  readonly campaign: string;
  readonly servedAt: number;
  readonly clickedAt: number;
}

/** What the log holds. */
export type AdEvent = Impression | Click;

const campaigns = ["autumn-shoes", "city-bikes", "coffee-club", "garden-tools", "night-train"];

/** The first event comes at noon, the others at this distance. */
const start = Date.UTC(2025, 8, 1, 12);
const stepMs = 100;
/** One event in so many is a click. */
const clickEvery = 15;
/** An impression is logged up to so long after it was served. */
const logDelayMsMax = 3_000;
/** How long people take to click, on average; one in fifty is offline, and heard of later. */
const clickDelayMsMean = 25_000;
const offlineShare = 0.02;
const offlineMsMax = 10 * 60_000;

/** Whether the event of an index is a click. */
export const isClick = (index: number) => index % clickEvery === clickEvery - 1;

/** A number from 0 to 1 that depends on its argument alone, so that a click can say what its impression was. */
const mixed = (n: number) => {
  const h = Math.imul(n ^ n >>> 15, 0x2c1b3c6d);
  return ((Math.imul(h ^ h >>> 12, 0x297a2d39) ^ h >>> 15) >>> 0) / 2 ** 32;
};

/** The impression that the event of this index is. */
const impressionOf = (index: number): Impression => ({
  type: "impression",
  impression: `i${index}`,
  campaign: campaigns[Math.floor(mixed(index) ** 1.5 * campaigns.length)],
  servedAt: start + index * stepMs - Math.floor(mixed(index + 1e9) ** 2 * logDelayMsMax),
  price: 2_000 + Math.floor(mixed(index + 2e9) * 3_000),
});

/** Makes the event of an index: an impression, or a click on an impression before it. */
export const adEvent = (index: number, random: () => number): AdEvent => {
  if (!isClick(index)) return impressionOf(index);
  const delayMs = random() < offlineShare ? random() * offlineMsMax : -Math.log(1 - random()) * clickDelayMsMean;
  const before = Math.max(0, index - 1 - Math.floor(delayMs / stepMs));
  const { impression, campaign, servedAt } = impressionOf(isClick(before) ? before - 1 : before);
  return { type: "click", impression, campaign, servedAt, clickedAt: start + index * stepMs };
};
