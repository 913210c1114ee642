/**
 * Watermarks: how far event time has come.
 *
 * @module
 */
export { beginningOfTime, boundedOutOfOrderness, endOfTime, monotonic, type WatermarkStrategy } from "./watermark.ts";
