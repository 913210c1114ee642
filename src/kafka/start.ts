/**
 * Where a source begins to read a partition that it has never read.
 *
 * @module
 */
import { Effect } from "effect";
import { inWords } from "../windows/in-words.ts";
import type { Isolation, KafkaClient } from "./client.ts";
import type { KafkaError } from "./errors.ts";

/**
 * Where to begin: with the first record that is left (`"earliest"`), behind the last (`"latest"`), with the first that is not
 * older than a time, at given offsets, or where a consumer group has come to. `otherwise` is for partitions to which nothing
 * was given, or of which the group has committed nothing; its default is `"earliest"`.
 */
export type Start =
  | "earliest"
  | "latest"
  | { readonly timestamp: Date | number }
  | { readonly offsets: Readonly<Record<string, number>>; readonly otherwise?: "earliest" | "latest" }
  | { readonly group: string; readonly otherwise?: "earliest" | "latest" };

/** Why something is no {@link Start}, or `null`. Splits are named `"<topic>-<partition>"`. */
export const startRefusal = (
  start: Start,
  topics: ReadonlyArray<string>,
): readonly [rule: string, current: string] | null => {
  if (start === "earliest" || start === "latest") return null;
  if (typeof start === "object" && start !== null) {
    if ("timestamp" in start) {
      return Number.isFinite(Number(start.timestamp))
        ? null
        : ["start.timestamp must be a time in epoch milliseconds", inWords(start.timestamp)];
    }
    if ("group" in start) {
      return typeof start.group === "string" && start.group !== ""
        ? null
        : ["start.group must be the name of a consumer group", inWords(start.group)];
    }
    if ("offsets" in start) {
      const wrong = Object.entries(start.offsets).find(([split, offset]) =>
        !topics.includes(/^(.+)-\d+$/.exec(split)?.[1] ?? "") || !Number.isSafeInteger(offset) || offset < 0
      );
      return wrong === undefined ? null : [
        'start.offsets must give whole numbers by partitions of its topics, such as "clicks-0"',
        inWords({ [wrong[0]]: wrong[1] }),
      ];
    }
  }
  return ['start must be "earliest", "latest", a timestamp, offsets or a group', inWords(start)];
};

/** The offsets at which to begin in some partitions of a topic. */
export const startOffsets = (
  client: KafkaClient,
  start: Start,
  topic: string,
  partitions: ReadonlyArray<number>,
  isolation: Isolation,
): Effect.Effect<ReadonlyMap<number, number>, KafkaError> =>
  Effect.gen(function* () {
    if (typeof start === "string") return yield* client.offsets(topic, partitions, start, isolation);
    if ("timestamp" in start) {
      // Whole milliseconds: in the protocol, numbers below 0 are no times but names of offsets.
      const spec = { timestamp: Math.max(0, Math.ceil(Number(start.timestamp))) };
      return yield* client.offsets(topic, partitions, spec, isolation);
    }
    const known = "offsets" in start
      ? new Map(partitions.flatMap((partition) => {
        const offset = start.offsets[`${topic}-${partition}`];
        return offset === undefined ? [] : [[partition, offset] as const];
      }))
      : yield* client.committed(start.group, topic, partitions);
    const others = partitions.filter((partition) => !known.has(partition));
    if (others.length === 0) return known;
    return new Map([...known, ...yield* client.offsets(topic, others, start.otherwise ?? "earliest", isolation)]);
  });
