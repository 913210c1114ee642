/** A flow that is given its event time twice. */
import { Flow, Watermark } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.eventTime({ timestamp: (click) => click.at, watermark: Watermark.monotonic }),
);
