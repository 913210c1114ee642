/** A window on a flow that corrects what it said. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("per-minute", {
    assigner: Window.tumbling("1 minute"),
    aggregate: Aggregate.count,
    allowedLateness: "1 hour",
    late: "drop",
  }),
  Flow.window("per-hour", {
    assigner: Window.tumbling("1 hour"),
    aggregate: Aggregate.count,
    late: "drop",
  }),
);
