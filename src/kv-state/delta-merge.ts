/**
 * Two deltas of one namespace made one, as two sorted lists are merged: column by column, without an object a row.
 *
 * @module
 */
import type { Delta } from "./delta.ts";

/** After every row in order there is none. */
const noRow = Infinity;

/** Merges two consecutive deltas, whose rows and removed rows ascend, in steps. */
export class DeltaMerge {
  readonly #older: Delta;
  readonly #newer: Delta;
  readonly #removed: Uint32Array;
  readonly #rows: Uint32Array;
  readonly #numbers: Float64Array;
  readonly #objects: Array<ReadonlyArray<unknown>> = [];
  readonly #width: number;
  #olderAt = 0;
  #newerAt = 0;
  #removedAt = 0;
  #size = 0;

  /** Begins to merge two deltas. @throws {RangeError} If they are not consecutive. */
  constructor(older: Delta, newer: Delta) {
    if (older.newKeys.length > 0 && newer.newKeys.length > 0) assertConsecutive(older, newer);
    this.#older = older;
    this.#newer = newer;
    this.#width = newer.rows.length > 0 ? newer.width : older.width;
    this.#removed = union(older.removed, newer.removed);
    this.#rows = new Uint32Array(older.rows.length + newer.rows.length);
    this.#numbers = new Float64Array(this.#rows.length * this.#width);
  }

  /** Takes up to so many more rows; says whether it is done. */
  advance(rowsMax: number): boolean {
    const { rows: older } = this.#older;
    const { rows: newer } = this.#newer;
    for (let k = 0; k < rowsMax; k++) {
      const old = this.#olderAt < older.length ? older[this.#olderAt] : noRow;
      const young = this.#newerAt < newer.length ? newer[this.#newerAt] : noRow;
      const row = Math.min(old, young);
      if (row === noRow) return true;
      // Of two versions the newer one stands.
      if (young === row) this.#take(this.#newer, this.#newerAt, row);
      else this.#take(this.#older, this.#olderAt, row);
      if (young === row) this.#newerAt++;
      if (old === row) this.#olderAt++;
    }
    return this.#olderAt === older.length && this.#newerAt === newer.length;
  }

  #take(delta: Delta, at: number, row: number): void {
    while (this.#removedAt < this.#removed.length && this.#removed[this.#removedAt] < row) this.#removedAt++;
    if (this.#removed[this.#removedAt] === row) return;
    const width = this.#width;
    const to = this.#size++;
    this.#rows[to] = row;
    for (let c = 0; c < width; c++) this.#numbers[to * width + c] = delta.numbers[at * width + c];
    if (delta.objects.length > 0) this.#objects.push(delta.objects[at]);
  }

  /** What has come of it once it is done. */
  result(): Delta {
    const older = this.#older;
    const newer = this.#newer;
    return {
      table: newer.table,
      partition: newer.partition,
      namespace: newer.namespace,
      dropped: false,
      firstNewRow: older.newKeys.length > 0 || newer.newKeys.length === 0 ? older.firstNewRow : newer.firstNewRow,
      newKeys: older.newKeys.length === 0
        ? newer.newKeys
        : newer.newKeys.length === 0
        ? older.newKeys
        : older.newKeys.concat(newer.newKeys),
      rows: this.#rows.subarray(0, this.#size),
      width: this.#width,
      numbers: this.#numbers.subarray(0, this.#size * this.#width),
      objects: this.#objects,
      removed: this.#removed,
    };
  }
}

const assertConsecutive = (older: Delta, newer: Delta): void => {
  const nextRow = older.firstNewRow + older.newKeys.length;
  if (newer.firstNewRow === nextRow) return;
  throw new RangeError(
    `Cannot merge deltas of ${newer.table} as new rows must be consecutive: ` +
      `the next row is ${nextRow}, the delta begins at ${newer.firstNewRow}`,
  );
};

/** What is in one of two ascending lists, ascending, each once. */
const union = (a: Uint32Array, b: Uint32Array): Uint32Array => {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const both = new Uint32Array(a.length + b.length);
  let size = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const least = Math.min(i < a.length ? a[i] : noRow, j < b.length ? b[j] : noRow);
    if (a[i] === least) i++;
    if (b[j] === least) j++;
    both[size++] = least;
  }
  return both.subarray(0, size);
};
