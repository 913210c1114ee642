/**
 * Windows that follow the clock.
 *
 * @module
 */
import type { Duration } from "effect";
import {
  type OneWindow,
  type SeveralWindows,
  sliding,
  type SlidingAssigner,
  tumbling,
  type WithoutEventTime,
} from "./assigner.ts";

/**
 * Windows of one size that follow each other on the clock: a record is in the one in which it is read.
 *
 * They need no event time, and no record is late. Which records are in a window depends on when they are read, so results
 * differ from run to run; each is still published exactly once, and a record counts once, whatever crashes. At the end
 * of the input the last windows fire.
 *
 * @throws {RangeError} If the size is not a whole number of milliseconds above 0, or the offset not a whole one.
 *
 * @example
 * ```ts
 * import { Aggregate, Flow, Source, Window } from "@weir/streams";
 *
 * const load = Flow.from(Source.array("requests", [{ host: "a" }, { host: "b" }])).pipe(
 *   Flow.keyBy((request) => request.host),
 *   Flow.window("requests-per-second", {
 *     assigner: Window.tumblingProcessingTime("1 second"),
 *     aggregate: Aggregate.count,
 *     late: "drop",
 *   }),
 * );
 * ```
 */
export const tumblingProcessingTime = (
  size: Duration.Input,
  options?: { readonly offset?: Duration.Input },
): SlidingAssigner<OneWindow, WithoutEventTime> => ({ ...tumbling(size, options), time: "no event time" });

/**
 * Windows of one size on the clock that start every `slide`, so that each record is in `size / slide` of them.
 *
 * @see {@link tumblingProcessingTime} for what following the clock means.
 *
 * @throws {RangeError} If size, slide or offset is not a whole number of milliseconds, size or slide is not above 0, slide
 * exceeds size, or size is more than 100,000 times slide.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * const lastMinute = Window.slidingProcessingTime({ size: "1 minute", slide: "10 seconds" });
 * assert.equal(lastMinute.time, "no event time");
 * ```
 */
export const slidingProcessingTime = (options: {
  readonly size: Duration.Input;
  readonly slide: Duration.Input;
  readonly offset?: Duration.Input;
}): SlidingAssigner<SeveralWindows, WithoutEventTime> => ({ ...sliding(options), time: "no event time" });
