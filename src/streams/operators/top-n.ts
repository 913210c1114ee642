/**
 * Rankings: the greatest few entries of each key, said anew whenever a rank changes.
 *
 * Each key has a *board*: its entries in order. A record replaces the entry of its id, or adds one, and every rank between
 * the place that it left and the place that it took is said.
 *
 * @module
 */
import type { BatchReceiver, Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import { KeyIndex } from "../../kv-state/key-index.ts";
import { contentHash, copyOfKey, isSameKey } from "../../kv-state/same-key.ts";
import type { ObjectCodec } from "../../windows/aggregate.ts";
import type { Ranked } from "../ranked.ts";
import { CellIndex } from "./cell-index.ts";
import { Cells } from "./cells.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** The entries of a key. */
interface Board {
  /** Their cells, from the greatest down. */
  readonly ranking: Array<number>;
  /** The row of the key in the table of floors; -1 where nothing was forgotten. */
  floor: number;
}

/**
 * The numbers of an entry: what it is ranked by, and when it came to that number, counted in changes of this partition: of
 * equal entries the elder ranks higher.
 */
const width = 2;

/** The objects of an entry: its id, and what that was last said to be. */
const objectWidth = 2;

/** What a {@link TopNOperator} is made of. */
export interface TopNOptions {
  readonly name: string;
  /** How many ranks there are. */
  readonly n: number;
  readonly by: (value: unknown) => number;
  readonly id: (value: unknown) => Key;
  /** How many entries of a key are kept; Infinity for all. */
  readonly entriesMax: number;
  readonly stored: ObjectCodec;
  readonly context: TaskContext;
  readonly next: Receiver;
}

/** Ranks the entries of one keyed partition. */
export class TopNOperator implements Receiver, Stateful {
  readonly name: string;
  /**
   * Records that came; ranks that were said; entries that were forgotten; ranks said of an entry that is not above all that
   * were ever forgotten of its key, so that one of those might belong there.
   */
  readonly counters = { records: 0, results: 0, forgotten: 0, uncertain: 0 } satisfies Counters;
  readonly #options: TopNOptions;
  /** The row of each key, which is the place of its board. */
  readonly #keys = new KeyIndex();
  readonly #boards: Array<Board> = [];
  /** The entries, each of which has a cell. */
  readonly #cells: Cells;
  /** The cells by the hashes of their keys and ids together. */
  readonly #index = new CellIndex();
  /** The greatest number that was ever forgotten of each key. */
  readonly #floors = new AccumulatorTable({ width: 1, objects: [] });
  readonly #floorTable: string;
  #nextSince = 0;

  constructor(options: TopNOptions) {
    const { stored } = options;
    this.name = options.name;
    this.#options = options;
    this.#floorTable = `${options.name}#floors`;
    this.#cells = new Cells({
      width,
      objectWidth,
      encode: (objects, at) => [objects[at], stored.encode(objects[at + 1])],
      decode: ([id, value], objects, at) => {
        objects[at] = id;
        objects[at + 1] = stored.decode(value);
      },
    });
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    const id = keyId(key as Key);
    this.#take(value, key as Key, id, keyHash(id), time, watermark);
  }

  /** The same for each of several records, of which the ids and hashes of the keys are known. */
  readonly batch: BatchReceiver = (columns, rows) => {
    const { values, keys, ids, hashes, times, watermarks } = columns;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      this.#options.context.moveToRow(columns, row);
      this.#take(values[row], keys[row] as Key, ids[row], hashes[row], times[row], watermarks[row]);
    }
  };

  #take(value: unknown, key: Key, id: KeyId, hash: number, time: number, watermark: number): void {
    const { context, next, entriesMax, n } = this.#options;
    let by: number;
    let entryId: Key;
    let idHash: number;
    try {
      by = this.#options.by(value);
      if (typeof by !== "number" || Number.isNaN(by)) {
        throw new RangeError(`Cannot rank a record as what it is ranked by must be a number: current value is ${by}`);
      }
      entryId = this.#options.id(value);
      idHash = contentHash(entryId);
    } catch (error) {
      next.letter(context.letter(this.name, error, value, true));
      return;
    }
    this.counters.records++;
    const board = this.#boardOf(id, hash);
    const { ranking } = board;
    let cell = this.#find(id, hash, entryId, idHash);
    let from: number;
    let to: number;
    if (cell < 0) {
      if (ranking.length >= entriesMax && by <= this.#cells.numbers[ranking[ranking.length - 1] * width]) {
        // It would be the one to be forgotten.
        this.#forget(board, id, key, hash, by);
        return;
      }
      cell = this.#cells.add(id, key, hash);
      this.#cells.objects[cell * objectWidth] = copyOfKey(entryId);
      this.#index.add(mix(hash, idHash), cell);
      from = this.#enter(ranking, cell, by);
      if (ranking.length > entriesMax) this.#forgetLeast(board, id, key, hash);
      // A new entry moves all that are below it down.
      to = ranking.length;
    } else {
      const before = this.#cells.numbers[cell * width];
      from = placeOf(this.#cells.numbers, ranking, before, this.#cells.numbers[cell * width + 1]);
      to = from + 1;
      if (before !== by) {
        takeOut(ranking, from);
        const taken = this.#enter(ranking, cell, by);
        to = Math.max(from, taken) + 1;
        from = Math.min(from, taken);
      }
    }
    this.#cells.objects[cell * objectWidth + 1] = value;
    this.#cells.touch(cell);
    this.#say(key, board, from, Math.min(to, n), time, watermark);
  }

  watermark(watermark: number): void {
    this.#options.next.watermark(watermark);
  }

  letter(letter: Letter): void {
    this.#options.next.letter(letter);
  }

  #boardOf(id: KeyId, hash: number): Board {
    let row = this.#keys.find(id, hash);
    if (row < 0) {
      row = this.#keys.add(id, hash);
      this.#boards.push({ ranking: [], floor: -1 });
    }
    return this.#boards[row];
  }

  /** The cell of an entry; -1 where there is none. */
  #find(id: KeyId, hash: number, entryId: Key, idHash: number): number {
    const mixed = mix(hash, idHash);
    const { objects } = this.#cells;
    let cell = this.#index.first(mixed);
    while (cell >= 0 && !(this.#cells.isOf(cell, id) && isSameKey(objects[cell * objectWidth] as Key, entryId))) {
      cell = this.#index.next(mixed);
    }
    return cell;
  }

  /** Puts an entry in its place, and gives that. */
  #enter(ranking: Array<number>, cell: number, by: number): number {
    const { numbers } = this.#cells;
    const since = this.#nextSince++;
    numbers[cell * width] = by;
    numbers[cell * width + 1] = since;
    const place = placeOf(numbers, ranking, by, since);
    putIn(ranking, place, cell);
    return place;
  }

  #forgetLeast(board: Board, id: KeyId, key: Key, hash: number): void {
    const cells = this.#cells;
    const least = board.ranking.pop()!;
    this.#forget(board, id, key, hash, cells.numbers[least * width]);
    this.#index.remove(mix(hash, contentHash(cells.objects[least * objectWidth] as Key)), least);
    cells.remove(least);
  }

  /** Counts an entry that is forgotten, and what it was ranked by. */
  #forget(board: Board, id: KeyId, key: Key, hash: number, by: number): void {
    this.counters.forgotten++;
    const floors = this.#floors;
    if (board.floor < 0) {
      board.floor = floors.add(id, key, hash);
      floors.numbers[board.floor] = -Infinity;
      floors.touch(board.floor);
    }
    if (by <= floors.numbers[board.floor]) return;
    floors.numbers[board.floor] = by;
    floors.touch(board.floor);
  }

  /** Says who has the ranks from one up to another, which are counted from 0. */
  #say(key: Key, { ranking, floor }: Board, from: number, to: number, time: number, watermark: number): void {
    if (from >= to) return;
    const { context, next } = this.#options;
    const { numbers, objects } = this.#cells;
    const { ordinal, ordinalRoom } = context;
    const greatestForgotten = floor < 0 ? NaN : this.#floors.numbers[floor];
    context.ordinalRoom = ordinalRoom / 2 / (to - from);
    for (let place = from; place < to; place++) {
      const cell = ranking[place];
      this.counters.results++;
      if (numbers[cell * width] <= greatestForgotten) this.counters.uncertain++;
      context.ordinal = ordinal + (place - from) * context.ordinalRoom;
      const ranked: Ranked<unknown, unknown> = { key, rank: place + 1, value: objects[cell * objectWidth + 1] };
      next.record(ranked, key, time, watermark);
    }
    context.ordinal = ordinal;
    context.ordinalRoom = ordinalRoom;
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    const floors = this.#floors.takeDelta(this.#floorTable, partition, 0);
    if (floors !== null) into.push(floors);
    this.#cells.takeDeltas(this.name, partition, into);
  }

  applyDelta(delta: Delta): void {
    if (delta.table === this.#floorTable) this.#floors.apply(delta);
    else this.#cells.applyDelta(delta);
  }

  snapshot(): unknown {
    return { nextRow: this.#cells.nextRow, nextSince: this.#nextSince, counters: { ...this.counters } };
  }

  restore(snapshot: unknown): void {
    const { nextRow, nextSince, counters } = snapshot as { nextRow: number; nextSince: number; counters: Counters };
    const cells = this.#cells;
    cells.restore(nextRow);
    this.#nextSince = nextSince;
    Object.assign(this.counters, counters);
    for (const cell of cells.all()) {
      const hash = cells.hashOf(cell);
      this.#index.add(mix(hash, contentHash(cells.objects[cell * objectWidth] as Key)), cell);
      this.#boardOf(cells.idOf(cell), hash).ranking.push(cell);
    }
    for (let row = 0; row < this.#floors.size; row++) {
      const id = keyId(this.#floors.keys[row]);
      this.#boardOf(id, keyHash(id)).floor = row;
    }
    const { numbers } = cells;
    for (const { ranking } of this.#boards) {
      ranking.sort((one, other) => isAbove(numbers, one, numbers[other * width], numbers[other * width + 1]) ? -1 : 1);
    }
  }
}

/** One hash of a key's and an id's. */
const mix = (hash: number, idHash: number): number => Math.imul(hash, 0x85ebca6b) ^ idHash;

/** Whether an entry ranks above one of this number that has had it since then. */
const isAbove = (numbers: Float64Array, cell: number, by: number, since: number): boolean => {
  const own = numbers[cell * width];
  return own > by || (own === by && numbers[cell * width + 1] < since);
};

/** How many entries rank above one of this number that has had it since then: its place, whether it is there or not. */
const placeOf = (numbers: Float64Array, ranking: ReadonlyArray<number>, by: number, since: number): number => {
  let low = 0;
  let high = ranking.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAbove(numbers, ranking[middle], by, since)) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Up to so many cells are moved one by one: `splice` is faster for more, but makes a list each time. */
const movedMax = 64;

const putIn = (ranking: Array<number>, place: number, cell: number): void => {
  if (ranking.length - place > movedMax) {
    ranking.splice(place, 0, cell);
    return;
  }
  ranking.push(cell);
  for (let at = ranking.length - 1; at > place; at--) ranking[at] = ranking[at - 1];
  ranking[place] = cell;
};

const takeOut = (ranking: Array<number>, place: number): void => {
  if (ranking.length - place > movedMax) {
    ranking.splice(place, 1);
    return;
  }
  for (let at = place; at < ranking.length - 1; at++) ranking[at] = ranking[at + 1];
  ranking.pop();
};
