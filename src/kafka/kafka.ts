/**
 * Kafka topics as sources and sinks.
 *
 * A {@link source} reads topics, a partition being a split; its positions lie in the job's state, so what is read and what
 * comes of it are committed in one step. A {@link sink} writes an epoch in one transaction, which also holds the epoch's
 * number, so that a `read_committed` reader sees each result once, however often the process was killed.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import * as Schema from "@effect/schema";
 * import { Aggregate, Flow, Job, Watermark, Window } from "@weir/streams";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const broker = Kafka.memoryBroker({ topics: { clicks: 1, counts: 1 } }); // stands for a cluster
 * broker.append("clicks", 0, { key: "ada", value: '{"page":"/"}', timestamp: 1_000 });
 * broker.append("clicks", 0, { key: "ada", value: '{"page":"/shop"}', timestamp: 2_000 });
 * const cluster = Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker });
 *
 * const clicks = Kafka.source("clicks", {
 *   cluster,
 *   topics: "clicks",
 *   key: Kafka.string(),
 *   value: Kafka.json(Schema.Struct({ page: Schema.String })),
 *   bounded: true,
 * });
 * const counts = Kafka.sink("counts", {
 *   cluster,
 *   topic: "counts",
 *   key: Kafka.string(),
 *   value: Kafka.json(Schema.Number),
 * });
 * const flow = Flow.from(clicks).pipe(
 *   Flow.onError("fail"),
 *   Flow.eventTime({
 *     timestamp: ({ timestamp }) => timestamp,
 *     watermark: Watermark.boundedOutOfOrderness("5 seconds"),
 *     idleAfter: "10 seconds",
 *   }),
 *   Flow.keyBy(({ key }) => key),
 *   Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
 *   Flow.map(({ key, value }) => ({ key, value })),
 *   Flow.to(counts),
 * );
 * const job = Job.make({ name: "clicks", guarantee: "exactly-once", flows: [flow] });
 * await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 * assert.deepEqual(broker.records("counts").map(({ value }) => new TextDecoder().decode(value!)), ["2"]);
 * ```
 *
 * @module
 */
export { type Cluster, cluster, clusterDefaults, type ClusterOptions, type Sasl, type Tls } from "./cluster.ts";
export type {
  AbortedTransaction,
  ClientSettings,
  Compression,
  FetchedPartition,
  FetchRequest,
  GroupOffsets,
  Header,
  IdempotentProducer,
  Isolation,
  KafkaClient,
  KafkaClientProvider,
  KafkaFetcher,
  KafkaTransaction,
  LogBatch,
  LogRecord,
  OffsetSpec,
  OutgoingRecord,
  SaslSettings,
  TlsSettings,
  TopicDescription,
  TopicLeaders,
  TransactionalProducer,
} from "./client.ts";
export { deadLetter, type DeadLetterMessage } from "./dead-letter.ts";
export { clientCodes, KafkaError, KafkaErrorBase } from "./errors.ts";
export type { Codec, Format, FormatUse } from "./format.ts";
export { bytes, json, nullable, string } from "./formats/plain.ts";
export {
  avro,
  type AvroOptions,
  jsonSchema,
  type JsonSchemaOptions,
  type RegistryFormatOptions,
  type SchemaRegistry,
  schemaRegistry,
  schemaRegistryDefaults,
  type SchemaRegistryOptions,
} from "./formats/registry.ts";
export { kafkajs } from "./kafkajs/provider.ts";
export type { BrokerApi, BrokerRequest, RequestFate } from "./memory/connection.ts";
export type { GroupOffset } from "./memory/groups.ts";
export {
  type AppendedRecord,
  type MemoryBroker,
  memoryBroker,
  type MemoryBrokerOptions,
  type StoredRecord,
} from "./memory/memory-broker.ts";
export { platformatic } from "./platformatic/provider.ts";
export { KafkaRecord } from "./record.ts";
export {
  type Headers,
  type KafkaMessage,
  type KafkaSinkEnd,
  type KafkaSinkOptions,
  type KeyedKafkaSinkOptions,
  type KeyedMessage,
  sink,
  sinkDefaults,
} from "./sink.ts";
export { type KafkaSourceOptions, source, sourceDefaults } from "./source.ts";
export type { Start } from "./start.ts";
export { Undecodable } from "../streams/sources/formats/value-decoder.ts";
