/**
 * Reads all partitions of a topic from their beginning, as a `read_committed` reader sees them.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import type * as Kafka from "@weir/streams/kafka";
import { visibleRecords } from "../../src/kafka/visible.ts";

const mebibyte = 1_024 * 1_024;

/** How a topic is read, and until when. */
export interface Reading {
  /** How long a broker waits for records, in milliseconds. */
  readonly waitMillisMax: number;
  /** Takes the records of an answer that are visible, of one partition. */
  readonly take: (records: ReadonlyArray<Kafka.LogRecord>) => void;
  /** Whether enough has been read; it is told where each partition would be read on. */
  readonly isDone: (offsets: ReadonlyMap<number, number>) => boolean;
}

/** Reads a topic until it is enough. */
export const readTopic = (
  client: Kafka.KafkaClient,
  topic: string,
  { waitMillisMax, take, isDone }: Reading,
): Effect.Effect<void, Kafka.KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const fetcher = yield* client.fetcher;
    const { leaders } = (yield* fetcher.leaders([topic])).get(topic)!;
    const offsets = new Map([...leaders.keys()].map((partition) => [partition, 0]));
    const enough = { is: isDone(offsets) };
    const readFrom = (leader: number) =>
      Effect.gen(function* () {
        const led = [...leaders].flatMap(([partition, id]) => id === leader ? [partition] : []);
        for (let turn = 0; !enough.is; turn++) {
          // What a broker has no room for is at the end of its answer, so each has its turn to be first.
          const first = turn % led.length;
          const partitions = [...led.slice(first), ...led.slice(0, first)].map((partition) => ({
            topic,
            partition,
            offset: offsets.get(partition)!,
          }));
          const answers = yield* fetcher.fetch({
            leader,
            partitions,
            isolation: "read_committed",
            waitMillisMax,
            bytesMax: 16 * mebibyte,
            partitionBytesMax: mebibyte,
          });
          for (const answer of answers) {
            if (answer.error !== null) {
              throw new Error(`Cannot read ${topic}-${answer.partition} as ${answer.error} stands in the way`);
            }
            const { records, nextOffset } = visibleRecords(answer, offsets.get(answer.partition)!);
            offsets.set(answer.partition, nextOffset);
            if (records.length > 0) take(records);
          }
          enough.is = isDone(offsets);
        }
      });
    yield* Effect.forEach(new Set(leaders.values()), readFrom, { concurrency: "unbounded", discard: true });
  });
