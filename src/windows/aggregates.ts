/**
 * The aggregates that come with Weir. All of them merge, so they work in sliding and session windows.
 *
 * Where an order matters (`first`, `last`) it is that of event time, and for equal times that of arrival.
 *
 * @module
 */
export type { Aggregate, AggregateResult, AggregateShape, ObjectCodec } from "./aggregate.ts";
export { collect, type Collected } from "./aggregates/collect.ts";
export { evaluate } from "./aggregates/evaluate.ts";
export { first, last } from "./aggregates/first-last.ts";
export { make } from "./aggregates/make.ts";
export { count, max, mean, min, sum, variance } from "./aggregates/numeric.ts";
export type { StateSchema } from "./aggregates/state-schema.ts";
