/**
 * Records as parallel columns: what moves through the engine, and what operators work on a batch at a time.
 *
 * @module
 */
import type { KeyId } from "../kv-state/key.ts";
import { beginningOfTime } from "../windows/watermark.ts";

/**
 * Records as parallel columns, of which the first `size` rows count. Columns are shared by all that they are handed to, so
 * none of them is changed: an operator that makes other values makes a column of its own.
 */
export class Columns {
  readonly size: number;
  readonly values: ReadonlyArray<unknown>;
  readonly keys: ReadonlyArray<unknown>;
  /** Event times in epoch milliseconds; NaN in a flow without event time. */
  readonly times: Float64Array;
  /** The watermark that each record met. */
  readonly watermarks: Float64Array;
  /** Where each record's source reads on after it: a coordinate for errors. */
  readonly positions: ArrayLike<number | string>;
  /** The `TaskContext.ordinal` of each record; never descending. */
  readonly ordinals: Float64Array;
  /** The id of each key; empty where records have not been routed by their keys. */
  readonly ids: ReadonlyArray<KeyId>;
  /** The hash of each id; empty where there are none. */
  readonly hashes: Uint32Array;

  constructor(
    size: number,
    values: ReadonlyArray<unknown>,
    keys: ReadonlyArray<unknown>,
    times: Float64Array,
    watermarks: Float64Array,
    positions: ArrayLike<number | string>,
    ordinals: Float64Array,
    ids: ReadonlyArray<KeyId> = noIds,
    hashes: Uint32Array = noHashes,
  ) {
    this.size = size;
    this.values = values;
    this.keys = keys;
    this.times = times;
    this.watermarks = watermarks;
    this.positions = positions;
    this.ordinals = ordinals;
    this.ids = ids;
    this.hashes = hashes;
  }

  /** The same records with other values. */
  withValues(values: ReadonlyArray<unknown>): Columns {
    return new Columns(
      this.size,
      values,
      this.keys,
      this.times,
      this.watermarks,
      this.positions,
      this.ordinals,
      this.ids,
      this.hashes,
    );
  }

  /** The same records under other keys. */
  withKeys(keys: ReadonlyArray<unknown>): Columns {
    return new Columns(this.size, this.values, keys, this.times, this.watermarks, this.positions, this.ordinals);
  }

  /** The same records with event times, and the watermarks that they met. */
  withTimes(times: Float64Array, watermarks: Float64Array): Columns {
    return new Columns(this.size, this.values, this.keys, times, watermarks, this.positions, this.ordinals);
  }

  /** The same records with the ids and hashes of their keys. */
  withIds(ids: ReadonlyArray<KeyId>, hashes: Uint32Array): Columns {
    const { size, values, keys, times, watermarks, positions, ordinals } = this;
    return new Columns(size, values, keys, times, watermarks, positions, ordinals, ids, hashes);
  }

  /** Some of the records, in columns of their own: these do not keep the others in memory. */
  only(rows: Uint32Array): Columns {
    const { values, keys, times, watermarks, positions, ordinals, ids, hashes } = this;
    const isRouted = ids.length > 0;
    return new Columns(
      rows.length,
      listOf(values, rows),
      listOf(keys, rows),
      numbersOf(times, rows),
      numbersOf(watermarks, rows),
      listOf(positions, rows),
      numbersOf(ordinals, rows),
      isRouted ? listOf(ids, rows) : noIds,
      isRouted ? Uint32Array.from(rows, (row) => hashes[row]) : noHashes,
    );
  }
}

const listOf = <A>(column: ArrayLike<A>, rows: Uint32Array): Array<A> => Array.from(rows, (row) => column[row]);

const numbersOf = (column: Float64Array, rows: Uint32Array): Float64Array => {
  const numbers = new Float64Array(rows.length);
  for (let k = 0; k < rows.length; k++) numbers[k] = column[rows[k]];
  return numbers;
};

const noIds: ReadonlyArray<KeyId> = [];

const noHashes = new Uint32Array(0);

/** A column of numbers with twice the room. */
export const twice = (column: Float64Array): Float64Array => {
  const larger = new Float64Array(2 * column.length);
  larger.set(column);
  return larger;
};

/** How many records the shared columns have room for at first; they grow with the largest batch. */
const sharedRowsMin = 4_096;

let counting = new Uint32Array(0);
let countingOrdinals = new Float64Array(0);
let noTimes = new Float64Array(0);
let noWatermarks = new Float64Array(0);
let noKeys: Array<undefined> = [];

const reserve = (size: number): void => {
  if (size <= counting.length) return;
  const rows = Math.max(sharedRowsMin, 2 ** Math.ceil(Math.log2(size)));
  counting = Uint32Array.from({ length: rows }, (_, row) => row);
  countingOrdinals = Float64Array.from(counting);
  noTimes = new Float64Array(rows).fill(NaN);
  noWatermarks = new Float64Array(rows).fill(beginningOfTime);
  noKeys = new Array(rows).fill(undefined);
};

/** The rows from one to another, in order: a selection that leaves nothing out. To be read only. */
export const rowsFrom = (from: number, to: number): Uint32Array => {
  reserve(to);
  return counting.subarray(from, to);
};

/**
 * The columns of records as a source gives them: without keys and event times, numbered from `firstOrdinal` on. What all
 * such columns have in common is shared.
 */
export const freshColumns = (
  values: ReadonlyArray<unknown>,
  positions: ArrayLike<number | string>,
  firstOrdinal: number,
): Columns => {
  const { length } = values;
  reserve(firstOrdinal + length);
  const ordinals = countingOrdinals.subarray(firstOrdinal, firstOrdinal + length);
  return new Columns(length, values, noKeys, noTimes, noWatermarks, positions, ordinals);
};
