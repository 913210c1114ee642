/**
 * A broker in memory, for tests and simulations of jobs on Kafka.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Effect } from "effect";
import type { Isolation, KafkaClientProvider, LogRecord } from "../client.ts";
import { brokerError } from "./broker-error.ts";
import type { BrokerRequest, BrokerState, RequestFate } from "./connection.ts";
import { type GroupOffset, Groups } from "./groups.ts";
import { openMemoryClient } from "./memory-client.ts";
import { Topics } from "./topics.ts";
import { Transactions } from "./transactions.ts";

/** What a broker in memory is made with. */
export interface MemoryBrokerOptions {
  /**
   * How many partitions each topic has that is there from the beginning.
   *
   * @default {{}}
   */
  readonly topics?: Readonly<Record<string, number>>;
  /**
   * How many bytes a batch of records may have in every topic (Kafka's `max.message.bytes`). Nothing is compressed.
   *
   * @default {1_048_588}
   */
  readonly batchBytesMax?: number;
  /**
   * How many brokers the cluster seems to have. They are numbered from 0 and lead the partitions of a topic in turn.
   *
   * @default {1}
   */
  readonly brokers?: number;
}

/** A record that a test writes. Strings are taken as UTF-8. */
export interface AppendedRecord {
  /**
   * Its key.
   *
   * @default {null}
   */
  readonly key?: string | Uint8Array | null;
  /** Its value; `null` is a tombstone. */
  readonly value: string | Uint8Array | null;
  /**
   * Epoch milliseconds.
   *
   * @default {0}
   */
  readonly timestamp?: number;
  /**
   * Its headers.
   *
   * @default {[]}
   */
  readonly headers?: ReadonlyArray<readonly [name: string, value: string | Uint8Array | null]>;
}

/** A record that lies in a topic. */
export interface StoredRecord extends LogRecord {
  /** The partition. */
  readonly partition: number;
}

/** A broker in memory: a provider of clients, with hands for tests. What a hand cannot do it throws as a `KafkaError`. */
export interface MemoryBroker extends KafkaClientProvider {
  /** Makes a topic, unless it is there. */
  readonly createTopic: (name: string, partitions: number) => void;
  /** Deletes a topic, with what groups have committed for it. */
  readonly deleteTopic: (name: string) => void;
  /** Writes a record outside of any transaction, as a batch of its own, and gives its offset. */
  readonly append: (topic: string, partition: number, record: AppendedRecord) => number;
  /** What a reader of the whole topic is shown, by partition and offset. By default only what is committed. */
  readonly records: (topic: string, options?: { readonly isolation?: Isolation }) => ReadonlyArray<StoredRecord>;
  /** Deletes what lies before an offset, as retention does. */
  readonly deleteRecordsBefore: (topic: string, partition: number, offset: number) => void;
  /** What a group has committed, by topic and partition. */
  readonly offsetsOf: (group: string) => ReadonlyArray<GroupOffset>;
  /** Forgets what a group has committed, as happens to one that had no members for long. */
  readonly expireGroup: (group: string) => void;
  /** Aborts every open transaction and shuts out its producer, as when its time is over. Nothing does so by itself. */
  readonly timeOutTransactions: () => void;
  /** Decides what becomes of every request from now on. A waiting `Fetch` has been decided on when it came. */
  readonly onRequest: (fateOf: (request: BrokerRequest) => RequestFate) => void;
}

/** How many bytes a batch may have, unless it is said otherwise: Kafka's own default. */
const defaultBatchBytesMax = 1_048_588;

/**
 * Makes a broker in memory that behaves as Kafka does: offsets, batches and control records, transactions and their fences,
 * isolation, retention, offsets of groups. Any number of clients may be open; what is stored outlives them. Durations pass by
 * Effect's `Clock`, and nothing happens at random.
 *
 * It has neither members of groups nor compaction nor replicas, and it takes every client in. Its memory is bounded only by
 * what is written.
 *
 * @throws {KafkaError} If a topic cannot have its name or number of partitions.
 * @throws {RangeError} If another option is out of its range.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const broker = Kafka.memoryBroker({ topics: { orders: 2 } });
 * broker.append("orders", 0, { key: "ada", value: "tea" });
 * broker.append("orders", 1, { key: "bob", value: "milk" });
 * broker.append("orders", 0, { key: "ada", value: "rice" });
 * broker.deleteRecordsBefore("orders", 0, 1);
 *
 * // Jobs reach it through a cluster of which it is the client.
 * const cluster = Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker });
 * assert.equal(cluster.shown, "127.0.0.1:9092");
 *
 * const text = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);
 * assert.deepEqual(
 *   broker.records("orders").map(({ partition, offset, value }) => [partition, offset, text(value)]),
 *   [[0, 1, "rice"], [1, 0, "milk"]],
 * );
 * ```
 */
export const memoryBroker = (options: MemoryBrokerOptions = {}): MemoryBroker => {
  const { batchBytesMax = defaultBatchBytesMax, brokers = 1 } = options;
  for (const [name, value] of Object.entries({ batchBytesMax, brokers })) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new RangeError(
      `Cannot make a broker in memory as ${name} must be a whole number above 0: current value is ${value}`,
    );
  }
  const topics = new Topics(batchBytesMax);
  const groups = new Groups();
  const transactions = new Transactions(groups);
  const state: BrokerState = { topics, groups, transactions, brokers, fateOf: () => "ok" };
  let clients = 0;
  for (const [name, partitions] of Object.entries(options.topics ?? {})) topics.create(name, partitions);

  /** Changes something, and wakes those who wait for it. */
  const change = <A>(apply: () => A): A => {
    const result = apply();
    topics.ring();
    return result;
  };

  return {
    name: "memory",
    open: (settings) => Effect.suspend(() => openMemoryClient(state, settings, clients++)),
    createTopic: (name, partitions) => change(() => topics.create(name, partitions)),
    deleteTopic: (name) =>
      change(() => {
        topics.delete(name);
        groups.forgetTopic(name);
      }),
    append: (topic, partition, { key = null, value, timestamp = 0, headers = [] }) =>
      change(() => {
        const record = {
          timestamp,
          key: bytesOf(key),
          value: bytesOf(value),
          headers: headers.map(([name, value]) => [name, bytesOf(value)] as const),
        };
        return topics.append(topic, partition, [record], { producerId: "-1", isTransactional: false });
      }),
    records: (topic, { isolation = "read_committed" } = {}) =>
      topics.logs(topic).flatMap((log, partition) =>
        log.visible(isolation).map((record) => ({ partition, ...record }))
      ),
    deleteRecordsBefore: (topic, partition, offset) =>
      change(() => {
        const log = topics.log(topic, partition);
        if (!Number.isSafeInteger(offset) || offset < 0 || offset > log.endOffset) {
          const rule = `the offset must be one of 0 to ${log.endOffset}`;
          throw brokerError(
            "OFFSET_OUT_OF_RANGE",
            `delete from ${topic}-${partition} as ${rule}: current value is ${offset}`,
          );
        }
        log.deleteBefore(offset);
      }),
    offsetsOf: (group) => groups.offsetsOf(group),
    expireGroup: (group) => groups.expire(group),
    timeOutTransactions: () => change(() => transactions.timeOut()),
    onRequest: (fateOf) => void (state.fateOf = fateOf),
  };
};

const bytesOf = (value: string | Uint8Array | null): Uint8Array | null =>
  typeof value === "string" ? Buffer.from(value) : value;
