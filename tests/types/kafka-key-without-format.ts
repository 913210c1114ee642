/** Records with keys, for a sink that was not told how keys lie in bytes. */
import { Flow } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { clicks } from "./shared.ts";

const users = Kafka.sink("users", {
  cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"] }),
  topic: "users",
  value: Kafka.string(),
});

export const wrong = clicks.pipe(Flow.map(({ user }) => ({ key: user, value: user })), Flow.to(users));
