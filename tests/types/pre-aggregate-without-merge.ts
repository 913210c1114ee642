/** Records that are to be folded before they are routed, and an aggregate that cannot merge. */
import { Schema } from "effect";
import { Aggregate, Flow, Window } from "@weir/streams";
import { type Click, keyedClicks } from "./shared.ts";

const users = Aggregate.fold({
  name: "users",
  schema: Schema.String,
  initial: () => "",
  add: (users, click: Click) => `${users} ${click.user}`,
  result: (users) => users,
});

export const wrong = keyedClicks.pipe(
  Flow.window("hours", { assigner: Window.tumbling("1 hour"), aggregate: users, late: "drop", preAggregate: true }),
);
