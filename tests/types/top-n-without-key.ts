/** A ranking of a flow that has no key. */
import { Schema } from "effect";
import { Flow } from "@weir/streams";
import { clicks } from "./shared.ts";

const schema = Schema.Struct({ user: Schema.String, at: Schema.Number });

export const wrong = clicks.pipe(
  Flow.topN("latest", { n: 3, by: (click) => click.at, id: (click) => click.user, schema }),
);
