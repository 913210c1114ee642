/** A trigger that looks at event time, on a flow that has none. */
import { Aggregate, Flow, Trigger, Window } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = clicks.pipe(
  Flow.keyBy((click) => click.user),
  Flow.window("totals", {
    assigner: Window.global,
    aggregate: Aggregate.count,
    trigger: Trigger.repeatedly(Trigger.firstOf(Trigger.afterCount(10), Trigger.afterEventTime("1 minute"))),
    late: "drop",
  }),
);
