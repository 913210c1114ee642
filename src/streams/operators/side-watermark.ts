/**
 * The watermark of a side output.
 *
 * @module
 */
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";

/**
 * What a side output is told of its operator's watermark: it has no event time, so all that it learns, at the end of every
 * round, is whether the input is over.
 */
export const sideWatermark = (watermark: number): number => watermark === endOfTime ? endOfTime : beginningOfTime;
