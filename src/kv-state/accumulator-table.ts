/**
 * A table of accumulators: one row a key, all rows side by side in one `Float64Array`.
 *
 * Rows are only added, never removed one by one: a window's table is dropped as a whole. The table notes which rows have
 * changed since the last barrier, so that a checkpoint copies those and nothing else.
 *
 * @module
 */
import type { ObjectCodec } from "../windows/aggregate.ts";
import type { Delta } from "./delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "./key.ts";
import { KeyIndex } from "./key-index.ts";
import { RowSet } from "./row-set.ts";

/** What the rows of a table hold. */
export interface RowLayout {
  /** How many numbers a row has. */
  readonly width: number;
  /** How each object of a row is stored. */
  readonly objects: ReadonlyArray<ObjectCodec>;
}

/** How many rows a new table has room for at least. */
const rowsMin = 4;

/** Up to so many rows a table that is full doubles its room. */
const doublingRowsMax = 4_096;

/** A larger one gets so many times the room: what is free costs memory, the growing costs time. */
const growth = 1.5;

/** Rows of numbers and objects by key. */
export class AccumulatorTable {
  /** The numbers of row `r` begin at `r * layout.width`. It is replaced when the table grows: do not keep it. */
  numbers: Float64Array;
  /** The objects of row `r` begin at `r * layout.objects.length`. */
  readonly objects: Array<unknown> = [];
  /** The key of each row, in the order in which they were added. It may be replaced when the table grows: do not keep it. */
  keys: ReadonlyArray<Key>;
  readonly #layout: RowLayout;
  readonly #index: KeyIndex;
  /** The keys where some are not their own ids; else null, and the keys are the ids. */
  #ownKeys: Array<Key> | null = null;
  #room: number;
  readonly #changed = new RowSet();
  #firstNew = 0;
  #isStored = false;

  /** A table with room for some rows, which spares it growing to them. */
  constructor(layout: RowLayout, rows: number = rowsMin) {
    this.#layout = layout;
    this.#room = Math.max(rows, rowsMin);
    this.numbers = new Float64Array(this.#room * layout.width);
    this.#changed.reserve(this.#room);
    this.#index = new KeyIndex(rows);
    this.keys = this.#index.ids;
  }

  /** How many rows there are. */
  get size(): number {
    return this.#index.ids.length;
  }

  /** Whether a delta of it was ever taken, so that dropping it must be recorded. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** The row of a key, or -1. The hash is {@link keyHash} of the id. */
  find(id: KeyId, hash: number): number {
    return this.#index.find(id, hash);
  }

  /** Adds a row for a key that has none. Its numbers are 0 and its objects undefined. */
  add(id: KeyId, key: Key, hash: number): number {
    if (this.size === this.#room) this.#grow();
    if (this.#ownKeys !== null) this.#ownKeys.push(key);
    else if (!Object.is(key, id)) this.keys = this.#ownKeys = [...this.#index.ids, key];
    const row = this.#index.add(id, hash);
    for (let j = 0; j < this.#layout.objects.length; j++) this.objects.push(undefined);
    return row;
  }

  #grow(): void {
    this.#room = Math.ceil(this.#room * (this.#room < doublingRowsMax ? 2 : growth));
    const numbers = new Float64Array(this.#room * this.#layout.width);
    numbers.set(this.numbers);
    this.numbers = numbers;
    this.#changed.reserve(this.#room);
  }

  /** Notes that a row has changed. */
  touch(row: number): void {
    this.#changed.add(row);
  }

  /** What has changed since the last call; null when nothing has. The changes are copied, so work can go on. */
  takeDelta(table: string, partition: number, namespace: number): Delta | null {
    if (this.#changed.isEmpty) return null;
    const { width, objects } = this.#layout;
    const rows = this.#changed.take();
    const numbers = rows.length === this.size ? this.numbers.slice(0, rows.length * width) : this.#numbersOf(rows);
    const encoded: Array<ReadonlyArray<unknown>> = [];
    if (objects.length > 0) {
      for (const row of rows) {
        encoded.push(objects.map((codec, j) => codec.encode(this.objects[row * objects.length + j])));
      }
    }
    const delta: Delta = {
      table,
      partition,
      namespace,
      dropped: false,
      firstNewRow: this.#firstNew,
      newKeys: this.keys.slice(this.#firstNew),
      rows,
      width,
      numbers,
      objects: encoded,
      removed: noRows,
    };
    this.#firstNew = this.size;
    this.#isStored = true;
    return delta;
  }

  #numbersOf(rows: Uint32Array): Float64Array {
    const { width } = this.#layout;
    const numbers = new Float64Array(rows.length * width);
    for (let k = 0; k < rows.length; k++) {
      const from = rows[k] * width;
      for (let c = 0; c < width; c++) numbers[k * width + c] = this.numbers[from + c];
    }
    return numbers;
  }

  /** Applies a delta of an earlier run. */
  apply(delta: Delta): void {
    const { width, objects } = this.#layout;
    for (let k = 0; k < delta.newKeys.length; k++) {
      if (delta.firstNewRow + k !== this.size) continue;
      const key = delta.newKeys[k] as Key;
      const id = keyId(key);
      this.add(id, key, keyHash(id));
    }
    for (let k = 0; k < delta.rows.length; k++) {
      const row = delta.rows[k];
      for (let c = 0; c < width; c++) this.numbers[row * width + c] = delta.numbers[k * width + c];
      for (let j = 0; j < objects.length; j++) {
        this.objects[row * objects.length + j] = objects[j].decode(delta.objects[k][j]);
      }
    }
    this.#firstNew = this.size;
    this.#isStored = true;
  }
}

const noRows = new Uint32Array(0);

/** The delta that says that a namespace was dropped. */
export const droppedDelta = (table: string, partition: number, namespace: number): Delta => ({
  table,
  partition,
  namespace,
  dropped: true,
  firstNewRow: 0,
  newKeys: [],
  rows: noRows,
  width: 0,
  numbers: new Float64Array(0),
  objects: [],
  removed: noRows,
});
