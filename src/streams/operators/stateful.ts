/**
 * What an operator with state offers, so that an epoch can be taken of it and a run can go on from one.
 *
 * @module
 */
import type { Delta } from "../../kv-state/delta.ts";

/**
 * Counts that an operator keeps over the life of the job. They are part of the epoch, so they are exact. Those of all
 * partitions are added up.
 *
 * | operator                         | counter        | counts                                                          |
 * | -------------------------------- | -------------- | --------------------------------------------------------------- |
 * | `Flow.window`                    | `records`      | records that came                                               |
 * |                                  | `lateAdmitted` | of them: late, within the allowed lateness                      |
 * |                                  | `late`         | of them: too late for all of their windows                      |
 * |                                  | `lateDropped`  | of those: dropped, as there is no side output for them          |
 * |                                  | `results`      | results on time                                                 |
 * |                                  | `early`        | early results                                                   |
 * |                                  | `corrections`  | late results                                                    |
 * |                                  | `retractions`  | results that were taken back                                    |
 * | `Flow.deduplicate`               | `records`      | records that came                                               |
 * |                                  | `results`      | records that went on                                            |
 * |                                  | `duplicates`   | records that were found to be duplicates                        |
 * |                                  | `late`         | records that came too late to be judged                         |
 * |                                  | `lateDropped`  | of those: dropped, as there is no side output for them          |
 * | `Flow.topN`                      | `records`      | records that came                                               |
 * |                                  | `results`      | changes of a rank that were emitted                             |
 * |                                  | `forgotten`    | entries that were forgotten, as a key had too many              |
 * |                                  | `uncertain`    | ranks emitted of an entry that a forgotten one might be above   |
 * | `Flow.onError`                   | `deadLetters`  | errors that became dead letters                                 |
 * |                                  | `dropped`      | errors that were dropped                                        |
 * | a branch that ends in no sink    | `unrouted`     | records that went there                                         |
 */
export type Counters = Record<string, number>;

/** An operator with state. All of its methods are synchronous and called between two messages. */
export interface Stateful {
  /** A stable name, under which its state is recorded. */
  readonly name: string;
  /** Adds what has changed in its tables since the last call. */
  takeDeltas(partition: number, into: Array<Delta>): void;
  /** Applies a delta of an earlier run. */
  applyDelta(delta: Delta): void;
  /** A copy of what else must be remembered; small, and replaced every epoch. Work goes on before it is stored. */
  snapshot(): unknown;
  /** Goes on from a snapshot. Called once, after the deltas. */
  restore(snapshot: unknown): void;
  readonly counters: Counters;
}
