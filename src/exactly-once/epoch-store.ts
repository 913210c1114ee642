/**
 * What the engine needs of durable storage: claim a job, recover its last epoch, commit the next one in one step, and
 * hand out committed output until every sink has published it.
 *
 * @module
 */
import type { Effect } from "effect";
import type { Delta } from "../kv-state/delta.ts";
import type { IncompatibleState, KvError, StateCorrupted } from "../kv-state/errors.ts";
import type { Fenced } from "./errors.ts";
import type { SinkOffset } from "./sink.ts";

/** The rows of one epoch for one sink. Epochs without output have no entry. */
export interface EpochOutput {
  readonly sink: string;
  readonly rows: ReadonlyArray<unknown>;
  /** The bytes that `rows` take in the sink. */
  readonly bytes: number;
  /** Whether `rows` are kept in the outbox; when false only their count is recorded. */
  readonly outbox: boolean;
  /** Whether the rows were already visible when the epoch was committed (at-least-once). */
  readonly published: boolean;
}

/** Everything between two barriers, committed in one step or not at all. */
export interface EpochCommit {
  /** One more than the previous epoch; the first is 1. */
  readonly epoch: number;
  /** Split positions, watermarks and counters: anything the structured clone algorithm copies. Replaced every epoch. */
  readonly control: unknown;
  readonly deltas: ReadonlyArray<Delta>;
  readonly outputs: ReadonlyArray<EpochOutput>;
}

/** What one commit cost. */
export interface CommitStats {
  /** Bytes written for state, control and outbox together. */
  readonly bytes: number;
  readonly atomics: number;
}

/** Committed output that a sink may not have taken yet. */
export interface UnpublishedOutput {
  readonly epoch: number;
  readonly sink: string;
  readonly rows: number;
  readonly bytes: number;
  /** Whether the rows can be read back; without an outbox only their number is known. */
  readonly outbox: boolean;
  /** How much the sink had taken before this epoch. */
  readonly offset: SinkOffset;
}

/** How far a sink has come, as the manifest knows. */
export interface SinkProgress {
  readonly published: number;
  readonly publishedOffset: SinkOffset;
  readonly committedOffset: SinkOffset;
}

/** What identifies the code that wrote the state: a stable operator name, and a description of what it stores. */
export type Fingerprints = Readonly<Record<string, string>>;

/** What was found when the job was claimed. */
export interface Recovered {
  /** The last committed epoch; 0 at the first start. */
  readonly epoch: number;
  /** The control value of that epoch; `undefined` at the first start. */
  readonly control: unknown;
  /** Bytes and number of the segments that recovery reads. */
  readonly segments: { readonly count: number; readonly bytes: number };
}

/** The durable side of one shard of a job, held under a claim. One call at a time, except `outbox` and `progress`. */
export interface EpochStore {
  readonly job: string;
  readonly lineage: string;
  readonly claim: string;
  readonly recovered: Recovered;
  /** Streams the deltas of all committed epochs, in the order in which they are to be applied. */
  readonly restore: (apply: (delta: Delta) => void) => Effect.Effect<void, KvError | StateCorrupted | Fenced>;
  /** Commits an epoch. After an error the epoch is either committed as a whole or not at all; see {@link KvError}. */
  readonly commit: (epoch: EpochCommit) => Effect.Effect<CommitStats, KvError | Fenced>;
  /** Fails if another process has claimed the job. */
  readonly checkClaim: Effect.Effect<void, KvError | Fenced>;
  /** The last committed epoch. */
  readonly epoch: () => number;
  readonly progress: (sink: string) => SinkProgress;
  /** Committed output above `published`, in ascending order of epochs. */
  readonly unpublished: () => ReadonlyArray<UnpublishedOutput>;
  /** Reads rows back from the outbox, as the manifest names them. */
  readonly outbox: (
    epoch: number,
    sink: string,
  ) => Effect.Effect<ReadonlyArray<unknown>, KvError | StateCorrupted | Fenced>;
  /** Notes that a sink has published an epoch; it is recorded with the next commit or `flush`. */
  readonly markPublished: (sink: string, epoch: number) => void;
  /** Records what was noted as published, and trims the outbox. Does nothing when there is nothing to record. */
  readonly flush: Effect.Effect<void, KvError | Fenced>;
}

/** How an {@link EpochStore} is opened. */
export interface EpochStoreOptions {
  readonly job: string;
  /** Fixed at the job's first start: a different number later is refused. */
  readonly keyedPartitions: number;
  readonly fingerprints: Fingerprints;
  /**
   * Whether the store must hold no other job. A job that is not in it is then refused instead of started: it is likely
   * to be one of those under a new name. Default: false.
   */
  readonly alone?: boolean;
  /**
   * The claims under which the caller has owned the job before; kept up to date here. Where there are any and the job is
   * owned under another one, it was taken over, and opening it fails with {@link Fenced} instead of taking it back.
   * Default: the job is taken over from whoever owns it.
   */
  readonly claims?: Set<string>;
}

/** What can stop a job from being opened. */
export type OpenError = KvError | Fenced | StateCorrupted | IncompatibleState;
