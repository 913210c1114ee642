/** An exactly-once job that prints what is late, by a flow of its own. */
import { Aggregate, Flow, Job, Sink, Window } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = Job.make({
  name: "clicks",
  guarantee: "exactly-once",
  flows: [
    keyedClicks.pipe(
      Flow.window("per-minute", {
        assigner: Window.tumbling("1 minute"),
        aggregate: Aggregate.count,
        late: (side) => side.pipe(Flow.map((late) => late.value.user), Flow.to(Sink.console("late"))),
      }),
      Flow.to(Sink.memory("counts")),
    ),
  ],
});
