/**
 * A client of one cluster.
 *
 * @module
 */
import { Effect } from "effect";
import type { ClientSettings, Isolation, KafkaClient, OffsetSpec } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { Brokers, firstErrorOf } from "./brokers.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { isolationLevels, makeFetcher } from "./fetcher.ts";
import type { Ask } from "./link.ts";
import type { Library } from "./library.ts";
import { partitionOf } from "./murmur2.ts";
import { inTopics, openIdempotentProducer, openTransactionalProducer } from "./producers.ts";
import { kafkaError, malformed, type Refusal, refused } from "./refusal.ts";

/** How large a batch of records may be where Kafka is not told, which is believed where we may not ask. */
const batchBytesDefault = 1_048_588;

/** The setting of a topic that says so. */
const batchBytesSetting = "max.message.bytes";

/** How the protocol numbers a topic among what has settings. */
const topicResource = 2;

/** The protocol's codes for what we may not ask. */
const unauthorized = [29, 31];

const unknownTopic = 3;
const leaderNotAvailable = 5;
const topicAlreadyExists = 36;

/** What stands for the ends of a log where a time is asked for. */
const times = { earliest: -2, latest: -1 } as const;

/** What a client of one cluster does. */
export const makeClient = (library: Library, settings: ClientSettings, brokers: Brokers): KafkaClient => {
  const told = <A>(action: string, what: Effect.Effect<A, Refusal>): Effect.Effect<A, KafkaError> =>
    Effect.mapError(what, kafkaError(action, settings.brokers));
  return {
    topics: (names) =>
      told(
        `describe ${names.join(", ")} of Kafka`,
        Effect.map(brokers.describe(names), (found) =>
          new Map(found.map(({ topic, partitionMetadata }) => [topic, { partitions: partitionMetadata.length }]))),
      ),
    batchBytesMax: (topic) => told(`look up the settings of ${topic} in Kafka`, batchBytesMaxOf(brokers, topic)),
    createTopic: (name, partitions) => told(`make ${name} in Kafka`, createTopic(brokers, name, partitions)),
    offsets: (topic, partitions, spec, isolation) =>
      told(`look up offsets of ${topic} in Kafka`, offsets(brokers, topic, partitions, spec, isolation)),
    committed: (group, topic, partitions) =>
      told(`read the offsets of group ${group} from Kafka`, committed(brokers, group, topic, partitions)),
    commit: (group, offsets) => told(`commit offsets of group ${group} in Kafka`, commit(brokers, group, offsets)),
    partitionOf,
    fetcher: Effect.map(Brokers.make(library, settings, brokers.addresses), (own) => makeFetcher(own, brokers)),
    transactionalProducer: (options) =>
      Effect.flatMap(Brokers.make(library, settings), (own) => openTransactionalProducer(own, options)),
    idempotentProducer: (options) =>
      Effect.flatMap(Brokers.make(library, settings), (own) => openIdempotentProducer(own, options)),
  };
};

interface DescribeConfigsAnswer {
  readonly resources: ReadonlyArray<{
    readonly errorCode: number;
    readonly configEntries: ReadonlyArray<{ readonly configName: string; readonly configValue: string }>;
  }>;
}

const batchBytesMaxOf = (brokers: Brokers, topic: string): Effect.Effect<number, Refusal> =>
  Effect.gen(function* () {
    const { resources: [resource] } = yield* brokers.askAny<DescribeConfigsAnswer>({
      name: "DescribeConfigs",
      version: 2,
      options: { resources: [{ type: topicResource, name: topic, configNames: [batchBytesSetting] }] },
    });
    if (unauthorized.includes(resource.errorCode)) return batchBytesDefault;
    if (resource.errorCode !== 0) return yield* Effect.fail(refused(resource.errorCode));
    const entry = resource.configEntries.find(({ configName }) => configName === batchBytesSetting);
    const bytes = Number(entry?.configValue);
    return Number.isSafeInteger(bytes) ? bytes : yield* Effect.fail(malformed(`a topic without ${batchBytesSetting}`));
  });

interface CreateTopicsAnswer {
  readonly topicErrors: ReadonlyArray<{ readonly errorCode: number }>;
}

const createTopic = (brokers: Brokers, name: string, partitions: number): Effect.Effect<void, Refusal> =>
  Effect.gen(function* () {
    const { controllerId, topicMetadata } = yield* brokers.metadata([name]);
    // Who may not make topics need not, if it is there.
    if (topicMetadata.some(({ topicErrorCode }) => topicErrorCode === 0)) return;
    const { topicErrors } = yield* brokers.ask<CreateTopicsAnswer>(controllerId, {
      name: "CreateTopics",
      version: 4, // The first that takes -1 for the number of replicas that the cluster makes by default.
      options: {
        topics: [{ topic: name, numPartitions: partitions, replicationFactor: -1 }],
        timeout: brokers.settings.requestMillisMax,
      },
    });
    const code = firstErrorOf(topicErrors);
    if (code !== 0 && code !== topicAlreadyExists) yield* Effect.fail(refused(code));
  });

interface ListOffsetsAnswer {
  readonly responses: ReadonlyArray<{
    readonly partitions: ReadonlyArray<{
      readonly partition: number;
      readonly errorCode: number;
      readonly offset: string;
    }>;
  }>;
}

const offsets = (
  brokers: Brokers,
  topic: string,
  partitions: ReadonlyArray<number>,
  spec: OffsetSpec,
  isolation: Isolation,
): Effect.Effect<ReadonlyMap<number, number>, Refusal> =>
  Effect.gen(function* () {
    const found = new Map<number, number>();
    if (partitions.length === 0) return found;
    const described = (yield* brokers.describe([topic])).at(0)?.partitionMetadata ?? [];
    const byLeader = new Map<number, Array<number>>();
    for (const partition of partitions) {
      const leader = described.find(({ partitionId }) => partitionId === partition)?.leader;
      if (leader === undefined) return yield* Effect.fail(refused(unknownTopic));
      if (leader < 0) return yield* Effect.fail(refused(leaderNotAvailable));
      byLeader.set(leader, [...byLeader.get(leader) ?? [], partition]);
    }
    const timestamp = typeof spec === "string" ? times[spec] : spec.timestamp;
    const answers = yield* Effect.forEach(byLeader, ([leader, led]) =>
      brokers.ask<ListOffsetsAnswer>(leader, {
        name: "ListOffsets",
        version: 3,
        options: {
          isolationLevel: isolationLevels[isolation],
          topics: [{ topic, partitions: led.map((partition) => ({ partition, timestamp })) }],
        },
        errorOf: ({ responses }) => firstErrorOf(responses.flatMap((of) => of.partitions)),
      }), { concurrency: "unbounded" });
    const behindLast: Array<number> = [];
    for (const { partition, offset } of answers.flatMap(({ responses }) => responses).flatMap((of) => of.partitions)) {
      if (Number(offset) >= 0) found.set(partition, Number(offset));
      else behindLast.push(partition);
    }
    for (const [partition, offset] of yield* offsets(brokers, topic, behindLast, "latest", isolation)) {
      found.set(partition, offset);
    }
    return found;
  });

interface OffsetFetchAnswer {
  readonly errorCode: number;
  readonly partitions: ReadonlyArray<{
    readonly partition: number;
    readonly offset: number;
    readonly errorCode: number;
  }>;
}

/**
 * Asks for what a group has committed, and to be refused while a transaction may still change it. KafkaJS cannot ask so: where
 * the marker of a transaction has just been written, it may be told what was before.
 */
const offsetFetch = (group: string, topic: string, partitions: ReadonlyArray<number>): Ask<OffsetFetchAnswer> => ({
  name: "OffsetFetch",
  version: 7,
  options: { topics: [] },
  body: () => {
    const body = new ByteWriter();
    body.uint8(0); // Ends the head of the request, as in every flexible version; the ones behind end what they stand in.
    body.compactString(group).compactArray([topic], (name) => {
      body.compactString(name).compactArray(partitions, (partition) => void body.int32(partition)).uint8(0);
    });
    return body.uint8(1).uint8(0).written;
  },
  decode: (payload) => {
    const reader = new ByteReader(payload);
    reader.skipTags(); // Of the head.
    reader.skip(4); // How long to keep still.
    const partitions = reader.compactArray(() => {
      reader.compactString();
      const of = reader.compactArray(() => {
        const partition = reader.int32();
        const offset = reader.int64();
        reader.skip(4); // The leader's epoch.
        reader.compactString();
        const errorCode = reader.int16();
        reader.skipTags();
        return { partition, offset, errorCode };
      });
      reader.skipTags();
      return of;
    }).flat();
    return { partitions, errorCode: reader.int16() };
  },
  errorOf: (answer) => firstErrorOf([answer, ...answer.partitions]),
});

const committed = (
  brokers: Brokers,
  group: string,
  topic: string,
  partitions: ReadonlyArray<number>,
): Effect.Effect<ReadonlyMap<number, number>, Refusal> =>
  Effect.gen(function* () {
    if (partitions.length === 0) return new Map();
    const answer = yield* brokers.askCoordinator(
      "group",
      group,
      offsetFetch(group, topic, partitions),
    );
    const there = answer.partitions.filter(({ offset }) => offset >= 0);
    return new Map(there.map(({ partition, offset }) => [partition, offset]));
  });

interface OffsetCommitAnswer {
  readonly responses: ReadonlyArray<{ readonly partitions: ReadonlyArray<{ readonly errorCode: number }> }>;
}

const commit = (
  brokers: Brokers,
  group: string,
  offsets: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>,
): Effect.Effect<void, Refusal> =>
  offsets.length === 0 ? Effect.void : Effect.asVoid(brokers.askCoordinator<OffsetCommitAnswer>(
    "group",
    group,
    {
      name: "OffsetCommit",
      version: 5,
      // A group without members has no generation.
      options: { groupId: group, groupGenerationId: -1, memberId: "", topics: inTopics(offsets) },
      errorOf: ({ responses }) => firstErrorOf(responses.flatMap((of) => of.partitions)),
    },
  ));
