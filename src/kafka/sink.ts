/**
 * A sink to a Kafka topic.
 *
 * @module
 */
import { Clock, type Duration, Effect, type Scope } from "effect";
import { SinkError, type SinkOpenError } from "../exactly-once/errors.ts";
import type { AppendOnly, Sink, SinkContext, SinkWriter, Transactional } from "../exactly-once/sink.ts";
import { inWords } from "../windows/in-words.ts";
import { atLeastOne, millisOf } from "../windows/millis-of.ts";
import type { Compression, Header, KafkaClient, OutgoingRecord } from "./client.ts";
import type { Cluster } from "./cluster.ts";
import { KafkaError } from "./errors.ts";
import type { Codec, Format } from "./format.ts";
import { type Chunking, chunksOf, recordBytes } from "./outgoing.ts";
import { openIdempotentPublisher } from "./idempotent-publisher.ts";
import { packRow, unpackRow } from "./packed-row.ts";
import { openTransactionalPublisher } from "./transactional-publisher.ts";

/** Headers of a record that is to be written: in order, or an object. Texts are UTF-8. */
export type Headers =
  | ReadonlyArray<readonly [name: string, value: Uint8Array | string | null]>
  | Readonly<Record<string, Uint8Array | string | null>>;

/** A record that is to be written, without a key. */
export interface KafkaMessage<out V> {
  /** There is none: its partition is the next in turn. See {@link KeyedMessage}. */
  readonly key?: "none: give the sink a format for keys";
  /** The value. */
  readonly value: V;
  /** Its headers. Default: none. */
  readonly headers?: Headers;
  /** Epoch milliseconds. Default: the time at which it is written. */
  readonly timestamp?: number;
  /** The partition. Default: each has its turn. */
  readonly partition?: number;
}

/** A record that is to be written, with a key. */
export interface KeyedMessage<out K, out V> {
  /** The key. */
  readonly key: K;
  /** The value; `null` is a tombstone, where the format of the values is nullable. */
  readonly value: V;
  /** Its headers. Default: none. */
  readonly headers?: Headers;
  /** Epoch milliseconds. Default: the time at which it is written. */
  readonly timestamp?: number;
  /** The partition. Default: the one that the Java client would choose, by murmur2 of the key's bytes. */
  readonly partition?: number;
}

/** Where a sink writes, and how. */
export interface KafkaSinkOptions<V, T extends boolean = boolean> {
  /** The cluster. */
  readonly cluster: Cluster;
  /** The topic. It must exist. */
  readonly topic: string;
  /** How values lie in bytes. */
  readonly value: Format<V>;
  /**
   * Whether an epoch is one transaction, so that a `read_committed` reader sees each result once; or is written by an
   * idempotent producer, so that a crash may repeat it, which exactly-once jobs refuse.
   *
   * @default {true}
   */
  readonly transactional?: T;
  /**
   * How records are compressed on the log.
   *
   * @default {"none"}
   */
  readonly compression?: Compression;
  /**
   * The id by which the broker knows who of the job's processes may write. It belongs to this sink of this job alone.
   *
   * @default {"weir.<job>.<sink>"} A dot in a name is written as `%2E`.
   */
  readonly transactionalId?: string;
  /**
   * After how long the broker ends a transaction whose owner is silent; until then readers see nothing behind it. An epoch must
   * be written within a quarter of it. At most the broker's `transaction.max.timeout.ms`.
   *
   * @default {"1 minute"}
   */
  readonly transactionTimeout?: Duration.Input;
  /**
   * The topic that the markers are bound to, which say which epochs have been published. It is made where it is missing, and
   * stays empty: the markers are offsets of the group `<job>.<sink>.<lineage>.epochs`.
   *
   * @default {"weir.epochs"}
   */
  readonly markerTopic?: string;
  /**
   * What happens when the broker has forgotten whether committed output was published, as it does with groups whose job has not
   * run for `offsets.retention.minutes`: the job fails with `PublicationUnknown`; or the output is published again
   * (`"publish"`), or taken as published (`"skip"`). Look at the end of the topic before you choose.
   *
   * @default {"fail"}
   */
  readonly whenUnknown?: "fail" | "publish" | "skip";
  /**
   * What happens when the topic holds results that another state of the job has published, as where a state was removed, or lies
   * at another path than before: this state begins anew with a warning, writes again what it reads again, and the other one
   * may not go on (`"warn"`); or the job fails (`"fail"`); or nothing is looked at, and a state that was left goes on, too
   * (`"replace"`). Of two processes with a state each, the one that was there first fails.
   *
   * @default {"warn"}
   */
  readonly otherState?: "warn" | "fail" | "replace";
}

/** Where a sink writes records with keys, and how. */
export interface KeyedKafkaSinkOptions<K, V, T extends boolean = boolean> extends KafkaSinkOptions<V, T> {
  /** How keys lie in bytes. */
  readonly key: Format<K>;
}

/** Bounds that hold unless a sink says otherwise. */
export const sinkDefaults = {
  transactionMillis: 60_000,
  markerTopic: "weir.epochs",
} as const;

/** How a sink of a kind ends a flow. */
export type KafkaSinkEnd<T extends boolean> = T extends true ? Transactional : AppendOnly;

/** What is known of the topic once the sink is open. */
interface Opened<K, V> {
  readonly key: Codec<K> | null;
  readonly value: Codec<V>;
  readonly partitions: number;
  readonly batchBytesMax: number;
  readonly partitionOf: KafkaClient["partitionOf"];
}

/** A sink of records with keys to a Kafka topic. */
export function sink<K, V, const T extends boolean = true>(
  name: string,
  options: KeyedKafkaSinkOptions<K, V, T>,
): Sink<KeyedMessage<K, V>, KafkaSinkEnd<T>>;
/**
 * A sink to a Kafka topic.
 *
 * With transactions, the default, an epoch becomes visible to `read_committed` readers as a whole, once: its number is
 * committed in the same transaction. What became of a transaction is never guessed: after any failure another producer shuts
 * out the first and asks which epochs are there. A transaction that a process left open when it died is ended when the job
 * starts again.
 *
 * Partitions are those that the Java client chooses, and they are fixed before the epoch is committed. A record that is larger
 * than the topic takes (`max.message.bytes`) is an error of the job with the record's coordinates, before anything of it is
 * committed.
 *
 * Opening fails with `SinkError` when the topic does not exist, the broker does not allow it or cannot be reached, with
 * `StateBehindOutput` if the state is an old copy, and with `PublicationUnknown` as `whenUnknown` says. A job whose state was
 * removed begins anew, and writes everything again: `otherState` says whether it may.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If an option is out of its range.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import * as Schema from "@effect/schema";
 * import { Flow, Job, Source } from "@weir/streams";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const broker = Kafka.memoryBroker({ topics: { totals: 4 } }); // stands for a cluster
 * const totals = Kafka.sink("totals", {
 *   cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker }),
 *   topic: "totals",
 *   key: Kafka.string(),
 *   value: Kafka.json(Schema.Struct({ total: Schema.Number })),
 * });
 * const flow = Flow.from(Source.array("orders", [{ user: "ada", total: 3 }])).pipe(
 *   Flow.map(({ user, total }) => ({ key: user, value: { total }, headers: { from: "orders" } })),
 *   Flow.to(totals),
 * );
 * const job = Job.make({ name: "totals", guarantee: "exactly-once", flows: [flow] });
 * await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 * const [record] = broker.records("totals");
 * assert.equal(new TextDecoder().decode(record.value!), '{"total":3}');
 * ```
 */
export function sink<V, const T extends boolean = true>(
  name: string,
  options: KafkaSinkOptions<V, T>,
): Sink<KafkaMessage<V>, KafkaSinkEnd<T>>;
// deno-lint-ignore no-explicit-any -- the overloads say what they are
export function sink(name: string, options: KafkaSinkOptions<any> & { readonly key?: Format<any> }): Sink<any, any> {
  return makeSink(name, options);
}

const makeSink = <K, V>(
  name: string,
  options: KafkaSinkOptions<V> & { readonly key?: Format<K> },
): Sink<KeyedMessage<K, V>, Transactional | AppendOnly> => {
  const rules = rulesOf(name, options);
  const { cluster, topic, isTransactional } = rules;
  const key = options.key ?? null;
  const { value } = options;
  let opened: Opened<K, V> | null = null;
  let turn = 0;

  const refuse = (rule: string, current: string): never => {
    throw new TypeError(`Cannot write a record to topic "${topic}" as ${rule}: current value is ${current}`);
  };

  /** Before the sink is open, as in a test, only formats that need not be opened encode. */
  const codecOf = <A>(codec: Codec<A> | null | undefined, format: Format<A>): Codec<A> =>
    codec ?? format.codec ?? refuse("its sink must be open", `format "${format.name}"`);

  const encode = (message: KeyedMessage<K, V>): string => {
    const keyBytes = key === null ? null : codecOf(opened?.key, key).encode(message.key);
    const valueBytes = codecOf(opened?.value, value).encode(message.value);
    const headers = headersOf(message.headers);
    const { timestamp = null } = message;
    if (timestamp !== null && !(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
      refuse("its timestamp must be whole epoch milliseconds", inWords(timestamp));
    }
    let partition = -1;
    if (opened !== null) {
      const { partitions, batchBytesMax, partitionOf } = opened;
      partition = message.partition ??
        (keyBytes === null ? turn++ % partitions : partitionOf(keyBytes, partitions));
      if (!(Number.isInteger(partition) && partition >= 0 && partition < partitions)) {
        refuse(`its partition must be one of ${partitions}`, inWords(partition));
      }
      const size = recordBytes(keyBytes, valueBytes, headers);
      if (size > batchBytesMax) {
        refuse(`it must have at most ${batchBytesMax} bytes (max.message.bytes of the topic)`, `${size} bytes`);
      }
    } else if (message.partition !== undefined) {
      partition = message.partition;
    }
    return packRow({ partition, timestamp, key: keyBytes, value: valueBytes, headers });
  };

  const open = (context: SinkContext): Effect.Effect<SinkWriter<string>, SinkOpenError, Scope.Scope> =>
    Effect.gen(function* () {
      const client = yield* cluster.open;
      const partitions = (yield* client.topics([topic])).get(topic)?.partitions;
      if (partitions === undefined) {
        return yield* new KafkaError({
          message: `Cannot write topic "${topic}" as it must exist at ${cluster.shown}: current value is no such topic`,
          code: "UNKNOWN_TOPIC_OR_PARTITION",
          retryable: false,
        });
      }
      const batchBytesMax = yield* client.batchBytesMax(topic);
      const use = { writesTo: topic };
      opened = {
        key: key === null ? null : yield* key.open({ ...use, part: "key" }),
        value: yield* value.open({ ...use, part: "value" }),
        partitions,
        batchBytesMax,
        partitionOf: client.partitionOf,
      };
      const publisher = isTransactional
        ? yield* openTransactionalPublisher(client, name, rules, context)
        : yield* openIdempotentPublisher(client, name, rules, context);
      const chunking: Chunking = { batchBytesMax, partitions };
      return {
        marker: publisher.marker,
        publish: ({ epoch, rows }) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            let turn = 0;
            const records = rows.map((row): OutgoingRecord => {
              const { partition, timestamp, key, value, headers } = unpackRow(row);
              return {
                topic,
                partition: partition === -1 ? turn++ % partitions : partition,
                timestamp: timestamp ?? now,
                key,
                value,
                headers,
              };
            });
            return publisher.publish(epoch, chunksOf(records, chunking));
          }).pipe(Effect.catchTag("KafkaError", (cause) => failed(epoch, `publish epoch ${epoch} of`, cause))),
      } satisfies SinkWriter<string>;
    }).pipe(Effect.catchTag("KafkaError", (cause) => failed(0, "open", cause)));

  const failed = (epoch: number, action: string, cause: KafkaError): Effect.Effect<never, SinkError> =>
    Effect.fail(
      new SinkError({
        message: `Cannot ${action} sink "${name}": ${cause.message}`,
        sink: name,
        epoch,
        retryable: cause.retryable,
        cause,
      }),
    );

  return {
    "~weir/Sink": undefined as never,
    name,
    driver: {
      kind: isTransactional ? "transactional" : "append-only",
      encode,
      byteLength: (row) => row.length,
      open,
    },
  };
};

/** The options of a sink, checked. */
export interface SinkRules {
  readonly cluster: Cluster;
  readonly topic: string;
  readonly isTransactional: boolean;
  readonly compression: Compression;
  readonly transactionalId: string | null;
  readonly transactionMillis: number;
  readonly markerTopic: string;
  readonly whenUnknown: "fail" | "publish" | "skip";
  readonly otherState: "warn" | "fail" | "replace";
}

const rulesOf = <V>(name: string, options: KafkaSinkOptions<V>): SinkRules => {
  const action = `make sink "${name}"`;
  const oneOf = <A extends string>(option: string, value: A, all: ReadonlyArray<A>): A => {
    if (all.includes(value)) return value;
    const rule = `${option} must be one of ${all.map((one) => `"${one}"`).join(", ")}`;
    throw new RangeError(`Cannot ${action} as ${rule}: current value is ${inWords(value)}`);
  };
  const topicOf = (option: string, value: string): string => {
    if (typeof value === "string" && /^[a-zA-Z0-9._-]{1,249}$/.test(value)) return value;
    throw new RangeError(
      `Cannot ${action} as ${option} must be the name of a topic: current value is ${inWords(value)}`,
    );
  };
  const { transactional = true, transactionalId = null, transactionTimeout, markerTopic } = options;
  if (transactionalId !== null && (typeof transactionalId !== "string" || transactionalId === "")) {
    const rule = "transactionalId must be a text that is not empty";
    throw new RangeError(`Cannot ${action} as ${rule}: current value is ${inWords(transactionalId)}`);
  }
  return {
    cluster: options.cluster,
    topic: topicOf("topic", options.topic),
    isTransactional: transactional,
    compression: oneOf("compression", options.compression ?? "none", ["none", "gzip", "snappy", "lz4", "zstd"]),
    transactionalId,
    transactionMillis: millisOf(
      action,
      "transactionTimeout",
      transactionTimeout ?? sinkDefaults.transactionMillis,
      atLeastOne,
    ),
    markerTopic: topicOf("markerTopic", markerTopic ?? sinkDefaults.markerTopic),
    whenUnknown: oneOf("whenUnknown", options.whenUnknown ?? "fail", ["fail", "publish", "skip"]),
    otherState: oneOf("otherState", options.otherState ?? "warn", ["warn", "fail", "replace"]),
  };
};

const utf8 = new TextEncoder();
const noHeaders: ReadonlyArray<Header> = [];

const headersOf = (headers: Headers | undefined): ReadonlyArray<Header> => {
  if (headers === undefined) return noHeaders;
  const pairs: ReadonlyArray<readonly [string, Uint8Array | string | null]> = Array.isArray(headers)
    ? headers
    : Object.entries(headers);
  for (const text of pairs.flat()) {
    if (typeof text !== "string" || text.isWellFormed()) continue;
    throw new TypeError(`Cannot write a header as it must have a form in UTF-8: current value is ${inWords(text)}`);
  }
  return pairs.map(([name, value]) => [name, typeof value === "string" ? utf8.encode(value) : value]);
};
