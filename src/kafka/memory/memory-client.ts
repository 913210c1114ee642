/**
 * A client of a broker in memory.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import type { ClientSettings, KafkaClient } from "../client.ts";
import { partitionOf } from "../wire/murmur2.ts";
import { type BrokerState, openConnection } from "./connection.ts";
import { memoryFetcher } from "./memory-fetcher.ts";
import { memoryIdempotentProducer, memoryTransactionalProducer } from "./memory-producers.ts";

/** Opens a client. `client` is its number. */
export const openMemoryClient = (
  state: BrokerState,
  settings: ClientSettings,
  client: number,
): Effect.Effect<KafkaClient, never, Scope.Scope> => {
  const { topics, groups } = state;
  const connect = openConnection(state, client, settings.brokers.join(", "));
  return Effect.map(connect, ({ ask }): KafkaClient => ({
    topics: (names) =>
      ask("Metadata", () =>
        new Map(names.flatMap((name) => {
          const topic = topics.find(name);
          return topic === undefined ? [] : [[name, { id: topic.id, partitions: topic.logs.length }]];
        }))),
    batchBytesMax: (topic) => ask("DescribeConfigs", () => topics.batchBytesMax(topic)),
    createTopic: (name, partitions) => ask("CreateTopics", () => topics.create(name, partitions)),
    offsets: (topic, partitions, spec, isolation) =>
      ask(
        "ListOffsets",
        () =>
          new Map(partitions.map((partition) => [partition, topics.log(topic, partition).offsetAt(spec, isolation)])),
      ),
    committed: (group, topic, partitions) =>
      ask("OffsetFetch", () =>
        new Map(partitions.flatMap((partition) => {
          const offset = groups.committed(group, topic, partition);
          return offset === undefined ? [] : [[partition, offset]];
        }))),
    commit: (group, offsets) =>
      ask("OffsetCommit", () => {
        for (const { topic, partition } of offsets) topics.log(topic, partition);
        groups.commit(group, offsets);
      }),
    partitionOf,
    fetcher: Effect.map(connect, (connection) => memoryFetcher(state, connection, settings)),
    transactionalProducer: ({ transactionalId, timeoutMillis }) =>
      Effect.flatMap(
        connect,
        (connection) => memoryTransactionalProducer(state, connection, transactionalId, timeoutMillis),
      ),
    idempotentProducer: () => Effect.flatMap(connect, (connection) => memoryIdempotentProducer(state, connection)),
  }));
};
