/** A window on a flow that takes back what it said. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("visits", {
    assigner: Window.session({ gap: "30 minutes" }),
    aggregate: Aggregate.count,
    panes: "retracting",
    late: "drop",
  }),
  Flow.window("per-day", {
    assigner: Window.tumbling("1 day"),
    aggregate: Aggregate.count,
    late: "drop",
  }),
);
