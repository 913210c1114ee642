/** A topic whose decoding errors nobody handles. */
import { Flow, Sink } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";

const users = Kafka.source("users", {
  cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"] }),
  topics: "users",
  value: Kafka.string(),
});

export const wrong = Flow.from(users).pipe(Flow.map(({ value }) => value), Flow.to(Sink.memory("users")));
