/**
 * Reads logs.
 *
 * The request is the library's; the answer is read here. The library decompresses whatever a broker sends, does not look at
 * checksums, may run in a circle over lengths below zero, and takes ten times as long (ARCHITECTURE.md has the measurement).
 *
 * It is version 12, the last that calls topics by their names.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import type { ClientSettings, FetchedPartition, FetchRequest, KafkaFetcher } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { ByteReader } from "../kafkajs/byte-reader.ts";
import { readBatches } from "../kafkajs/record-batches.ts";
import { protocolError } from "../protocol-errors.ts";
import { type Connections, openConnections } from "./connections.ts";
import type { Library } from "./library.ts";
import { isolationLevels } from "./offsets.ts";
import { addressOf, leadersOf } from "./topics.ts";

/** Reads of this kind have no session: each says all that is wanted. */
const noSession = { id: 0, epoch: -1 } as const;

/** What is being done. */
const action = "read from Kafka";

/**
 * Opens what reads logs. Its connections are its own, and who leads is asked on others still, as a connection on which a broker
 * waits for records has to wait as well.
 */
export const openFetcher = (
  library: Library,
  settings: ClientSettings,
): Effect.Effect<KafkaFetcher, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asking = yield* openConnections(library, settings);
    const fetching = yield* openConnections(library, settings);
    return {
      leaders: (topics) =>
        Effect.map(leadersOf(asking, "look up the leaders of partitions", topics), (found) => {
          const ids = new Map<string, ReadonlyMap<number, number>>();
          for (const [topic, partitions] of found) {
            const led = [...partitions].flatMap(([partition, leader]) =>
              leader === null ? [] : [[partition, leader.id]]
            );
            ids.set(topic, new Map(led as Array<[number, number]>));
          }
          return ids;
        }),
      fetch: (request) =>
        Effect.flatMap(addressOf(asking, action, request.leader), (address) => fetchFrom(fetching, address, request)),
    };
  });

const fetchFrom = (
  { library, settings, failures, ask }: Connections,
  address: string,
  { isolation, waitMillisMax, bytesMax, partitionBytesMax, partitions }: FetchRequest,
): Effect.Effect<ReadonlyArray<FetchedPartition>, KafkaError> => {
  const topics = new Map<string, FetchTopic>();
  for (const { topic, partition, offset } of partitions) {
    const found = topics.get(topic) ?? { topicId: topic, partitions: [] };
    topics.set(topic, found);
    found.partitions.push({
      partition,
      currentLeaderEpoch: -1,
      fetchOffset: BigInt(offset),
      lastFetchedEpoch: -1,
      partitionMaxBytes: partitionBytesMax,
    });
  }
  return Effect.flatMap(
    ask(
      address,
      action,
      { ...library.fetchV12, parseResponse: (_id, _key, _version, reader) => reader.buffer.buffer },
      waitMillisMax,
      1,
      bytesMax,
      isolationLevels[isolation],
      noSession.id,
      noSession.epoch,
      [...topics.values()],
      [],
      "",
    ),
    (bytes) =>
      Effect.suspend(() => {
        try {
          const reader = new ByteReader(bytes);
          reader.int32(); // How long the broker has made us wait.
          const code = reader.int16();
          if (code !== 0) return Effect.fail(failures.ofCode(action, address, code));
          return Effect.succeed(readTopics(reader, settings.batchBytesMax));
        } catch (cause) {
          return Effect.fail(failures.of(action, address, cause));
        }
      }),
  );
};

type FetchTopic = Parameters<Library["fetchV12"]["createRequest"]>[6][number];

/** Reads the rest of an answer, from the session on. */
const readTopics = (reader: ByteReader, batchBytesMax: number): ReadonlyArray<FetchedPartition> => {
  reader.int32();
  return reader.compactArray(() => {
    const topic = reader.compactString() ?? "";
    const partitions = reader.compactArray(() => readPartition(reader, topic, batchBytesMax));
    reader.skipTags();
    return partitions;
  }).flat();
};

const readPartition = (reader: ByteReader, topic: string, batchBytesMax: number): FetchedPartition => {
  const partition = reader.int32();
  const code = reader.int16();
  const highWatermark = reader.int64();
  const lastStableOffset = reader.int64();
  const logStartOffset = reader.int64();
  const aborted = reader.compactArray(() => {
    const transaction = { producerId: reader.int64Text(), firstOffset: reader.int64() };
    reader.skipTags();
    return transaction;
  });
  reader.int32(); // The replica that had better be read from, which nobody has asked for.
  const records = reader.take(Math.max(0, reader.uvarint() - 1));
  reader.skipTags();
  const batches = code === 0 ? readBatches(records, batchBytesMax) : [];
  const error = code === 0 ? null : protocolError(code).name;
  return { topic, partition, error, highWatermark, lastStableOffset, logStartOffset, aborted, batches };
};
