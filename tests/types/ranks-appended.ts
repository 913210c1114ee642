/** A window over ranks, of which a later one corrects an earlier one. */
import { Schema } from "effect";
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

const schema = Schema.Struct({ user: Schema.String, at: Schema.Number });

export const wrong = keyedClicks.pipe(
  Flow.topN("latest", { n: 3, by: (click) => click.at, id: (click) => click.user, schema }),
  Flow.window("ranks", { assigner: Window.tumbling("1 hour"), aggregate: Aggregate.count, late: "drop" }),
);
