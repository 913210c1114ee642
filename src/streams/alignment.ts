/**
 * Alignment: splits that are far ahead are not read until the others have caught up.
 *
 * @module
 */
import { beginningOfTime } from "../windows/watermark.ts";
import type { EventTimeOperator } from "./operators/event-time.ts";
import type { SplitReader } from "./split-reader.ts";

/** A split's own watermark: the least over the event times that it reaches; undefined where it reaches none. */
export const ownWatermark = (eventTimes: ReadonlyArray<EventTimeOperator>, split: number): number | undefined => {
  let least: number | undefined;
  for (const eventTime of eventTimes) {
    const watermark = eventTime.watermarkOf(split);
    if (watermark !== undefined && (least === undefined || watermark < least)) least = watermark;
  }
  return least;
};

/**
 * Pauses every split whose watermark is too far ahead of the least one, and lets the others go on. Splits that have ended,
 * that are idle or that this run reads no further are not waited for.
 */
export const align = (
  readers: ReadonlyArray<SplitReader>,
  eventTimes: ReadonlyArray<EventTimeOperator & { readonly maxDrift: number }>,
): void => {
  let least = Infinity;
  for (const eventTime of eventTimes) {
    for (const { split, isRead } of readers) {
      if (isRead && eventTime.waitsFor(split)) least = Math.min(least, eventTime.watermarkOf(split)!);
    }
  }
  for (const reader of readers) {
    reader.paused = reader.isRead &&
      eventTimes.some((eventTime) =>
        (eventTime.watermarkOf(reader.split) ?? beginningOfTime) > least + eventTime.maxDrift
      );
  }
};
