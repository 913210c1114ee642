/**
 * A receiver: one operator as the operator before it sees it. Operators are fused by calling each other, so a record
 * passes a whole chain of them without a queue and without an allocation of the engine's own.
 *
 * @module
 */

import type { RawForm } from "./record-bytes.ts";

/** An error on its way to the operator that handles errors, with the coordinates of its record. */
export interface Letter {
  readonly source: string;
  readonly split: string;
  readonly position: number | string;
  readonly operator: string;
  readonly reason: string;
  readonly error: unknown;
  readonly raw: Uint8Array;
  readonly rawLength: number;
  readonly rawForm: RawForm;
  /** Whether a function of the pipeline threw, rather than failed with an error of the flow's type. */
  readonly defect: boolean;
}

/**
 * Takes what flows along one edge. Calls come one at a time.
 *
 * Watermarks never go down: neither those of the records nor those in between.
 */
export interface Receiver {
  /** A record, its key, its event time (NaN without one) and the watermark it meets. */
  record(value: unknown, key: unknown, time: number, watermark: number): void;
  /** The watermark has come this far. Called at least at the end of every round. */
  watermark(watermark: number): void;
  letter(letter: Letter): void;
}

/** Hands everything to several receivers, in order. */
export const broadcast = (receivers: ReadonlyArray<Receiver>): Receiver => {
  if (receivers.length === 1) return receivers[0];
  return {
    record: (value, key, time, watermark) => {
      for (const receiver of receivers) receiver.record(value, key, time, watermark);
    },
    watermark: (watermark) => {
      for (const receiver of receivers) receiver.watermark(watermark);
    },
    letter: (letter) => {
      for (const receiver of receivers) receiver.letter(letter);
    },
  };
};
