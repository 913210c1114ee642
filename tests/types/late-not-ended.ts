/** A window whose late records go to a flow that ends in no sink. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("per-minute", {
    assigner: Window.tumbling("1 minute"),
    aggregate: Aggregate.count,
    late: (side) => side.pipe(Flow.map((late) => late.value.user)),
  }),
);
