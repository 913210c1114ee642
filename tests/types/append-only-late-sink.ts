/** An exactly-once job that prints what is late. */
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
        late: Sink.console("late"),
      }),
      Flow.to(Sink.memory("counts")),
    ),
  ],
});
