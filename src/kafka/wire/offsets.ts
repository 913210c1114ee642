/**
 * Offsets: those of partitions, and those that groups have committed.
 *
 * @module
 */
import { Effect } from "effect";
import type { Isolation, OffsetSpec } from "../client.ts";
import type { PlaceOffset } from "./broker-connection.ts";
import { type Brokers, leaderOf } from "./brokers.ts";
import { malformed, type Refusal } from "./refusal.ts";
import { whileSettling } from "./settling.ts";

/** What stands for the ends of a log where a time is asked for. */
const times = { earliest: -2, latest: -1 } as const;

/**
 * How long it is waited for offsets that a transaction has just committed, in milliseconds. They are there in a moment; those
 * of a transaction that is open may not be for long.
 */
const unstableMillisMax = 1_000;

/** The offsets of some partitions; see `KafkaClient.offsets`. */
export const offsetsOf = (
  brokers: Brokers,
  topic: string,
  partitions: ReadonlyArray<number>,
  spec: OffsetSpec,
  isolation: Isolation,
): Effect.Effect<ReadonlyMap<number, number>, Refusal> =>
  Effect.gen(function* () {
    const found = new Map<number, number>();
    if (partitions.length === 0) return found;
    const leaders = yield* brokers.leaders([topic]);
    const led: Array<{ readonly partition: number; readonly leader: number }> = [];
    for (const partition of partitions) led.push({ partition, leader: yield* leaderOf(leaders, topic, partition) });

    /** Asks the leaders for the offsets of a time, and gives the partitions in which no record is that late. */
    const list = (asked: typeof led, timestamp: number) =>
      Effect.gen(function* () {
        const byLeader = Map.groupBy(asked, ({ leader }) => leader);
        const answers = yield* Effect.forEach(byLeader, ([leader, its]) =>
          brokers.ask(leader, (broker) =>
            broker.listOffsets(
              topic,
              its.map(({ partition }) => partition),
              timestamp,
              isolation,
            )), {
          concurrency: "unbounded",
        });
        for (const { partition, offset } of answers.flat()) {
          if (offset >= 0) {
            found.set(partition, offset);
          }
        }
        return asked.filter(({ partition }) =>
          !found.has(partition)
        );
      });
    const behind = yield* list(led, typeof spec === "string" ? times[spec] : spec.timestamp);
    const [missing] = yield* list(behind, times.latest);
    if (missing === undefined) {
      return found;
    }
    return yield* Effect.fail(malformed(`an answer without partition ${missing.partition} of ${topic}`));
  });

/** What a group has committed; see `KafkaClient.committed`. It is not told while a transaction may change that. */
export const committedOf = (
  brokers: Brokers,
  group: string,
  topic: string,
  partitions: ReadonlyArray<number>,
): Effect.Effect<ReadonlyMap<number, number>, Refusal> =>
  Effect.gen(function* () {
    if (partitions.length === 0) return new Map();
    const offsets = yield* whileSettling(
      brokers.askCoordinator("group", group, (broker) => broker.offsetFetch(group, topic, partitions)),
      unstableMillisMax,
      ["UNSTABLE_OFFSET_COMMIT"],
    );
    const there = offsets.filter(({ offset }) => offset >= 0);
    return new Map(there.map(({ partition, offset }) => [partition, offset]));
  });

/** Commits offsets of a group that has no members. */
export const commitOffsets = (
  brokers: Brokers,
  group: string,
  offsets: ReadonlyArray<PlaceOffset>,
): Effect.Effect<void, Refusal> =>
  offsets.length === 0
    ? Effect.void
    : brokers.askCoordinator("group", group, (broker) => broker.offsetCommit(group, offsets));
