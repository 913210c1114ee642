/**
 * An aggregate of some of the records.
 *
 * @module
 */
import { addEach, type Aggregate, type CannotMerge, type Merges } from "../aggregate.ts";

/** How many records lists of those that count have room for at first. */
const roomAtFirst = 1_024;

/**
 * What an aggregate answers about the records that a predicate holds for, or `none` where it holds for no record.
 *
 * So several aggregates of one window can each be about records of their own, as with SQL's FILTER. Records that count in
 * none of them are better dropped by `Flow.filter`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * const isHigh = (price: number): boolean => price >= 100;
 * const high = Aggregate.where(isHigh, Aggregate.count, 0);
 * assert.equal(Aggregate.evaluate(high, [90, 100, 250]), 2);
 *
 * const least = Aggregate.where(isHigh, Aggregate.min((price: number) => price), null);
 * assert.equal(Aggregate.evaluate(least, [90, 100, 250]), 100);
 * assert.equal(Aggregate.evaluate(least, [90]), null);
 * ```
 */
export const where = <A, B, C, M extends Merges | CannotMerge>(
  holds: (value: A) => boolean,
  aggregate: Aggregate<A, B, M>,
  none: C,
): Aggregate<A, B | C, M> => {
  const { merging, fingerprint, numbers, objects, reset, add, merge, result } = aggregate;
  return {
    "~weir/Aggregate": true,
    merging,
    fingerprint: `where(${fingerprint})`,
    numbers: 1 + numbers, // whether there is any record, and the aggregate's own
    objects,
    reset: (n, i, o, j) => {
      n[i] = 0;
      reset(n, i + 1, o, j);
    },
    add: (n, i, o, j, value, timestamp) => {
      if (!holds(value)) return;
      n[i] = 1;
      add(n, i + 1, o, j, value, timestamp);
    },
    addAll: addingAll(holds, aggregate),
    merge: (n, i, o, j, n2, i2, o2, j2) => {
      if (n2[i2] === 0) return;
      n[i] = 1;
      merge(n, i + 1, o, j, n2, i2 + 1, o2, j2);
    },
    result: (n, i, o, j) => n[i] === 0 ? none : result(n, i + 1, o, j),
  };
};

/** Hands on those of several records that count. */
const addingAll = <A>(
  holds: (value: A) => boolean,
  aggregate: Aggregate<A, unknown>,
): NonNullable<Aggregate<A, unknown>["addAll"]> => {
  let countedRows = new Uint32Array(roomAtFirst);
  let countedAccumulators = new Uint32Array(roomAtFirst);
  return (i, j, additions) => {
    const { numbers, width, accumulators, rows, values, from, to } = additions;
    if (to - from > countedRows.length) {
      countedRows = new Uint32Array(2 * (to - from));
      countedAccumulators = new Uint32Array(2 * (to - from));
    }
    let counted = 0;
    for (let k = from; k < to; k++) {
      if (!holds(values[rows[k]])) continue;
      numbers[accumulators[k] * width + i] = 1;
      countedRows[counted] = rows[k];
      countedAccumulators[counted] = accumulators[k];
      counted++;
    }
    if (counted === 0) return;
    const those = { ...additions, accumulators: countedAccumulators, rows: countedRows, from: 0, to: counted };
    addEach(aggregate, i + 1, j, those);
  };
};
