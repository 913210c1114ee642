/**
 * Reads the logs of a broker in memory.
 *
 * @module
 */
import { Effect } from "effect";
import type { ClientSettings, FetchedPartition, FetchRequest, KafkaFetcher } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { brokerError } from "./broker-error.ts";
import { attempt, type BrokerState, type Connection } from "./connection.ts";

/** What a broker says where it refuses: it tells no offsets. */
const refused = (topic: string, partition: number, error: string): FetchedPartition => ({
  topic,
  partition,
  error,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  aborted: [],
  batches: [],
});

/** What reads over a connection. */
export const memoryFetcher = (
  { topics, brokers }: BrokerState,
  { ask, arrive, lose }: Connection,
  settings: ClientSettings,
): KafkaFetcher => {
  /** The brokers are numbered from 0, and lead partitions in turn. */
  const leaderOf = (partition: number): number => partition % brokers;

  const checkBytes = (what: string, bytesMax: number, bytes: number): void => {
    if (bytes <= bytesMax) return;
    const rule = `${what} may have at most ${bytesMax} bytes`;
    throw brokerError(clientCodes.tooLarge, `read from ${settings.brokers} as ${rule}: current value is ${bytes}`);
  };

  const read = (request: FetchRequest): ReadonlyArray<FetchedPartition> => {
    let bytes = 0;
    return request.partitions.map(({ topic, partition, offset }) => {
      const log = topics.find(topic)?.logs[partition];
      if (log === undefined) return refused(topic, partition, "UNKNOWN_TOPIC_OR_PARTITION");
      if (leaderOf(partition) !== request.leader) return refused(topic, partition, "NOT_LEADER_OR_FOLLOWER");
      if (offset < log.startOffset || offset > log.endOffset) return refused(topic, partition, "OFFSET_OUT_OF_RANGE");
      const bytesMax = Math.min(request.partitionBytesMax, request.bytesMax - bytes);
      const slice = log.read(offset, request.isolation, bytesMax, bytes === 0);
      bytes += slice.bytes;
      checkBytes("a batch", settings.batchBytesMax, slice.batchBytes);
      checkBytes("an answer", settings.responseBytesMax, bytes);
      return {
        topic,
        partition,
        error: null,
        highWatermark: log.endOffset,
        lastStableOffset: log.stableOffset,
        logStartOffset: log.startOffset,
        aborted: slice.aborted,
        batches: slice.batches,
      };
    });
  };

  /** Reads until there is something, or something is wrong. */
  const readWhenThere = (request: FetchRequest): Effect.Effect<ReadonlyArray<FetchedPartition>, KafkaError> =>
    Effect.gen(function* () {
      for (;;) {
        // Taken before the logs are read, so that no change is missed.
        const changed = topics.changed;
        const answer = yield* attempt(() => read(request));
        if (answer.some(({ error, batches }) => error !== null || batches.length > 0)) return answer;
        yield* changed;
      }
    });

  return {
    leaders: (names) =>
      ask("Metadata", () =>
        new Map(names.flatMap((name) => {
          const topic = topics.find(name);
          if (topic === undefined) return [];
          return [[name, { id: topic.id, leaders: new Map(topic.logs.map((_, k) => [k, leaderOf(k)])) }]];
        }))),
    fetch: (request) =>
      Effect.flatMap(arrive("Fetch"), (fate) => {
        if (fate === "applied") return lose("Fetch");
        if (fate instanceof KafkaError) {
          return Effect.succeed(
            request.partitions.map(({ topic, partition }) => refused(topic, partition, fate.code)),
          );
        }
        return Effect.timeoutOrElse(readWhenThere(request), {
          duration: request.waitMillisMax,
          orElse: () => attempt(() => read(request)),
        });
      }),
  };
};
