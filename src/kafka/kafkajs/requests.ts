/**
 * The requests of Kafka's protocol, as KafkaJS has them. What it does not have, or not exactly, is written and read here.
 *
 * @module
 */
import { Effect } from "effect";
import type { ClientSettings, FetchRequest } from "../client.ts";
import { clientCodes } from "../errors.ts";
import {
  allReplicas,
  type BrokerConnection,
  coordinated,
  isolationLevels,
  type Place,
  type PlacedBatch,
  type PlaceOffset,
  topicResource,
  type TransactionalIdentity,
} from "../wire/broker-connection.ts";
import { ByteReader } from "../wire/byte-reader.ts";
import { ByteWriter } from "../wire/byte-writer.ts";
import { readFetchAnswer } from "../wire/fetch-answer.ts";
import { Refusal } from "../wire/refusal.ts";
import type { Ask, Link } from "./link.ts";
import { askMetadata, metadataWithIds } from "./metadata.ts";

/** An answer, or a part of one, that may be an error. */
interface Coded {
  readonly errorCode: number;
}

interface CodedPartition extends Coded {
  readonly partition: number;
}

/** The first error of some answers, or 0. */
const firstErrorOf = (answers: ReadonlyArray<Coded>): number =>
  answers.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0;

const errorOf = ({ errorCode }: Coded): number => errorCode;

/** The requests over a connection. */
export const requestsOver = (link: Link, settings: ClientSettings): BrokerConnection => ({
  open: link.open,
  get isOpen() {
    return link.isOpen;
  },
  get sessionMillis() {
    return link.sessionMillis;
  },
  close: link.close,
  metadata: (topics) =>
    link.knows("Metadata", metadataWithIds) ? link.ask(askMetadata(topics)) : Effect.map(
      link.ask<MetadataAnswer>({
        name: "Metadata",
        version: 6,
        // No topic has this name. Asked for none, the library would ask for all.
        options: { topics: topics.length === 0 ? [""] : topics, allowAutoTopicCreation: false },
      }),
      ({ brokers, controllerId, topicMetadata }) => ({
        brokers,
        controllerId,
        topics: topicMetadata.map(({ topic, topicErrorCode, partitionMetadata }) => ({
          name: topic,
          errorCode: topicErrorCode,
          id: null,
          partitions: partitionMetadata.map(({ partitionId, leader }) => ({ partition: partitionId, leader })),
        })),
      }),
    ),
  findCoordinator: (of, id) =>
    Effect.map(
      link.ask<CoordinatorAnswer>({
        name: "GroupCoordinator",
        version: 2,
        options: { groupId: id, coordinatorType: coordinated[of] },
        errorOf,
      }),
      ({ coordinator }) => coordinator,
    ),
  createTopic: (name, partitions) =>
    Effect.asVoid(link.ask<{ readonly topicErrors: ReadonlyArray<Coded> }>({
      name: "CreateTopics",
      version: 4, // The first that takes -1 for the number of replicas that the cluster makes by default.
      options: {
        topics: [{ topic: name, numPartitions: partitions, replicationFactor: -1 }],
        timeout: settings.requestMillisMax,
      },
      errorOf: ({ topicErrors }) => firstErrorOf(topicErrors),
    })),
  topicSetting: (topic, setting) =>
    Effect.map(
      link.ask<ConfigsAnswer>({
        name: "DescribeConfigs",
        version: 2,
        options: { resources: [{ type: topicResource, name: topic, configNames: [setting] }] },
        errorOf: ({ resources }) => firstErrorOf(resources),
      }),
      ({ resources: [{ configEntries }] }) =>
        configEntries.find(({ configName }) => configName === setting)?.configValue ?? null,
    ),
  listOffsets: (topic, partitions, timestamp, isolation) =>
    Effect.map(
      link.ask<OffsetsAnswer>({
        name: "ListOffsets",
        version: 3,
        options: {
          isolationLevel: isolationLevels[isolation],
          topics: [{ topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }],
        },
        errorOf: ({ responses }) => firstErrorOf(responses.flatMap((of) => of.partitions)),
      }),
      ({ responses }) =>
        responses.flatMap((of) => of.partitions)
          .map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
    ),
  offsetFetch: (group, topic, partitions) =>
    Effect.map(
      link.ask(offsetFetch(group, topic, partitions)),
      (answer) => answer.partitions.map(({ partition, offset }) => ({ topic, partition, offset })),
    ),
  offsetCommit: (group, offsets) =>
    Effect.asVoid(link.ask<{ readonly responses: ReadonlyArray<CodedTopic> }>({
      name: "OffsetCommit",
      version: 5,
      // A group without members has no generation.
      options: { groupId: group, groupGenerationId: -1, memberId: "", topics: offsetTopics(offsets) },
      errorOf: ({ responses }) => firstErrorOf(responses.flatMap((of) => of.partitions)),
    })),
  fetch: (request) =>
    link.ask({
      name: "Fetch",
      version: 11,
      options: {
        isolationLevel: isolationLevels[request.isolation],
        maxWaitTime: request.waitMillisMax,
        minBytes: 1,
        maxBytes: request.bytesMax,
        topics: fetchTopics(request),
      },
      waitMillis: request.waitMillisMax,
      decode: (payload) =>
        readFetchAnswer(new ByteReader(payload), { isFlexible: false, batchBytesMax: settings.batchBytesMax }),
    }),
  initProducerId: (transactionalId, timeoutMillis) =>
    Effect.map(
      link.ask<ProducerAnswer>({
        name: "InitProducerId",
        version: 1,
        options: { transactionalId, transactionTimeout: timeoutMillis },
        errorOf,
      }),
      ({ producerId, producerEpoch }) => ({ id: BigInt(producerId), epoch: producerEpoch }),
    ),
  produce: (transactionalId, batches) =>
    Effect.map(
      link.ask<ProduceAnswer>({
        name: "Produce",
        version: 7,
        options: { acks: allReplicas, topicData: [] },
        body: () => produceBody(transactionalId, settings.requestMillisMax, batches),
      }),
      ({ topics }) => topics.flatMap(({ topicName: topic, partitions }) => partitions.map((of) => ({ topic, ...of }))),
    ),
  addPartitionsToTxn: (producer, places) =>
    Effect.asVoid(link.ask<{ readonly errors: ReadonlyArray<{ readonly partitionErrors: ReadonlyArray<Coded> }> }>({
      name: "AddPartitionsToTxn",
      version: 1,
      options: { ...named(producer), topics: partitionTopics(places) },
      errorOf: ({ errors }) => firstErrorOf(errors.flatMap(({ partitionErrors }) => partitionErrors)),
    })),
  addOffsetsToTxn: (producer, group) =>
    Effect.asVoid(
      link.ask<Coded>({
        name: "AddOffsetsToTxn",
        version: 1,
        options: { ...named(producer), groupId: group },
        errorOf,
      }),
    ),
  txnOffsetCommit: (producer, { group, member, offsets }) => {
    if (member !== null) {
      const rule = "KafkaJS cannot say which member of a group commits";
      return Effect.fail(new Refusal(clientCodes.client, rule, `member ${member.id}`));
    }
    return Effect.asVoid(link.ask<{ readonly topics: ReadonlyArray<CodedTopic> }>({
      name: "TxnOffsetCommit",
      version: 1,
      options: { ...named(producer), groupId: group, topics: offsetTopics(offsets) },
      errorOf: ({ topics }) => firstErrorOf(topics.flatMap(({ partitions }) => partitions)),
    }));
  },
  endTxn: (producer, isCommit) =>
    Effect.asVoid(
      link.ask<Coded>({
        name: "EndTxn",
        version: 1,
        options: { ...named(producer), transactionResult: isCommit },
        errorOf,
      }),
    ),
});

/** Who writes, as the library is told. */
const named = ({ transactionalId, id, epoch }: TransactionalIdentity) => ({
  transactionalId,
  producerId: id,
  producerEpoch: epoch,
});

const partitionTopics = (places: ReadonlyArray<Place>): ReadonlyArray<unknown> =>
  [...Map.groupBy(places, ({ topic }) => topic)].map(([topic, its]) => ({
    topic,
    partitions: its.map(({ partition }) => partition),
  }));

const offsetTopics = (offsets: ReadonlyArray<PlaceOffset>): ReadonlyArray<unknown> =>
  [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, its]) => ({
    topic,
    partitions: its.map(({ partition, offset }) => ({ partition, offset, metadata: "" })),
  }));

const fetchTopics = ({ partitions, partitionBytesMax }: FetchRequest): ReadonlyArray<unknown> =>
  [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, its]) => ({
    topic,
    partitions: its.map(({ partition, offset }) => ({ partition, fetchOffset: offset, maxBytes: partitionBytesMax })),
  }));

const produceBody = (
  transactionalId: string | null,
  timeoutMillis: number,
  batches: ReadonlyArray<PlacedBatch>,
): Uint8Array => {
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0);
  const body = new ByteWriter(bytes + 1_024).string(transactionalId).int16(allReplicas).int32(timeoutMillis);
  body.array([...Map.groupBy(batches, ({ topic }) => topic)], ([topic, its]) => {
    body.string(topic).array(its, ({ partition, bytes }) => {
      body.int32(partition).int32(bytes.length).raw(bytes);
    });
  });
  return body.written;
};

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

interface OffsetFetchAnswer extends Coded {
  readonly partitions: ReadonlyArray<CodedPartition & { readonly offset: number }>;
}

// What the library makes of the other answers.

interface CodedTopic {
  readonly partitions: ReadonlyArray<Coded>;
}

interface BrokerAnswer {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

interface MetadataAnswer {
  readonly brokers: ReadonlyArray<BrokerAnswer>;
  readonly controllerId: number;
  readonly topicMetadata: ReadonlyArray<{
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: ReadonlyArray<{ readonly partitionId: number; readonly leader: number }>;
  }>;
}

interface CoordinatorAnswer extends Coded {
  readonly coordinator: BrokerAnswer;
}

interface ConfigsAnswer {
  readonly resources: ReadonlyArray<
    Coded & {
      readonly configEntries: ReadonlyArray<{ readonly configName: string; readonly configValue: string }>;
    }
  >;
}

interface OffsetsAnswer {
  readonly responses: ReadonlyArray<{
    readonly partitions: ReadonlyArray<CodedPartition & { readonly offset: string }>;
  }>;
}

interface ProducerAnswer extends Coded {
  readonly producerId: string;
  readonly producerEpoch: number;
}

interface ProduceAnswer {
  readonly topics: ReadonlyArray<{
    readonly topicName: string;
    readonly partitions: ReadonlyArray<CodedPartition>;
  }>;
}
