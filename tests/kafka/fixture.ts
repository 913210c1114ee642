/** What the tests of sources and sinks of Kafka share: a job from topic to topic on a broker in memory. */
import * as Schema from "@effect/schema";
import { Aggregate, Flow, Job, Sink, Watermark, Window } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";

export const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : new TextDecoder().decode(bytes);

/** What lies in a topic, as `key=value`, by partition and offset. */
export const textsOf = (broker: Kafka.MemoryBroker, topic: string): ReadonlyArray<string> =>
  broker.records(topic).map(({ key, value }) => `${text(key)}=${text(value)}`);

export const clusterOf = (broker: Kafka.MemoryBroker, options: Partial<Kafka.ClusterOptions> = {}): Kafka.Cluster =>
  Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker, ...options });

export const Order = Schema.Struct({ user: Schema.String, amount: Schema.Number });

/** Orders, dealt out to partitions by turns: twenty users, a second apart. */
export const writeOrders = (
  broker: Kafka.MemoryBroker,
  topic: string,
  partitions: number,
  from: number,
  to: number,
): void => {
  for (let n = from; n < to; n++) {
    broker.append(topic, n % partitions, {
      key: `user-${n % 20}`,
      value: JSON.stringify({ user: `user-${n % 20}`, amount: n }),
      timestamp: n * 1_000,
    });
  }
};

/** Sums of a minute for each user, counted by a loop that shares nothing with Weir: `user=start:count:sum`, sorted. */
export const sumsOf = (from: number, to: number): ReadonlyArray<string> => {
  const sums = new Map<string, { count: number; sum: number }>();
  for (let n = from; n < to; n++) {
    const id = `user-${n % 20}=${Math.floor(n / 60) * 60_000}`;
    const entry = sums.get(id) ?? { count: 0, sum: 0 };
    entry.count++;
    entry.sum += n;
    sums.set(id, entry);
  }
  return [...sums].map(([id, { count, sum }]) => `${id}:${count}:${sum}`).sort();
};

/** A job that writes sums of a minute from topic "orders" to topic "sums". */
export const sumsJob = (
  cluster: Kafka.Cluster,
  source: Partial<Kafka.KafkaSourceOptions<string, typeof Order.Type, ReadonlyArray<Kafka.Header>>> = {},
  sink: Partial<Kafka.KafkaSinkOptions<string>> = {},
): Job.Job<never> =>
  Job.make({
    name: "sums",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Kafka.source("orders", {
        cluster,
        topics: "orders",
        key: Kafka.string(),
        value: Kafka.json(Order),
        bounded: true,
        ...source,
      })).pipe(
        Flow.onError("fail"),
        Flow.eventTime({
          timestamp: ({ timestamp }) => timestamp,
          watermark: Watermark.boundedOutOfOrderness("5 seconds"),
        }),
        Flow.keyBy(({ value }) => value.user),
        Flow.window("minutes", {
          assigner: Window.tumbling("1 minute"),
          aggregate: { sum: Aggregate.sum(({ value }: Order) => value.amount), count: Aggregate.count },
          late: Sink.memory("late"),
        }),
        Flow.map(({ key, window, value }) => ({ key, value: `${window.start}:${value.count}:${value.sum}` })),
        Flow.to(Kafka.sink("sums", {
          cluster,
          topic: "sums",
          key: Kafka.string(),
          value: Kafka.string(),
          ...sink,
          transactional: true,
        })),
      ),
    ],
  });

type Order = Kafka.KafkaRecord<string, typeof Order.Type>;
