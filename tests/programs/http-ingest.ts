/**
 * A job that is sent orders over HTTP and writes them to a file. It says where it listens.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Flow, Job, Sink, Source } from "@weir/streams";

const [folder] = Deno.args;

const orders = Source.http("orders", {
  schema: Schema.Struct({ id: Schema.String }),
  port: 0,
  onListen: ({ url }) => console.log(url),
});

const job = Job.make({
  name: "http-ingest",
  guarantee: "at-least-once",
  flows: [Flow.from(orders).pipe(Flow.to(Sink.ndjson("orders", { path: `${folder}/orders.ndjson` })))],
});

await Job.main(job, { state: `${folder}/state.kv`, epochInterval: "20 millis", onProgress: () => {} });
