/** A window over a file, its state and its rows in files: the result is there when the rows are stored. */
import * as Schema from "@effect/schema";
import { Effect } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

const [folder] = Deno.args;
const readings = Source.ndjson("readings", {
  paths: [`${folder}/readings.ndjson`],
  schema: Schema.Struct({ at: Schema.Number, key: Schema.String }),
});
const job = Job.make({
  name: "start",
  guarantee: "exactly-once",
  flows: [
    Flow.from(readings).pipe(
      Flow.onError("drop"),
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
      Flow.keyBy(({ key }) => key),
      Flow.window("counts", { assigner: Window.tumbling("1 second"), aggregate: Aggregate.count, late: "drop" }),
      Flow.to(Sink.ndjson("rows", { path: `${folder}/rows.ndjson` })),
    ),
  ],
});
await Effect.runPromise(Job.run(job, { state: `${folder}/state.kv` }));
console.log("result");
