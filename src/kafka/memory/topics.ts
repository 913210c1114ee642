/**
 * The topics of a broker in memory: the logs of their partitions, and a bell that is rung when one may have changed.
 *
 * @module
 */
import { Deferred, Effect } from "effect";
import { batchBytes } from "./batch-bytes.ts";
import { brokerError } from "./broker-error.ts";
import { type Author, type NewRecord, PartitionLog } from "./partition-log.ts";

/** A topic. */
interface Topic {
  /** What tells it from others of its name. */
  readonly id: string;
  readonly logs: ReadonlyArray<PartitionLog>;
}

/** The topics of a broker in memory. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  #made = 0;
  readonly #batchBytesMax: number;
  #bell = Deferred.makeUnsafe<void>();

  constructor(batchBytesMax: number) {
    this.#batchBytesMax = batchBytesMax;
  }

  /** How many bytes a batch of the topic may have. */
  batchBytesMax(name: string): number {
    this.logs(name);
    return this.#batchBytesMax;
  }

  /** Makes a topic, unless it is there. */
  create(name: string, partitions: number): void {
    if (!/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(name)) {
      throw brokerError(
        "INVALID_TOPIC_EXCEPTION",
        `make a topic as Kafka allows no such name: current value is ${name}`,
      );
    }
    if (!Number.isSafeInteger(partitions) || partitions < 1) {
      throw brokerError("INVALID_PARTITIONS", `make ${name} as it needs partitions: current value is ${partitions}`);
    }
    if (this.#topics.has(name)) return;
    const logs = Array.from({ length: partitions }, () => new PartitionLog());
    this.#topics.set(name, { id: `topic-${++this.#made}`, logs });
  }

  /** Deletes a topic with all that lies in it. */
  delete(name: string): void {
    this.logs(name);
    this.#topics.delete(name);
  }

  /** A topic, or `undefined`. */
  find(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  /** The logs of a topic that should be there. */
  logs(name: string): ReadonlyArray<PartitionLog> {
    const topic = this.#topics.get(name);
    if (topic === undefined) {
      throw brokerError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `use a topic as there is none of this name: current value is ${name}`,
      );
    }
    return topic.logs;
  }

  /** The log of a partition that should be there. */
  log(topic: string, partition: number): PartitionLog {
    const log = this.logs(topic)[partition];
    if (log === undefined) {
      throw brokerError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `use a partition of ${topic} as there is none of this number: current value is ${partition}`,
      );
    }
    return log;
  }

  /** Writes a batch to a partition, and gives the offset of its first record. */
  append(topic: string, partition: number, records: ReadonlyArray<NewRecord>, author: Author): number {
    const log = this.log(topic, partition);
    const bytes = batchBytes(records);
    if (bytes > this.#batchBytesMax) {
      const rule = `a batch may have at most ${this.#batchBytesMax} bytes`;
      throw brokerError("MESSAGE_TOO_LARGE", `write to ${topic}-${partition} as ${rule}: current value is ${bytes}`);
    }
    return log.append(records, author);
  }

  /** Waits until the bell is rung the next time after this property was read. */
  get changed(): Effect.Effect<void> {
    return Deferred.await(this.#bell);
  }

  /** Wakes all who wait. Those may run at once, so it is rung when a change is complete. */
  ring(): void {
    const bell = this.#bell;
    this.#bell = Deferred.makeUnsafe<void>();
    Deferred.doneUnsafe(bell, Effect.void);
  }
}
