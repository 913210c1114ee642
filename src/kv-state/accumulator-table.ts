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
import { type Key, type KeyId, keyId } from "./key.ts";

/** What the rows of a table hold. */
export interface RowLayout {
  /** How many numbers a row has. */
  readonly width: number;
  /** How each object of a row is stored. */
  readonly objects: ReadonlyArray<ObjectCodec>;
}

/** How many rows a new table has room for. It doubles whenever it is full. */
const initialRows = 4;

/** Rows of numbers and objects by key. */
export class AccumulatorTable {
  /** The numbers of row `r` begin at `r * layout.width`. It is replaced when the table grows: do not keep it. */
  numbers: Float64Array;
  /** The objects of row `r` begin at `r * layout.objects.length`. */
  readonly objects: Array<unknown> = [];
  /** The key of each row, in the order in which they were added. */
  readonly keys: Array<Key> = [];
  readonly #layout: RowLayout;
  readonly #rows = new Map<KeyId, number>();
  #changed: Array<number> = [];
  #isChanged: Uint8Array;
  #firstNew = 0;
  #isStored = false;

  constructor(layout: RowLayout) {
    this.#layout = layout;
    this.numbers = new Float64Array(initialRows * layout.width);
    this.#isChanged = new Uint8Array(initialRows);
  }

  /** How many rows there are. */
  get size(): number {
    return this.keys.length;
  }

  /** Whether a delta of it was ever taken, so that dropping it must be recorded. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** The row of a key, or -1. */
  find(id: KeyId): number {
    return this.#rows.get(id) ?? -1;
  }

  /** Adds a row for a key that has none. Its numbers are 0 and its objects undefined. */
  add(id: KeyId, key: Key): number {
    const row = this.keys.length;
    this.#rows.set(id, row);
    this.keys.push(key);
    const { width, objects } = this.#layout;
    if (row === this.#isChanged.length) {
      const numbers = new Float64Array(2 * row * width);
      numbers.set(this.numbers);
      this.numbers = numbers;
      const isChanged = new Uint8Array(2 * row);
      isChanged.set(this.#isChanged);
      this.#isChanged = isChanged;
    }
    for (let j = 0; j < objects.length; j++) this.objects.push(undefined);
    return row;
  }

  /** Notes that a row has changed. */
  touch(row: number): void {
    if (this.#isChanged[row] === 0) {
      this.#isChanged[row] = 1;
      this.#changed.push(row);
    }
  }

  /** What has changed since the last call; null when nothing has. The changes are copied, so work can go on. */
  takeDelta(table: string, partition: number, namespace: number): Delta | null {
    const changed = this.#changed;
    if (changed.length === 0) return null;
    const { width, objects } = this.#layout;
    const rows = Uint32Array.from(changed);
    const numbers = new Float64Array(rows.length * width);
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      this.#isChanged[row] = 0;
      for (let c = 0; c < width; c++) numbers[k * width + c] = this.numbers[row * width + c];
    }
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
    this.#firstNew = this.keys.length;
    this.#changed = [];
    this.#isStored = true;
    return delta;
  }

  /** Applies a delta of an earlier run. */
  apply(delta: Delta): void {
    const { width, objects } = this.#layout;
    delta.newKeys.forEach((key, k) => {
      if (delta.firstNewRow + k === this.keys.length) this.add(keyId(key as Key), key as Key);
    });
    delta.rows.forEach((row, k) => {
      for (let c = 0; c < width; c++) this.numbers[row * width + c] = delta.numbers[k * width + c];
      for (let j = 0; j < objects.length; j++) {
        this.objects[row * objects.length + j] = objects[j].decode(delta.objects[k][j]);
      }
    });
    this.#firstNew = this.keys.length;
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
