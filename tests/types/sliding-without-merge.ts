/** Windows that overlap, and an aggregate that cannot merge. */
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
  Flow.window("last-hour", {
    assigner: Window.sliding({ size: "1 hour", slide: "1 minute" }),
    aggregate: { users, clicks: Aggregate.count },
    late: "drop",
  }),
);
