/**
 * The requests of Kafka's protocol, as @platformatic/kafka has them. Batches of records are written and read here.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Effect } from "effect";
import type { ClientSettings, FetchRequest } from "../client.ts";
import {
  allReplicas,
  type BrokerConnection,
  coordinated,
  isolationLevels,
  type Place,
  type PlacedBatch,
  type PlaceOffset,
  topicResource,
} from "../wire/broker-connection.ts";
import { ByteReader } from "../wire/byte-reader.ts";
import { readFetchAnswer } from "../wire/fetch-answer.ts";
import { malformed } from "../wire/refusal.ts";
import { topicIdOf } from "../wire/topic-id.ts";
import type { Library } from "./library.ts";
import type { Api, Link } from "./link.ts";

/** What a producer says that has no id yet. With an id it would be let go on where an earlier one has been shut out. */
const noIdentity = { id: -1n, epoch: -1 } as const;

/** What a group's offsets are committed by where it has no members. */
const noMember = { id: "", generation: -1 } as const;

/** Reads of this kind have no session: each says all that is wanted. */
const noSession = { id: 0, epoch: -1 } as const;

/** What is said where it is not known in which epoch a partition has its leader. */
const noEpoch = -1;

/** The requests over a connection. */
export const requestsOver = (library: Library, link: Link, settings: ClientSettings): BrokerConnection => ({
  open: link.open,
  get isOpen() {
    return link.isOpen;
  },
  get sessionMillis() {
    return link.sessionMillis;
  },
  close: link.close,
  metadata: (topics) =>
    Effect.map(
      link.ask(despiteErrors(library, library.metadataV10), [...topics], false),
      ({ brokers, controllerId, topics }) => ({
        brokers,
        controllerId,
        topics: topics.map(({ name, errorCode, topicId, partitions }) => ({
          name: name ?? "",
          errorCode,
          id: topicIdOf(Uint8Array.fromHex(topicId.replaceAll("-", ""))),
          partitions: partitions.map(({ partitionIndex, leaderId }) => ({
            partition: partitionIndex,
            leader: leaderId,
          })),
        })),
      }),
    ),
  findCoordinator: (of, id) =>
    Effect.flatMap(
      link.ask(library.findCoordinatorV3, coordinated[of], [id]),
      ({ coordinators: [found] }) =>
        found === undefined ? Effect.fail(malformed("an answer without a coordinator")) : Effect.succeed(found),
    ),
  createTopic: (name, partitions) =>
    Effect.asVoid(link.ask(
      library.createTopicsV5,
      [{ name, numPartitions: partitions, replicationFactor: -1, assignments: [], configs: [] }],
      settings.requestMillisMax,
      false,
    )),
  topicSetting: (topic, setting) =>
    Effect.map(
      link.ask(
        library.describeConfigsV4,
        [{ resourceType: topicResource, resourceName: topic, configurationKeys: [setting] }],
        false,
        false,
      ),
      ({ results }) => results.at(0)?.configs.find(({ name }) => name === setting)?.value ?? null,
    ),
  listOffsets: (topic, partitions, timestamp, isolation) =>
    Effect.map(
      link.ask(library.listOffsetsV6, -1, isolationLevels[isolation], [{
        name: topic,
        partitions: partitions.map((partitionIndex) => ({
          partitionIndex,
          currentLeaderEpoch: noEpoch,
          timestamp: BigInt(timestamp),
        })),
      }]),
      ({ topics }) =>
        topics.flatMap(({ partitions }) => partitions)
          .map(({ partitionIndex, offset }) => ({ topic, partition: partitionIndex, offset: Number(offset) })),
    ),
  offsetFetch: (group, topic, partitions) =>
    Effect.map(
      link.ask(
        library.offsetFetchV7,
        [{ groupId: group, topics: [{ name: topic, partitionIndexes: [...partitions] }] }],
        true,
      ),
      ({ topics }) =>
        topics.flatMap(({ partitions }) => partitions).map(({ partitionIndex, committedOffset }) => ({
          topic,
          partition: partitionIndex,
          offset: Number(committedOffset),
        })),
    ),
  offsetCommit: (group, offsets) =>
    Effect.asVoid(
      link.ask(
        library.offsetCommitV8,
        group,
        noMember.generation,
        noMember.id,
        null,
        offsetTopics(offsets),
      ),
    ),
  fetch: (request) =>
    link.ask(
      fetchApi(library, settings.batchBytesMax),
      request.waitMillisMax,
      1,
      request.bytesMax,
      isolationLevels[request.isolation],
      noSession.id,
      noSession.epoch,
      fetchTopics(request),
      [],
      "",
    ),
  initProducerId: (transactionalId, timeoutMillis) =>
    Effect.map(
      link.ask(library.initProducerIdV4, transactionalId, timeoutMillis, noIdentity.id, noIdentity.epoch),
      ({ producerId, producerEpoch }) => ({ id: producerId, epoch: producerEpoch }),
    ),
  produce: (transactionalId, batches) =>
    Effect.map(
      link.ask(produceApi(library), transactionalId, settings.requestMillisMax, batches),
      ({ responses }) =>
        responses.flatMap(({ name: topic, partitionResponses }) =>
          partitionResponses.map(({ index, errorCode }) => ({ topic, partition: index, errorCode }))
        ),
    ),
  addPartitionsToTxn: ({ transactionalId, id, epoch }, places) =>
    // Later versions are for brokers among themselves: others may not send them.
    Effect.asVoid(link.ask(library.addPartitionsToTxnV3, [{
      transactionalId,
      producerId: id,
      producerEpoch: epoch,
      verifyOnly: false,
      topics: partitionTopics(places),
    }])),
  addOffsetsToTxn: ({ transactionalId, id, epoch }, group) =>
    Effect.asVoid(link.ask(library.addOffsetsToTxnV3, transactionalId, id, epoch, group)),
  txnOffsetCommit: ({ transactionalId, id, epoch }, { group, member, offsets }) => {
    const { generation, id: memberId } = member ?? noMember;
    return Effect.asVoid(link.ask(
      library.txnOffsetCommitV3,
      transactionalId,
      group,
      id,
      epoch,
      generation,
      memberId,
      null,
      offsetTopics(offsets),
    ));
  },
  endTxn: ({ transactionalId, id, epoch }, isCommit) =>
    Effect.asVoid(link.ask(library.endTxnV3, transactionalId, id, epoch, isCommit)),
});

const partitionTopics = (places: ReadonlyArray<Place>) =>
  [...Map.groupBy(places, ({ topic }) => topic)].map(([name, its]) => ({
    name,
    partitions: its.map(({ partition }) => partition),
  }));

const offsetTopics = (offsets: ReadonlyArray<PlaceOffset>) =>
  [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, its]) => ({
    name,
    partitions: its.map(({ partition, offset }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: noEpoch,
      committedMetadata: "",
    })),
  }));

const fetchTopics = ({ partitions, partitionBytesMax }: FetchRequest) =>
  [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topicId, its]) => ({
    topicId,
    partitions: its.map(({ partition, offset }) => ({
      partition,
      currentLeaderEpoch: noEpoch,
      fetchOffset: BigInt(offset),
      lastFetchedEpoch: noEpoch,
      partitionMaxBytes: partitionBytesMax,
    })),
  }));

/** A request whose answer is wanted even if it says of some topics or partitions that something is wrong with them. */
const despiteErrors = <Args extends Array<unknown>, Answer>(
  library: Library,
  { api, createRequest, parseResponse }: Api<Args, Answer>,
): Api<Args, Answer> => ({
  api,
  createRequest,
  parseResponse: (...args) => {
    try {
      return parseResponse(...args);
    } catch (error) {
      if (error instanceof library.ResponseError) return (error as unknown as { readonly response: Answer }).response;
      throw error;
    }
  },
});

/** The request to read, whose answer is read here: the last version that calls topics by their names. */
const fetchApi = (library: Library, batchBytesMax: number) => ({
  ...library.fetchV12,
  parseResponse: (...[_id, _key, _version, reader]: Parameters<Library["fetchV12"]["parseResponse"]>) =>
    readFetchAnswer(new ByteReader(reader.buffer.buffer), { isFlexible: true, batchBytesMax }),
});

type ProduceAnswer = Exclude<ReturnType<Library["produceV9"]["parseResponse"]>, boolean>;

/** The request to write, with batches as they are written here. */
const produceApi = (
  library: Library,
): Api<
  [transactionalId: string | null, timeoutMillis: number, batches: ReadonlyArray<PlacedBatch>],
  ProduceAnswer
> => ({
  ...despiteErrors(library, library.produceV9),
  createRequest: (transactionalId, timeoutMillis, batches) =>
    library.Writer.create()
      .appendString(transactionalId)
      .appendInt16(allReplicas)
      .appendInt32(timeoutMillis)
      .appendArray([...Map.groupBy(batches, ({ topic }) => topic)], (writer, [topic, its]) => {
        writer.appendString(topic).appendArray(its, (writer, { partition, bytes }) => {
          writer.appendInt32(partition).appendUnsignedVarInt(bytes.length + 1)
            .append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        });
      })
      .appendTaggedFields(),
});
