/**
 * A receiver: one operator as the operator before it sees it. Operators are fused by calling each other, so a record
 * passes a whole chain of them without a queue and without an allocation of the engine's own.
 *
 * @module
 */

import type { Columns } from "./columns.ts";
import type { RecordBytes, RecordParts } from "./record-bytes.ts";
import type { TaskContext } from "./task-context.ts";

/** An error on its way to the operator that handles errors, with the coordinates of its record. */
export interface Letter extends RecordBytes, RecordParts {
  readonly source: string;
  readonly split: string;
  readonly position: number | string;
  readonly operator: string;
  readonly reason: string;
  readonly error: unknown;
  /** Whether a function of the pipeline threw, rather than failed with an error of the flow's type. */
  readonly defect: boolean;
}

/** Takes records in columns: those of the given rows, in order. No watermark moves between them but as their column says. */
export type BatchReceiver = (columns: Columns, rows: Uint32Array) => void;

/**
 * Takes what flows along one edge. Calls come one at a time.
 *
 * Watermarks never go down: neither those of the records nor those in between.
 */
export interface Receiver {
  /** A record, its key, its event time (NaN without one) and the watermark it meets. */
  record(value: unknown, key: unknown, time: number, watermark: number): void;
  /**
   * Several records at once: the same as if they came one by one, but that the receiver sees to the place of each in
   * {@link TaskContext} itself, where it needs that. Undefined where the receiver takes records one by one; null where
   * whoever is before it must also do so, since flows meet behind it record by record.
   */
  readonly batch?: BatchReceiver | null;
  /** The watermark has come this far. Called at least at the end of every round. */
  watermark(watermark: number): void;
  letter(letter: Letter): void;
}

/** How a receiver takes records at once; null where it must not. */
export const batchOf = (receiver: Receiver, context: TaskContext): BatchReceiver | null => {
  if (receiver.batch === null) return null;
  if (receiver.batch !== undefined) return (columns, rows) => receiver.batch!(columns, rows);
  return (columns, rows) => {
    const { values, keys, times, watermarks } = columns;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      context.moveToRow(columns, row);
      receiver.record(values[row], keys[row], times[row], watermarks[row]);
    }
  };
};

/** The place among some rows of the record that an ordinal belongs to, or to what was made of it; 0 if it is before them. */
const placeOf = ({ ordinals }: Columns, rows: Uint32Array, ordinal: number): number => {
  let place = 0;
  while (place + 1 < rows.length && ordinals[rows[place + 1]] <= ordinal) place++;
  return place;
};

/** Hands everything to several receivers, in order. */
export const broadcast = (receivers: ReadonlyArray<Receiver>, context: TaskContext): Receiver => {
  if (receivers.length === 1) return receivers[0];
  const batches = receivers.map((receiver) => batchOf(receiver, context));
  return {
    record: (value, key, time, watermark) => {
      for (const receiver of receivers) receiver.record(value, key, time, watermark);
    },
    batch: batches.includes(null) ? null : (columns, rows) => {
      let failures: ReadonlyArray<unknown> = [];
      let rest = rows;
      for (const batch of batches) {
        try {
          if (rest.length > 0) batch!(columns, rest);
        } catch (error) {
          // Another receiver may fail on a record before it, and would have been the first to fail had they come one by one.
          failures = [error];
          rest = rest.subarray(0, placeOf(columns, rest, context.ordinal));
        }
      }
      if (failures.length > 0) throw failures[0];
    },
    watermark: (watermark) => {
      for (const receiver of receivers) receiver.watermark(watermark);
    },
    letter: (letter) => {
      for (const receiver of receivers) receiver.letter(letter);
    },
  };
};
