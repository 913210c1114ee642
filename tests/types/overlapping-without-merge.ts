/** Overlapping windows of one's own with an aggregate that cannot merge. */
import { type Aggregate, Flow, Window } from "@weir/streams";
import { type Click, keyedClicks } from "./shared.ts";

declare const cannotMerge: Aggregate.Aggregate<Click, number, Aggregate.CannotMerge>;

export const wrong = keyedClicks.pipe(
  Flow.window("overlapping", {
    assigner: Window.custom({ name: "twice", assign: () => [], overlapping: true }),
    aggregate: cannotMerge,
    late: "drop",
  }),
);
