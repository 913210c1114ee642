/** An exactly-once job whose topic is written without transactions. */
import { Flow, Job } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { clicks } from "./shared.ts";

const users = Kafka.sink("users", {
  cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"] }),
  topic: "users",
  value: Kafka.string(),
  transactional: false,
});

export const wrong = Job.make({
  name: "clicks",
  guarantee: "exactly-once",
  flows: [clicks.pipe(Flow.map(({ user }) => ({ value: user })), Flow.to(users))],
});
