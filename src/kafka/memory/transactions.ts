/**
 * The coordinator of transactions: who may write under a transactional id, what a transaction takes part in, and its end.
 *
 * A transaction ends everywhere in one step, so that nobody meets one that is about to end. Epochs go up when a producer is
 * initialised and when the broker ends a transaction itself.
 *
 * @module
 */
import type { GroupOffsets } from "../client.ts";
import type { KafkaError } from "../errors.ts";
import { brokerError } from "./broker-error.ts";
import type { Groups } from "./groups.ts";
import type { Outcome, PartitionLog } from "./partition-log.ts";

/** The longest that a transaction may be open, in milliseconds: Kafka's `transaction.max.timeout.ms`. */
export const transactionMillisMax = 900_000;

/** What a producer was told when it was initialised. */
export interface ProducerSession {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly epoch: number;
}

interface Producer {
  readonly producerId: string;
  epoch: number;
  open: { readonly logs: Set<PartitionLog>; readonly groups: Set<string> } | null;
}

/** The coordinator of transactions. */
export class Transactions {
  readonly #groups: Groups;
  readonly #producers = new Map<string, Producer>();
  #producerIds = 0;

  constructor(groups: Groups) {
    this.#groups = groups;
  }

  /** A producer's id that nobody has yet. */
  newProducerId(): string {
    return String(this.#producerIds++);
  }

  /** Ends what earlier producers of the id have left open, and shuts them out. */
  initialise(transactionalId: string, timeoutMillis: number): ProducerSession {
    if (!(timeoutMillis > 0 && timeoutMillis <= transactionMillisMax)) {
      const rule = `a transaction may be open for 1 to ${transactionMillisMax} ms`;
      throw brokerError(
        "INVALID_TRANSACTION_TIMEOUT",
        `initialise ${transactionalId} as ${rule}: current value is ${timeoutMillis}`,
      );
    }
    let producer = this.#producers.get(transactionalId);
    if (producer === undefined) {
      this.#producers.set(transactionalId, producer = { producerId: this.newProducerId(), epoch: 0, open: null });
    } else {
      this.#end(producer, "abort");
      producer.epoch++;
    }
    return { transactionalId, producerId: producer.producerId, epoch: producer.epoch };
  }

  /** Takes logs into the producer's transaction. */
  addLogs(session: ProducerSession, logs: ReadonlyArray<PartitionLog>): void {
    const open = this.#openOf(this.#current(session, "PRODUCER_FENCED"));
    for (const log of logs) open.logs.add(log);
  }

  /** Takes a group into the producer's transaction. */
  addGroup(session: ProducerSession, group: string): void {
    this.#openOf(this.#current(session, "PRODUCER_FENCED")).groups.add(group);
  }

  /** Fails unless the producer may write to a log now. */
  checkWrite(session: ProducerSession, log: PartitionLog): void {
    const { open } = this.#current(session, "INVALID_PRODUCER_EPOCH");
    if (!open?.logs.has(log)) throw notOpen(session);
  }

  /** Keeps offsets of a group until the transaction ends. As a write, it is refused like one. */
  commitOffsets(session: ProducerSession, offsets: GroupOffsets): void {
    const { producerId, open } = this.#current(session, "INVALID_PRODUCER_EPOCH");
    if (!open?.groups.has(offsets.group)) throw notOpen(session);
    this.#groups.commitLater(producerId, offsets);
  }

  /** Ends the producer's transaction. */
  end(session: ProducerSession, outcome: Outcome): void {
    const producer = this.#current(session, "PRODUCER_FENCED");
    if (producer.open === null) throw notOpen(session);
    this.#end(producer, outcome);
  }

  /** Aborts every open transaction and shuts out its producer, as when its time is over. */
  timeOut(): void {
    for (const producer of this.#producers.values()) {
      if (producer.open === null) continue;
      producer.epoch++;
      this.#end(producer, "abort");
    }
  }

  #current(session: ProducerSession, fenced: "PRODUCER_FENCED" | "INVALID_PRODUCER_EPOCH"): Producer {
    const { transactionalId, epoch } = session;
    const producer = this.#producers.get(transactionalId);
    if (producer?.epoch !== epoch) {
      throw brokerError(
        fenced,
        `go on as ${transactionalId} as a newer epoch has shut it out: current value is ${epoch}`,
      );
    }
    return producer;
  }

  #openOf(producer: Producer): NonNullable<Producer["open"]> {
    return producer.open ??= { logs: new Set(), groups: new Set() };
  }

  #end(producer: Producer, outcome: Outcome): void {
    for (const log of producer.open?.logs ?? []) log.endTransaction(producer.producerId, outcome);
    this.#groups.endTransaction(producer.producerId, outcome);
    producer.open = null;
  }
}

const notOpen = ({ transactionalId, producerId }: ProducerSession): KafkaError =>
  brokerError(
    "INVALID_TXN_STATE",
    `go on as ${transactionalId} as its transaction does not take part in this: current value is ${producerId}`,
  );
