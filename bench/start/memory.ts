/** A pipeline between two arrays, its state in memory. */
import { Effect } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";

const job = Job.make({
  name: "start",
  guarantee: "exactly-once",
  flows: [
    Flow.from(Source.array("words", ["a", "stream"])).pipe(
      Flow.map((word) => {
        console.log("result", word);
        return word;
      }),
      Flow.to(Sink.memory<string>("out")),
    ),
  ],
});
await Effect.runPromise(Job.run(job, { state: ":memory:" }));
