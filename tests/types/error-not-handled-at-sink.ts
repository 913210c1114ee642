/** A sink that is given a flow whose decoding errors nobody handles. */
import { Schema } from "effect";
import { Flow, Sink, Source } from "@weir/streams";

const schema = Schema.Struct({ id: Schema.Number });

export const wrong = Flow.from(Source.ndjson("orders", { paths: "orders.ndjson", schema })).pipe(
  Flow.map((order) => order.id),
  Flow.to(Sink.memory("ids")),
);
