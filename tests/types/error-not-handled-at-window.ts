/** A window on a flow whose look-ups may fail, which nobody handles. */
import { Data, Effect } from "effect";
import { Aggregate, Flow, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

class LookUpFailed extends Data.TaggedError("LookUpFailed")<{ readonly user: string }> {}

export const wrong = keyedClicks.pipe(
  Flow.mapEffect((click) =>
    click.user === "" ? Effect.fail(new LookUpFailed({ user: click.user })) : Effect.succeed(click)
  ),
  Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
);
