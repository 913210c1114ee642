/**
 * A job without an end: numbers, one by one, and how many of them there are in each window.
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

const [folder] = Deno.args;

/** How many numbers a window holds. */
const windowSize = 500;

const numbers = Flow.from(Source.generate("numbers", { seed: 1, rate: 4_000, make: (index) => index }));

const counts = numbers.pipe(
  Flow.eventTime({ timestamp: (index) => index, watermark: Watermark.monotonic }),
  Flow.keyBy((index) => index % 2 === 0 ? "even" : "odd"),
  Flow.window("counts", { assigner: Window.tumbling(windowSize), aggregate: Aggregate.count, late: "drop" }),
  Flow.map(({ key, window, value }) => ({ key, start: window.start, count: value })),
);

const job = Job.make({
  name: "ticking",
  guarantee: "exactly-once",
  flows: [
    numbers.pipe(Flow.to(Sink.ndjson("numbers", { path: `${folder}/numbers.ndjson` }))),
    counts.pipe(Flow.to(Sink.ndjson("counts", { path: `${folder}/counts.ndjson` }))),
  ],
});

await Job.main(job, {
  state: `${folder}/state.kv`,
  epochInterval: "100 millis",
  progressInterval: 50,
  onProgress: ({ epochs }) => console.log(epochs.epoch),
});
