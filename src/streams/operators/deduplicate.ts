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
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable, droppedDelta, type RowLayout } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { ObjectCodec } from "../../windows/aggregate.ts";
import { TimerHeap } from "../../windows/timer-heap.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Late, Window } from "../../windows/window.ts";
import { sideWatermark } from "./side-watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** A group, by where it is filed. */
interface Group {
  readonly table: AccumulatorTable;
  readonly row: number;
}

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
   * One row a group: the time of its first and, where the last goes on, that of its last so far, and its value as a list
   * of one, which is empty once the group is over.
   */
  readonly #layout: RowLayout;
  /** The groups by the number of the stretch that their first is in: its start, divided by `within`. */
  readonly #stretches = new Map<number, AccumulatorTable>();
  #dropped: Array<number> = [];
  /** The groups that are not over, by when they are, where that makes a record go on. */
  readonly #timers = new TimerHeap<Group>();
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
        encode: (values) => (values as ReadonlyArray<unknown>).map(stored.encode),
        decode: (values) => (values as ReadonlyArray<unknown>).map(stored.decode),
      }],
    };
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    this.counters.records++;
    if (watermark > this.#watermark) this.#advance(watermark);
    if (time + this.#within <= this.#watermark) {
      this.#tooLate(value, key as Key, time, { start: time, end: time + this.#within });
      return;
    }
    const id = keyId(key as Key);
    const hash = keyHash(id);
    const group = this.#groupOf(id, hash, time);
    if (group === null) {
      this.#open(id, key as Key, hash, time, value);
      if (this.#keepsLast) return;
      this.counters.results++;
      this.#next.record(value, key, time, watermark);
    } else if (this.#keepsLast) {
      this.#join(group, value, key as Key, time);
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

  /** The group of a key that a record is in reach of: of several the earliest, and rather one that is not over. */
  #groupOf(id: KeyId, hash: number, time: number): Group | null {
    const stretch = Math.floor(time / this.#within);
    let over: Group | null = null;
    for (let near = stretch - 1; near <= stretch + 1; near++) {
      const table = this.#stretches.get(near);
      const row = table === undefined ? -1 : table.find(id, hash);
      if (row < 0 || Math.abs(this.#firstOf(table!, row) - time) > this.#within) continue;
      const group: Group = { table: table!, row };
      if (!this.#keepsLast || !this.#isOver(group)) return group;
      over ??= group;
    }
    return over;
  }

  #firstOf(table: AccumulatorTable, row: number): number {
    return table.numbers[row * this.#layout.width];
  }

  #isOver({ table, row }: Group): boolean {
    return this.#firstOf(table, row) + this.#within <= this.#watermark;
  }

  #open(id: KeyId, key: Key, hash: number, time: number, value: unknown): void {
    const stretch = Math.floor(time / this.#within);
    let table = this.#stretches.get(stretch);
    if (table === undefined) {
      table = new AccumulatorTable(this.#layout);
      this.#stretches.set(stretch, table);
      this.#nextDrop = Math.min(this.#nextDrop, this.#dropAt(stretch));
    }
    const row = table.add(id, key, hash);
    const at = row * this.#layout.width;
    table.numbers[at] = time;
    if (this.#keepsLast) {
      table.numbers[at + 1] = time;
      table.objects[row] = [value];
      this.#timers.push({ time: time + this.#within, id: row, item: { table, row } });
    }
    table.touch(row);
  }

  /** Counts a record in a group of which the last goes on. */
  #join(group: Group, value: unknown, key: Key, time: number): void {
    const { table, row } = group;
    const first = this.#firstOf(table, row);
    if (this.#isOver(group)) {
      // Its group has had its say, and cannot take it back.
      this.#tooLate(value, key, time, { start: first, end: first + this.#within });
      return;
    }
    this.counters.duplicates++;
    const at = row * this.#layout.width + 1;
    if (time < table.numbers[at]) return;
    table.numbers[at] = time;
    table.objects[row] = [value];
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
    const { ordinal } = this.#context;
    while (this.#timers.size > 0 && this.#timers.nextTime <= watermark) {
      const { time, item } = this.#timers.pop()!;
      this.#say(item, time);
    }
    this.#context.ordinal = ordinal;
    if (watermark < this.#nextDrop) return;
    this.#nextDrop = endOfTime;
    for (const [stretch, table] of this.#stretches) {
      const at = this.#dropAt(stretch);
      if (at <= watermark) {
        this.#stretches.delete(stretch);
        if (table.isStored) this.#dropped.push(stretch);
      } else {
        this.#nextDrop = Math.min(this.#nextDrop, at);
      }
    }
  }

  /** A group is over: its last goes on, at the place where the watermark reaches its end. */
  #say({ table, row }: Group, end: number): void {
    const before = this.#context.moveTo(end);
    if (before !== undefined && before > this.#told) this.#told = before;
    const [value] = table.objects[row] as ReadonlyArray<unknown>;
    table.objects[row] = [];
    this.counters.results++;
    this.#next.record(value, table.keys[row], table.numbers[row * this.#layout.width + 1], this.#told);
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    for (const stretch of this.#dropped) into.push(droppedDelta(this.name, partition, stretch));
    this.#dropped = [];
    for (const [stretch, table] of this.#stretches) {
      const delta = table.takeDelta(this.name, partition, stretch);
      if (delta !== null) into.push(delta);
    }
  }

  applyDelta(delta: Delta): void {
    if (delta.dropped) {
      this.#stretches.delete(delta.namespace);
      return;
    }
    let table = this.#stretches.get(delta.namespace);
    if (table === undefined) {
      table = new AccumulatorTable(this.#layout);
      this.#stretches.set(delta.namespace, table);
    }
    table.apply(delta);
  }

  snapshot(): unknown {
    return { watermark: this.#watermark, counters: { ...this.counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, counters } = snapshot as { watermark: number; counters: Counters };
    this.#watermark = watermark;
    this.#told = watermark;
    Object.assign(this.counters, counters);
    for (const [stretch, table] of this.#stretches) {
      this.#nextDrop = Math.min(this.#nextDrop, this.#dropAt(stretch));
      if (!this.#keepsLast) continue;
      for (let row = 0; row < table.size; row++) {
        const group: Group = { table, row };
        if (this.#isOver(group)) table.objects[row] = [];
        else this.#timers.push({ time: this.#firstOf(table, row) + this.#within, id: row, item: group });
      }
    }
  }
}
