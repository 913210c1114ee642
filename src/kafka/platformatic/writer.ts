/**
 * Writes records to the leaders of their partitions, under the numbers of a producer.
 *
 * @module
 */
import type { Writer as Bytes } from "@platformatic/kafka";
import { Effect } from "effect";
import type { Compression, OutgoingRecord } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { malformed } from "../kafkajs/refusal.ts";
import { codes } from "./codes.ts";
import { type Api, type Connections, despiteErrors } from "./connections.ts";
import type { Library } from "./library.ts";
import { writeBatch } from "./record-batch.ts";
import { leaderOf, type Leaders, leadersOf } from "./topics.ts";

/** All replicas that are in sync must have it. */
const allReplicas = -1;

/** How many sequence numbers there are: behind the last comes the first. */
const sequences = 2 ** 31;

/** What a broker has given to a producer. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
  readonly transactionalId: string | null;
}

/** Records of one partition. */
export interface Part {
  readonly topic: string;
  readonly partition: number;
  /** What it is called in maps. */
  readonly place: string;
  readonly records: Array<OutgoingRecord>;
}

/** Records by their partitions, in the order in which these appear. */
export const partsOf = (records: ReadonlyArray<OutgoingRecord>): ReadonlyArray<Part> => {
  const topics = new Map<string, Map<number, Part>>();
  const parts: Array<Part> = [];
  for (const record of records) {
    const { topic, partition } = record;
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, partitions = new Map());
    let part = partitions.get(partition);
    if (part === undefined) {
      part = { topic, partition, place: `${topic}/${partition}`, records: [] };
      partitions.set(partition, part);
      parts.push(part);
    }
    part.records.push(record);
  }
  return parts;
};

/** Writes parts, each as one batch. Those that are written again after a failure have the numbers that they had. */
export type WriteParts = (action: string, parts: ReadonlyArray<Part>) => Effect.Effect<void, KafkaError>;

/** What writes for a producer. */
export const partWriter = (
  connections: Connections,
  identity: ProducerIdentity,
  compression: Compression,
): WriteParts => {
  const { library, settings, failures, ask } = connections;
  const { id, epoch, transactionalId } = identity;
  const isTransactional = transactionalId !== null;
  const api = produceApi(library);
  /** The number of the next record of each partition. */
  const next = new Map<string, number>();
  let topics: ReadonlyMap<string, Leaders> = new Map();

  const lookUp = (action: string, names: ReadonlyArray<string>): Effect.Effect<void, KafkaError> =>
    Effect.map(leadersOf(connections, action, [...topics.keys(), ...names]), (found) => {
      topics = found;
    });

  const produce = (action: string, address: string, parts: ReadonlyArray<Part>): Effect.Effect<void, KafkaError> =>
    Effect.gen(function* () {
      const batches = parts.map(({ topic, partition, place, records }) => {
        const producer = { id, epoch, sequence: next.get(place) ?? 0, isTransactional };
        return { topic, partition, bytes: writeBatch(records, producer, compression) };
      });
      const { responses } = yield* ask(address, action, api, transactionalId, settings.requestMillisMax, batches);
      let answered = 0;
      for (const { name, partitionResponses } of responses) {
        answered += partitionResponses.length;
        for (const { index, errorCode, errorMessage } of partitionResponses) {
          // It had been written before.
          if (errorCode === 0 || errorCode === codes.duplicateSequenceNumber) continue;
          const words = `partition ${index} of ${name}${errorMessage === null ? "" : `: ${errorMessage}`}`;
          return yield* failures.ofCode(action, address, errorCode, words);
        }
      }
      if (answered !== parts.length) {
        return yield* failures.of(
          action,
          address,
          malformed(`an answer for ${answered} of ${parts.length} partitions`),
        );
      }
    });

  return (action, parts) =>
    Effect.gen(function* () {
      if (parts.some(({ topic }) => !topics.has(topic))) yield* lookUp(action, parts.map(({ topic }) => topic));
      const byLeader = new Map<string, Array<Part>>();
      for (const part of parts) {
        const { address } = yield* leaderOf(connections, action, topics, part.topic, part.partition);
        const found = byLeader.get(address);
        if (found === undefined) byLeader.set(address, [part]);
        else found.push(part);
      }
      yield* Effect.forEach(byLeader, ([address, parts]) => produce(action, address, parts), {
        concurrency: "unbounded",
        discard: true,
      });
      for (const { place, records } of parts) next.set(place, ((next.get(place) ?? 0) + records.length) % sequences);
    }).pipe(
      // Partitions may be led by others now.
      Effect.tapError(() => Effect.sync(() => void (topics = new Map()))),
    );
};

interface Batch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Bytes extends { append(bytes: infer B): unknown } ? B : never;
}

type ProduceAnswer = Exclude<ReturnType<Library["produceV9"]["parseResponse"]>, boolean>;

/** The request to write, with batches as they are written here. */
const produceApi = (
  library: Library,
): Api<[transactionalId: string | null, timeoutMillis: number, batches: ReadonlyArray<Batch>], ProduceAnswer> => ({
  ...despiteErrors(library, library.produceV9),
  createRequest: (transactionalId, timeoutMillis, batches) =>
    library.Writer.create()
      .appendString(transactionalId)
      .appendInt16(allReplicas)
      .appendInt32(timeoutMillis)
      .appendArray([...Map.groupBy(batches, ({ topic }) => topic)], (writer, [topic, batches]) => {
        writer.appendString(topic).appendArray(batches, (writer, { partition, bytes }) => {
          writer.appendInt32(partition).appendUnsignedVarInt(bytes.length + 1).append(bytes);
        });
      })
      .appendTaggedFields(),
});
