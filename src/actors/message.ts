/**
 * What moves between actors: batches of records as parallel columns, and barriers.
 *
 * Every batch that is read from a source makes one *round*. A round reaches every actor over each of its channels, even
 * where it holds no record for it, and an actor takes its channels in a fixed order, round by round. So what an actor
 * does depends on the rounds alone and never on which fiber happened to run first (a Kahn process network).
 *
 * @module
 */
import type { Columns } from "./columns.ts";
import type { Marks } from "./marks.ts";
import type { Letter } from "./receiver.ts";

/** Stands for the end of a round: it comes after all of its records. */
export const endOfRound = 2 ** 31 - 1;

/** Some records of a round, and the watermark after the last of them. */
export interface Batch {
  readonly _tag: "Batch";
  /** The number of the round, counted from 1 over the life of the job. */
  readonly round: number;
  /** The processing time at which the round was read, in epoch milliseconds. It never goes back. */
  readonly now: number;
  /** For how long each split has been silent: see `TaskContext.silences`. */
  readonly silences: Float64Array;
  /** The split that the round was read from. */
  readonly split: number;
  /** Whether the split ends with this round. */
  readonly splitEnded: boolean;
  /** The records of the round. Destinations share them. */
  readonly columns: Columns;
  /** Which rows of the columns are meant, in order. */
  readonly selection: Uint32Array;
  /** How the watermark moved within the round, where a merge further on must know it exactly; else empty. */
  readonly marks: Marks;
  /** Errors on their way to where the flow handles them. */
  readonly letters: ReadonlyArray<Letter>;
  /** The watermark after the round. */
  readonly watermark: number;
}

/** Ends an epoch: what came before it is committed with it. */
export interface Barrier {
  readonly _tag: "Barrier";
  readonly epoch: number;
  /** Whether the job ends here. */
  readonly last: boolean;
}

/** What a channel carries. */
export type Message = Batch | Barrier;

/** How many records a message counts for in a bounded channel. Each counts at least 1. */
export const weightOf = (message: Message): number =>
  message._tag === "Batch" ? Math.max(1, message.selection.length + message.letters.length) : 1;
