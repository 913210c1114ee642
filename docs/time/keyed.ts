/**
 * What the pipelines of most pictures have in common.
 *
 * @module
 */
import { Aggregate, Flow, Watermark } from "@weir/streams";
import type { Reading, Readings } from "./scenario.ts";

/** Adds up the values. */
export const sum = Aggregate.sum(({ value }: Reading) => value);

/** Records with their event time and their key. The watermark is the greatest time seen. */
export const keyed = (readings: Readings) =>
  Flow.from(readings).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
  );
