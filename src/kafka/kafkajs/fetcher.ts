/**
 * Reads logs.
 *
 * KafkaJS sends the request; the answer is read here, as KafkaJS would leave out batches that have no records any more, and
 * with them where to read on.
 *
 * @module
 */
import { Effect } from "effect";
import type { AbortedTransaction, FetchedPartition, FetchRequest, KafkaFetcher } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { protocolError } from "../protocol-errors.ts";
import type { Brokers } from "./brokers.ts";
import { ByteReader } from "./byte-reader.ts";
import { readBatches } from "./record-batches.ts";
import { kafkaError, type Refusal, refused } from "./refusal.ts";

/** How the protocol numbers what a reader is shown. */
export const isolationLevels = { read_uncommitted: 0, read_committed: 1 } as const;

/** Topics as the library is told of them: what follows each other of one topic is together. */
const inTopics = (
  { partitions, partitionBytesMax }: FetchRequest,
): ReadonlyArray<{ readonly topic: string; readonly partitions: ReadonlyArray<unknown> }> => {
  const topics: Array<{ readonly topic: string; readonly partitions: Array<unknown> }> = [];
  for (const { topic, partition, offset } of partitions) {
    if (topics.at(-1)?.topic !== topic) topics.push({ topic, partitions: [] });
    topics.at(-1)!.partitions.push({ partition, fetchOffset: offset, maxBytes: partitionBytesMax });
  }
  return topics;
};

/** Reads an answer. */
const readAnswer = (payload: Uint8Array, batchBytesMax: number): ReadonlyArray<FetchedPartition> => {
  const reader = new ByteReader(payload);
  reader.skip(4); // How long to keep still: brokers see to that by themselves.
  const errorCode = reader.int16();
  if (errorCode !== 0) throw refused(errorCode);
  reader.skip(4); // The session, of which there is none.
  return reader.array(() => {
    const topic = reader.string() ?? "";
    return reader.array(() => readPartition(reader, topic, batchBytesMax));
  }).flat();
};

const readPartition = (reader: ByteReader, topic: string, batchBytesMax: number): FetchedPartition => {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  const lastStableOffset = reader.int64();
  const logStartOffset = reader.int64();
  const aborted = reader.array((): AbortedTransaction => ({
    producerId: reader.int64Text(),
    firstOffset: reader.int64(),
  }));
  reader.skip(4); // A replica that would be nearer.
  const batches = reader.take(Math.max(0, reader.int32()));
  return {
    topic,
    partition,
    error: errorCode === 0 ? null : protocolError(errorCode).name,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted,
    batches: errorCode === 0 ? readBatches(batches, batchBytesMax) : [],
  };
};

/**
 * A fetcher. Each broker that it reads from has a connection that is for nothing else, as its answers wait until there is
 * something to read; who leads what is asked over those of the client.
 */
export const makeFetcher = (reading: Brokers, asking: Brokers): KafkaFetcher => {
  const { settings } = reading;
  const told = <A>(action: string, what: Effect.Effect<A, Refusal>): Effect.Effect<A, KafkaError> =>
    Effect.mapError(what, kafkaError(action, settings.brokers));
  return {
    leaders: (topics) => told(`look up the leaders of ${topics.join(", ")} in Kafka`, asking.leaders(topics)),
    fetch: (request) =>
      told(
        "read from Kafka",
        reading.ask(request.leader, {
          name: "Fetch",
          version: 11,
          options: {
            isolationLevel: isolationLevels[request.isolation],
            maxWaitTime: request.waitMillisMax,
            minBytes: 1,
            maxBytes: request.bytesMax,
            topics: inTopics(request),
          },
          waitMillis: request.waitMillisMax,
          decode: (payload) => readAnswer(payload, settings.batchBytesMax),
        }),
      ),
  };
};
