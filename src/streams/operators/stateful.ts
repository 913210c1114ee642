/**
 * What an operator with state offers, so that an epoch can be taken of it and a run can go on from one.
 *
 * @module
 */
import type { Delta } from "../../kv-state/delta.ts";

/** Counts that an operator keeps over the life of the job. They are part of the epoch, so they are exact. */
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
