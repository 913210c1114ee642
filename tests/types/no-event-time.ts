/** A window on a flow that has no event time. */
import { Aggregate, Flow, Window } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = clicks.pipe(
  Flow.keyBy((click) => click.user),
  Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
);
