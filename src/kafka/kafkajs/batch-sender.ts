/**
 * Writes batches of records so that each is on the log once, however often it had to be sent.
 *
 * Every batch is numbered in the order of its producer and partition, and its number stays the same when it has to be sent
 * again: a broker that has it already says so, and does not write it twice. KafkaJS would send it again, too; but where a
 * partition has moved meanwhile to a broker that has answered before, it takes that answer for one about this partition.
 *
 * @module
 */
import { Effect } from "effect";
import type { Compression, OutgoingRecord } from "../client.ts";
import { clientCodes } from "../errors.ts";
import { protocolError } from "../protocol-errors.ts";
import type { Brokers } from "./brokers.ts";
import { ByteWriter } from "./byte-writer.ts";
import { writeBatch } from "./record-batches.ts";
import { type Refusal, refused } from "./refusal.ts";

/** How often a batch is sent until it is given up. */
const sendsMax = 5;

/** The pause before a batch is sent again, in milliseconds; it doubles each time. */
const resendPauseMillis = 100;

/** Numbers of batches begin anew behind this one. */
const sequenceMax = 0x7fff_ffff;

/** What a broker is told of how many replicas are to have what is written: all that are in sync. */
const allReplicas = -1;

/** A broker has the batch already, from when it was sent before. */
const duplicateSequence = 46;

/** A partition has no leader just now. */
const leaderNotAvailable = 5;

/** Brokers do not know a topic at once when it was made, so a batch for one is sent again. */
const unknownTopic = 3;

/** What the broker has given a producer. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
}

/** A batch for one partition. */
interface Batch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Uint8Array;
  readonly nextSequence: number;
}

interface ProduceAnswer {
  readonly topics: ReadonlyArray<{
    readonly topicName: string;
    readonly partitions: ReadonlyArray<{ readonly partition: number; readonly errorCode: number }>;
  }>;
}

/** Which partition is meant, as one word. */
export const placeOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string =>
  `${partition} ${topic}`;

/** Groups what is of the same partition or topic, in the order in which each was first. */
export const grouped = <A>(
  all: ReadonlyArray<A>,
  keyOf: (one: A) => string,
): ReadonlyArray<readonly [A, ...Array<A>]> => {
  const groups = new Map<string, [A, ...Array<A>]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group === undefined) groups.set(keyOf(one), [one]);
    else group.push(one);
  }
  return [...groups.values()];
};

/** Writes batches, each until its partition has it. One call at a time. */
export class BatchSender {
  readonly #sequences = new Map<string, number>();
  /** Who leads a partition, as far as was asked; a number below 0 is nobody. */
  readonly #leaders = new Map<string, number>();

  constructor(
    readonly brokers: Brokers,
    readonly identity: ProducerIdentity,
    readonly transactionalId: string | null,
    readonly compression: Compression,
  ) {}

  /** Writes records. After a failure the producer is of no more use: nobody knows which of them were written. */
  send(records: ReadonlyArray<OutgoingRecord>): Effect.Effect<void, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const batches = grouped(records, placeOf).map((of) => this.#batch(of));
      let left: ReadonlyArray<Batch> = batches;
      for (let sends = 1; left.length > 0; sends++) {
        const failures = new Map<Batch, Refusal>();
        for (const [batch, refusal] of yield* this.#sendOnce(left, sends === 1)) {
          if (!(refusal.retryable || refusal.code === protocolError(unknownTopic).name)) yield* Effect.fail(refusal);
          if (sends === sendsMax || refusal.code === clientCodes.timedOut) yield* Effect.fail(refusal);
          failures.set(batch, refusal);
        }
        left = left.filter((batch) => failures.has(batch));
        if (left.length > 0) yield* Effect.sleep(resendPauseMillis * 2 ** (sends - 1));
      }
      for (const batch of batches) this.#sequences.set(placeOf(batch), batch.nextSequence);
    });
  }

  #batch(records: readonly [OutgoingRecord, ...Array<OutgoingRecord>]): Batch {
    const [{ topic, partition }] = records;
    const sequence = this.#sequences.get(placeOf(records[0])) ?? 0;
    const bytes = writeBatch(records, {
      producerId: this.identity.id,
      producerEpoch: this.identity.epoch,
      sequence,
      isTransactional: this.transactionalId !== null,
      compression: this.compression,
    });
    return { topic, partition, bytes, nextSequence: (sequence + records.length) % (sequenceMax + 1) };
  }

  /** Sends batches to those who lead their partitions. Says which could not be written, and why. */
  #sendOnce(
    batches: ReadonlyArray<Batch>,
    isFirst: boolean,
  ): Effect.Effect<ReadonlyArray<readonly [Batch, Refusal]>, Refusal> {
    return Effect.gen({ self: this }, function* () {
      if (!isFirst || batches.some((batch) => !this.#leaders.has(placeOf(batch)))) {
        const described = yield* Effect.result(this.brokers.describe(batches.map(({ topic }) => topic)));
        if (described._tag === "Failure") return batches.map((batch) => [batch, described.failure] as const);
        for (const { topic, partitionMetadata } of described.success) {
          for (const { partitionId: partition, leader } of partitionMetadata) {
            this.#leaders.set(placeOf({ topic, partition }), leader);
          }
        }
      }
      const failures: Array<readonly [Batch, Refusal]> = [];
      const led = new Map<number, Array<Batch>>();
      for (const batch of batches) {
        const leader = this.#leaders.get(placeOf(batch));
        if (leader === undefined) failures.push([batch, refused(unknownTopic)]);
        else if (leader < 0) failures.push([batch, refused(leaderNotAvailable)]);
        else led.set(leader, [...led.get(leader) ?? [], batch]);
      }
      const more = yield* Effect.forEach(led, ([leader, its]) => this.#sendTo(leader, its), {
        concurrency: "unbounded",
      });
      return [...failures, ...more.flat()];
    });
  }

  #sendTo(
    leader: number,
    batches: ReadonlyArray<Batch>,
  ): Effect.Effect<ReadonlyArray<readonly [Batch, Refusal]>> {
    const topics = grouped(batches, ({ topic }) => topic);
    const asked = this.brokers.ask<ProduceAnswer>(leader, {
      name: "Produce",
      version: 7,
      options: { acks: allReplicas, topicData: [] },
      body: () => {
        const body = new ByteWriter().string(this.transactionalId).int16(allReplicas)
          .int32(this.brokers.settings.requestMillisMax);
        body.array(topics, (of) => {
          body.string(of[0].topic).array(of, ({ partition, bytes }) => {
            body.int32(partition).int32(bytes.length).raw(bytes);
          });
        });
        return body.written;
      },
    });
    return Effect.match(asked, {
      onFailure: (refusal) => batches.map((batch) => [batch, refusal] as const),
      onSuccess: ({ topics }) => {
        const codes = new Map<string, number>();
        for (const { topicName, partitions } of topics) {
          for (const { partition, errorCode } of partitions) {
            codes.set(placeOf({ topic: topicName, partition }), errorCode);
          }
        }
        return batches.flatMap((batch) => {
          // What is not answered was not written, for all we know.
          const code = codes.get(placeOf(batch)) ?? -1;
          return code === 0 || code === duplicateSequence ? [] : [[batch, refused(code)] as const];
        });
      },
    });
  }
}
