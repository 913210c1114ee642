/** A program whose functions log, and whose output goes to standard output. */
import { Effect } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";

const flow = Flow.from(Source.array("numbers", [1, 2])).pipe(
  Flow.mapEffect((n) => Effect.as(Effect.logWarning(`looks at ${n}`), n), { concurrency: 1 }),
  Flow.to(Sink.console("out")),
);
await Job.main(Job.make({ name: "logging", guarantee: "at-least-once", flows: [flow] }), { state: ":memory:" });
