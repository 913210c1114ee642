/**
 * Producers, in transactions and without.
 *
 * @module
 */
import { Effect, Semaphore } from "effect";
import type {
  Compression,
  IdempotentProducer,
  KafkaTransaction,
  OutgoingRecord,
  TransactionalProducer,
} from "../client.ts";
import type { KafkaError } from "../errors.ts";
import type { TransactionalIdentity } from "./broker-connection.ts";
import type { Brokers } from "./brokers.ts";
import { PartitionWriter } from "./partition-writer.ts";
import { partsOf, placeOf } from "./parts.ts";
import { kafkaError, type Refusal } from "./refusal.ts";
import { whileSettling } from "./settling.ts";
import { guardedProducer } from "./transaction-guard.ts";

/** What a transactional producer is told. */
interface TransactionalOptions {
  readonly transactionalId: string;
  readonly timeoutMillis: number;
  readonly compression: Compression;
}

/** Opens a producer in transactions. When it is there, earlier ones of its id are shut out. */
export const openTransactionalProducer = (
  brokers: Brokers,
  { transactionalId, timeoutMillis, compression }: TransactionalOptions,
): Effect.Effect<TransactionalProducer, KafkaError> =>
  Effect.gen(function* () {
    const { id, epoch } = yield* brokers.askCoordinator(
      "transaction",
      transactionalId,
      (broker) => broker.initProducerId(transactionalId, timeoutMillis),
    );
    const producer = { transactionalId, id, epoch };
    const writer = new PartitionWriter(brokers, producer, transactionalId, compression);
    return guardedProducer(transactionalId, () => openTransaction(brokers, producer, writer));
  }).pipe(Effect.mapError(kafkaError(`open the producer of transactions ${transactionalId}`, brokers.settings)));

const openTransaction = (
  brokers: Brokers,
  producer: TransactionalIdentity,
  writer: PartitionWriter,
): KafkaTransaction => {
  const { transactionalId } = producer;
  /** What the coordinator knows to be part of it. */
  const places = new Set<string>();
  const groups = new Set<string>();

  const told = (action: string, what: Effect.Effect<void, Refusal>): Effect.Effect<void, KafkaError> =>
    Effect.mapError(what, kafkaError(`${action} of ${transactionalId}`, brokers.settings));

  const end = (isCommit: boolean): Effect.Effect<void, Refusal> =>
    Effect.suspend(() =>
      // A transaction that has nothing has not begun for the coordinator.
      places.size + groups.size === 0
        ? Effect.void
        // Asked once: what a second answer would be about, nobody could tell.
        : brokers.askCoordinatorOnce("transaction", transactionalId, (broker) => broker.endTxn(producer, isCommit))
    );

  return {
    send: (records) =>
      told(
        "write in a transaction",
        Effect.gen(function* () {
          const parts = partsOf(records);
          const added = parts.filter((part) => !places.has(placeOf(part)));
          if (added.length > 0) {
            yield* brokers.askCoordinator(
              "transaction",
              transactionalId,
              (broker) => broker.addPartitionsToTxn(producer, added),
            );
            for (const part of added) places.add(placeOf(part));
          }
          yield* writer.write(parts);
        }),
      ),
    sendOffsets: (offsets) => {
      const { group } = offsets;
      return told(
        `commit offsets of group ${group} in a transaction`,
        Effect.gen(function* () {
          if (!groups.has(group)) {
            yield* brokers.askCoordinator(
              "transaction",
              transactionalId,
              (broker) => broker.addOffsetsToTxn(producer, group),
            );
            groups.add(group);
          }
          yield* brokers.askCoordinator("group", group, (broker) => broker.txnOffsetCommit(producer, offsets));
        }),
      );
    },
    commit: told("commit a transaction", end(true)),
    abort: told("abort a transaction", end(false)),
  };
};

/** Opens a producer without transactions. */
export const openIdempotentProducer = (
  brokers: Brokers,
  { compression }: { readonly compression: Compression },
): Effect.Effect<IdempotentProducer, KafkaError> => {
  const { settings } = brokers;
  const told = kafkaError("write to Kafka", settings);
  return Effect.gen(function* () {
    const connect = Effect.map(
      // It has no transactions that could take too long.
      whileSettling(
        brokers.askAny((broker) => broker.initProducerId(null, settings.requestMillisMax)),
        settings.requestMillisMax,
      ),
      (producer) => new PartitionWriter(brokers, producer, null, compression),
    );
    let writer = yield* connect;
    // What was sent last, if it may have been written or not: nothing else may have its numbers, or it would be lost.
    let unsettled: ReadonlyArray<OutgoingRecord> | null = null;
    const oneAtATime = Semaphore.makeUnsafe(1);
    return {
      send: (records: ReadonlyArray<OutgoingRecord>) =>
        oneAtATime.withPermit(Effect.gen(function* () {
          if (unsettled !== null && unsettled !== records) writer = yield* connect;
          unsettled = records;
          yield* writer.write(partsOf(records));
          unsettled = null;
        })).pipe(Effect.mapError(told)),
    };
  }).pipe(Effect.mapError(told));
};
