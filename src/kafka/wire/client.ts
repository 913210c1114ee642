/**
 * A client of one cluster, over whatever connections an adapter makes.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import type { ClientSettings, KafkaClient, KafkaFetcher, TopicLeaders } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { Brokers, type Connect } from "./brokers.ts";
import { partitionOf } from "./murmur2.ts";
import { commitOffsets, committedOf, offsetsOf } from "./offsets.ts";
import { openIdempotentProducer, openTransactionalProducer } from "./producers.ts";
import { kafkaError, malformed, type Refusal } from "./refusal.ts";

/** How large a batch of records may be where Kafka is not told, which is believed where we may not ask. */
const batchBytesDefault = 1_048_588;

/** The setting of a topic that says so. */
const batchBytesSetting = "max.message.bytes";

/** What Kafka calls what we may not ask. */
const unauthorizedCodes = ["TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"];

/** Opens a client. Nothing is connected yet. */
export const openClient = (
  connect: Connect,
  settings: ClientSettings,
): Effect.Effect<KafkaClient, never, Scope.Scope> =>
  Effect.map(Brokers.make(connect, settings), (brokers): KafkaClient => {
    const told = <A>(action: string, what: Effect.Effect<A, Refusal>): Effect.Effect<A, KafkaError> =>
      Effect.mapError(what, kafkaError(action, settings));
    return {
      topics: (names) =>
        told(
          `describe topics ${names.join(", ")}`,
          Effect.map(brokers.leaders(names), (found) =>
            new Map([...found].map(([name, { id, leaders }]) => [name, { id, partitions: leaders.size }]))),
        ),
      batchBytesMax: (topic) => told(`look up the settings of topic ${topic}`, batchBytesMaxOf(brokers, topic)),
      createTopic: (name, partitions) => told(`make topic ${name}`, createTopic(brokers, name, partitions)),
      offsets: (topic, partitions, spec, isolation) =>
        told(`look up offsets of topic ${topic}`, offsetsOf(brokers, topic, partitions, spec, isolation)),
      committed: (group, topic, partitions) =>
        told(`read the offsets of group ${group}`, committedOf(brokers, group, topic, partitions)),
      commit: (group, offsets) => told(`commit offsets of group ${group}`, commitOffsets(brokers, group, offsets)),
      partitionOf,
      fetcher: Effect.map(Brokers.make(connect, settings, brokers.addresses), (own) => makeFetcher(own, brokers)),
      transactionalProducer: (options) =>
        Effect.flatMap(Brokers.make(connect, settings), (own) => openTransactionalProducer(own, options)),
      idempotentProducer: (options) =>
        Effect.flatMap(Brokers.make(connect, settings), (own) => openIdempotentProducer(own, options)),
    };
  });

/**
 * A fetcher. Each broker that it reads from has a connection that is for nothing else, as its answers wait until there is
 * something to read; who leads what is asked over those of the client.
 */
const makeFetcher = (reading: Brokers, asking: Brokers): KafkaFetcher => ({
  leaders: (topics) =>
    Effect.map(asking.leaders(topics), (found) => {
      const known = new Map<string, TopicLeaders>();
      for (const [topic, { id, leaders }] of found) {
        const led = new Map<number, number>();
        for (const [partition, leader] of leaders) if (leader !== null) led.set(partition, leader);
        known.set(topic, { id, leaders: led });
      }
      return known;
    }).pipe(Effect.mapError(kafkaError(`look up the leaders of topics ${topics.join(", ")}`, reading.settings))),
  fetch: (request) =>
    Effect.mapError(
      reading.ask(request.leader, (leader) => leader.fetch(request)),
      kafkaError("read from Kafka", reading.settings),
    ),
});

const batchBytesMaxOf = (brokers: Brokers, topic: string): Effect.Effect<number, Refusal> =>
  brokers.askAny((any) => any.topicSetting(topic, batchBytesSetting)).pipe(
    Effect.flatMap((value) =>
      value !== null && Number.isSafeInteger(Number(value))
        ? Effect.succeed(Number(value))
        : Effect.fail(malformed(`a topic without ${batchBytesSetting}`))
    ),
    Effect.catchIf(({ code }) => unauthorizedCodes.includes(code), () => Effect.succeed(batchBytesDefault)),
  );

const createTopic = (brokers: Brokers, name: string, partitions: number): Effect.Effect<void, Refusal> =>
  Effect.gen(function* () {
    const { controllerId, topics } = yield* brokers.metadata([name]);
    // Who may not make topics need not, if it is there.
    if (topics.some(({ errorCode }) => errorCode === 0)) return;
    yield* brokers.ask(controllerId, (controller) => controller.createTopic(name, partitions));
  }).pipe(Effect.catchIf(({ code }) => code === "TOPIC_ALREADY_EXISTS", () => Effect.void));
