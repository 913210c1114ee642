/**
 * The client port: the few things that Weir asks of a library that speaks Kafka's protocol, so that libraries are
 * interchangeable.
 *
 * It is cut where what must be exact is ours: an adapter says what lies on the log, batch by batch, and sends what it is told,
 * once. Which records are visible, what is read next, when to try again and what an unknown outcome means is decided above
 * it, in one place for all of them.
 *
 * @module
 */
import type { Effect, Scope } from "effect";
import type { KafkaError } from "./errors.ts";

/** A header of a record. Names may repeat, and their order counts. */
export type Header = readonly [name: string, value: Uint8Array | null];

/** A record as it lies on the log. */
export interface LogRecord {
  /** Where it lies in its partition. */
  readonly offset: number;
  /** Epoch milliseconds: when it was made, or appended where the topic says so. */
  readonly timestamp: number;
  /** The bytes of its key. */
  readonly key: Uint8Array | null;
  /** The bytes of its value; `null` is a tombstone. */
  readonly value: Uint8Array | null;
  /** Its headers. */
  readonly headers: ReadonlyArray<Header>;
}

/** A batch of records as it lies on the log, aborted ones and control records included. */
export interface LogBatch {
  /** The offset behind the batch: where to read on. What compaction has removed counts. */
  readonly nextOffset: number;
  /** Who wrote it. Only compared with {@link AbortedTransaction.producerId}. */
  readonly producerId: string;
  /** Whether it was written in a transaction. */
  readonly isTransactional: boolean;
  /** Whether its records are control records: then what they say of the transaction that they end. */
  readonly control: "commit" | "abort" | "other" | null;
  /** Its records, in ascending order of offsets. There may be none, and some may lie before what was asked for. */
  readonly records: ReadonlyArray<LogRecord>;
}

/** A transaction that was aborted: the records of this producer from here to its next abort marker are not visible. */
export interface AbortedTransaction {
  /** Who wrote them. */
  readonly producerId: string;
  /** The offset of the first of them. */
  readonly firstOffset: number;
}

/** What a broker answered for one partition. */
export interface FetchedPartition {
  /** The topic. */
  readonly topic: string;
  /** The partition of the topic. */
  readonly partition: number;
  /** The name of Kafka's error for this partition, or `null`. Then there are no batches. */
  readonly error: string | null;
  /** The offset behind the last record that is replicated. */
  readonly highWatermark: number;
  /** The offset behind the last record whose transaction has ended. */
  readonly lastStableOffset: number;
  /** The offset of the first record that has not been deleted. */
  readonly logStartOffset: number;
  /** Transactions that were aborted, which concern these batches. Only where isolation is `read_committed`. */
  readonly aborted: ReadonlyArray<AbortedTransaction>;
  /** Consecutive batches; the first may begin before the offset that was asked for. */
  readonly batches: ReadonlyArray<LogBatch>;
}

/** Which records a reader is shown: all, or those whose transaction was committed. */
export type Isolation = "read_committed" | "read_uncommitted";

/** What is asked of the broker that leads some partitions. */
export interface FetchRequest {
  /** The id of the broker, from {@link KafkaFetcher.leaders}. */
  readonly leader: number;
  /** The partitions, and from where on. */
  readonly partitions: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>;
  /** Which records are shown. */
  readonly isolation: Isolation;
  /** How long the broker waits for a first byte, in milliseconds. */
  readonly waitMillisMax: number;
  /** About how many bytes the whole answer has at most. A single batch that is larger is sent alone. */
  readonly bytesMax: number;
  /** About how many bytes each partition has at most. A single batch that is larger is sent alone. */
  readonly partitionBytesMax: number;
}

/** Who leads the partitions of a topic. */
export interface TopicLeaders {
  /** See {@link TopicDescription.id}. */
  readonly id: string | null;
  /** The ids of brokers by the numbers of partitions. A partition without a leader is left out. */
  readonly leaders: ReadonlyMap<number, number>;
}

/** Reads logs, over connections of its own, as a broker answers one request of a connection after the other. */
export interface KafkaFetcher {
  /**
   * Which broker leads each partition of some topics; asks the cluster anew at each call. A topic that does not exist is left
   * out.
   */
  readonly leaders: (topics: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, TopicLeaders>, KafkaError>;
  /** Reads from one broker. There is never more than one call for one leader at a time. */
  readonly fetch: (request: FetchRequest) => Effect.Effect<ReadonlyArray<FetchedPartition>, KafkaError>;
}

/** A record that is to be written. Its partition is given, so that nothing decides it anew. */
export interface OutgoingRecord {
  /** The topic. */
  readonly topic: string;
  /** The partition of the topic. */
  readonly partition: number;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  /** The bytes of its key. */
  readonly key: Uint8Array | null;
  /** The bytes of its value; `null` is a tombstone. */
  readonly value: Uint8Array | null;
  /** Its headers. */
  readonly headers: ReadonlyArray<Header>;
}

/** Offsets of a group that are committed with a transaction. */
export interface GroupOffsets {
  /** The group. */
  readonly group: string;
  /** Who of the group commits them, where it has members: the broker then refuses one whose time is over. */
  readonly member: { readonly id: string; readonly generation: number } | null;
  /** The offsets to commit. */
  readonly offsets: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>;
}

/** A transaction that is open. One call at a time, and none after one has failed. */
export interface KafkaTransaction {
  /** Writes records. They are visible once the transaction is committed. */
  readonly send: (records: ReadonlyArray<OutgoingRecord>) => Effect.Effect<void, KafkaError>;
  /** Commits offsets of a group with the transaction. */
  readonly sendOffsets: (offsets: GroupOffsets) => Effect.Effect<void, KafkaError>;
  /** Makes all of it visible. Sent once: after a failure the outcome is unknown. */
  readonly commit: Effect.Effect<void, KafkaError>;
  /** Takes all of it back. Sent once. */
  readonly abort: Effect.Effect<void, KafkaError>;
}

/** How records are compressed on the log. */
export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** A producer in transactions. When it is there, earlier ones of its id are shut out and their transactions are ended. */
export interface TransactionalProducer {
  /** Begins a transaction. One at a time. */
  readonly begin: Effect.Effect<KafkaTransaction, KafkaError>;
}

/** An idempotent producer without transactions: within its life, what it sends again is written once. */
export interface IdempotentProducer {
  /** Writes records: when it succeeds all are stored by all replicas that are in sync. */
  readonly send: (records: ReadonlyArray<OutgoingRecord>) => Effect.Effect<void, KafkaError>;
}

/** What a cluster says of a topic. */
export interface TopicDescription {
  /**
   * What tells it from others of its name, which were there before it or will be; written as Kafka's own tools write it. `null`
   * where the cluster does not say it.
   */
  readonly id: string | null;
  /** How many partitions it has; they are numbered from 0. */
  readonly partitions: number;
}

/** Which offset of a partition is meant: its first, the one behind its last, or that of the first record not before a time. */
export type OffsetSpec = "earliest" | "latest" | { readonly timestamp: number };

/** A client of one cluster. Everything it opens is closed with the scope it was opened in. */
export interface KafkaClient {
  /** Describes topics. One that does not exist is left out. */
  readonly topics: (
    names: ReadonlyArray<string>,
  ) => Effect.Effect<ReadonlyMap<string, TopicDescription>, KafkaError>;
  /** How many bytes a batch of records of the topic may have (`max.message.bytes`). */
  readonly batchBytesMax: (topic: string) => Effect.Effect<number, KafkaError>;
  /** Makes a topic, unless it is there, with the number of replicas that the cluster makes by default. */
  readonly createTopic: (name: string, partitions: number) => Effect.Effect<void, KafkaError>;
  /**
   * Offsets of some partitions. With `read_committed` the latest is the last stable one. For a time after the last record it
   * is the latest.
   */
  readonly offsets: (
    topic: string,
    partitions: ReadonlyArray<number>,
    spec: OffsetSpec,
    isolation: Isolation,
  ) => Effect.Effect<ReadonlyMap<number, number>, KafkaError>;
  /** What a group has committed. A partition of which it has nothing is left out. */
  readonly committed: (
    group: string,
    topic: string,
    partitions: ReadonlyArray<number>,
  ) => Effect.Effect<ReadonlyMap<number, number>, KafkaError>;
  /** Commits offsets of a group that has no members. */
  readonly commit: (
    group: string,
    offsets: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>,
  ) => Effect.Effect<void, KafkaError>;
  /** Which partition the Java client would choose for a key: murmur2 of its bytes. */
  readonly partitionOf: (key: Uint8Array, partitions: number) => number;
  /** Opens what reads logs. */
  readonly fetcher: Effect.Effect<KafkaFetcher, KafkaError, Scope.Scope>;
  /** Opens a producer in transactions: `InitProducerId` has returned when it is there. */
  readonly transactionalProducer: (options: {
    readonly transactionalId: string;
    /** After how long the broker ends a transaction that nobody has ended, in milliseconds. */
    readonly timeoutMillis: number;
    readonly compression: Compression;
  }) => Effect.Effect<TransactionalProducer, KafkaError, Scope.Scope>;
  /** Opens a producer without transactions. */
  readonly idempotentProducer: (options: {
    readonly compression: Compression;
  }) => Effect.Effect<IdempotentProducer, KafkaError, Scope.Scope>;
}

/** What a client is told of the cluster. Durations are in milliseconds. */
export interface ClientSettings {
  /** Where to ask first, as `host:port`. */
  readonly brokers: ReadonlyArray<string>;
  /** What this program is called in the brokers' logs and quotas. */
  readonly clientId: string;
  /** Who we say we are. */
  readonly sasl: SaslSettings | null;
  /** `null`: connections are not encrypted. */
  readonly tls: TlsSettings | null;
  /** How long opening a connection may take, authentication included. */
  readonly connectMillisMax: number;
  /** How long an answer may take. */
  readonly requestMillisMax: number;
  /** How many bytes an answer may have: a broker that claims more is not believed. */
  readonly responseBytesMax: number;
  /** How many bytes a batch of records may have once it is decompressed. */
  readonly batchBytesMax: number;
}

/** Who we say we are. The secrets are in clear text: an adapter hands them to its library, and shows them to nobody. */
export interface SaslSettings {
  /** How the secret is used. */
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  /** Who. */
  readonly username: string;
  /** The secret. */
  readonly password: string;
}

/** How connections are encrypted. Certificates are always verified. */
export interface TlsSettings {
  /** Which authorities are believed, in PEM; `null`: those that the runtime believes. */
  readonly ca: string | null;
  /** The client's own certificate, in PEM. */
  readonly cert: string | null;
  /** The key of the client's certificate, in PEM. */
  readonly key: string | null;
  /** The name that the broker's certificate must have; `null`: the name by which it is addressed. */
  readonly serverName: string | null;
}

/**
 * Opens a client. The library is loaded only now, so that a program that uses one does not load another.
 *
 * It does not fail when no broker is there: requests do.
 */
export interface KafkaClientProvider {
  /** The name of the library, for messages. */
  readonly name: string;
  /** Opens a client. */
  readonly open: (settings: ClientSettings) => Effect.Effect<KafkaClient, KafkaError, Scope.Scope>;
}
