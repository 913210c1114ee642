/**
 * Writes to the logs of a broker in memory.
 *
 * @module
 */
import { Effect } from "effect";
import type { IdempotentProducer, KafkaTransaction, OutgoingRecord, TransactionalProducer } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { brokerError } from "./broker-error.ts";
import type { BrokerState, Connection } from "./connection.ts";
import type { Author, Outcome } from "./partition-log.ts";
import type { Topics } from "./topics.ts";
import type { ProducerSession } from "./transactions.ts";

interface PartitionShare {
  readonly name: string;
  readonly topic: string;
  readonly partition: number;
  readonly records: Array<OutgoingRecord>;
}

/** Records by partition, in the order in which partitions occur. */
const byPartition = (records: ReadonlyArray<OutgoingRecord>): ReadonlyArray<PartitionShare> => {
  const shares = new Map<string, PartitionShare>();
  for (const record of records) {
    const { topic, partition } = record;
    const name = `${topic}-${partition}`;
    const share = shares.get(name);
    if (share === undefined) shares.set(name, { name, topic, partition, records: [record] });
    else share.records.push(record);
  }
  return [...shares.values()];
};

/** Writes a batch to each partition. What one of them refuses does not keep the others from being written. */
const produce = (
  topics: Topics,
  shares: ReadonlyArray<PartitionShare>,
  author: Author,
  check: (share: PartitionShare) => void = () => {},
): void => {
  let refusal: KafkaError | null = null;
  for (const share of shares) {
    try {
      check(share);
      topics.append(share.topic, share.partition, share.records, author);
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
        : ask("Produce", () => produce(topics, byPartition(records), { producerId, isTransactional: false })),
  }));

/** Lets one thing happen at a time: it is taken until it is given back, and for ever by what fails. */
class Turn {
  #isFree = true;
  readonly #transactionalId: string;

  constructor(transactionalId: string) {
    this.#transactionalId = transactionalId;
  }

  /** Does something, if it is free. It is taken from then on. */
  take<A>(what: Effect.Effect<A, KafkaError>): Effect.Effect<A, KafkaError> {
    return Effect.suspend(() => {
      if (!this.#isFree) {
        const rule = "something is at work, has ended the transaction, or has failed";
        return Effect.fail(brokerError(clientCodes.client, `go on as ${this.#transactionalId} as ${rule}`));
      }
      this.#isFree = false;
      return what;
    });
  }

  /** Makes it free. */
  readonly giveBack: Effect.Effect<void> = Effect.sync(() => void (this.#isFree = true));
}

/** Opens a producer in transactions. */
export const memoryTransactionalProducer = (
  state: BrokerState,
  connection: Connection,
  transactionalId: string,
  timeoutMillis: number,
): Effect.Effect<TransactionalProducer, KafkaError> =>
  Effect.map(
    connection.ask("InitProducerId", () => state.transactions.initialise(transactionalId, timeoutMillis)),
    (session) => {
      const turn = new Turn(transactionalId);
      return { begin: turn.take(Effect.sync(() => openTransaction(state, connection, session, turn))) };
    },
  );

const openTransaction = (
  { topics, transactions }: BrokerState,
  { ask }: Connection,
  session: ProducerSession,
  producerTurn: Turn,
): KafkaTransaction => {
  const turn = new Turn(session.transactionalId);
  const author: Author = { producerId: session.producerId, isTransactional: true };
  const added = new Set<string>();
  let isBegun = false;

  const step = (what: () => Generator<Effect.Effect<void, KafkaError>, void>): Effect.Effect<void, KafkaError> =>
    turn.take(Effect.andThen(Effect.gen(what), turn.giveBack));

  const end = (outcome: Outcome): Effect.Effect<void, KafkaError> =>
    turn.take(Effect.gen(function* () {
      // The broker does not know of a transaction that takes part in nothing.
      if (isBegun) yield* ask("EndTxn", () => transactions.end(session, outcome));
      yield* producerTurn.giveBack;
    }));

  return {
    send: (records) =>
      step(function* () {
        const shares = byPartition(records);
        if (shares.length === 0) return;
        isBegun = true;
        if (!shares.every(({ name }) => added.has(name))) {
          yield* ask("AddPartitionsToTxn", () =>
            transactions.addLogs(session, shares.map(({ topic, partition }) => topics.log(topic, partition))));
          for (const { name } of shares) {
            added.add(name);
          }
        }
        yield* ask("Produce", () =>
          produce(topics, shares, author, ({ topic, partition }) =>
            transactions.checkWrite(session, topics.log(topic, partition))));
      }),
    sendOffsets: (offsets) =>
      step(function* () {
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
