/**
 * Tumbling and sliding windows: a record is added to its slice, and a window that fires is made of its slices.
 *
 * @module
 */
import type { Columns } from "../../actors/columns.ts";
import { batchOf, type BatchReceiver, type Letter, type Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable, droppedDelta, type RowLayout } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import { firstEndAfter, lastEnd, sliceStart, type SlidingAssigner } from "../../windows/assigner.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Window } from "../../windows/window.ts";
import { ByStart } from "./by-start.ts";
import { PartialAggregate } from "./pre-aggregate.ts";
import { RowMerger } from "./row-merger.ts";
import { addToAll, SliceAdditions } from "./slice-additions.ts";
import { Slice } from "./slice-block.ts";
import { SliceWindows } from "./slice-windows.ts";
import type { Counters, Stateful } from "./stateful.ts";
import type { WindowEmitter } from "./window-emitter.ts";

/** The layout of the table that counts the results of each key and window. */
const paneLayout: RowLayout = { width: 1, objects: [] };

/** A slice has room for as many rows as the one before, but not for more than this: the more there are, the less growing costs. */
const rowsExpectedMax = 256;

/** For how many slices there is room kept for what the next batch adds to them. */
const additionsKeptMax = 256;

/** How many slices are found without a search: a power of 2, as a slice's place among them is the end of its number. */
const recentSlices = 64;

/** How many results each key has had in a window that has fired and can still be corrected. */
interface Panes {
  readonly start: number;
  readonly table: AccumulatorTable;
}

/** Aggregates the records of one keyed partition into windows of one size. */
export class SlidingWindowOperator implements Receiver, Stateful {
  readonly name: string;
  readonly batch: BatchReceiver;
  readonly #context: TaskContext;
  readonly #assigner: SlidingAssigner;
  readonly #aggregate: Aggregate<unknown, unknown>;
  readonly #lateness: number;
  readonly #takesPartials: boolean;
  readonly #emit: WindowEmitter;
  readonly #layout: RowLayout;
  readonly #paneTable: string;
  /** The accumulators of each slice that a window may still need. */
  readonly #slices = new ByStart<Slice>();
  readonly #panes = new ByStart<Panes>();
  /** What windows of several slices answer; null where a window is one slice. */
  readonly #windows: SliceWindows | null;
  readonly #merger: RowMerger;
  #droppedSlices: Array<number> = [];
  #droppedPanes: Array<number> = [];
  #watermark = beginningOfTime;
  /** The earliest watermark at which a window fires or a slice is dropped. */
  #nextEvent = endOfTime;
  /** How many rows the slice had that was dropped last. */
  #rowsBefore = 0;
  /** The slice of the record before, its start and its table. */
  #near: Slice | null = null;
  #nearStart = NaN;
  #nearTable: AccumulatorTable | null = null;
  /** Slices that records came to of late, by the end of their number. */
  readonly #recent: Array<Slice | null> = new Array(recentSlices).fill(null);
  /** What of a batch is to be added to each of some slices, and what is free to be used for that again. */
  readonly #pending: Array<SliceAdditions<Slice>> = [];
  readonly #spare: Array<SliceAdditions<Slice>> = [];

  constructor(options: {
    readonly name: string;
    readonly assigner: SlidingAssigner;
    readonly aggregate: Aggregate<unknown, unknown>;
    readonly allowedLateness: number;
    /** Whether some of what comes is partial aggregates of several records. */
    readonly takesPartials: boolean;
    readonly context: TaskContext;
    readonly emitter: WindowEmitter;
  }) {
    this.name = options.name;
    this.#assigner = options.assigner;
    this.#aggregate = options.aggregate;
    this.#lateness = options.allowedLateness;
    this.#takesPartials = options.takesPartials;
    this.#emit = options.emitter;
    this.#context = options.context;
    const oneByOne: Receiver = { record: (...one) => this.record(...one), watermark: () => {}, letter: () => {} };
    const each = batchOf(oneByOne, options.context)!;
    this.batch = options.takesPartials ? each : (columns, rows) => this.#batch(columns, rows);
    this.#layout = { width: options.aggregate.numbers, objects: options.aggregate.objects };
    this.#paneTable = `${options.name}#panes`;
    this.#merger = new RowMerger(options.aggregate);
    this.#windows = options.assigner.slice === options.assigner.size
      ? null
      : new SliceWindows(options.assigner, options.aggregate, this.#slices);
  }

  get counters(): Counters {
    return this.#emit.counters;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    if (this.#takesPartials && value instanceof PartialAggregate) {
      this.#takePartial(value, key as Key, time, watermark);
      return;
    }
    this.#emit.counters.records++;
    if (watermark > this.#watermark) this.#advance(watermark);
    const table = this.#tableAt(time);
    if (table === null) {
      this.#tooLate(value, key as Key, time);
      return;
    }
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    const id = keyId(key as Key);
    const row = this.#rowOf(table, id, key as Key, keyHash(id));
    this.#aggregate.add(table.numbers, row * width, table.objects, row * objects, value, time);
    table.touch(row);
    this.#near!.block?.changed(this.#near!, row);
    if (this.#lateness > 0) this.#correct(this.#nearStart, key as Key);
  }

  /** What {@link record} does for each of several records, but that the records of a slice are added together. */
  #batch(columns: Columns, rows: Uint32Array): void {
    const { times, watermarks, keys, ids, hashes, values } = columns;
    const { slice: sliceMillis } = this.#assigner;
    this.#emit.counters.records += rows.length;
    let additions: SliceAdditions<Slice> | null = null;
    let start = NaN;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      const watermark = watermarks[row];
      if (watermark > this.#watermark) {
        if (watermark < this.#nextEvent) {
          this.#watermark = watermark;
        } else {
          this.#addAll(columns);
          additions = null;
          this.#context.moveToRow(columns, row);
          this.#advance(watermark);
        }
      }
      const time = times[row];
      if (additions === null || !(time >= start && time < start + sliceMillis)) {
        if (this.#tableAt(time) === null) {
          this.#context.moveToRow(columns, row);
          this.#tooLate(values[row], keys[row] as Key, time);
          continue;
        }
        start = this.#nearStart;
        additions = this.#additionsTo(this.#near!);
      }
      const { table, block } = additions.slice;
      const tableRow = this.#rowOf(table, ids[row], keys[row] as Key, hashes[row]);
      table.touch(tableRow);
      additions.add(row, tableRow);
      if (block !== null) block.changed(additions.slice, tableRow);
      if (this.#lateness === 0) continue;
      // What the record corrects is said before the next one is added.
      this.#addAll(columns);
      additions = null;
      this.#context.moveToRow(columns, row);
      this.#correct(this.#nearStart, keys[row] as Key);
    }
    this.#addAll(columns);
  }

  /** What is to be added to a slice. */
  #additionsTo(slice: Slice): SliceAdditions<Slice> {
    const pending = this.#pending[slice.additions];
    if (pending?.slice === slice) return pending;
    const additions = this.#spare.pop() ?? new SliceAdditions<Slice>();
    additions.begin(slice);
    slice.additions = this.#pending.length;
    this.#pending.push(additions);
    return additions;
  }

  /** Adds what is to be added to each slice. */
  #addAll(columns: Columns): void {
    if (this.#pending.length === 0) return;
    const failed = addToAll(this.#pending, this.#aggregate, columns);
    for (const additions of this.#pending) {
      additions.end();
      if (this.#spare.length < additionsKeptMax) this.#spare.push(additions);
    }
    this.#pending.length = 0;
    if (failed === null) return;
    this.#context.moveToRow(columns, failed.row);
    throw failed.cause;
  }

  /** Adds several records at once, of which none can be late. */
  #takePartial(partial: PartialAggregate, key: Key, time: number, watermark: number): void {
    this.#emit.counters.records += partial.records;
    if (watermark > this.#watermark) this.#advance(watermark);
    const table = this.#tableAt(time)!;
    const id = keyId(key);
    const row = this.#rowOf(table, id, key, keyHash(id));
    this.#merger.merge(table, row, partial.table, partial.row);
    table.touch(row);
  }

  /** Puts a record aside whose windows are all over. */
  #tooLate(value: unknown, key: Key, time: number): void {
    const end = lastEnd(this.#assigner, sliceStart(this.#assigner, time));
    this.#emit.late(value, key, time, { start: end - this.#assigner.size, end }, this.#watermark);
  }

  watermark(watermark: number): void {
    if (watermark > this.#watermark) this.#advance(watermark);
    this.#emit.watermark(this.#watermark);
  }

  letter(letter: Letter): void {
    this.#emit.letter(letter);
  }

  /** The table of the slice that an instant falls into, which is the near one then; null when its windows are over. */
  #tableAt(time: number): AccumulatorTable | null {
    // Most records fall into the slice of the one before.
    if (this.#nearTable !== null && time >= this.#nearStart && time < this.#nearStart + this.#assigner.slice) {
      return this.#nearTable;
    }
    const start = sliceStart(this.#assigner, time);
    const place = (start - this.#assigner.offset) / this.#assigner.slice & (recentSlices - 1);
    let slice: Slice | null = this.#recent[place];
    if (slice === null || slice.start !== start) {
      slice = this.#open(start);
      if (slice === null) return null;
      this.#recent[place] = slice;
    }
    this.#near = slice;
    this.#nearStart = start;
    return this.#nearTable = slice.table;
  }

  /** The row of a key in the table of the near slice, added if need be. */
  #rowOf(table: AccumulatorTable, id: KeyId, key: Key, hash: number): number {
    let row = table.find(id, hash);
    if (row >= 0) return row;
    row = table.add(id, key, hash);
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    this.#aggregate.reset(table.numbers, row * width, table.objects, row * objects);
    this.#near!.block?.added(this.#near!, row);
    return row;
  }

  /** A slice, made if need be; null when all of its windows are over. */
  #open(start: number): Slice | null {
    const existing = this.#slices.get(start);
    if (existing !== undefined) return existing;
    const over = lastEnd(this.#assigner, start) + this.#lateness;
    if (over <= this.#watermark) return null;
    // It will have about as many keys as the one before it.
    const rows = Math.min(this.#slices.last?.table.size ?? this.#rowsBefore, rowsExpectedMax);
    const slice = new Slice(start, new AccumulatorTable(this.#layout, rows));
    this.#slices.add(slice);
    this.#windows?.opened(slice);
    this.#nextEvent = Math.min(this.#nextEvent, firstEndAfter(this.#assigner, start, this.#watermark), over);
    return slice;
  }

  /** Fires every window up to a watermark, in the order of their ends, and drops what no record can reach any more. */
  #advance(watermark: number): void {
    const from = this.#watermark;
    this.#watermark = watermark;
    if (watermark < this.#nextEvent) return;
    for (
      let end = this.#firstEndAfter(from);
      end <= watermark && end !== endOfTime;
      end = this.#firstEndAfter(end)
    ) {
      this.#emit.due(end);
      this.#fire(end);
    }
    this.#emit.done();
    this.#dropBefore(watermark);
  }

  /** The end of the earliest window that ends after an instant and holds a slice; `Infinity` if there is none. */
  #firstEndAfter(after: number): number {
    const { size, slide, offset } = this.#assigner;
    // The first slice with a window that ends later. A later slice has none that ends before.
    const slice = this.#slices.firstFrom((Math.floor((after - size - offset) / slide) + 1) * slide + offset);
    return slice === undefined ? endOfTime : firstEndAfter(this.#assigner, slice.start, after);
  }

  #dropBefore(watermark: number): void {
    this.#near = this.#nearTable = null;
    this.#recent.fill(null);
    const closed = watermark - this.#lateness;
    this.#nextEvent = this.#firstEndAfter(watermark);
    for (let slice = this.#slices.first; slice !== undefined; slice = this.#slices.first) {
      const over = lastEnd(this.#assigner, slice.start);
      if (over > closed) {
        this.#nextEvent = Math.min(this.#nextEvent, over + this.#lateness);
        break;
      }
      this.#slices.shift();
      this.#rowsBefore = slice.table.size;
      this.#windows?.drop(slice);
      if (slice.table.isStored) this.#droppedSlices.push(slice.start);
    }
    for (let panes = this.#panes.first; panes !== undefined; panes = this.#panes.first) {
      const over = panes.start + this.#assigner.size;
      if (over > closed) {
        this.#nextEvent = Math.min(this.#nextEvent, over + this.#lateness);
        break;
      }
      this.#panes.shift();
      if (panes.table.isStored) this.#droppedPanes.push(panes.start);
    }
    this.#windows?.dropBefore(closed);
  }

  /** Emits the first result of every key of a window. */
  #fire(end: number): void {
    const window: Window = { start: end - this.#assigner.size, end };
    const final = this.#lateness === 0 || this.#watermark === endOfTime;
    const panes = final ? null : this.#panesOf(window);
    const emit = (key: Key, answer: unknown): void => {
      if (panes !== null) this.#countPane(panes, key);
      this.#emit.result(key, window, answer, 0, "on-time", final);
    };
    if (this.#windows !== null) {
      this.#windows.fire(window, emit);
      return;
    }
    const { table } = this.#slices.get(window.start)!;
    for (let row = 0; row < table.size; row++) emit(table.keys[row], this.#merger.result(table, row));
  }

  /** Emits anew each window of a slice that has fired and is not over, for one key. */
  #correct(slice: number, key: Key): void {
    const first = firstEndAfter(this.#assigner, slice, this.#watermark - this.#lateness);
    if (first > this.#watermark) return;
    this.#emit.counters.lateAdmitted++;
    this.#emit.reach(this.#watermark);
    for (let end = first; end <= this.#watermark; end = firstEndAfter(this.#assigner, slice, end)) {
      const window: Window = { start: end - this.#assigner.size, end };
      const pane = this.#countPane(this.#panesOf(window), key);
      this.#emit.result(key, window, this.#answer(window, key), pane, "late", false);
    }
  }

  /** What a window answers about one of its keys. */
  #answer(window: Window, key: Key): unknown {
    if (this.#windows !== null) return this.#windows.answer(window, key);
    const { table } = this.#slices.get(window.start)!;
    const id = keyId(key);
    return this.#merger.result(table, table.find(id, keyHash(id)));
  }

  /** The table that counts a window's results. A window may have none although it is over, if nothing was in it then. */
  #panesOf({ start, end }: Window): AccumulatorTable {
    let panes = this.#panes.get(start);
    if (panes === undefined) {
      panes = { start, table: new AccumulatorTable(paneLayout) };
      this.#panes.add(panes);
      this.#nextEvent = Math.min(this.#nextEvent, end + this.#lateness);
    }
    return panes.table;
  }

  /** Counts a result, and says how many came before it. */
  #countPane(panes: AccumulatorTable, key: Key): number {
    const id = keyId(key);
    const hash = keyHash(id);
    let row = panes.find(id, hash);
    if (row < 0) row = panes.add(id, key, hash);
    panes.touch(row);
    return panes.numbers[row]++;
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    const take = (
      name: string,
      dropped: ReadonlyArray<number>,
      tables: ByStart<Slice | Panes>,
    ): void => {
      for (const namespace of dropped) into.push(droppedDelta(name, partition, namespace));
      for (const { start, table } of tables.all()) {
        const delta = table.takeDelta(name, partition, start);
        if (delta !== null) into.push(delta);
      }
    };
    take(this.name, this.#droppedSlices, this.#slices);
    take(this.#paneTable, this.#droppedPanes, this.#panes);
    this.#droppedSlices = [];
    this.#droppedPanes = [];
  }

  applyDelta(delta: Delta): void {
    const isPanes = delta.table === this.#paneTable;
    const start = delta.namespace;
    if (delta.dropped) {
      (isPanes ? this.#panes : this.#slices).delete(start);
      return;
    }
    let kept: Slice | Panes | undefined;
    if (isPanes) {
      kept = this.#panes.get(start);
      if (kept === undefined) this.#panes.add(kept = { start, table: new AccumulatorTable(paneLayout) });
    } else {
      kept = this.#slices.get(start);
      if (kept === undefined) this.#slices.add(kept = new Slice(start, new AccumulatorTable(this.#layout)));
    }
    kept.table.apply(delta);
  }

  snapshot(): unknown {
    const { emitted, counters } = this.#emit;
    return { watermark: this.#watermark, emitted, counters: { ...counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, emitted, counters } = snapshot as {
      watermark: number;
      emitted: number;
      counters: Counters;
    };
    this.#watermark = watermark;
    Object.assign(this.#emit.counters, counters);
    this.#emit.reach(emitted);
    this.#dropBefore(watermark);
  }
}
