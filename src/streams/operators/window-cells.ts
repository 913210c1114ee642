/**
 * Cells by key and window, where windows are what they are from the beginning: one search, however many a key has.
 *
 * @module
 */
import type { KeyId } from "../../kv-state/key.ts";
import { CellIndex } from "./cell-index.ts";
import type { Cells } from "./cells.ts";
import { column } from "./window-columns.ts";

/** Finds the cell of a key in a window. */
export class WindowCells {
  readonly #cells: Cells;
  readonly #index = new CellIndex();

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  /** The cell of a key in a window; -1 where there is none. */
  find(id: KeyId, hash: number, start: number, end: number): number {
    const { numbers, width } = this.#cells;
    const mixed = mix(hash, start, end);
    let cell = this.#index.first(mixed);
    while (cell >= 0) {
      const at = cell * width;
      if (numbers[at + column.start] === start && numbers[at + column.end] === end && this.#cells.isOf(cell, id)) break;
      cell = this.#index.next(mixed);
    }
    return cell;
  }

  add(cell: number): void {
    this.#index.add(this.#hashOf(cell), cell);
  }

  /** Takes out a cell, before it is removed. */
  remove(cell: number): void {
    this.#index.remove(this.#hashOf(cell), cell);
  }

  #hashOf(cell: number): number {
    const { numbers, width } = this.#cells;
    const at = cell * width;
    return mix(this.#cells.hashOf(cell), numbers[at + column.start], numbers[at + column.end]);
  }
}

/** One hash of a key's hash and the bounds of a window, which are whole numbers most often: their lower bits tell them apart. */
const mix = (hash: number, start: number, end: number): number => {
  const mixed = Math.imul(hash ^ Math.imul(start | 0, 0x85ebca6b), 0xc2b2ae35) ^ Math.imul(end | 0, 0x27d4eb2f);
  return mixed ^ mixed >>> 15;
};
