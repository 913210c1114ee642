/** A program whose Kafka cluster is not there. */
import { Flow, Job, Sink } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";

const source = Kafka.source("in", {
  cluster: Kafka.cluster({ brokers: ["127.0.0.1:1"] }),
  topics: "a",
  value: Kafka.string(),
});
const flow = Flow.from(source).pipe(Flow.onError("fail"), Flow.to(Sink.memory("out")));

await Job.main(Job.make({ name: "copy", guarantee: "exactly-once", flows: [flow] }), { state: ":memory:" });
