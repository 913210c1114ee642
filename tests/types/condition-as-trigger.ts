/** A condition where a trigger is wanted. */
import { Aggregate, Flow, Trigger, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("per-hour", {
    assigner: Window.tumbling("1 hour"),
    aggregate: Aggregate.count,
    trigger: Trigger.afterCount(10),
    late: "drop",
  }),
);
