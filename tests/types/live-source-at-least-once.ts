/** An at-least-once job of a source that cannot replay. */
import { Stream } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";

export const wrong = Job.make({
  name: "ticks",
  guarantee: "at-least-once",
  flows: [Flow.from(Source.fromStream("ticks", Stream.make("tick"))).pipe(Flow.to(Sink.console("ticks")))],
});
