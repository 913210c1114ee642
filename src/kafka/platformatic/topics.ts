/**
 * What the cluster says of topics: their partitions and who leads them, and how large a batch may be.
 *
 * @module
 */
import { Effect } from "effect";
import type { KafkaError } from "../errors.ts";
import { codes } from "./codes.ts";
import { addressAt, type Connections, despiteErrors } from "./connections.ts";

/** How many bytes a batch of records may have where nobody has said otherwise: `max.message.bytes` of Kafka. */
export const batchBytesDefault = 1_048_588;

/** What `DescribeConfigs` calls a topic. */
const topicResource = 2;

/** A broker: who it is, and where. */
export interface Leader {
  readonly id: number;
  readonly address: string;
}

/** The leader of each partition of a topic, or `null` where it has none. */
export type Leaders = ReadonlyMap<number, Leader | null>;

/** Asks the cluster for some topics. One that does not exist is left out, and is not made. */
export const leadersOf = (
  connections: Connections,
  action: string,
  names: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, Leaders>, KafkaError> =>
  Effect.gen(function* () {
    const found = new Map<string, Leaders>();
    if (names.length === 0) return found;
    for (const { name, errorCode, partitions } of yield* lookUp(connections, action, names)) {
      if (errorCode === codes.unknownTopicOrPartition) continue;
      if (errorCode !== 0) {
        return yield* connections.failures.ofCode(action, connections.shown, errorCode, name);
      }
      const leaders = new Map<number, Leader | null>();
      for (const { partitionIndex, leaderId } of partitions) {
        const address = connections.brokers.get(leaderId);
        leaders.set(partitionIndex, address === undefined ? null : { id: leaderId, address });
      }
      found.set(name, leaders);
    }
    return found;
  });

/** Where a broker is that has led a partition; if nobody has asked for it yet, the cluster is asked for it now. */
export const addressOf = (connections: Connections, action: string, id: number): Effect.Effect<string, KafkaError> =>
  Effect.gen(function* () {
    const { brokers, failures, shown } = connections;
    if (!brokers.has(id)) yield* lookUp(connections, action, []);
    const address = brokers.get(id);
    if (address !== undefined) return address;
    return yield* failures.ofCode(action, shown, codes.leaderNotAvailable, `broker ${id}`);
  });

/** What the cluster says of some topics, and with it where its brokers are. */
const lookUp = ({ library, askAny, brokers }: Connections, action: string, names: ReadonlyArray<string>) =>
  Effect.map(
    askAny(action, despiteErrors(library, library.metadataV9), [...new Set(names)], false),
    ({ brokers: listed, topics }) => {
      brokers.clear();
      for (const { nodeId, host, port } of listed) brokers.set(nodeId, addressAt(host, port));
      return topics;
    },
  );

/** The leader of a partition, which must be there. */
export const leaderOf = (
  { failures, shown }: Connections,
  action: string,
  topics: ReadonlyMap<string, Leaders>,
  topic: string,
  partition: number,
): Effect.Effect<Leader, KafkaError> => {
  const leader = topics.get(topic)?.get(partition);
  if (leader) return Effect.succeed(leader);
  const code = leader === null ? codes.leaderNotAvailable : codes.unknownTopicOrPartition;
  return Effect.fail(failures.ofCode(action, shown, code, `partition ${partition} of ${topic}`));
};

/** Makes a topic, unless it is there. */
export const createTopic = (
  { library, askAny, settings }: Connections,
  name: string,
  partitions: number,
): Effect.Effect<void, KafkaError> => {
  const topic = { name, numPartitions: partitions, replicationFactor: -1, assignments: [], configs: [] };
  return Effect.asVoid(
    askAny(`create topic "${name}"`, library.createTopicsV5, [topic], settings.requestMillisMax, false),
  ).pipe(Effect.catchIf(({ code }) => code === "TOPIC_ALREADY_EXISTS", () => Effect.void));
};

/** How many bytes a batch of records of a topic may have. Who may not ask is told what Kafka's default is. */
export const batchBytesMaxOf = (
  { library, askAny }: Connections,
  topic: string,
): Effect.Effect<number, KafkaError> =>
  askAny(
    `describe topic "${topic}"`,
    library.describeConfigsV4,
    [{
      resourceType: topicResource,
      resourceName: topic,
      configurationKeys: ["max.message.bytes"],
    }],
    false,
    false,
  ).pipe(
    Effect.map(({ results }) => Number(results.at(0)?.configs.at(0)?.value ?? batchBytesDefault)),
    Effect.catchIf(
      ({ code }) => code === "TOPIC_AUTHORIZATION_FAILED" || code === "CLUSTER_AUTHORIZATION_FAILED",
      () => Effect.succeed(batchBytesDefault),
    ),
  );
