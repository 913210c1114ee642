/**
 * Counts words: lines of text from topic "lines", a running count of each word to topic "word-counts", exactly once.
 *
 * @module
 */
import { Schema } from "effect";
import { Aggregate, Flow, Job, Trigger, Window } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";

/** The job, on a cluster. */
export const wordCount = (cluster: Kafka.Cluster) => {
  const lines = Kafka.source("lines", { cluster, topics: "lines", value: Kafka.string() });
  const counts = Kafka.sink("word-counts", {
    cluster,
    topic: "word-counts",
    key: Kafka.string(),
    value: Kafka.json(Schema.Number),
  });

  const flow = Flow.from(lines).pipe(
    Flow.onError("drop"), // Lines that are not UTF-8.
    Flow.flatMap(({ value }) => value.toLowerCase().match(/\p{Letter}+/gu) ?? []),
    Flow.keyBy((word) => word),
    Flow.window("count", {
      assigner: Window.global,
      trigger: Trigger.repeatedly(Trigger.afterCount(1)),
      aggregate: Aggregate.count,
      late: "drop", // A window without end: nothing is ever late.
    }),
    Flow.map(({ key, value }) => ({ key, value })),
    Flow.to(counts),
  );

  return Job.make({ name: "word-count", guarantee: "exactly-once", flows: [flow] });
};
