/** A window on a flow whose windows fire early. */
import { Aggregate, Flow, Trigger, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("per-hour", {
    assigner: Window.tumbling("1 hour"),
    aggregate: Aggregate.count,
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(100) }),
    late: "drop",
  }),
  Flow.window("per-day", {
    assigner: Window.tumbling("1 day"),
    aggregate: Aggregate.count,
    late: "drop",
  }),
);
