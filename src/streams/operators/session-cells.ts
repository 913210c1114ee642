/**
 * Cells by key and time, where windows grow: the sessions of a key in the order of time, which never touch each other.
 *
 * The newest is found at once, and each knows the one before and the one after it. Most records belong to the newest; one that
 * comes late passes those of its key that are newer than its own.
 *
 * @module
 */
import type { KeyId } from "../../kv-state/key.ts";
import { CellIndex } from "./cell-index.ts";
import type { Cells } from "./cells.ts";
import { column } from "./window-columns.ts";

/** How many cells there is room for at first. */
const initialCells = 4;

/** Where there is no session. */
const none = -1;

/** The sessions of each key. */
export class SessionCells {
  readonly #cells: Cells;
  /** The newest session of each key. */
  readonly #newest = new CellIndex();
  /** The session before cell `c` at `2 * c`, and the one after it at `2 * c + 1`. */
  #beside = new Int32Array(2 * initialCells);

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  /** The newest session of a key; -1 where it has none. */
  newest(id: KeyId, hash: number): number {
    let cell = this.#newest.first(hash);
    while (cell >= 0 && !this.#cells.isOf(cell, id)) cell = this.#newest.next(hash);
    return cell;
  }

  /** The session of the same key before one; -1 where there is none. */
  before(cell: number): number {
    return this.#beside[2 * cell];
  }

  /** The session of the same key after one; -1 where there is none. */
  after(cell: number): number {
    return this.#beside[2 * cell + 1];
  }

  /** Adds a session. */
  add(cell: number): void {
    if (2 * cell >= this.#beside.length) this.#grow(cell);
    const hash = this.#cells.hashOf(cell);
    let after = none;
    let before = this.newest(this.#cells.idOf(cell), hash);
    while (before >= 0 && this.#endOf(before) > this.#endOf(cell)) {
      after = before;
      before = this.before(before);
    }
    if (after >= 0) this.#beside[2 * after] = cell;
    else if (before >= 0) this.#newest.replace(hash, before, cell);
    else this.#newest.add(hash, cell);
    if (before >= 0) this.#beside[2 * before + 1] = cell;
    this.#beside[2 * cell] = before;
    this.#beside[2 * cell + 1] = after;
  }

  /** Takes out a session, before its cell is removed. */
  remove(cell: number): void {
    const hash = this.#cells.hashOf(cell);
    const before = this.before(cell);
    const after = this.after(cell);
    if (after >= 0) this.#beside[2 * after] = before;
    else if (before >= 0) this.#newest.replace(hash, cell, before);
    else this.#newest.remove(hash, cell);
    if (before >= 0) this.#beside[2 * before + 1] = after;
  }

  #endOf(cell: number): number {
    return this.#cells.numbers[cell * this.#cells.width + column.end];
  }

  #grow(cell: number): void {
    const beside = new Int32Array(Math.max(2 * this.#beside.length, 2 * cell + 2));
    beside.set(this.#beside);
    this.#beside = beside;
  }
}
