/**
 * Cells: rows of a table that come and go one by one, side by side with all others of a keyed partition.
 *
 * They are like the lockers of a swimming pool. A cell is the number of a locker, free again once nobody needs it; the row,
 * under which it is stored, counts up for ever and is never given twice. All numbers of a cell lie next to each other, as they
 * are stored, so a record touches a few neighbouring words, and nothing is allocated for it.
 *
 * @module
 */
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";

/** What the cells of a partition hold. */
export interface CellLayout {
  /** How many numbers a cell has. */
  readonly width: number;
  /** How many objects a cell has. */
  readonly objectWidth: number;
  /** What is stored of the objects of a cell, its key aside. */
  readonly encode: (objects: ReadonlyArray<unknown>, at: number, cell: number) => ReadonlyArray<unknown>;
  /** Puts what was stored where the objects of a cell lie. */
  readonly decode: (stored: ReadonlyArray<unknown>, objects: Array<unknown>, at: number) => void;
}

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
  /** How many numbers a cell has. */
  readonly width: number;
  /** How many objects a cell has. */
  readonly objectWidth: number;
  /** The numbers of cell `c` begin at `c * width`. It is replaced when there are more cells: do not keep it. */
  numbers: Float64Array;
  /** The objects of cell `c` begin at `c * objectWidth`. */
  readonly objects: Array<unknown> = [];
  /** The row of the next cell that is made. */
  nextRow = 0;
  readonly #layout: CellLayout;
  readonly #ids: Array<KeyId> = [];
  /** The keys where some are not their own ids; else null, and the keys are the ids. */
  #ownKeys: Array<Key> | null = null;
  #hashes = new Int32Array(initialCells);
  #rows = new Float64Array(initialCells);
  #room = initialCells;
  /** How many cells there have been at once. */
  #used = 0;
  /** A cell that is free, which has the next one in its first number; -1 where there is none. */
  #free = -1;
  /** Bit `c % 32` of word `c / 32` is set if cell `c` has changed, or if a delta was ever taken of it. */
  #changed = new Int32Array(1);
  #stored = new Int32Array(1);
  #isChanged = false;
  #removed: Array<number> = [];

  constructor(layout: CellLayout) {
    this.#layout = layout;
    this.width = layout.width;
    this.objectWidth = layout.objectWidth;
    this.numbers = new Float64Array(initialCells * layout.width);
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

  /** Makes a cell. Its numbers are not set; its objects are undefined. The hash is that of the id. */
  add(id: KeyId, key: Key, hash: number): number {
    return this.#make(this.nextRow++, id, key, hash);
  }

  #make(row: number, id: KeyId, key: Key, hash: number): number {
    let cell = this.#free;
    if (cell >= 0) {
      this.#free = this.numbers[cell * this.width];
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
    return cell;
  }

  #grow(): void {
    this.#room = Math.ceil(this.#room * (this.#room < doublingCellsMax ? 2 : growth));
    const numbers = new Float64Array(this.#room * this.width);
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
    this.numbers[cell * this.width] = this.#free;
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
        width: this.width,
        numbers: this.#numbersOf(cells),
        objects: cells.map((cell) => this.#encode(cell)),
        removed: Uint32Array.from(
          removed.filter((row) => namespaceOf(row) === namespace),
          (row) => row % namespaceRowsMax,
        ).sort(),
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
    return this.#inRowOrder(cells);
  }

  /** Some cells by their rows. */
  #inRowOrder(cells: Array<number>): Array<number> {
    const rows = this.#rows;
    let least = Infinity;
    let greatest = -Infinity;
    let isInOrder = true;
    for (let k = 0; k < cells.length; k++) {
      const row = rows[cells[k]];
      if (row < greatest) isInOrder = false;
      if (row < least) least = row;
      if (row > greatest) greatest = row;
    }
    if (isInOrder) return cells;
    const used = this.#used;
    if ((greatest - least + 1) * used > Number.MAX_SAFE_INTEGER) return cells.sort((a, b) => rows[a] - rows[b]);
    // Numbers are sorted many times faster than by a function.
    const turns = Float64Array.from(cells, (cell) => (rows[cell] - least) * used + cell).sort();
    return Array.from(turns, (turn) => turn % used);
  }

  #numbersOf(cells: ReadonlyArray<number>): Float64Array {
    const { width } = this;
    const numbers = new Float64Array(cells.length * width);
    for (let k = 0; k < cells.length; k++) {
      const from = cells[k] * width;
      for (let c = 0; c < width; c++) numbers[k * width + c] = this.numbers[from + c];
    }
    return numbers;
  }

  #encode(cell: number): ReadonlyArray<unknown> {
    const key = this.keyOf(cell);
    if (this.objectWidth === 0) return [key];
    return [key, ...this.#layout.encode(this.objects, cell * this.objectWidth, cell)];
  }

  /** The cells that deltas have brought back, by row. */
  readonly #restored = new Map<number, number>();

  /** Applies a delta of an earlier run. */
  applyDelta(delta: Delta): void {
    const { width } = this;
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
      const [key, ...stored] = delta.objects[k];
      let cell = this.#restored.get(row);
      if (cell === undefined) {
        const id = keyId(key as Key);
        cell = this.#make(row, id, key as Key, keyHash(id));
        this.#restored.set(row, cell);
      }
      this.#stored[cell >>> 5] |= 1 << cell;
      for (let c = 0; c < width; c++) this.numbers[cell * width + c] = delta.numbers[k * width + c];
      this.#layout.decode(stored, this.objects, cell * this.objectWidth);
    });
  }

  /** Goes on after the deltas: `nextRow` is the row of the next cell that is made. */
  restore(nextRow: number): void {
    this.nextRow = nextRow;
    this.#restored.clear();
  }
}
