/**
 * The aggregates that come with Weir. All of them merge, so they work in windows of every kind, but for {@link fold}:
 * it needs windows that neither overlap nor grow together.
 *
 * Where an order in time matters (`first`, `last`) it is that of event time, and for equal times that of arrival. Where
 * records are level (`argMin`, `topN`) it is that of arrival, in sliding windows by slice first.
 *
 * @module
 */
export type {
  Additions,
  Aggregate,
  AggregateResult,
  AggregateShape,
  CannotMerge,
  Merges,
  ObjectCodec,
} from "./aggregate.ts";
export { approxDistinct } from "./aggregates/approx-distinct.ts";
export { argMax, argMin } from "./aggregates/arg-min-max.ts";
export { collect, type Collected } from "./aggregates/collect.ts";
export { decayed } from "./aggregates/decayed.ts";
export { distinct, type DistinctCount } from "./aggregates/distinct.ts";
export { type DistinctAmong, distinctAmong } from "./aggregates/distinct-among.ts";
export type { Distinguishable } from "./aggregates/distinguishable.ts";
export { evaluate } from "./aggregates/evaluate.ts";
export { first, last } from "./aggregates/first-last.ts";
export { fold } from "./aggregates/fold.ts";
export { histogram } from "./aggregates/histogram.ts";
export { make } from "./aggregates/make.ts";
export { count, max, mean, min, sum, variance } from "./aggregates/numeric.ts";
export { quantiles } from "./aggregates/quantiles.ts";
export { rate } from "./aggregates/rate.ts";
export type { StateSchema } from "./aggregates/state-schema.ts";
export { bottomN, topN } from "./aggregates/top-n.ts";
export { where } from "./aggregates/where.ts";
