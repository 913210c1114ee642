/** A window on a flow that has no key. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { clicks, eventTime } from "./shared.ts";

export const wrong = clicks.pipe(
  eventTime,
  Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
);
