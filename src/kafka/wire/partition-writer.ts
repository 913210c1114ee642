/**
 * Writes records to the leaders of their partitions, under the numbers of a producer.
 *
 * Every batch is numbered in the order of its producer and partition. One that is written again after a failure has the number
 * that it had, and a broker that has it already does not write it twice.
 *
 * @module
 */
import { Effect } from "effect";
import type { Compression } from "../client.ts";
import type { ProducerIdentity } from "./broker-connection.ts";
import { type Brokers, leaderOf, type Leaders } from "./brokers.ts";
import { type Part, placeOf } from "./parts.ts";
import { writeBatch } from "./record-batches.ts";
import { codes, malformed, type Refusal, refused } from "./refusal.ts";

/** How many numbers there are: behind the last comes the first. */
const sequences = 2 ** 31;

/** What writes for a producer. One call at a time. */
export class PartitionWriter {
  /** The number of the next record of each partition. */
  readonly #next = new Map<string, number>();
  #leaders: Leaders = new Map();

  constructor(
    readonly brokers: Brokers,
    readonly producer: ProducerIdentity,
    readonly transactionalId: string | null,
    readonly compression: Compression,
  ) {}

  /** Writes parts, each as one batch. After a failure only the same may be written again: any of it may be on the log. */
  write(parts: ReadonlyArray<Part>): Effect.Effect<void, Refusal> {
    return Effect.gen({ self: this }, function* () {
      if (parts.some(({ topic }) => !this.#leaders.has(topic))) {
        this.#leaders = yield* this.brokers.leaders([...this.#leaders.keys(), ...parts.map(({ topic }) => topic)]);
      }
      const byLeader = new Map<number, Array<Part>>();
      for (const part of parts) {
        const leader = yield* leaderOf(this.#leaders, part.topic, part.partition);
        const its = byLeader.get(leader);
        if (its === undefined) byLeader.set(leader, [part]);
        else its.push(part);
      }
      yield* Effect.forEach(byLeader, ([leader, its]) => this.#produce(leader, its), {
        concurrency: "unbounded",
        discard: true,
      });
      for (const part of parts) this.#next.set(placeOf(part), (this.#nextOf(part) + part.records.length) % sequences);
    }).pipe(
      // Partitions may be led by others now.
      Effect.tapError(() => Effect.sync(() => void (this.#leaders = new Map()))),
    );
  }

  #nextOf(part: Part): number {
    return this.#next.get(placeOf(part)) ?? 0;
  }

  #produce(leader: number, parts: ReadonlyArray<Part>): Effect.Effect<void, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const { producer, transactionalId, compression } = this;
      const isTransactional = transactionalId !== null;
      const batches = parts.map((part) => {
        const { topic, partition, records } = part;
        const sequence = this.#nextOf(part);
        return {
          topic,
          partition,
          bytes: writeBatch(records, { producer, isTransactional, sequence, compression }),
        };
      });
      const answers = yield* this.brokers.ask(leader, (broker) => broker.produce(transactionalId, batches));
      for (const { topic, partition, errorCode } of answers) {
        // It had been written before.
        if (errorCode === 0 || errorCode === codes.duplicateSequenceNumber) continue;
        yield* Effect.fail(refused(errorCode, `partition ${partition} of ${topic}`));
      }
      if (answers.length !== parts.length) {
        yield* Effect.fail(malformed(`an answer for ${answers.length} of ${parts.length} partitions`));
      }
    });
  }
}
