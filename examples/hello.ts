/**
 * Counts the words of each minute: `deno run -P examples/hello.ts`.
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

const lines = [{ at: 0, text: "to be or not to be" }, { at: 61_000, text: "that is the question" }];

const counts = Flow.from(Source.array("lines", lines)).pipe(
  Flow.eventTime({ timestamp: (line) => line.at, watermark: Watermark.monotonic }),
  Flow.flatMap((line) => line.text.split(" ")),
  Flow.keyBy((word) => word),
  Flow.window("words-per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
  Flow.map(({ key, window, value }) => `minute ${window.start / 60_000}: ${key} ${value}`),
  Flow.to(Sink.console("counts")),
);

const job = Job.make({ name: "hello", guarantee: "at-least-once", flows: [counts] });

export default job;

if (import.meta.main) await Job.main(job, { state: ":memory:" });
