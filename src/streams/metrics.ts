/**
 * What can be read from a running job.
 *
 * @module
 */
import type { HotKey } from "../actors/hot-keys.ts";
import type { MailboxStats } from "../actors/mailbox.ts";
import type { Lateness } from "../windows/delay-histogram.ts";
import type { Counters } from "./operators/stateful.ts";
import type { Position } from "./source.ts";

/** One split of a source. */
export interface SplitMetrics {
  /** The name of the source. */
  readonly source: string;
  /** The name of the split. */
  readonly split: string;
  /** Where the source reads on; null before the first record. */
  readonly position: Position | null;
  /** Records read over the life of the job. */
  readonly records: number;
  /** Whether it has been read to its end. */
  readonly ended: boolean;
  /** Its own watermark, in epoch milliseconds; null where its records are given no event time. */
  readonly watermark: number | null;
  /** Whether it has been silent for so long that it does not hold the watermark back. */
  readonly idle: boolean;
  /** Whether it is not read, being too far ahead of others. */
  readonly paused: boolean;
  /** How much is known to lie ahead, in `lagUnit`; 0 also where nothing is known. */
  readonly lag: number;
  /** The unit of `lag`. */
  readonly lagUnit: "records" | "bytes";
}

/** The mailboxes of one stage, together. */
export interface QueueMetrics extends MailboxStats {
  /** The name of the stage that reads from them. */
  readonly stage: string;
  /** How many mailboxes there are. */
  readonly mailboxes: number;
}

/** One sink. */
export interface SinkMetrics {
  /** The name of the sink. */
  readonly sink: string;
  /** The last epoch that the manifest knows to be published. */
  readonly publishedEpoch: number;
  /** Rows committed over the life of the job. */
  readonly rows: number;
  /** Bytes committed over the life of the job. */
  readonly bytes: number;
  /** Rows that were committed and are not known to be written: only under at-most-once. */
  readonly lostRows: number;
}

/** The epochs of this run. */
export interface EpochMetrics {
  /** The last committed epoch. */
  readonly epoch: number;
  /** How many epochs this run has committed. One without news is not. */
  readonly committed: number;
  /** Bytes of state, control and outbox written. */
  readonly bytes: number;
  /** How many atomic commits that took. */
  readonly atomics: number;
  /** How long writing and flipping took in all, in milliseconds. */
  readonly commitMillis: number;
  /** How long publishing to the sinks took in all, in milliseconds. */
  readonly publishMillis: number;
}

/** A snapshot of a running job. Numbers of operators and splits cover the life of the job, the others this run. */
export interface JobMetrics {
  /** The name of the job. */
  readonly job: string;
  /** How long this run has lasted, in milliseconds. */
  readonly runMillis: number;
  /** How often the job was started anew from its last epoch, in this process. */
  readonly restarts: number;
  /** Every split, in the order in which ties between them are broken. */
  readonly splits: ReadonlyArray<SplitMetrics>;
  /**
   * The event time that the watermark of each `Flow.eventTime` has reached, in epoch milliseconds: -Infinity before the
   * first record, Infinity when every split has ended. They are named `eventTime#0`, `eventTime#1` and so on, in the order
   * of the job's `flows`, and within a flow from its source on; side outputs come last.
   */
  readonly watermarks: Readonly<Record<string, number>>;
  /** How late records came at each `Flow.eventTime`, over the life of the job; named as in `watermarks`. */
  readonly lateness: Readonly<Record<string, Lateness>>;
  /**
   * What operators have counted; see {@link Counters} for what each kind counts. Windows, `deduplicate` and `topN` have the
   * names that they were given. `onError#0` is the first in the order of the job's `flows`, and `branch#0#unrouted0` stands
   * for what went to a branch that ends in no sink. Operators that count nothing are left out.
   */
  readonly operators: Readonly<Record<string, Counters>>;
  /** What waits between the stages. */
  readonly queues: ReadonlyArray<QueueMetrics>;
  /**
   * The keys that many of the records have, by the stage that they are sent to, the hottest first: at most ten, and none
   * with less than about a hundredth. What was folded before it was sent counts as one.
   */
  readonly hotKeys: Readonly<Record<string, ReadonlyArray<HotKey>>>;
  /** Every sink. */
  readonly sinks: ReadonlyArray<SinkMetrics>;
  /** What commits have cost. */
  readonly epochs: EpochMetrics;
}

/** The mailboxes of a stage as one: depths and times add up, the bound is that of each. */
export const queueMetrics = (stage: string, all: ReadonlyArray<MailboxStats>): QueueMetrics => ({
  stage,
  mailboxes: all.length,
  depth: all.reduce((sum, { depth }) => sum + depth, 0),
  records: all.reduce((sum, { records }) => sum + records, 0),
  depthMax: Math.max(0, ...all.map(({ depthMax }) => depthMax)),
  recordsMax: Math.max(0, ...all.map(({ recordsMax }) => recordsMax)),
  blockedMillis: all.reduce((sum, { blockedMillis }) => sum + blockedMillis, 0),
});

/** Adds counters of the same operator in several partitions. */
export const addCounters = (into: Record<string, Counters>, name: string, counters: Counters): void => {
  const sums = into[name] ??= {};
  for (const [counter, value] of Object.entries(counters)) sums[counter] = (sums[counter] ?? 0) + value;
};
