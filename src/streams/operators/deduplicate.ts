/**
 * De-duplication: of the records of one key that are close in event time, one goes on.
 *
 * A record that is close to none before it begins a *group*: it is the group's first, and all that are within reach of it
 * are its duplicates. The firsts of one key are further apart than `within`. So they are filed in stretches of time of
 * that length: a stretch holds one first of a key at most, what is in reach of a record is in its own stretch or beside it,
 * and what no record can reach any more is dropped a stretch at a time.
 *
 * @module
 */
import type { BatchReceiver, Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable, droppedDelta, type RowLayout } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { ObjectCodec } from "../../windows/aggregate.ts";
import { TimerHeap } from "../../windows/timer-heap.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Late, Window } from "../../windows/window.ts";
import { ByStart } from "./by-start.ts";
import { sideWatermark } from "./side-watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** The groups whose firsts are in one stretch of time. */
class Stretch {
  /** Its number: where it begins, divided by its length. */
  readonly start: number;
  readonly table: AccumulatorTable;
  /** What stands for it in timers. */
  readonly place: number;
  /** The stretches beside it; null where nothing was filed. */
  before: Stretch | null = null;
  after: Stretch | null = null;

  constructor(start: number, table: AccumulatorTable, place: number) {
    this.start = start;
    this.table = table;
    this.place = place;
  }
}

/** Stands for the value of a group that is over. */
const noValue: unique symbol = Symbol("no value");

/** What a {@link DeduplicateOperator} is made of. */
export interface DeduplicateOptions {
  readonly name: string;
  /** How far from a group's first its duplicates are at most, in milliseconds. */
  readonly within: number;
  /** How values are stored where the last of a group goes on; null where the first does. */
  readonly stored: ObjectCodec | null;
  readonly context: TaskContext;
  readonly next: Receiver;
  /** Where late records go; null drops them. */
  readonly late: Receiver | null;
}

/** De-duplicates the records of one keyed partition. */
export class DeduplicateOperator implements Receiver, Stateful {
  readonly name: string;
  /** Records that came, went on, were duplicates, came too late; of the last, how many were dropped by word. */
  readonly counters = { records: 0, results: 0, duplicates: 0, late: 0, lateDropped: 0 } satisfies Counters;
  readonly #within: number;
  readonly #keepsLast: boolean;
  readonly #context: TaskContext;
  readonly #next: Receiver;
  readonly #late: Receiver | null;
  /**
   * One row a group: the time of its first and, where the last goes on, that of its last so far, and its value, which is
   * stored as a list of one, or of none once the group is over.
   */
  readonly #layout: RowLayout;
  readonly #stretches = new ByStart<Stretch>();
  /** The stretches by what stands for them, and what stands for none at the moment. */
  readonly #places: Array<Stretch | null> = [];
  readonly #freePlaces: Array<number> = [];
  /** The stretch of the record before, which is there unless it was dropped since. */
  #near: Stretch | null = null;
  #foundRow = -1;
  #dropped: Array<number> = [];
  /** The groups that are not over, by when they are, where that makes a record go on. */
  readonly #timers = new TimerHeap();
  #watermark = beginningOfTime;
  /** The watermark that those behind have been told of. */
  #told = beginningOfTime;
  /** The earliest watermark at which a stretch is dropped. */
  #nextDrop = endOfTime;

  constructor(options: DeduplicateOptions) {
    const { stored } = options;
    this.name = options.name;
    this.#within = options.within;
    this.#keepsLast = stored !== null;
    this.#context = options.context;
    this.#next = options.next;
    this.#late = options.late;
    this.#layout = stored === null ? { width: 1, objects: [] } : {
      width: 2,
      objects: [{
        encode: (value) => value === noValue ? [] : [stored.encode(value)],
        decode: (values) =>
          (values as ReadonlyArray<unknown>).length === 0 ? noValue : stored.decode((values as [unknown])[0]),
      }],
    };
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
      this.#context.moveToRow(columns, row);
      this.#take(values[row], keys[row] as Key, ids[row], hashes[row], times[row], watermarks[row]);
    }
  };

  #take(value: unknown, key: Key, id: KeyId, hash: number, time: number, watermark: number): void {
    this.counters.records++;
    if (watermark > this.#watermark) this.#advance(watermark);
    if (time + this.#within <= this.#watermark) {
      this.#tooLate(value, key, time, { start: time, end: time + this.#within });
      return;
    }
    const number = Math.floor(time / this.#within);
    const stretch = this.#near?.start === number ? this.#near : this.#stretchAt(number);
    this.#near = stretch;
    const found = this.#groupOf(stretch, id, hash, time);
    if (found === null) {
      this.#open(stretch, id, key, hash, time, value);
      if (this.#keepsLast) return;
      this.counters.results++;
      this.#next.record(value, key, time, watermark);
    } else if (this.#keepsLast) {
      this.#join(found, this.#foundRow, value, key, time);
    } else {
      this.counters.duplicates++;
    }
  }

  watermark(watermark: number): void {
    if (watermark > this.#watermark) this.#advance(watermark);
    this.#told = watermark;
    this.#next.watermark(watermark);
    this.#late?.watermark(sideWatermark(watermark));
  }

  letter(letter: Letter): void {
    this.#next.letter(letter);
  }

  /** The stretch of a number, made if need be. */
  #stretchAt(number: number): Stretch {
    const existing = this.#stretches.get(number);
    if (existing !== undefined) return existing;
    const stretch = this.#make(number);
    this.#nextDrop = Math.min(this.#nextDrop, this.#dropAt(number));
    return stretch;
  }

  #make(number: number): Stretch {
    const place = this.#freePlaces.pop() ?? this.#places.length;
    const stretch = new Stretch(number, new AccumulatorTable(this.#layout), place);
    this.#places[place] = stretch;
    this.#stretches.add(stretch);
    stretch.before = this.#stretches.get(number - 1) ?? null;
    stretch.after = this.#stretches.get(number + 1) ?? null;
    if (stretch.before !== null) stretch.before.after = stretch;
    if (stretch.after !== null) stretch.after.before = stretch;
    return stretch;
  }

  /** Forgets a stretch that was taken out. */
  #drop(stretch: Stretch): void {
    if (stretch.before !== null) stretch.before.after = null;
    if (stretch.after !== null) stretch.after.before = null;
    if (this.#near === stretch) this.#near = null;
    this.#places[stretch.place] = null;
    this.#freePlaces.push(stretch.place);
  }

  /**
   * Where the group is filed that a record of a stretch is in reach of, in the row `#foundRow`: of several the earliest, and
   * rather one that is not over.
   */
  #groupOf(stretch: Stretch, id: KeyId, hash: number, time: number): Stretch | null {
    let over: Stretch | null = null;
    let overRow = -1;
    let near: Stretch | null = stretch.before ?? stretch;
    for (; near !== null; near = near === stretch.after ? null : near.after) {
      const row = near.table.find(id, hash);
      if (row < 0 || Math.abs(this.#firstOf(near, row) - time) > this.#within) continue;
      if (!this.#keepsLast || !this.#isOver(near, row)) {
        this.#foundRow = row;
        return near;
      }
      if (over !== null) continue;
      over = near;
      overRow = row;
    }
    this.#foundRow = overRow;
    return over;
  }

  #firstOf({ table }: Stretch, row: number): number {
    return table.numbers[row * this.#layout.width];
  }

  #isOver(stretch: Stretch, row: number): boolean {
    return this.#firstOf(stretch, row) + this.#within <= this.#watermark;
  }

  #open({ table, place }: Stretch, id: KeyId, key: Key, hash: number, time: number, value: unknown): void {
    const row = table.add(id, key, hash);
    const at = row * this.#layout.width;
    table.numbers[at] = time;
    if (this.#keepsLast) {
      table.numbers[at + 1] = time;
      table.objects[row] = value;
      this.#timers.push(time + this.#within, row, place);
    }
    table.touch(row);
  }

  /** Counts a record in a group of which the last goes on. */
  #join(stretch: Stretch, row: number, value: unknown, key: Key, time: number): void {
    const { table } = stretch;
    const first = this.#firstOf(stretch, row);
    if (this.#isOver(stretch, row)) {
      // Its group has had its say, and cannot take it back.
      this.#tooLate(value, key, time, { start: first, end: first + this.#within });
      return;
    }
    this.counters.duplicates++;
    const at = row * this.#layout.width + 1;
    if (time < table.numbers[at]) return;
    table.numbers[at] = time;
    table.objects[row] = value;
    table.touch(row);
  }

  #tooLate(value: unknown, key: Key, timestamp: number, window: Window): void {
    this.counters.late++;
    if (this.#late === null) {
      this.counters.lateDropped++;
      return;
    }
    const watermark = this.#watermark;
    const late: Late<unknown, unknown> = { value, key, timestamp, window, watermark, delay: watermark - timestamp };
    this.#late.record(late, undefined, NaN, beginningOfTime);
  }

  /** The watermark at which no record is in reach of a stretch any more: such a record is late. */
  #dropAt(stretch: number): number {
    return (stretch + 3) * this.#within;
  }

  #advance(watermark: number): void {
    this.#watermark = watermark;
    const timers = this.#timers;
    if (timers.nextTime <= watermark && timers.size > 0) {
      const { ordinal } = this.#context;
      while (timers.nextTime <= watermark && timers.size > 0) {
        const { nextTime: end, nextId: row, nextItem: place } = timers;
        timers.pop();
        this.#say(this.#places[place]!, row, end);
      }
      this.#context.ordinal = ordinal;
    }
    if (watermark < this.#nextDrop) return;
    let first = this.#stretches.first;
    for (; first !== undefined && this.#dropAt(first.start) <= watermark; first = this.#stretches.first) {
      this.#stretches.shift();
      this.#drop(first);
      if (first.table.isStored) this.#dropped.push(first.start);
    }
    this.#nextDrop = first === undefined ? endOfTime : this.#dropAt(first.start);
  }

  /** A group is over: its last goes on, at the place where the watermark reaches its end. */
  #say({ table }: Stretch, row: number, end: number): void {
    const before = this.#context.moveTo(end);
    if (before !== undefined && before > this.#told) this.#told = before;
    const value = table.objects[row];
    table.objects[row] = noValue;
    this.counters.results++;
    this.#next.record(value, table.keys[row], table.numbers[row * this.#layout.width + 1], this.#told);
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    for (const stretch of this.#dropped) into.push(droppedDelta(this.name, partition, stretch));
    this.#dropped = [];
    for (const { start, table } of this.#stretches.all()) {
      const delta = table.takeDelta(this.name, partition, start);
      if (delta !== null) into.push(delta);
    }
  }

  applyDelta(delta: Delta): void {
    const existing = this.#stretches.get(delta.namespace);
    if (!delta.dropped) {
      (existing ?? this.#make(delta.namespace)).table.apply(delta);
    } else if (existing !== undefined) {
      this.#stretches.delete(delta.namespace);
      this.#drop(existing);
    }
  }

  snapshot(): unknown {
    return { watermark: this.#watermark, counters: { ...this.counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, counters } = snapshot as { watermark: number; counters: Counters };
    this.#watermark = watermark;
    this.#told = watermark;
    Object.assign(this.counters, counters);
    for (const stretch of this.#stretches.all()) {
      const { start, table, place } = stretch;
      this.#nextDrop = Math.min(this.#nextDrop, this.#dropAt(start));
      if (!this.#keepsLast) continue;
      for (let row = 0; row < table.size; row++) {
        if (this.#isOver(stretch, row)) table.objects[row] = noValue;
        else this.#timers.push(this.#firstOf(stretch, row) + this.#within, row, place);
      }
    }
  }
}
