/**
 * What an adapter is made of: a connection to one broker, and over it the requests of Kafka's protocol that are used.
 *
 * Each request is sent once. Where its answer has one error for the whole or several for its parts, it fails with the first one;
 * those that say otherwise give the errors of their parts, as the protocol numbers them.
 *
 * @module
 */
import type { Effect } from "effect";
import type { FetchedPartition, FetchRequest, GroupOffsets, Isolation } from "../client.ts";
import type { Refusal } from "./refusal.ts";

/** A partition of a topic. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** An offset in a partition of a topic. */
export interface PlaceOffset extends Place {
  readonly offset: number;
}

/** A broker: who it is, and where. */
export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** What a broker says of the cluster, and of some topics. */
export interface Metadata {
  readonly brokers: ReadonlyArray<BrokerAddress>;
  readonly controllerId: number;
  readonly topics: ReadonlyArray<{
    readonly name: string;
    readonly errorCode: number;
    /** What tells it from others of its name; `null` where the broker does not say it. */
    readonly id: string | null;
    /** A leader below 0 is none. */
    readonly partitions: ReadonlyArray<{ readonly partition: number; readonly leader: number }>;
  }>;
}

/** Who writes: what a broker has given to a producer. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
}

/** Who writes in transactions. */
export interface TransactionalIdentity extends ProducerIdentity {
  readonly transactionalId: string;
}

/** A batch for one partition. */
export interface PlacedBatch extends Place {
  readonly bytes: Uint8Array;
}

/** What came of a batch. */
export interface Produced extends Place {
  readonly errorCode: number;
}

/** What is coordinated, as the protocol numbers it. */
export const coordinated = { group: 0, transaction: 1 } as const;

/** How the protocol numbers what a reader is shown. */
export const isolationLevels: Readonly<Record<Isolation, number>> = { read_uncommitted: 0, read_committed: 1 };

/** How the protocol numbers a topic among what has settings. */
export const topicResource = 2;

/** What a broker is told of how many replicas are to have what is written: all that are in sync. */
export const allReplicas = -1;

/** A connection to one broker. It is opened once; when anything of it is lost it is closed for good. */
export interface BrokerConnection {
  /** Connects, and signs in. Where that fails or is interrupted, it is closed. */
  readonly open: Effect.Effect<void, Refusal>;
  /** Whether requests can be sent. */
  readonly isOpen: boolean;
  /**
   * For how long the broker lets in whoever has signed in, from when it was opened on, in milliseconds; `Infinity` if for as long
   * as they like. What comes later, it answers by closing the connection.
   */
  readonly sessionMillis: number;
  /** Closes it at once, even if it is only being opened. What is under way fails. */
  readonly close: Effect.Effect<void>;

  /** Gives the errors of topics. None is made; of no names it says no topics. */
  readonly metadata: (topics: ReadonlyArray<string>) => Effect.Effect<Metadata, Refusal>;
  readonly findCoordinator: (of: keyof typeof coordinated, id: string) => Effect.Effect<BrokerAddress, Refusal>;
  /** With as many replicas as the cluster makes by default. Must be sent to the controller. */
  readonly createTopic: (name: string, partitions: number) => Effect.Effect<void, Refusal>;
  /** A setting of a topic, if it has it. */
  readonly topicSetting: (topic: string, setting: string) => Effect.Effect<string | null, Refusal>;
  /** An offset below 0 says that no record is that late. */
  readonly listOffsets: (
    topic: string,
    partitions: ReadonlyArray<number>,
    timestamp: number,
    isolation: Isolation,
  ) => Effect.Effect<ReadonlyArray<PlaceOffset>, Refusal>;
  /** Is refused while a transaction may change it. An offset below 0 says that nothing is committed. */
  readonly offsetFetch: (
    group: string,
    topic: string,
    partitions: ReadonlyArray<number>,
  ) => Effect.Effect<ReadonlyArray<PlaceOffset>, Refusal>;
  /** For a group that has no members. */
  readonly offsetCommit: (group: string, offsets: ReadonlyArray<PlaceOffset>) => Effect.Effect<void, Refusal>;
  /** Gives the errors of partitions. */
  readonly fetch: (request: FetchRequest) => Effect.Effect<ReadonlyArray<FetchedPartition>, Refusal>;
  readonly initProducerId: (
    transactionalId: string | null,
    timeoutMillis: number,
  ) => Effect.Effect<ProducerIdentity, Refusal>;
  /** Gives the errors of partitions. All replicas that are in sync must have what is written. */
  readonly produce: (
    transactionalId: string | null,
    batches: ReadonlyArray<PlacedBatch>,
  ) => Effect.Effect<ReadonlyArray<Produced>, Refusal>;
  readonly addPartitionsToTxn: (
    producer: TransactionalIdentity,
    places: ReadonlyArray<Place>,
  ) => Effect.Effect<void, Refusal>;
  readonly addOffsetsToTxn: (producer: TransactionalIdentity, group: string) => Effect.Effect<void, Refusal>;
  readonly txnOffsetCommit: (producer: TransactionalIdentity, offsets: GroupOffsets) => Effect.Effect<void, Refusal>;
  readonly endTxn: (producer: TransactionalIdentity, isCommit: boolean) => Effect.Effect<void, Refusal>;
}
