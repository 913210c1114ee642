/**
 * Watermarks: how far event time has come.
 *
 * @module
 */
export {
  beginningOfTime,
  type BoundedOutOfOrderness,
  boundedOutOfOrderness,
  endOfTime,
  type FollowingStrategy,
  monotonic,
  type WatermarkFollower,
  type WatermarkStrategy,
} from "./watermark.ts";
export { adaptive, type AdaptiveOptions } from "./watermarks/adaptive.ts";
export { custom, type CustomOptions } from "./watermarks/custom.ts";
export { punctuated } from "./watermarks/punctuated.ts";
export { type DelayBucket, type Lateness, type TradeOff, tradeOff } from "./delay-histogram.ts";
