/** An exactly-once job of a source whose clients repeat what got no answer. */
import { Schema } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";

const orders = Source.http("orders", { schema: Schema.Struct({ id: Schema.Number }) });

export const wrong = Job.make({
  name: "orders",
  guarantee: "exactly-once",
  flows: [Flow.from(orders).pipe(Flow.to(Sink.memory("orders")))],
});
