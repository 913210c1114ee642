/** What the wrong pipelines beside this file share. */
import { Flow, Source, Watermark } from "@weir/streams";

/** A click. */
export interface Click {
  readonly user: string;
  readonly at: number;
}

export const clicks = Flow.from(Source.array<Click>("clicks", []));

export const eventTime = Flow.eventTime<Click>({ timestamp: (click) => click.at, watermark: Watermark.monotonic });

/** Clicks as a window wants them. */
export const keyedClicks = clicks.pipe(eventTime, Flow.keyBy((click) => click.user));
