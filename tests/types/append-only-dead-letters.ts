/** An exactly-once job that prints its dead letters. */
import { Schema } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";

const schema = Schema.Struct({ id: Schema.Number });

export const wrong = Job.make({
  name: "orders",
  guarantee: "exactly-once",
  flows: [
    Flow.from(Source.ndjson("orders", { paths: "orders.ndjson", schema })).pipe(
      Flow.onError(Sink.console("rejected")),
      Flow.to(Sink.memory("orders")),
    ),
  ],
});
