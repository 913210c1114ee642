/**
 * Rankings: the greatest few entries of each key, said anew whenever a rank changes.
 *
 * Each key has a *board*: its entries in order. A record replaces the entry of its id, or adds one, and every rank between
 * the place that it left and the place that it took is said.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { ObjectCodec } from "../../windows/aggregate.ts";
import type { Ranked } from "../ranked.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** What one id was last said to be. */
interface Entry {
  /** Its row in the table: entries are numbered as they are made. */
  readonly row: number;
  readonly id: Key;
  readonly key: Key;
  /** What it is ranked by. */
  by: number;
  /** When it came to that number, counted in changes of this partition: of equal entries the elder ranks higher. */
  since: number;
  value: unknown;
  isStored: boolean;
}

/** The entries of a key. */
interface Board {
  readonly ids: Map<KeyId, Entry>;
  /** From the greatest down. */
  readonly ranking: Array<Entry>;
}

/** The numbers of a row: what it is ranked by, and since when. */
const width = 2;

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
  readonly #boards = new Map<KeyId, Board>();
  /** The greatest number that was ever forgotten of each key. */
  readonly #floors = new AccumulatorTable({ width: 1, objects: [] });
  readonly #floorTable: string;
  readonly #changed = new Set<Entry>();
  #removed: Array<number> = [];
  #nextRow = 0;
  #nextSince = 0;

  constructor(options: TopNOptions) {
    this.name = options.name;
    this.#options = options;
    this.#floorTable = `${options.name}#floors`;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    const { context, next } = this.#options;
    let by: number;
    let entryId: Key;
    let id: KeyId;
    try {
      by = this.#options.by(value);
      if (typeof by !== "number" || Number.isNaN(by)) {
        throw new RangeError(`Cannot rank a record as what it is ranked by must be a number: current value is ${by}`);
      }
      entryId = this.#options.id(value);
      id = keyId(entryId);
    } catch (error) {
      next.letter(context.letter(this.name, error, value, true));
      return;
    }
    this.counters.records++;
    const board = this.#boardOf(keyId(key as Key));
    let entry = board.ids.get(id);
    const left = entry === undefined ? -1 : placeOf(board.ranking, entry.by, entry.since);
    let taken = left;
    if (entry === undefined) {
      entry = {
        row: this.#nextRow++,
        id: entryId,
        key: key as Key,
        by,
        since: this.#nextSince++,
        value,
        isStored: false,
      };
      board.ids.set(id, entry);
      taken = this.#enter(board, entry);
    } else {
      entry.value = value;
      if (entry.by !== by) {
        board.ranking.splice(left, 1);
        entry.by = by;
        entry.since = this.#nextSince++;
        taken = this.#enter(board, entry);
      }
    }
    this.#changed.add(entry);
    if (board.ranking.length > this.#options.entriesMax) this.#forgetLeast(board);
    const from = left < 0 ? taken : Math.min(left, taken);
    // A new entry moves all that are below it down.
    const to = left < 0 ? board.ranking.length : Math.max(left, taken) + 1;
    this.#say(key as Key, board.ranking.slice(from, Math.min(to, this.#options.n)), from, time, watermark);
  }

  watermark(watermark: number): void {
    this.#options.next.watermark(watermark);
  }

  letter(letter: Letter): void {
    this.#options.next.letter(letter);
  }

  #boardOf(id: KeyId): Board {
    let board = this.#boards.get(id);
    if (board === undefined) {
      board = { ids: new Map(), ranking: [] };
      this.#boards.set(id, board);
    }
    return board;
  }

  /** Puts an entry in its place. */
  #enter({ ranking }: Board, entry: Entry): number {
    const place = placeOf(ranking, entry.by, entry.since);
    ranking.splice(place, 0, entry);
    return place;
  }

  #forgetLeast(board: Board): void {
    const least = board.ranking.pop()!;
    board.ids.delete(keyId(least.id));
    this.#changed.delete(least);
    if (least.isStored) this.#removed.push(least.row);
    this.counters.forgotten++;
    const id = keyId(least.key);
    const hash = keyHash(id);
    let row = this.#floors.find(id, hash);
    if (row < 0) {
      row = this.#floors.add(id, least.key, hash);
      this.#floors.numbers[row] = -Infinity;
    }
    this.#floors.numbers[row] = Math.max(this.#floors.numbers[row], least.by);
    this.#floors.touch(row);
  }

  /** Says who has the ranks from one on, which is counted from 0. */
  #say(key: Key, entries: ReadonlyArray<Entry>, from: number, time: number, watermark: number): void {
    if (entries.length === 0) return;
    const { context, next } = this.#options;
    const id = keyId(key);
    const floorRow = this.#floors.find(id, keyHash(id));
    const { ordinal, ordinalRoom } = context;
    context.ordinalRoom = ordinalRoom / 2 / entries.length;
    entries.forEach(({ by, value }, k) => {
      this.counters.results++;
      if (floorRow >= 0 && by <= this.#floors.numbers[floorRow]) this.counters.uncertain++;
      context.ordinal = ordinal + k * context.ordinalRoom;
      const ranked: Ranked<unknown, unknown> = { key, rank: from + k + 1, value };
      next.record(ranked, key, time, watermark);
    });
    context.ordinal = ordinal;
    context.ordinalRoom = ordinalRoom;
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    const floors = this.#floors.takeDelta(this.#floorTable, partition, 0);
    if (floors !== null) into.push(floors);
    if (this.#changed.size === 0 && this.#removed.length === 0) return;
    const rows = new Uint32Array(this.#changed.size);
    const numbers = new Float64Array(rows.length * width);
    const objects: Array<ReadonlyArray<unknown>> = [];
    let k = 0;
    for (const entry of this.#changed) {
      rows[k] = entry.row;
      numbers[k * width] = entry.by;
      numbers[k * width + 1] = entry.since;
      objects.push([entry.key, entry.id, this.#options.stored.encode(entry.value)]);
      entry.isStored = true;
      k++;
    }
    into.push({
      table: this.name,
      partition,
      namespace: 0,
      dropped: false,
      firstNewRow: 0,
      newKeys: [], // rows come and go one by one, so each brings its key as its first object
      rows,
      width,
      numbers,
      objects,
      removed: Uint32Array.from(this.#removed),
    });
    this.#changed.clear();
    this.#removed = [];
  }

  /** The entries that deltas have brought back, by row; ranked once all have been applied. */
  readonly #restored = new Map<number, Entry>();

  applyDelta(delta: Delta): void {
    if (delta.table === this.#floorTable) {
      this.#floors.apply(delta);
      return;
    }
    for (const row of delta.removed) this.#restored.delete(row);
    delta.rows.forEach((row, k) => {
      const [key, id, stored] = delta.objects[k] as [Key, Key, unknown];
      const [by, since] = delta.numbers.subarray(k * width, (k + 1) * width);
      const value = this.#options.stored.decode(stored);
      this.#restored.set(row, { row, id, key, by, since, value, isStored: true });
    });
  }

  snapshot(): unknown {
    return { nextRow: this.#nextRow, nextSince: this.#nextSince, counters: { ...this.counters } };
  }

  restore(snapshot: unknown): void {
    const { nextRow, nextSince, counters } = snapshot as { nextRow: number; nextSince: number; counters: Counters };
    this.#nextRow = nextRow;
    this.#nextSince = nextSince;
    Object.assign(this.counters, counters);
    for (const entry of this.#restored.values()) {
      const board = this.#boardOf(keyId(entry.key));
      board.ids.set(keyId(entry.id), entry);
      board.ranking.push(entry);
    }
    this.#restored.clear();
    for (const { ranking } of this.#boards.values()) {
      ranking.sort((one, other) => isAbove(one, other.by, other.since) ? -1 : 1);
    }
  }
}

/** Whether an entry ranks above one of this number that has had it since then. */
const isAbove = (entry: Entry, by: number, since: number): boolean =>
  entry.by > by || (entry.by === by && entry.since < since);

/** How many entries rank above one of this number that has had it since then: its place, whether it is there or not. */
const placeOf = (ranking: ReadonlyArray<Entry>, by: number, since: number): number => {
  let low = 0;
  let high = ranking.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAbove(ranking[middle], by, since)) low = middle + 1;
    else high = middle;
  }
  return low;
};
