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
 * Cells are numbered as they come, and what is known of them lies in columns: a key's cells are a chain of numbers in them,
 * in the order of the slices.
 *
 * @module
 */
import type { AccumulatorTable } from "../../kv-state/accumulator-table.ts";
import { type Key, type KeyId, keyId } from "../../kv-state/key.ts";
import { FreeRows, type RowMerger } from "./row-merger.ts";

/** Where there is no cell, or no place. */
const none = -1;

/** A slice, and what its block keeps of each of its rows. */
export class Slice {
  readonly start: number;
  readonly table: AccumulatorTable;
  /** The block that has taken it in; null until a window that holds it fires. */
  block: SliceBlock | null = null;
  /** Which slice of its block it is, counted in lengths of a slice. */
  ordinal = 0;
  /** Where the window operator gathers what a batch adds to it. */
  additions = 0;
  /** The cell in the block of each row. */
  readonly cells: Array<number> = [];

  constructor(start: number, table: AccumulatorTable) {
    this.start = start;
    this.table = table;
  }
}

/** How many cells, and places, there is room for at first. The room doubles whenever it is full. */
const initialRoom = 16;

const grown = (column: Int32Array, room: number): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(room);
  larger.set(column);
  return larger;
};

/** The cells of a block: in which row of which slice each is, of which key, and what comes before and after it there. */
class SliceCells {
  size = 0;
  ordinals = new Int32Array(initialRoom);
  rows = new Int32Array(initialRoom);
  places = new Int32Array(initialRoom);
  before = new Int32Array(initialRoom);
  after = new Int32Array(initialRoom);

  add(ordinal: number, row: number, place: number): number {
    const cell = this.size++;
    if (cell === this.ordinals.length) {
      this.ordinals = grown(this.ordinals, 2 * cell);
      this.rows = grown(this.rows, 2 * cell);
      this.places = grown(this.places, 2 * cell);
      this.before = grown(this.before, 2 * cell);
      this.after = grown(this.after, 2 * cell);
    }
    this.ordinals[cell] = ordinal;
    this.rows[cell] = row;
    this.places[cell] = place;
    return cell;
  }
}

/** What a block knows of its keys, each of which has a place. */
class Places {
  readonly keys: Array<Key> = [];
  first = new Int32Array(initialRoom);
  last = new Int32Array(initialRoom);
  /** The last of the first cells that know their beginnings; -1 if none does. */
  begun = new Int32Array(initialRoom);
  /** The first of the last cells that know their ends; -1 if none does. */
  ended = new Int32Array(initialRoom);
  /** The first cell that the windows still to fire can begin with; -1 if there is none. */
  head = new Int32Array(initialRoom);
  /** The places of the key in the block before and in the one after; -1 where it has none. */
  before = new Int32Array(initialRoom);
  after = new Int32Array(initialRoom);

  add(key: Key, before: number, after: number): number {
    const place = this.keys.push(key) - 1;
    if (place === this.first.length) this.#grow(2 * place);
    this.first[place] =
      this.last[place] =
      this.begun[place] =
      this.ended[place] =
      this.head[place] =
        none;
    this.before[place] = before;
    this.after[place] = after;
    return place;
  }

  #grow(room: number): void {
    this.first = grown(this.first, room);
    this.last = grown(this.last, room);
    this.begun = grown(this.begun, room);
    this.ended = grown(this.ended, room);
    this.head = grown(this.head, room);
    this.before = grown(this.before, room);
    this.after = grown(this.after, room);
  }
}

/** Some places in an order. */
export interface PlacesInOrder {
  readonly places: Int32Array;
  /** How many of them there are. */
  readonly count: number;
}

/** The slices of one block. */
export class SliceBlock {
  readonly start: number;
  /** Slices that begin before this are in it. */
  takenTo: number;
  readonly places = new Places();
  readonly #merger: RowMerger;
  readonly #sliceMillis: number;
  readonly #cells = new SliceCells();
  /** The slices by their ordinals. */
  readonly #slices: Array<Slice | undefined> = [];
  readonly #placeOf = new Map<KeyId, number>();
  /** The accumulators of cells: their beginnings and their ends. */
  #beginnings: FreeRows | null = null;
  #ends: FreeRows | null = null;
  /** The places that have a cell at or after `#from`, by the first such cell; what is behind the count is left over. */
  #order = new Int32Array(initialRoom);
  #orderCount = 0;
  #isOrdered = true;
  /** Where the next order is made. */
  #nextOrder = new Int32Array(initialRoom);
  /** The heads that have moved. */
  #moved = new Float64Array(initialRoom);
  #from = 0;
  #before: SliceBlock | null;
  #after: SliceBlock | null;

  constructor(options: {
    readonly start: number;
    readonly merger: RowMerger;
    readonly sliceMillis: number;
    readonly before: SliceBlock | undefined;
    readonly after: SliceBlock | undefined;
  }) {
    this.start = options.start;
    this.takenTo = options.start;
    this.#merger = options.merger;
    this.#sliceMillis = options.sliceMillis;
    this.#before = options.before ?? null;
    this.#after = options.after ?? null;
    if (this.#before !== null) this.#before.#after = this;
    if (this.#after !== null) this.#after.#before = this;
  }

  /** Takes a slice in. */
  take(slice: Slice): void {
    slice.block = this;
    slice.ordinal = this.#ordinalOf(slice.start);
    this.#slices[slice.ordinal] = slice;
    for (let row = 0; row < slice.table.size; row++) this.added(slice, row);
  }

  /** Forgets a slice that no window needs any more. */
  drop(slice: Slice): void {
    this.#slices[slice.ordinal] = undefined;
  }

  /** Forgets all beginnings, to spare memory. They can be worked out again as long as no slice was dropped. */
  dropBeginnings(): void {
    if (this.#beginnings === null) return;
    this.#beginnings = null;
    this.places.begun.fill(none);
  }

  /** Lets go of the blocks around it. */
  leave(): void {
    if (this.#before !== null) this.#before.#after = null;
    if (this.#after !== null) this.#after.#before = null;
  }

  /** Notes that one of its slices has a new row. */
  added(slice: Slice, row: number): void {
    const key = slice.table.keys[row];
    const id = keyId(key);
    const place = this.#placeOf.get(id) ?? this.#addPlace(id, key);
    const cells = this.#cells;
    const { ordinal } = slice;
    const cell = cells.add(ordinal, row, place);
    slice.cells[row] = cell;
    const { first, last, begun, ended, head } = this.places;
    const after = this.#chain(place, cell, ordinal);
    if (begun[place] !== none && cells.ordinals[begun[place]] > ordinal) begun[place] = cells.before[cell];
    if (ended[place] !== none && cells.ordinals[ended[place]] < ordinal) ended[place] = after;
    if (after === none) last[place] = cell;
    if (cells.before[cell] === none) first[place] = cell;
    if (ordinal < this.#from || (head[place] !== none && cells.ordinals[head[place]] < ordinal)) return;
    // The key begins here now. As long as slices are taken in in order, its turn is after all that are in.
    const isNew = head[place] === none;
    head[place] = cell;
    if (isNew && this.#isOrdered && this.#isLastHead(ordinal, row)) this.#append(place);
    else this.#isOrdered = false;
  }

  /** Links a cell between those of its key before and after it in time, and gives the one after it. */
  #chain(place: number, cell: number, ordinal: number): number {
    const { before, after, ordinals } = this.#cells;
    let previous = this.places.last[place];
    let next = none;
    while (previous !== none && ordinals[previous] > ordinal) {
      next = previous;
      previous = before[previous];
    }
    before[cell] = previous;
    after[cell] = next;
    if (previous !== none) after[previous] = cell;
    if (next !== none) before[next] = cell;
    return next;
  }

  /** Notes that a row of one of its slices has changed. */
  changed(slice: Slice, row: number): void {
    const cell = slice.cells[row];
    const { ordinals, places, before, after } = this.#cells;
    const { begun, ended } = this.places;
    const place = places[cell];
    const { ordinal } = slice;
    if (begun[place] !== none && ordinals[begun[place]] >= ordinal) begun[place] = before[cell];
    if (ended[place] !== none && ordinals[ended[place]] <= ordinal) ended[place] = after[cell];
  }

  /** The number of a key's place; -1 where it has none. */
  find(id: KeyId): number {
    return this.#placeOf.get(id) ?? none;
  }

  /** The first of a key's cells that lies at or after an instant; -1 where there is none. */
  cellFrom(place: number, instant: number): number {
    const ordinal = this.#ordinalOf(instant);
    const { before, ordinals } = this.#cells;
    let next = none;
    let cell = this.places.last[place];
    while (cell !== none && ordinals[cell] >= ordinal) {
      next = cell;
      cell = before[cell];
    }
    return next;
  }

  /** The last of a key's cells that lies before an instant; -1 where there is none. */
  cellBefore(place: number, instant: number): number {
    const next = this.cellFrom(place, instant);
    return next === none ? this.places.last[place] : this.#cells.before[next];
  }

  /**
   * The places that have a cell at or after an instant, in the order of the first such cells: that is by slice, then by row.
   * The instants of several calls do not go down. A place's `head` is that cell from then on. What is given holds until the
   * next call.
   */
  inOrder(from: number): PlacesInOrder {
    const before = this.#from;
    this.#from = Math.max(before, this.#ordinalOf(from));
    if (!this.#isOrdered) this.#orderAnew();
    else if (this.#from > before) this.#moveHeads();
    return { places: this.#order, count: this.#orderCount };
  }

  /** The accumulators among which a cell's end lies, under the number of the cell. */
  endOf(place: number, cell: number): FreeRows {
    const cells = this.#cells;
    const { ended, last } = this.places;
    const ends = this.#ends ??= new FreeRows(this.#merger.aggregate);
    ends.reserve(cells.size);
    const ordinal = cells.ordinals[cell];
    let at = ended[place];
    while (at === none || cells.ordinals[at] > ordinal) {
      const next = at;
      at = next === none ? last[place] : cells.before[next];
      this.#merger.copy(ends, at, this.#tableOf(at), cells.rows[at]);
      if (next !== none) this.#merger.merge(ends, at, ends, next);
      ended[place] = at;
    }
    return ends;
  }

  /** The accumulators among which a cell's beginning lies, under the number of the cell. */
  beginningOf(place: number, cell: number): FreeRows {
    const cells = this.#cells;
    const { begun, first } = this.places;
    const beginnings = this.#beginnings ??= new FreeRows(this.#merger.aggregate);
    beginnings.reserve(cells.size);
    const ordinal = cells.ordinals[cell];
    let at = begun[place];
    while (at === none || cells.ordinals[at] < ordinal) {
      const previous = at;
      at = previous === none ? first[place] : cells.after[previous];
      if (previous === none) {
        this.#merger.copy(beginnings, at, this.#tableOf(at), cells.rows[at]);
      } else {
        this.#merger.copy(beginnings, at, beginnings, previous);
        this.#merger.merge(beginnings, at, this.#tableOf(at), cells.rows[at]);
      }
      begun[place] = at;
    }
    return beginnings;
  }

  #tableOf(cell: number): AccumulatorTable {
    return this.#slices[this.#cells.ordinals[cell]]!.table;
  }

  #ordinalOf(start: number): number {
    return Math.round((start - this.start) / this.#sliceMillis);
  }

  #addPlace(id: KeyId, key: Key): number {
    const before = this.#before?.find(id) ?? none;
    const after = this.#after?.find(id) ?? none;
    const place = this.places.add(key, before, after);
    this.#placeOf.set(id, place);
    if (before !== none) this.#before!.places.after[before] = place;
    if (after !== none) this.#after!.places.before[after] = place;
    return place;
  }

  /** Whether a cell comes after the heads of all places that are in order. */
  #isLastHead(ordinal: number, row: number): boolean {
    if (this.#orderCount === 0) return true;
    const { ordinals, rows } = this.#cells;
    const last = this.places.head[this.#order[this.#orderCount - 1]];
    return ordinals[last] < ordinal || (ordinals[last] === ordinal && rows[last] < row);
  }

  #append(place: number): void {
    if (this.#orderCount === this.#order.length) this.#order = grown(this.#order, 2 * this.#orderCount);
    this.#order[this.#orderCount++] = place;
  }

  /** Puts all places in order. */
  #orderAnew(): void {
    const { length } = this.places.keys;
    let count = 0;
    for (let place = 0; place < length; place++) count = this.#moveHead(place, count);
    this.#mergeMoved(count, this.#orderCount);
    this.#isOrdered = true;
  }

  /** Moves those heads that lie before `#from`, and keeps the order. */
  #moveHeads(): void {
    const { ordinals } = this.#cells;
    const { head } = this.places;
    const order = this.#order;
    let taken = 0;
    let count = 0;
    while (taken < this.#orderCount && ordinals[head[order[taken]]] < this.#from) {
      count = this.#moveHead(order[taken++], count);
    }
    if (taken > 0) this.#mergeMoved(count, taken);
  }

  /** Moves a head to `#from`, and adds it to the first `count` that have moved if there is a cell there. */
  #moveHead(place: number, count: number): number {
    const { after, ordinals } = this.#cells;
    const { head } = this.places;
    let cell = head[place];
    while (cell !== none && ordinals[cell] < this.#from) cell = after[cell];
    head[place] = cell;
    if (cell === none) return count;
    if (count === this.#moved.length) {
      const moved = new Float64Array(2 * count);
      moved.set(this.#moved);
      this.#moved = moved;
    }
    this.#moved[count] = this.#turnOf(cell);
    return count + 1;
  }

  /** Makes an order of the heads that have moved and of the places that are left of the order, behind the first `taken`. */
  #mergeMoved(count: number, taken: number): void {
    const moved = this.#moved;
    sort(moved, count);
    const order = this.#order;
    const { head } = this.places;
    const rest = this.#orderCount - taken;
    if (this.#nextOrder.length < count + rest) this.#nextOrder = new Int32Array(2 * (count + rest));
    const next = this.#nextOrder;
    let to = 0;
    let at = taken;
    for (let k = 0; k < count; k++) {
      while (at < this.#orderCount && this.#turnOf(head[order[at]]) < moved[k]) next[to++] = order[at++];
      next[to++] = this.#placeAt(moved[k]);
    }
    while (at < this.#orderCount) next[to++] = order[at++];
    this.#order = next;
    this.#orderCount = to;
    this.#nextOrder = order;
  }

  /** A cell as one number, by which cells are in order: the ordinal of its slice, then its row. */
  #turnOf(cell: number): number {
    return this.#cells.ordinals[cell] * rowsMax + this.#cells.rows[cell];
  }

  #placeAt(turn: number): number {
    const slice = this.#slices[Math.floor(turn / rowsMax)]!;
    return this.#cells.places[slice.cells[turn % rowsMax]];
  }
}

/** A slice has fewer rows: they are counted in 31 bits. */
const rowsMax = 2 ** 31;

/** Up to so many numbers are sorted by insertion, without a call out of the program. */
const insertedMax = 24;

/** Sorts the first `count` numbers of a list. */
const sort = (numbers: Float64Array, count: number): void => {
  if (count > insertedMax) {
    numbers.subarray(0, count).sort();
    return;
  }
  for (let k = 1; k < count; k++) {
    const number = numbers[k];
    let at = k;
    for (; at > 0 && numbers[at - 1] > number; at--) numbers[at] = numbers[at - 1];
    numbers[at] = number;
  }
};
