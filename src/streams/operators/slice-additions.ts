/**
 * What of a batch is to be added to one slice: gathered first, so that a batch whose records go to and fro between slices
 * is added slice by slice.
 *
 * @module
 */
import type { Columns } from "../../actors/columns.ts";
import type { AccumulatorTable } from "../../kv-state/accumulator-table.ts";
import { addEach, type Aggregate, FailedAddition } from "../../windows/aggregate.ts";

/** What has the accumulators of a slice. */
export interface HasTable {
  readonly table: AccumulatorTable;
}

/** How many records there is room for at first. */
const roomMin = 16;

/** Some records of a batch, all of one slice, in the order in which they came. */
export class SliceAdditions<S extends HasTable> {
  #slice: S | null = null;
  #size = 0;
  /** The records, as rows of the batch's columns. */
  #rows = new Uint32Array(roomMin);
  /** Parallel to them: the rows of the slice's table that they are added to. */
  #tableRows = new Uint32Array(roomMin);

  /** The slice that the records belong into. */
  get slice(): S {
    return this.#slice!;
  }

  /** Begins anew, with no record. */
  begin(slice: S): void {
    this.#slice = slice;
    this.#size = 0;
  }

  /** Lets go of the slice, so that waiting to be used again keeps none in memory. */
  end(): void {
    this.#slice = null;
  }

  add(row: number, tableRow: number): void {
    const at = this.#size++;
    if (at === this.#rows.length) {
      this.#rows = twice(this.#rows);
      this.#tableRows = twice(this.#tableRows);
    }
    this.#rows[at] = row;
    this.#tableRows[at] = tableRow;
  }

  /**
   * Adds the records that come before a row of the columns, and forgets them.
   *
   * @throws {FailedAddition} If a function of the aggregate throws.
   */
  addTo(aggregate: Aggregate<unknown, unknown>, { values, times }: Columns, beforeRow: number): void {
    const { table } = this.slice;
    let to = this.#size;
    while (to > 0 && this.#rows[to - 1] >= beforeRow) to--;
    addEach(aggregate, 0, 0, {
      numbers: table.numbers,
      width: aggregate.numbers,
      objects: table.objects,
      objectsWidth: aggregate.objects.length,
      accumulators: this.#tableRows,
      rows: this.#rows,
      values,
      timestamps: times,
      from: 0,
      to,
    });
    this.#size = 0;
  }
}

/**
 * Adds what is to be added to several slices. Gives the first record on which a function of the aggregate fails, as if they
 * had come one by one; null if there is none.
 */
export const addToAll = (
  additions: Iterable<SliceAdditions<HasTable>>,
  aggregate: Aggregate<unknown, unknown>,
  columns: Columns,
): FailedAddition | null => {
  let failed: FailedAddition | null = null;
  for (const one of additions) {
    try {
      one.addTo(aggregate, columns, failed?.row ?? Infinity);
    } catch (error) {
      if (!(error instanceof FailedAddition)) throw error;
      failed = error;
    }
  }
  return failed;
};

const twice = (column: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(2 * column.length);
  larger.set(column);
  return larger;
};
