/**
 * The operators that keep no state: each is a function around the next.
 *
 * @module
 */
import type { Columns } from "../../actors/columns.ts";
import { batchOf, type BatchReceiver, type Letter, type Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { assertKey } from "../../kv-state/key.ts";
import { inWords } from "../../windows/in-words.ts";

/** Passes watermarks and letters on. */
const passing = (next: Receiver): Pick<Receiver, "watermark" | "letter"> => ({
  watermark: (watermark) => next.watermark(watermark),
  letter: (letter) => next.letter(letter),
});

/**
 * Makes a column of what a function makes of each record of a batch. Where a record fails, those before it go first, then
 * its letter, then the others: as if they came one by one.
 */
const columnBatch = (
  operator: string,
  f: (value: unknown) => unknown,
  withColumn: (columns: Columns, made: ReadonlyArray<unknown>) => Columns,
  context: TaskContext,
  next: Receiver,
): BatchReceiver | null => {
  const batch = batchOf(next, context);
  return batch && ((columns, rows) => {
    const { size, values } = columns;
    const made = new Array<unknown>(size);
    const changed = withColumn(columns, made);
    let from = 0;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      try {
        made[row] = f(values[row]);
      } catch (error) {
        if (k > from) batch(changed, rows.subarray(from, k));
        from = k + 1;
        context.moveToRow(columns, row);
        next.letter(context.letter(operator, error, values[row], true));
      }
    }
    if (from < rows.length) batch(changed, from === 0 ? rows : rows.subarray(from));
  });
};

/** One value for one. */
export const mapReceiver = (
  operator: string,
  f: (value: unknown) => unknown,
  context: TaskContext,
  next: Receiver,
): Receiver => ({
  ...passing(next),
  record: (value, key, time, watermark) => {
    let made;
    try {
      made = f(value);
    } catch (error) {
      next.letter(context.letter(operator, error, value, true));
      return;
    }
    next.record(made, key, time, watermark);
  },
  batch: columnBatch(operator, f, (columns, values) => columns.withValues(values), context, next),
});

/** The values that a predicate holds for. */
export const filterReceiver = (
  operator: string,
  f: (value: unknown) => boolean,
  context: TaskContext,
  next: Receiver,
): Receiver => {
  const batch = batchOf(next, context);
  return {
    ...passing(next),
    record: (value, key, time, watermark) => {
      let keeps;
      try {
        keeps = f(value);
      } catch (error) {
        next.letter(context.letter(operator, error, value, true));
        return;
      }
      if (keeps) next.record(value, key, time, watermark);
    },
    batch: batch && ((columns, rows) => {
      const { values } = columns;
      const kept = new Uint32Array(rows.length);
      let size = 0;
      let handedOn = 0;
      for (let k = 0; k < rows.length; k++) {
        const row = rows[k];
        try {
          if (f(values[row])) kept[size++] = row;
        } catch (error) {
          if (size > handedOn) batch(columns, kept.subarray(handedOn, size));
          handedOn = size;
          context.moveToRow(columns, row);
          next.letter(context.letter(operator, error, values[row], true));
        }
      }
      if (size > handedOn) batch(columns, kept.subarray(handedOn, size));
    }),
  };
};

/** Any number of values for one. */
export const flatMapReceiver = (
  operator: string,
  f: (value: unknown) => Iterable<unknown>,
  context: TaskContext,
  next: Receiver,
): Receiver => {
  const receiver: Receiver = {
    ...passing(next),
    record: (value, key, time, watermark) => {
      let made;
      try {
        made = Array.from(iterable(f(value)));
      } catch (error) {
        next.letter(context.letter(operator, error, value, true));
        return;
      }
      const { ordinal, ordinalRoom } = context;
      context.ordinalRoom = ordinalRoom / 2 / made.length;
      for (let k = 0; k < made.length; k++) {
        context.ordinal = ordinal + k * context.ordinalRoom;
        next.record(made[k], key, time, watermark);
      }
      context.ordinal = ordinal;
      context.ordinalRoom = ordinalRoom;
    },
  };
  return { ...receiver, batch: next.batch === null ? null : batchOf(receiver, context) };
};

/** Types do not see everything: of a promise, say, a list without anything would be made. */
const iterable = (given: Iterable<unknown>): Iterable<unknown> => {
  if (typeof given?.[Symbol.iterator] === "function") return given;
  throw new TypeError(`Cannot take values from what is not iterable: current value is ${inWords(given)}`);
};

/** The same records under another key. */
export const keyByReceiver = (
  operator: string,
  f: (value: unknown) => unknown,
  context: TaskContext,
  next: Receiver,
): Receiver => {
  const keyOf = (value: unknown): unknown => {
    const key = f(value);
    // Most keys are one of these.
    if (typeof key !== "string" && typeof key !== "number") assertKey(key);
    return key;
  };
  return {
    ...passing(next),
    record: (value, _key, time, watermark) => {
      let key;
      try {
        key = keyOf(value);
      } catch (error) {
        next.letter(context.letter(operator, error, value, true));
        return;
      }
      next.record(value, key, time, watermark);
    },
    batch: columnBatch(operator, keyOf, (columns, keys) => columns.withKeys(keys), context, next),
  };
};

/** Each record to the first case that holds for it, or to the last receiver. */
export const branchReceiver = (
  operator: string,
  cases: ReadonlyArray<(value: unknown) => boolean>,
  context: TaskContext,
  nexts: ReadonlyArray<Receiver>,
): Receiver => {
  const receiver: Receiver = {
    record: (value, key, time, watermark) => {
      let chosen = 0;
      try {
        while (chosen < cases.length && !cases[chosen](value)) chosen++;
      } catch (error) {
        nexts[cases.length].letter(context.letter(operator, error, value, true));
        return;
      }
      nexts[chosen].record(value, key, time, watermark);
    },
    watermark: (watermark) => {
      for (const next of nexts) next.watermark(watermark);
    },
    // A branch is taken of a flow without errors, so this is a defect: one branch is told, and fails the job unless it
    // handles defects.
    letter: (letter: Letter) => nexts[cases.length].letter(letter),
  };
  const isMet = nexts.some((next) => next.batch === null);
  return { ...receiver, batch: isMet ? null : batchOf(receiver, context) };
};
