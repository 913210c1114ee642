/**
 * A block: the slices between two posts in event time that stand as far apart as a window is long.
 *
 * A block keeps, of each key, how much there is from each of its slices on (an *end*), and how much there is up to each
 * of its slices (a *beginning*). One slice of one key is a *cell*. An end is the cell merged with the end at the key's next
 * cell; a beginning is the beginning at the key's cell before merged with the cell: so each is one merge away from its
 * neighbour. They are worked out when they are asked for, and a record that comes late spoils those of its own key only:
 * the ends at and before its slice, the beginnings at and after it.
 *
 * All of that follows from the slices alone, whatever came when, so nothing of it is stored. In memory a cell has one more
 * accumulator, its beginning and later its end, which about doubles what windows keep; both while late records can still
 * change windows on either side.
 *
 * @module
 */
import type { AccumulatorTable } from "../../kv-state/accumulator-table.ts";
import { type Key, type KeyId, keyId } from "../../kv-state/key.ts";
import { FreeRows, type RowMerger } from "./row-merger.ts";

/** A slice, and what its block keeps of each of its rows. */
export class Slice {
  readonly start: number;
  readonly table: AccumulatorTable;
  /** The block that has taken it in; null until a window that holds it fires. */
  block: SliceBlock | null = null;
  /** Which slice of its block it is, counted in lengths of a slice. */
  ordinal = 0;
  /** The place in the block of each row's key. */
  readonly places: Array<number> = [];
  beginnings: FreeRows | null = null;
  ends: FreeRows | null = null;

  constructor(start: number, table: AccumulatorTable) {
    this.start = start;
    this.table = table;
  }
}

/** What a block knows of one key. */
export interface Place {
  readonly key: Key;
  /** Its cells in order, each as one number: the ordinal of the slice, then the row. */
  readonly cells: Array<number>;
  /** How many of the first cells know their beginnings. */
  begun: number;
  /** From which cell on they know their ends. */
  ended: number;
  /** The first cell that the windows still to fire can begin with. */
  head: number;
  /** The places of the key in the block before and in the one after; -1 where it has none. */
  before: number;
  after: number;
}

/** The slices of one block. */
export class SliceBlock {
  readonly start: number;
  /** Slices that begin before this are in it. */
  takenTo: number;
  readonly places: Array<Place> = [];
  readonly #merger: RowMerger;
  readonly #sliceMillis: number;
  /** How many rows a slice can have, for a cell to be one number. */
  readonly #rowsMax: number;
  readonly #slices = new Map<number, Slice>();
  readonly #placeOf = new Map<KeyId, number>();
  /** The places that have a cell at or after `#from`, by the first such cell. */
  #order: Array<number> = [];
  #isOrdered = true;
  #from = 0;
  #hasBeginnings = false;
  #before: SliceBlock | null;
  #after: SliceBlock | null;

  constructor(options: {
    readonly start: number;
    readonly merger: RowMerger;
    readonly sliceMillis: number;
    /** How many slices there can be. */
    readonly slicesMax: number;
    readonly before: SliceBlock | undefined;
    readonly after: SliceBlock | undefined;
  }) {
    this.start = options.start;
    this.takenTo = options.start;
    this.#merger = options.merger;
    this.#sliceMillis = options.sliceMillis;
    this.#rowsMax = Math.floor(Number.MAX_SAFE_INTEGER / options.slicesMax);
    this.#before = options.before ?? null;
    this.#after = options.after ?? null;
    if (this.#before !== null) this.#before.#after = this;
    if (this.#after !== null) this.#after.#before = this;
  }

  /** Takes a slice in. */
  take(slice: Slice): void {
    slice.block = this;
    slice.ordinal = this.#ordinalOf(slice.start);
    this.#slices.set(slice.ordinal, slice);
    for (let row = 0; row < slice.table.size; row++) this.added(slice, row);
  }

  /** Forgets a slice that no window needs any more. */
  drop(slice: Slice): void {
    this.#slices.delete(slice.ordinal);
  }

  /** Forgets all beginnings, to spare memory. They can be worked out again as long as no slice was dropped. */
  dropBeginnings(): void {
    if (!this.#hasBeginnings) return;
    this.#hasBeginnings = false;
    for (const slice of this.#slices.values()) slice.beginnings = null;
    for (const place of this.places) place.begun = 0;
  }

  /** Lets go of the blocks around it. */
  leave(): void {
    if (this.#before !== null) this.#before.#after = null;
    if (this.#after !== null) this.#after.#before = null;
  }

  /** Notes that one of its slices has a new row. */
  added(slice: Slice, row: number): void {
    if (row >= this.#rowsMax) {
      throw new RangeError(
        `Cannot merge slices as a slice must hold at most ${this.#rowsMax} keys of one partition: there are more`,
      );
    }
    const key = slice.table.keys[row];
    const id = keyId(key);
    const at = this.#placeOf.get(id) ?? this.#addPlace(id, key);
    slice.places[row] = at;
    const place = this.places[at];
    const { cells } = place;
    const cell = slice.ordinal * this.#rowsMax + row;
    const k = firstFrom(cells, cell);
    const isLast = k === cells.length;
    if (isLast) cells.push(cell);
    else cells.splice(k, 0, cell);
    place.begun = Math.min(place.begun, k);
    place.ended = k < place.ended ? place.ended + 1 : k + 1;
    if (cell < this.#from) {
      place.head++;
    } else if (k <= place.head) {
      // The key begins here now. As long as slices are taken in in order, its turn is after all that are in.
      const last = this.#order.at(-1);
      if (isLast && this.#isOrdered && (last === undefined || this.#headOf(last) < cell)) this.#order.push(at);
      else this.#isOrdered = false;
    }
  }

  /** Notes that a row of one of its slices has changed. */
  changed(slice: Slice, row: number): void {
    const place = this.places[slice.places[row]];
    const k = firstFrom(place.cells, slice.ordinal * this.#rowsMax + row);
    place.begun = Math.min(place.begun, k);
    place.ended = Math.max(place.ended, k + 1);
  }

  /** The number of a key's place; -1 where it has none. */
  find(id: KeyId): number {
    return this.#placeOf.get(id) ?? -1;
  }

  /** The first of a key's cells that lies at or after an instant. */
  cellFrom(place: Place, instant: number): number {
    return firstFrom(place.cells, this.#ordinalOf(instant) * this.#rowsMax);
  }

  /**
   * The places that have a cell at or after an instant, in the order of the first such cells: that is by slice, then by row.
   * The instants of several calls do not go down. A place's `head` is that cell from then on.
   */
  inOrder(from: number): ReadonlyArray<number> {
    const before = this.#from;
    this.#from = Math.max(before, this.#ordinalOf(from) * this.#rowsMax);
    if (!this.#isOrdered) {
      const heads: Array<number> = [];
      for (const place of this.places) this.#moveHead(place, heads);
      this.#order = this.#sorted(heads);
      this.#isOrdered = true;
    } else if (this.#from > before) {
      this.#moveHeads();
    }
    return this.#order;
  }

  /** The rows in which a cell's end lies; `rowOf` says where. */
  endOf(place: Place, k: number): FreeRows {
    const { cells } = place;
    let next: Slice | null = place.ended < cells.length ? this.#sliceOf(cells[place.ended]) : null;
    for (; place.ended > k; place.ended--) {
      const j = place.ended - 1;
      const slice = this.#sliceOf(cells[j]);
      const row = this.rowOf(cells[j]);
      slice.ends ??= new FreeRows(this.#merger.aggregate);
      slice.ends.reserve(slice.table.size);
      this.#merger.copy(slice.ends, row, slice.table, row);
      if (next !== null) this.#merger.merge(slice.ends, row, next.ends!, this.rowOf(cells[j + 1]));
      next = slice;
    }
    return this.#sliceOf(cells[k]).ends!;
  }

  /** The rows in which a cell's beginning lies; `rowOf` says where. */
  beginningOf(place: Place, k: number): FreeRows {
    const { cells } = place;
    this.#hasBeginnings = true;
    let previous: Slice | null = place.begun > 0 && place.begun <= k ? this.#sliceOf(cells[place.begun - 1]) : null;
    for (; place.begun <= k; place.begun++) {
      const j = place.begun;
      const slice = this.#sliceOf(cells[j]);
      const row = this.rowOf(cells[j]);
      slice.beginnings ??= new FreeRows(this.#merger.aggregate);
      slice.beginnings.reserve(slice.table.size);
      if (previous === null) {
        this.#merger.copy(slice.beginnings, row, slice.table, row);
      } else {
        this.#merger.copy(slice.beginnings, row, previous.beginnings!, this.rowOf(cells[j - 1]));
        this.#merger.merge(slice.beginnings, row, slice.table, row);
      }
      previous = slice;
    }
    return this.#sliceOf(cells[k]).beginnings!;
  }

  /** The row of a cell in its slice. */
  rowOf(cell: number): number {
    return cell % this.#rowsMax;
  }

  #sliceOf(cell: number): Slice {
    return this.#slices.get(Math.floor(cell / this.#rowsMax))!;
  }

  #ordinalOf(start: number): number {
    return Math.round((start - this.start) / this.#sliceMillis);
  }

  #headOf(at: number): number {
    const { cells, head } = this.places[at];
    return cells[head];
  }

  #addPlace(id: KeyId, key: Key): number {
    const at = this.places.length;
    const before = this.#before?.find(id) ?? -1;
    const after = this.#after?.find(id) ?? -1;
    this.places.push({ key, cells: [], begun: 0, ended: 0, head: 0, before, after });
    this.#placeOf.set(id, at);
    if (before >= 0) this.#before!.places[before].after = at;
    if (after >= 0) this.#after!.places[after].before = at;
    return at;
  }

  /** Moves a head to `#from`, and adds it to a list if there is a cell there. */
  #moveHead(place: Place, heads: Array<number>): void {
    const { cells } = place;
    while (place.head < cells.length && cells[place.head] < this.#from) place.head++;
    if (place.head < cells.length) heads.push(cells[place.head]);
  }

  /** Moves those heads that lie before `#from`, and keeps the order. */
  #moveHeads(): void {
    const order = this.#order;
    const heads: Array<number> = [];
    let stays = 0;
    while (stays < order.length && this.#headOf(order[stays]) < this.#from) {
      this.#moveHead(this.places[order[stays++]], heads);
    }
    if (stays === 0) return;
    const moved = this.#sorted(heads);
    const merged: Array<number> = [];
    for (const at of moved) {
      const head = this.#headOf(at);
      while (stays < order.length && this.#headOf(order[stays]) < head) merged.push(order[stays++]);
      merged.push(at);
    }
    while (stays < order.length) merged.push(order[stays++]);
    this.#order = merged;
  }

  /** The places of some cells, by cell. */
  #sorted(cells: ReadonlyArray<number>): Array<number> {
    const sorted = Float64Array.from(cells).sort();
    return Array.from(sorted, (cell) => this.#sliceOf(cell).places[this.rowOf(cell)]);
  }
}

/** The first place in a sorted list that is not below a number. */
const firstFrom = (sorted: ReadonlyArray<number>, number: number): number => {
  let high = sorted.length;
  // What is asked for is most often the end.
  if (high === 0 || sorted[high - 1] < number) return high;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < number) low = middle + 1;
    else high = middle;
  }
  return low;
};
