/** A sink whose keys are texts, given numbers. */
import { Flow } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { clicks } from "./shared.ts";

const users = Kafka.sink("users", {
  cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"] }),
  topic: "users",
  key: Kafka.string(),
  value: Kafka.string(),
});

export const wrong = clicks.pipe(Flow.map(({ user, at }) => ({ key: at, value: user })), Flow.to(users));
