/**
 * When cells have their turns: each waits for one instant at most, which may move.
 *
 * Of the timers of a cell one counts, and it may go off too early: then another is set. So a cell that waits for longer and
 * longer, as a session does that goes on and on, has one timer and not one for each record.
 *
 * @module
 */
import { TimerHeap } from "../../windows/timer-heap.ts";
import type { Cells } from "./cells.ts";

/** How many cells there is room for at first. */
const initialCells = 4;

/** The turns of some cells: by event time, or by the clock. */
export class Turns {
  readonly #cells: Cells;
  readonly #timers = new TimerHeap();
  /** Of cell `c` at `2 * c` when it has its turn, and at `2 * c + 1` when its timer goes off; Infinity for never. */
  #turns = new Float64Array(2 * initialCells).fill(Infinity);
  #time = NaN;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  /** When the cell had its turn that was taken last. */
  get time(): number {
    return this.#time;
  }

  /** Sets when a cell has its turn; Infinity for never. */
  set(cell: number, due: number): void {
    if (2 * cell >= this.#turns.length) this.#grow(cell);
    const turns = this.#turns;
    turns[2 * cell] = due;
    if (due < turns[2 * cell + 1]) this.#setTimer(cell, due);
  }

  /** Forgets a cell, before it is removed. */
  forget(cell: number): void {
    if (2 * cell < this.#turns.length) this.#turns[2 * cell] = this.#turns[2 * cell + 1] = Infinity;
  }

  /** The next cell that has its turn at or before an instant; -1 where there is none. It waits for nothing from then on. */
  take(instant: number): number {
    const timers = this.#timers;
    while (timers.nextTime <= instant && timers.size > 0) {
      const { nextTime: time, nextId: row, nextItem: cell } = timers;
      timers.pop();
      // Another cell may have been given the number since.
      if (this.#turns[2 * cell + 1] !== time || this.#cells.rowOf(cell) !== row) continue;
      this.#turns[2 * cell + 1] = Infinity;
      const due = this.#turns[2 * cell];
      if (due === time) {
        this.#time = time;
        return cell;
      }
      if (due < Infinity) this.#setTimer(cell, due);
    }
    return -1;
  }

  #setTimer(cell: number, time: number): void {
    this.#turns[2 * cell + 1] = time;
    this.#timers.push(time, this.#cells.rowOf(cell), cell);
  }

  #grow(cell: number): void {
    const turns = new Float64Array(Math.max(2 * this.#turns.length, 2 * cell + 2)).fill(Infinity);
    turns.set(this.#turns);
    this.#turns = turns;
  }
}
