/**
 * Offsets: those of partitions, and those that groups have committed.
 *
 * @module
 */
import { Effect, Schedule } from "effect";
import type { Isolation, OffsetSpec } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { malformed } from "../kafkajs/refusal.ts";
import type { Connections } from "./connections.ts";
import { coordinatorOf } from "./coordinators.ts";
import { leaderOf, leadersOf } from "./topics.ts";

/** How the protocol numbers who is shown which records. */
export const isolationLevels: Readonly<Record<Isolation, number>> = { read_uncommitted: 0, read_committed: 1 };

/** The times that mean "behind the last" and "the first". */
const latest = -1n;
const earliest = -2n;

/**
 * How long it is waited for offsets that a transaction has just committed, in milliseconds. They are there in a moment; those
 * of a transaction that is open may not be for long.
 */
const unstableMillisMax = 1_000;

/** The pause before they are asked for again, in milliseconds. */
const unstablePauseMillis = 20;

/** An offset of a partition of a topic. */
export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The offsets of some partitions; see `KafkaClient.offsets`. */
export const offsetsOf = (
  connections: Connections,
  topic: string,
  partitions: ReadonlyArray<number>,
  spec: OffsetSpec,
  isolation: Isolation,
): Effect.Effect<ReadonlyMap<number, number>, KafkaError> =>
  Effect.gen(function* () {
    const { library, ask, failures, shown } = connections;
    const action = `look up offsets of topic "${topic}"`;
    const topics = yield* leadersOf(connections, action, [topic]);
    const byLeader = new Map<string, Array<number>>();
    for (const partition of partitions) {
      const { address } = yield* leaderOf(connections, action, topics, topic, partition);
      append(byLeader, address, partition);
    }
    const list = (address: string, partitions: ReadonlyArray<number>, timestamp: bigint) =>
      Effect.map(
        ask(address, action, library.listOffsetsV6, -1, isolationLevels[isolation], [{
          name: topic,
          partitions: partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp })),
        }]),
        ({ topics }) => topics.flatMap(({ partitions }) => partitions),
      );
    const time = spec === "latest" ? latest : spec === "earliest" ? earliest : BigInt(spec.timestamp);
    const found = new Map<number, number>();
    yield* Effect.forEach(byLeader, ([address, partitions]) =>
      Effect.gen(function* () {
        const behind: Array<number> = [];
        for (const { partitionIndex, offset } of yield* list(address, partitions, time)) {
          // No record is as late as that.
          if (offset < 0) behind.push(partitionIndex);
          else found.set(partitionIndex, Number(offset));
        }
        if (behind.length === 0) return;
        for (const { partitionIndex, offset } of yield* list(address, behind, latest)) {
          found.set(partitionIndex, Number(offset));
        }
      }), { concurrency: "unbounded", discard: true });
    const unknown = partitions.find((partition) => !found.has(partition));
    if (unknown === undefined) return found;
    return yield* failures.of(action, shown, malformed(`an answer without partition ${unknown} of ${topic}`));
  });

/** What a group has committed; see `KafkaClient.committed`. It does not answer while a transaction may change that. */
export const committedOf = (
  connections: Connections,
  group: string,
  topic: string,
  partitions: ReadonlyArray<number>,
): Effect.Effect<ReadonlyMap<number, number>, KafkaError> => {
  const topics = [{ name: topic, partitionIndexes: [...partitions] }];
  return coordinatorOf(connections, "group", group)
    .ask(`look up offsets of group "${group}"`, connections.library.offsetFetchV7, [{ groupId: group, topics }], true)
    .pipe(
      Effect.retry({
        while: ({ code }) => code === "UNSTABLE_OFFSET_COMMIT",
        schedule: Schedule.spaced(unstablePauseMillis).pipe(Schedule.upTo({ duration: unstableMillisMax })),
      }),
      Effect.map(({ topics }) =>
        new Map(
          topics.flatMap(({ partitions }) => partitions)
            .filter(({ committedOffset }) => committedOffset >= 0n)
            .map(({ partitionIndex, committedOffset }) => [partitionIndex, Number(committedOffset)]),
        )
      ),
    );
};

/** Commits offsets of a group that has no members. */
export const commitOffsets = (
  connections: Connections,
  group: string,
  offsets: ReadonlyArray<PartitionOffset>,
): Effect.Effect<void, KafkaError> =>
  Effect.asVoid(
    coordinatorOf(connections, "group", group).ask(
      `commit offsets of group "${group}"`,
      connections.library.offsetCommitV8,
      group,
      -1,
      "",
      null,
      offsetTopics(offsets),
    ),
  );

/** Offsets, by topic, as requests that commit them have them. */
export const offsetTopics = (offsets: ReadonlyArray<PartitionOffset>) => {
  const topics = new Map<string, Array<PartitionOffset>>();
  for (const offset of offsets) append(topics, offset.topic, offset);
  return [...topics].map(([name, offsets]) => ({
    name,
    partitions: offsets.map(({ partition, offset }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: "",
    })),
  }));
};

const append = <Key, Value>(map: Map<Key, Array<Value>>, key: Key, value: Value): void => {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
};
