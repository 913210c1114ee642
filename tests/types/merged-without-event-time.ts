/** A window on two flows of which one has no event time. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { clicks, keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.merge(clicks.pipe(Flow.keyBy((click) => click.user))),
  Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
);
