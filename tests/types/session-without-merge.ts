/** Windows that grow together, and an aggregate that cannot merge. */
import { Schema } from "effect";
import { Aggregate, Flow, Window } from "@weir/streams";
import { type Click, keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(
  Flow.window("visits", {
    assigner: Window.session({ gap: "30 minutes" }),
    aggregate: Aggregate.fold({
      name: "users",
      schema: Schema.String,
      initial: () => "",
      add: (users, click: Click) => `${users} ${click.user}`,
      result: (users) => users,
    }),
    late: "drop",
  }),
);
