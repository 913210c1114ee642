/**
 * Replaying: handing the records of a round on as they came, also where they come over several channels.
 *
 * What comes of one record of a source may take several ways through the actors and meet again. It is put back into the
 * order in which it would have come had there been one way only: by the record it comes from, then by channel.
 *
 * @module
 */
import type { Marks } from "./marks.ts";
import { type Batch, endOfRound } from "./message.ts";
import type { BatchReceiver, Receiver } from "./receiver.ts";
import type { TaskContext } from "./task-context.ts";

/** A batch on its way to a receiver. */
export interface Delivery {
  readonly batch: Batch;
  readonly receiver: Receiver;
  /** How the receiver takes the records at once; null where it must not, or where `deliver` is to be called. */
  readonly receive: BatchReceiver | null;
  /** The steps of the watermark to be handed on. */
  readonly marks: Marks;
  /** Hands on one row of the batch's columns; null where rows are handed on as they are. */
  readonly deliver: ((row: number) => void) | null;
}

/** Hands the records and watermarks of a round on, but for the watermark at its end. */
export const replay = (deliveries: ReadonlyArray<Delivery>, context: TaskContext): void => {
  context.ordinalRoom = context.channelRoom;
  if (deliveries.length === 1 && deliveries[0].marks.size === 0) replayOne(deliveries[0], context);
  else replayInOrder(deliveries, context);
  context.ordinal = endOfRound;
  for (const { batch, receiver } of deliveries) {
    for (const letter of batch.letters) receiver.letter(letter);
  }
};

const deliverRow = ({ batch, receiver, deliver }: Delivery, row: number): void => {
  if (deliver !== null) return deliver(row);
  const { values, keys, times, watermarks } = batch.columns;
  receiver.record(values[row], keys[row], times[row], watermarks[row]);
};

const replayOne = (delivery: Delivery, context: TaskContext): void => {
  const { batch: { columns, selection }, receive } = delivery;
  if (receive !== null) {
    if (selection.length === 0) return;
    receive(columns, selection);
    // What the end of the round brings about comes after its last record.
    context.moveToRow(columns, selection[selection.length - 1]);
    return;
  }
  for (let k = 0; k < selection.length; k++) {
    context.moveToRow(columns, selection[k]);
    deliverRow(delivery, selection[k]);
  }
};

const replayInOrder = (deliveries: ReadonlyArray<Delivery>, context: TaskContext): void => {
  const records = deliveries.map(() => 0);
  const marks = deliveries.map(() => 0);
  /** The next record of a channel, as its row and ordinal. */
  const nextRow = (channel: number): number => {
    const { selection } = deliveries[channel].batch;
    const k = records[channel];
    return k === selection.length ? -1 : selection[k];
  };
  for (;;) {
    let least = Infinity;
    let chosen = -1;
    let isMark = false;
    for (let channel = 0; channel < deliveries.length; channel++) {
      const { batch } = deliveries[channel];
      const row = nextRow(channel);
      const record = row < 0 ? Infinity : batch.columns.ordinals[row];
      const steps = deliveries[channel].marks;
      const mark = marks[channel] < steps.size ? steps.ordinals[marks[channel]] : Infinity;
      // Of one ordinal, the records of all channels come before the marks of any.
      if (record < least || (record === least && isMark)) {
        least = record;
        chosen = channel;
        isMark = false;
      }
      if (mark < least) {
        least = mark;
        chosen = channel;
        isMark = true;
      }
    }
    if (chosen < 0) return;
    const { batch, receiver, marks: steps } = deliveries[chosen];
    if (!isMark) {
      const row = nextRow(chosen);
      context.moveToRow(batch.columns, row);
      records[chosen]++;
      deliverRow(deliveries[chosen], row);
    } else {
      const step = marks[chosen]++;
      context.ordinal = steps.ordinals[step];
      receiver.watermark(steps.watermarks[step]);
    }
  }
};
