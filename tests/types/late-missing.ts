/** A window that does not say what becomes of late records. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count }),
);
