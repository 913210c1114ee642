/**
 * Cells: what is kept of one key in one window, side by side with all others of a keyed partition.
 *
 * They are like the lockers of a swimming pool. A cell is the number of a locker, free again once its window is over; the
 * row, under which it is stored, counts up for ever and is never given twice. All numbers of a cell lie next to each other,
 * as they are stored, so a record touches a few neighbouring words, and nothing is allocated for it.
 *
 * @module
 */
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate, ObjectCodec } from "../../windows/aggregate.ts";

/** The columns that the numbers of every cell begin with. */
export const column = {
  start: 0,
  end: 1,
  /** How many records are in its pane. */
  records: 2,
  /** How many results it has had. */
  said: 3,
  /** What else is known of it, in bits that its owner knows. */
  flags: 4,
} as const;

const commonColumns = 5;

/** Where the other columns are; -1 for those that are not needed. */
export interface CellColumns {
  /** When the first record of the pane came, by the clock. */
  readonly arrived: number;
  /** The event time from which the pane's intervals count. */
  readonly from: number;
  /** The greatest event time of the records. */
  readonly latest: number;
  /** Where the accumulator begins: of everything, or of the pane where panes are discarded. */
  readonly accumulator: number;
  /** Where the accumulator begins as it was when the window last fired. */
  readonly stated: number;
  /** How many numbers a cell has. */
  readonly width: number;
}

/** What cells are to keep. */
export interface CellOptions {
  readonly aggregate: Aggregate<unknown, unknown>;
  /** Whether the accumulator is also kept as it was when the window last fired. */
  readonly keepsStated: boolean;
  readonly keepsArrived: boolean;
  readonly keepsFrom: boolean;
  readonly keepsLatest: boolean;
}

const columnsOf = ({ aggregate, keepsStated, keepsArrived, keepsFrom, keepsLatest }: CellOptions): CellColumns => {
  let width = commonColumns;
  const take = (count: number, isNeeded: boolean): number => {
    if (!isNeeded) return -1;
    width += count;
    return width - count;
  };
  const arrived = take(1, keepsArrived);
  const from = take(1, keepsFrom);
  const latest = take(1, keepsLatest);
  const accumulator = take(aggregate.numbers, true);
  const stated = take(aggregate.numbers, keepsStated);
  return { arrived, from, latest, accumulator, stated, width };
};

/** How many cells there is room for at first. */
const initialCells = 4;

/** Up to so many cells the room doubles when it is full. */
const doublingCellsMax = 4_096;

/** Beyond that it grows so many times: what is free costs memory, the growing costs time. */
const growth = 1.5;

/** Whether something holds of a cell is one bit. */
const bitsPerWord = 32;

/** How many rows a namespace has room for. Cells are numbered for ever, so there may be more of them. */
const namespaceRowsMax = 2 ** 32;

const namespaceOf = (row: number): number => Math.floor(row / namespaceRowsMax);

/** The row of a cell that is free. */
const noRow = -1;

/** The cells of a keyed partition. */
export class Cells {
  readonly columns: CellColumns;
  /** The numbers of cell `c` begin at `c * columns.width`. It is replaced when there are more cells: do not keep it. */
  numbers: Float64Array;
  /** The objects of cell `c` begin at `c * objectWidth`: those of the accumulator, then those of it as it was. */
  readonly objects: Array<unknown> = [];
  readonly objectWidth: number;
  /** The row of the next cell that is made. */
  nextRow = 0;
  readonly #codecs: ReadonlyArray<ObjectCodec>;
  readonly #statedCodecs: ReadonlyArray<ObjectCodec>;
  /** Whether a cell's accumulator as it was is worth keeping. */
  readonly #isStated: (flags: number) => boolean;
  readonly #ids: Array<KeyId> = [];
  /** The keys where some are not their own ids; else null, and the keys are the ids. */
  #ownKeys: Array<Key> | null = null;
  #hashes = new Int32Array(initialCells);
  #rows = new Float64Array(initialCells);
  #room = initialCells;
  /** How many cells there have been at once; those that are free begin at `#free`, each with the next in its first number. */
  #used = 0;
  #free = -1;
  /** Bit `c % 32` of word `c / 32` is set if cell `c` has changed, or if a delta was ever taken of it. */
  #changed = new Int32Array(1);
  #stored = new Int32Array(1);
  #isChanged = false;
  #removed: Array<number> = [];

  constructor(options: CellOptions & { readonly isStated: (flags: number) => boolean }) {
    this.columns = columnsOf(options);
    this.numbers = new Float64Array(initialCells * this.columns.width);
    this.#codecs = options.aggregate.objects;
    this.#statedCodecs = options.keepsStated ? options.aggregate.objects : [];
    this.objectWidth = this.#codecs.length + this.#statedCodecs.length;
    this.#isStated = options.isStated;
  }

  /** The row under which a cell is stored. */
  rowOf(cell: number): number {
    return this.#rows[cell];
  }

  /** The hash of a cell's key. */
  hashOf(cell: number): number {
    return this.#hashes[cell];
  }

  /** The id of a cell's key. */
  idOf(cell: number): KeyId {
    return this.#ids[cell];
  }

  keyOf(cell: number): Key {
    return this.#ownKeys === null ? this.#ids[cell] : this.#ownKeys[cell];
  }

  /** Whether a cell is of a key. */
  isOf(cell: number, id: KeyId): boolean {
    const own = this.#ids[cell];
    return own === id || (own !== own && id !== id);
  }

  /** All cells, in no certain order. */
  all(): Array<number> {
    const all: Array<number> = [];
    for (let cell = 0; cell < this.#used; cell++) if (this.#rows[cell] !== noRow) all.push(cell);
    return all;
  }

  /** Makes a cell without records. What is kept of it is not set, but for the columns. */
  add(id: KeyId, key: Key, hash: number): number {
    return this.#make(this.nextRow++, id, key, hash);
  }

  #make(row: number, id: KeyId, key: Key, hash: number): number {
    let cell = this.#free;
    if (cell >= 0) {
      this.#free = this.numbers[cell * this.columns.width];
    } else {
      cell = this.#used++;
      if (cell === this.#room) this.#grow();
      for (let j = 0; j < this.objectWidth; j++) this.objects.push(undefined);
    }
    this.#rows[cell] = row;
    this.#hashes[cell] = hash;
    this.#ids[cell] = id;
    if (this.#ownKeys === null && !Object.is(key, id)) this.#ownKeys = this.#ids.slice();
    if (this.#ownKeys !== null) this.#ownKeys[cell] = key;
    const { arrived, from, latest, width } = this.columns;
    const at = cell * width;
    this.numbers[at + column.records] = 0;
    this.numbers[at + column.said] = 0;
    this.numbers[at + column.flags] = 0;
    if (arrived >= 0) this.numbers[at + arrived] = NaN;
    if (from >= 0) this.numbers[at + from] = Infinity;
    if (latest >= 0) this.numbers[at + latest] = -Infinity;
    return cell;
  }

  #grow(): void {
    this.#room = Math.ceil(this.#room * (this.#room < doublingCellsMax ? 2 : growth));
    const numbers = new Float64Array(this.#room * this.columns.width);
    numbers.set(this.numbers);
    this.numbers = numbers;
    const rows = new Float64Array(this.#room);
    rows.set(this.#rows);
    this.#rows = rows;
    const hashes = new Int32Array(this.#room);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const words = Math.ceil(this.#room / bitsPerWord);
    const changed = new Int32Array(words);
    changed.set(this.#changed);
    this.#changed = changed;
    const stored = new Int32Array(words);
    stored.set(this.#stored);
    this.#stored = stored;
  }

  /** Forgets a cell, whose number is then given again. */
  remove(cell: number): void {
    const bit = 1 << cell;
    this.#changed[cell >>> 5] &= ~bit;
    if ((this.#stored[cell >>> 5] & bit) !== 0) {
      this.#stored[cell >>> 5] &= ~bit;
      this.#removed.push(this.#rows[cell]);
    }
    this.#rows[cell] = noRow;
    this.#ids[cell] = 0;
    if (this.#ownKeys !== null) this.#ownKeys[cell] = 0;
    for (let j = cell * this.objectWidth; j < (cell + 1) * this.objectWidth; j++) this.objects[j] = undefined;
    this.numbers[cell * this.columns.width] = this.#free;
    this.#free = cell;
  }

  /** Notes that a cell has changed. */
  touch(cell: number): void {
    this.#changed[cell >>> 5] |= 1 << cell;
    this.#isChanged = true;
  }

  /** Adds what has changed since the last call. */
  takeDeltas(table: string, partition: number, into: Array<Delta>): void {
    const changed = this.#takeChanged();
    const removed = this.#removed;
    this.#removed = [];
    const namespaces = new Set<number>();
    for (const cell of changed) namespaces.add(namespaceOf(this.#rows[cell]));
    for (const row of removed) namespaces.add(namespaceOf(row));
    for (const namespace of namespaces) {
      const cells = changed.filter((cell) => namespaceOf(this.#rows[cell]) === namespace);
      into.push({
        table,
        partition,
        namespace,
        dropped: false,
        firstNewRow: 0,
        newKeys: [], // rows come and go one by one, so each brings its key as its first object
        rows: Uint32Array.from(cells, (cell) => this.#rows[cell] % namespaceRowsMax),
        width: this.columns.width,
        numbers: this.#numbersOf(cells),
        objects: cells.map((cell) => this.#encode(cell)),
        removed: Uint32Array.from(
          removed.filter((row) => namespaceOf(row) === namespace),
          (row) => row % namespaceRowsMax,
        ),
      });
    }
  }

  /** The cells that have changed; none has from then on, and all of them are stored. */
  #takeChanged(): Array<number> {
    const cells: Array<number> = [];
    if (!this.#isChanged) return cells;
    this.#isChanged = false;
    const changed = this.#changed;
    for (let word = 0; word < changed.length; word++) {
      this.#stored[word] |= changed[word];
      for (let rest = changed[word]; rest !== 0; rest &= rest - 1) {
        cells.push(word * bitsPerWord + bitsPerWord - 1 - Math.clz32(rest & -rest));
      }
      changed[word] = 0;
    }
    return cells;
  }

  #numbersOf(cells: ReadonlyArray<number>): Float64Array {
    const { width } = this.columns;
    const numbers = new Float64Array(cells.length * width);
    for (let k = 0; k < cells.length; k++) {
      const from = cells[k] * width;
      for (let c = 0; c < width; c++) numbers[k * width + c] = this.numbers[from + c];
    }
    return numbers;
  }

  /** The objects of a cell as they are stored: its key, then those of the accumulator, then those of it as it was. */
  #encode(cell: number): ReadonlyArray<unknown> {
    const row: Array<unknown> = [this.keyOf(cell)];
    const codecs = this.#codecs;
    const at = cell * this.objectWidth;
    for (let j = 0; j < codecs.length; j++) row.push(codecs[j].encode(this.objects[at + j]));
    const stated = this.#statedCodecs;
    if (stated.length > 0 && this.#isStated(this.numbers[cell * this.columns.width + column.flags])) {
      for (let j = 0; j < stated.length; j++) row.push(stated[j].encode(this.objects[at + codecs.length + j]));
    }
    return row;
  }

  /** The cells that deltas have brought back, by row. */
  readonly #restored = new Map<number, number>();

  /** Applies a delta of an earlier run. */
  applyDelta(delta: Delta): void {
    const { width } = this.columns;
    const first = delta.namespace * namespaceRowsMax;
    for (const one of delta.removed) {
      const cell = this.#restored.get(first + one);
      if (cell === undefined) continue;
      this.#restored.delete(first + one);
      this.#stored[cell >>> 5] &= ~(1 << cell);
      this.remove(cell);
    }
    delta.rows.forEach((one, k) => {
      const row = first + one;
      const [key, ...objects] = delta.objects[k];
      let cell = this.#restored.get(row);
      if (cell === undefined) {
        const id = keyId(key as Key);
        cell = this.#make(row, id, key as Key, keyHash(id));
        this.#restored.set(row, cell);
      }
      this.#stored[cell >>> 5] |= 1 << cell;
      for (let c = 0; c < width; c++) this.numbers[cell * width + c] = delta.numbers[k * width + c];
      const codecs = [...this.#codecs, ...this.#statedCodecs];
      const at = cell * this.objectWidth;
      objects.forEach((stored, j) => this.objects[at + j] = codecs[j].decode(stored));
    });
  }

  /** Goes on after the deltas: `nextRow` is the row of the next cell that is made. */
  restore(nextRow: number): void {
    this.nextRow = nextRow;
    this.#restored.clear();
  }
}
