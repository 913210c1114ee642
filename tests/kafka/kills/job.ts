/**
 * The job whose process is killed: windows and running totals of orders, from topic to topics.
 *
 * ```sh
 * deno run … tests/kafka/kills/job.ts 127.0.0.1:9092 kafkajs state.kv
 * ```
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Schedule } from "effect";
import { Aggregate, Flow, Job, Trigger, Watermark, Window } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { type Order, totalEvery } from "./orders.ts";

/** The job, over some cluster. Its input ends where it ends when the job first starts. */
export const ordersJob = (cluster: Kafka.Cluster): Job.Job<never> => {
  const orders = Flow.from(Kafka.source("orders", {
    cluster,
    topics: "orders",
    key: Kafka.string(),
    value: Kafka.json(Schema.Struct({ user: Schema.String, amount: Schema.Number, at: Schema.Number })),
    group: "orders-seen",
    bounded: true,
  })).pipe(
    Flow.onError("fail"),
    Flow.map(({ value }): Order => value),
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
    Flow.keyBy(({ user }) => user),
  );

  const aggregate = { count: Aggregate.count, sum: Aggregate.sum(({ amount }: Order) => amount) };

  const sinkTo = (topic: string) => Kafka.sink(topic, { cluster, topic, key: Kafka.string(), value: Kafka.string() });

  const windows = orders.pipe(
    Flow.window("windows", { assigner: Window.tumbling("10 seconds"), aggregate, late: "drop" }),
    Flow.map(({ key, window, value }) => ({ key, value: `${key} ${window.start} ${value.count} ${value.sum}` })),
    Flow.to(sinkTo("windows")),
  );

  const totals = orders.pipe(
    Flow.window("totals", {
      assigner: Window.global,
      trigger: Trigger.repeatedly(Trigger.afterCount(totalEvery)),
      aggregate,
      late: "drop",
    }),
    Flow.map(({ key, value }) => ({ key, value: `${key} ${value.count} ${value.sum}` })),
    Flow.to(sinkTo("totals")),
  );

  return Job.make({ name: "orders", guarantee: "exactly-once", flows: [windows, totals] });
};

/** The library that an argument names. */
export const clients = { kafkajs: Kafka.kafkajs, platformatic: Kafka.platformatic } as const;

if (import.meta.main) {
  const [brokers, client, state, epochRecords] = Deno.args;
  const cluster = Kafka.cluster({ brokers: brokers.split(","), client: clients[client as keyof typeof clients] });
  await Job.main(ordersJob(cluster), {
    state,
    epochInterval: "50 millis",
    epochRecordsMax: Number(epochRecords),
    restart: Schedule.spaced("200 millis").pipe(Schedule.upTo({ times: 100 })),
  });
}
