/**
 * Producers, in transactions and without.
 *
 * KafkaJS has them, too, but asks for the identity of one in transactions only with its first transaction, says of most that
 * it may not do that there is no coordinator, and tries again for as long as it likes.
 *
 * @module
 */
import { Effect } from "effect";
import type {
  Compression,
  GroupOffsets,
  IdempotentProducer,
  KafkaTransaction,
  OutgoingRecord,
  TransactionalProducer,
} from "../client.ts";
import { clientCodes, type KafkaError } from "../errors.ts";
import { BatchSender, grouped, placeOf, type ProducerIdentity } from "./batch-sender.ts";
import { type Brokers, firstErrorOf } from "./brokers.ts";
import type { Ask } from "./link.ts";
import { kafkaError, Refusal } from "./refusal.ts";

interface InitProducerIdAnswer {
  readonly errorCode: number;
  readonly producerId: string;
  readonly producerEpoch: number;
}

const errorOf = ({ errorCode }: { readonly errorCode: number }): number => errorCode;

/** Asks for the identity of a producer. */
const initProducerId = (transactionalId: string | null, timeoutMillis: number): Ask<InitProducerIdAnswer> => ({
  name: "InitProducerId",
  version: 1,
  options: { transactionalId, transactionTimeout: timeoutMillis },
  errorOf,
});

const identityOf = ({ producerId, producerEpoch }: InitProducerIdAnswer): ProducerIdentity => ({
  id: BigInt(producerId),
  epoch: producerEpoch,
});

/** Something is used in a way that the port does not allow. */
const misused = (rule: string, current: string): Refusal => new Refusal(clientCodes.client, rule, current);

/** Lets one thing after the other be done until one fails: then nobody knows what the broker knows. */
class Fuse {
  #hasBlown = false;

  guard<A>(what: Effect.Effect<A, Refusal>): Effect.Effect<A, Refusal> {
    return Effect.suspend(() =>
      this.#hasBlown
        ? Effect.fail(misused("a producer must not be used after it has failed", "a producer that has failed"))
        : Effect.onError(what, () => Effect.sync(() => this.#hasBlown = true))
    );
  }
}

/** Opens a producer without transactions. */
export const openIdempotentProducer = (
  brokers: Brokers,
  { compression }: { readonly compression: Compression },
): Effect.Effect<IdempotentProducer, KafkaError> => {
  const { settings } = brokers;
  const told = kafkaError("write to Kafka", settings.brokers);
  const opened = Effect.gen(function* () {
    const answer = yield* brokers.askAny(initProducerId(null, settings.requestMillisMax));
    const sender = new BatchSender(brokers, identityOf(answer), null, compression);
    const fuse = new Fuse();
    return {
      send: (records: ReadonlyArray<OutgoingRecord>) => Effect.mapError(fuse.guard(sender.send(records)), told),
    };
  });
  return Effect.mapError(opened, told);
};

/** What a transactional producer is told. */
interface TransactionalOptions {
  readonly transactionalId: string;
  readonly timeoutMillis: number;
  readonly compression: Compression;
}

/** Opens a producer in transactions: when it is there, those of its id before it are shut out. */
export const openTransactionalProducer = (
  brokers: Brokers,
  { transactionalId, timeoutMillis, compression }: TransactionalOptions,
): Effect.Effect<TransactionalProducer, KafkaError> => {
  const { settings } = brokers;
  const opened = Effect.gen(function* () {
    const answer = yield* brokers.askCoordinator(
      "transaction",
      transactionalId,
      initProducerId(transactionalId, timeoutMillis),
    );
    const identity = identityOf(answer);
    return new Transactions(
      brokers,
      transactionalId,
      identity,
      new BatchSender(brokers, identity, transactionalId, compression),
    );
  });
  const refusedTo = kafkaError(`open the transactional producer ${transactionalId} in Kafka`, settings.brokers);
  return Effect.map(Effect.mapError(opened, refusedTo), (transactions) => ({ begin: transactions.begin }));
};

/** The transactions of one producer, one after the other. */
class Transactions {
  readonly #fuse = new Fuse();
  /** The one that is open. */
  #open: Transaction | null = null;

  constructor(
    readonly brokers: Brokers,
    readonly transactionalId: string,
    readonly identity: ProducerIdentity,
    readonly sender: BatchSender,
  ) {}

  get begin(): Effect.Effect<KafkaTransaction, KafkaError> {
    const begun = Effect.suspend(() => {
      if (this.#open !== null) return Effect.fail(misused("transactions must follow each other", "one that is open"));
      const transaction = new Transaction(this);
      this.#open = transaction;
      return Effect.succeed(transaction);
    });
    const during = (
      action: string,
      transaction: Transaction,
      what: Effect.Effect<void, Refusal>,
    ): Effect.Effect<void, KafkaError> =>
      this.#told(
        action,
        Effect.suspend(() =>
          this.#open === transaction ? what : Effect.fail(misused("a transaction must be open", "one that has ended"))
        ),
      );
    const end = (transaction: Transaction, isCommit: boolean) =>
      Effect.andThen(transaction.end(isCommit), Effect.sync(() => void (this.#open = null)));
    return Effect.map(this.#told("begin a transaction", begun), (transaction) => ({
      send: (records) => during("write in a transaction", transaction, transaction.send(records)),
      sendOffsets: (offsets) =>
        during("commit offsets in a transaction", transaction, transaction.sendOffsets(offsets)),
      commit: during("commit a transaction", transaction, end(transaction, true)),
      abort: during("abort a transaction", transaction, end(transaction, false)),
    }));
  }

  #told<A>(action: string, what: Effect.Effect<A, Refusal>): Effect.Effect<A, KafkaError> {
    const { brokers, transactionalId } = this;
    return Effect.mapError(
      this.#fuse.guard(what),
      kafkaError(`${action} of ${transactionalId} in Kafka`, brokers.settings.brokers),
    );
  }
}

/** One transaction. */
class Transaction {
  /** Which partitions the coordinator knows to be part of it. */
  readonly #partitions = new Set<string>();
  #hasOffsets = false;

  constructor(readonly producer: Transactions) {}

  send(records: ReadonlyArray<OutgoingRecord>): Effect.Effect<void, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const more = grouped(records, placeOf).filter(([first]) => !this.#partitions.has(placeOf(first)));
      if (more.length > 0) {
        const topics = grouped(more.map(([first]) => first), ({ topic }) => topic);
        yield* this.#askOwn<AddPartitionsAnswer>(
          "AddPartitionsToTxn",
          { topics: topics.map((of) => ({ topic: of[0].topic, partitions: of.map(({ partition }) => partition) })) },
          ({ errors }) => firstErrorOf(errors.flatMap(({ partitionErrors }) => partitionErrors)),
        );
        for (const [first] of more) this.#partitions.add(placeOf(first));
      }
      yield* this.producer.sender.send(records);
    });
  }

  sendOffsets({ group, member, offsets }: GroupOffsets): Effect.Effect<void, Refusal> {
    return Effect.gen({ self: this }, function* () {
      if (member !== null) {
        yield* Effect.fail(misused("KafkaJS cannot say which member of a group commits", `member ${member.id}`));
      }
      if (offsets.length === 0) return;
      yield* this.#askOwn("AddOffsetsToTxn", { groupId: group }, errorOf);
      this.#hasOffsets = true;
      yield* this.producer.brokers.askCoordinator<TxnOffsetCommitAnswer>(
        "group",
        group,
        {
          name: "TxnOffsetCommit",
          version: 1,
          options: { ...this.#own, groupId: group, topics: inTopics(offsets) },
          errorOf: ({ topics }) => firstErrorOf(topics.flatMap(({ partitions }) => partitions)),
        },
      );
    });
  }

  /** Ends it. Asked once: what a second answer would be about, nobody could tell. */
  end(isCommit: boolean): Effect.Effect<void, Refusal> {
    return Effect.suspend(() => {
      // Of a transaction without anything the coordinator does not know.
      if (this.#partitions.size === 0 && !this.#hasOffsets) return Effect.void;
      const { brokers, transactionalId } = this.producer;
      const options = { ...this.#own, transactionResult: isCommit };
      return Effect.asVoid(
        brokers.askCoordinatorOnce("transaction", transactionalId, { name: "EndTxn", version: 1, options, errorOf }),
      );
    });
  }

  /** Who it belongs to. */
  get #own() {
    const { transactionalId, identity } = this.producer;
    return { transactionalId, producerId: identity.id, producerEpoch: identity.epoch };
  }

  #askOwn<A>(
    name: "AddPartitionsToTxn" | "AddOffsetsToTxn",
    options: object,
    errorOf: (answer: A) => number,
  ): Effect.Effect<A, Refusal> {
    const { brokers, transactionalId } = this.producer;
    const ask: Ask<A> = { name, version: 1, options: { ...this.#own, ...options }, errorOf };
    return brokers.askCoordinator("transaction", transactionalId, ask);
  }
}

interface PartitionErrors {
  readonly partition: number;
  readonly errorCode: number;
}

interface AddPartitionsAnswer {
  readonly errors: ReadonlyArray<{ readonly partitionErrors: ReadonlyArray<PartitionErrors> }>;
}

interface TxnOffsetCommitAnswer {
  readonly topics: ReadonlyArray<{ readonly partitions: ReadonlyArray<PartitionErrors> }>;
}

/** Offsets as the library is told of them. */
export const inTopics = (
  offsets: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>,
): ReadonlyArray<unknown> =>
  grouped(offsets, ({ topic }) => topic).map((of) => ({
    topic: of[0].topic,
    partitions: of.map(({ partition, offset }) => ({ partition, offset, metadata: "" })),
  }));
