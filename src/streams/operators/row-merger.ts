/**
 * Copies and merges of single accumulators that lie side by side with others.
 *
 * @module
 */
import type { Aggregate } from "../../windows/aggregate.ts";

/** Accumulators side by side, as in a table. */
export interface Rows {
  readonly numbers: Float64Array;
  readonly objects: Array<unknown>;
}

/** Accumulators side by side that no table knows of: room is made for them as they come. */
export class FreeRows implements Rows {
  numbers: Float64Array = new Float64Array(0);
  readonly objects: Array<unknown> = [];
  readonly #aggregate: Aggregate<unknown, unknown>;
  #size = 0;

  constructor(aggregate: Aggregate<unknown, unknown>) {
    this.#aggregate = aggregate;
  }

  /** Makes room for so many rows. */
  reserve(rows: number): void {
    if (rows <= this.#size) return;
    this.#size = Math.max(rows, 2 * this.#size);
    const { numbers } = this;
    this.numbers = new Float64Array(this.#size * this.#aggregate.numbers);
    this.numbers.set(numbers);
    for (let j = this.objects.length; j < this.#size * this.#aggregate.objects.length; j++) {
      this.objects.push(undefined);
    }
  }
}

/** Copies and merges the accumulators of an aggregate. */
export class RowMerger {
  readonly aggregate: Aggregate<unknown, unknown>;
  readonly #width: number;
  readonly #objects: number;

  constructor(aggregate: Aggregate<unknown, unknown>) {
    this.aggregate = aggregate;
    this.#width = aggregate.numbers;
    this.#objects = aggregate.objects.length;
  }

  /** Makes a row equal to another. Objects are not shared: the other is merged into one of no record. */
  copy(into: Rows, row: number, from: Rows, fromRow: number): void {
    const width = this.#width;
    if (this.#objects > 0) {
      this.aggregate.reset(into.numbers, row * width, into.objects, row * this.#objects);
      this.merge(into, row, from, fromRow);
      return;
    }
    for (let c = 0; c < width; c++) into.numbers[row * width + c] = from.numbers[fromRow * width + c];
  }

  /** Adds a row, whose records come later, to another. */
  merge(into: Rows, row: number, from: Rows, fromRow: number): void {
    this.aggregate.merge(
      into.numbers,
      row * this.#width,
      into.objects,
      row * this.#objects,
      from.numbers,
      fromRow * this.#width,
      from.objects,
      fromRow * this.#objects,
    );
  }

  /** What a row answers. */
  result(rows: Rows, row: number): unknown {
    return this.aggregate.result(rows.numbers, row * this.#width, rows.objects, row * this.#objects);
  }
}
