/**
 * Writes to the logs of a broker in memory.
 *
 * @module
 */
import { Effect } from "effect";
import type { IdempotentProducer, KafkaTransaction, TransactionalProducer } from "../client.ts";
import { KafkaError } from "../errors.ts";
import { type Part, partsOf, placeOf } from "../wire/parts.ts";
import { guardedProducer } from "../wire/transaction-guard.ts";
import type { BrokerState, Connection } from "./connection.ts";
import type { Author, Outcome } from "./partition-log.ts";
import type { Topics } from "./topics.ts";
import type { ProducerSession } from "./transactions.ts";

/** Writes a batch to each partition. What one of them refuses does not keep the others from being written. */
const produce = (
  topics: Topics,
  parts: ReadonlyArray<Part>,
  author: Author,
  check: (part: Part) => void = () => {},
): void => {
  let refusal: KafkaError | null = null;
  for (const part of parts) {
    try {
      check(part);
      topics.append(part.topic, part.partition, part.records, author);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      refusal ??= error;
    }
  }
  if (refusal !== null) throw refusal;
};

/** Opens an idempotent producer. */
export const memoryIdempotentProducer = (
  { topics, transactions }: BrokerState,
  { ask }: Connection,
): Effect.Effect<IdempotentProducer, KafkaError> =>
  Effect.map(ask("InitProducerId", () => transactions.newProducerId()), (producerId) => ({
    send: (records) =>
      records.length === 0
        ? Effect.void
        : ask("Produce", () => produce(topics, partsOf(records), { producerId, isTransactional: false })),
  }));

/** Opens a producer in transactions. */
export const memoryTransactionalProducer = (
  state: BrokerState,
  connection: Connection,
  transactionalId: string,
  timeoutMillis: number,
): Effect.Effect<TransactionalProducer, KafkaError> =>
  Effect.map(
    connection.ask("InitProducerId", () => state.transactions.initialise(transactionalId, timeoutMillis)),
    (session) => guardedProducer(transactionalId, () => openTransaction(state, connection, session)),
  );

const openTransaction = (
  { topics, transactions }: BrokerState,
  { ask }: Connection,
  session: ProducerSession,
): KafkaTransaction => {
  const author: Author = { producerId: session.producerId, isTransactional: true };
  const added = new Set<string>();
  let isBegun = false;

  const end = (outcome: Outcome): Effect.Effect<void, KafkaError> =>
    // The broker does not know of a transaction that takes part in nothing.
    Effect.suspend(() => isBegun ? ask("EndTxn", () => transactions.end(session, outcome)) : Effect.void);

  return {
    send: (records) =>
      Effect.gen(function* () {
        const parts = partsOf(records);
        if (parts.length === 0) return;
        isBegun = true;
        if (!parts.every((part) => added.has(placeOf(part)))) {
          yield* ask("AddPartitionsToTxn", () =>
            transactions.addLogs(session, parts.map(({ topic, partition }) => topics.log(topic, partition))));
          for (const part of parts) {
            added.add(placeOf(part));
          }
        }
        yield* ask("Produce", () =>
          produce(topics, parts, author, ({ topic, partition }) =>
            transactions.checkWrite(session, topics.log(topic, partition))));
      }),
    sendOffsets: (offsets) =>
      Effect.gen(function* () {
        isBegun = true;
        yield* ask("AddOffsetsToTxn", () => transactions.addGroup(session, offsets.group));
        yield* ask("TxnOffsetCommit", () => {
          for (const { topic, partition } of offsets.offsets) topics.log(topic, partition);
          transactions.commitOffsets(session, offsets);
        });
      }),
    commit: end("commit"),
    abort: end("abort"),
  };
};
