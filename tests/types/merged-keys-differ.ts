/** A window on two flows whose keys are of different types. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.merge(keyedClicks.pipe(Flow.keyBy((click) => click.at))),
  Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
);
