/**
 * Weir's jobs: the windows, and a copy.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Aggregate, Flow, Job, Watermark, Window } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { type Event, outOfOrderMillisMax } from "./events.ts";

/** Whether an epoch is one transaction, or is written by an idempotent producer. */
export const guarantees = ["exactly-once", "at-least-once"] as const;

/** What is promised of the output. */
export type Guarantee = typeof guarantees[number];

/** Which library speaks Kafka's protocol. */
export const clients = ["kafkajs", "platformatic"] as const;

/** A library that speaks Kafka's protocol. */
export type Client = typeof clients[number];

/** What a job reads and writes. */
export interface JobOptions {
  readonly brokers: ReadonlyArray<string>;
  readonly client: Client;
  readonly in: string;
  readonly out: string;
  readonly guarantee: Guarantee;
  readonly windowMillis: number;
  /** Is called for each record when it is handed to the job. */
  readonly arrive: () => void;
}

const clusterOf = ({ brokers, client }: JobOptions): Kafka.Cluster => Kafka.cluster({ brokers, client: Kafka[client] });

const In = Schema.Struct({ user: Schema.String, amount: Schema.Number, at: Schema.Number });

const Out = Schema.Struct({ user: Schema.String, start: Schema.Number, count: Schema.Number, sum: Schema.Number });

/** Counts and sums by user and window, written when a window has closed. */
export const windowsJob = (options: JobOptions): Job.Job<never> => {
  const { in: topicIn, out, guarantee, windowMillis, arrive } = options;
  const cluster = clusterOf(options);
  const events = Kafka.source("events", {
    cluster,
    topics: topicIn,
    key: Kafka.string(),
    value: Kafka.json(In),
  });
  const rows = Flow.from(events).pipe(
    Flow.onError("fail"),
    Flow.map(({ value }): Event => value),
    Flow.eventTime({
      timestamp: ({ at }) => {
        arrive();
        return at;
      },
      watermark: Watermark.boundedOutOfOrderness(outOfOrderMillisMax),
    }),
    Flow.keyBy(({ user }) => user),
    Flow.window("totals", {
      assigner: Window.tumbling(windowMillis),
      aggregate: { count: Aggregate.count, sum: Aggregate.sum(({ amount }: Event) => amount) },
      late: "drop",
    }),
    Flow.map(({ key, window, value: { count, sum } }) => ({
      key,
      value: { user: key, start: window.start, count, sum },
    })),
  );
  const format = { cluster, topic: out, key: Kafka.string(), value: Kafka.json(Out) };
  const name = `windows-${out}`;
  return guarantee === "exactly-once"
    ? Job.make({ name, guarantee, flows: [rows.pipe(Flow.to(Kafka.sink("rows", format)))] })
    : Job.make({
      name,
      guarantee,
      flows: [rows.pipe(Flow.to(Kafka.sink("rows", { ...format, transactional: false })))],
    });
};

/** Writes what it reads. */
export const copyJob = (options: JobOptions): Job.Job<never> => {
  const { in: topicIn, out, guarantee, arrive } = options;
  const cluster = clusterOf(options);
  const records = Kafka.source("records", {
    cluster,
    topics: topicIn,
    key: Kafka.bytes(),
    value: Kafka.bytes(),
  });
  const copies = Flow.from(records).pipe(
    Flow.onError("fail"),
    Flow.map(({ key, value, timestamp }) => {
      arrive();
      return { key, value, timestamp };
    }),
  );
  const format = { cluster, topic: out, key: Kafka.bytes(), value: Kafka.bytes() };
  const name = `copy-${out}`;
  return guarantee === "exactly-once"
    ? Job.make({ name, guarantee, flows: [copies.pipe(Flow.to(Kafka.sink("copies", format)))] })
    : Job.make({
      name,
      guarantee,
      flows: [copies.pipe(Flow.to(Kafka.sink("copies", { ...format, transactional: false })))],
    });
};
