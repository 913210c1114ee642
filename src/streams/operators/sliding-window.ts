/**
 * Tumbling and sliding windows: a record is added to its slice, and a window that fires merges its slices.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import { AccumulatorTable, droppedDelta, type RowLayout } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import { firstEndAfter, lastEnd, sliceStart, type SlidingAssigner } from "../../windows/assigner.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Window } from "../../windows/window.ts";
import type { Counters, Stateful } from "./stateful.ts";
import type { WindowEmitter } from "./window-emitter.ts";

/** The layout of the table that counts the results of each key and window. */
const paneLayout: RowLayout = { width: 1, objects: [] };

/** Aggregates the records of one keyed partition into windows of one size. */
export class SlidingWindowOperator implements Receiver, Stateful {
  readonly name: string;
  readonly #assigner: SlidingAssigner;
  readonly #aggregate: Aggregate<unknown, unknown>;
  readonly #lateness: number;
  readonly #emit: WindowEmitter;
  readonly #layout: RowLayout;
  readonly #paneTable: string;
  /** The accumulators of each slice that a window may still need, by slice start. */
  readonly #slices = new Map<number, AccumulatorTable>();
  /** How many results each key has had in each fired window that can still be corrected, by window start. */
  readonly #panes = new Map<number, AccumulatorTable>();
  #droppedSlices: Array<number> = [];
  #droppedPanes: Array<number> = [];
  #watermark = beginningOfTime;
  /** The earliest watermark at which a window fires or a slice is dropped. */
  #nextEvent = endOfTime;
  #nearSlice = NaN;
  #nearTable: AccumulatorTable | null = null;

  constructor(options: {
    readonly name: string;
    readonly assigner: SlidingAssigner;
    readonly aggregate: Aggregate<unknown, unknown>;
    readonly allowedLateness: number;
    readonly emitter: WindowEmitter;
  }) {
    this.name = options.name;
    this.#assigner = options.assigner;
    this.#aggregate = options.aggregate;
    this.#lateness = options.allowedLateness;
    this.#emit = options.emitter;
    this.#layout = { width: options.aggregate.numbers, objects: options.aggregate.objects };
    this.#paneTable = `${options.name}#panes`;
  }

  get counters(): Counters {
    return this.#emit.counters;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    if (watermark > this.#watermark) this.#advance(watermark);
    let slice = this.#nearSlice;
    let table = this.#nearTable;
    // Most records fall into the slice of the one before.
    if (table === null || !(time >= slice && time < slice + this.#assigner.slice)) {
      slice = sliceStart(this.#assigner, time);
      table = this.#open(slice);
      if (table === null) {
        const end = lastEnd(this.#assigner, slice);
        this.#emit.late(value, key as Key, time, { start: end - this.#assigner.size, end }, this.#watermark);
        return;
      }
      this.#nearSlice = slice;
      this.#nearTable = table;
    }
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    const id = keyId(key as Key);
    let row = table.find(id);
    if (row < 0) {
      row = table.add(id, key as Key);
      this.#aggregate.reset(table.numbers, row * width, table.objects, row * objects);
    }
    this.#aggregate.add(table.numbers, row * width, table.objects, row * objects, value, time);
    table.touch(row);
    if (this.#lateness > 0) this.#correct(slice, key as Key);
  }

  watermark(watermark: number): void {
    if (watermark > this.#watermark) this.#advance(watermark);
    this.#emit.watermark(this.#watermark);
  }

  letter(letter: Letter): void {
    this.#emit.letter(letter);
  }

  /** The table of a slice, made if need be; null when all of its windows are over. */
  #open(slice: number): AccumulatorTable | null {
    const existing = this.#slices.get(slice);
    if (existing !== undefined) return existing;
    const over = lastEnd(this.#assigner, slice) + this.#lateness;
    if (over <= this.#watermark) return null;
    const table = new AccumulatorTable(this.#layout);
    this.#slices.set(slice, table);
    this.#nextEvent = Math.min(this.#nextEvent, firstEndAfter(this.#assigner, slice, this.#watermark), over);
    return table;
  }

  /** Fires every window up to a watermark, in the order of their ends, and drops what no record can reach any more. */
  #advance(watermark: number): void {
    const from = this.#watermark;
    this.#watermark = watermark;
    if (watermark < this.#nextEvent) return;
    const ends = new Set<number>();
    for (const slice of this.#slices.keys()) {
      for (
        let end = firstEndAfter(this.#assigner, slice, from);
        end <= watermark && end !== endOfTime;
        end = firstEndAfter(this.#assigner, slice, end)
      ) ends.add(end);
    }
    for (const end of [...ends].sort((a, b) => a - b)) {
      this.#emit.due(end);
      this.#fire(end);
    }
    this.#emit.done();
    this.#dropBefore(watermark);
  }

  #dropBefore(watermark: number): void {
    this.#nearTable = null;
    this.#nextEvent = endOfTime;
    for (const [slice, table] of this.#slices) {
      const over = lastEnd(this.#assigner, slice) + this.#lateness;
      if (over <= watermark) {
        this.#slices.delete(slice);
        if (table.isStored) this.#droppedSlices.push(slice);
      } else {
        this.#nextEvent = Math.min(this.#nextEvent, firstEndAfter(this.#assigner, slice, watermark), over);
      }
    }
    for (const [start, table] of this.#panes) {
      const over = start + this.#assigner.size + this.#lateness;
      if (over <= watermark) {
        this.#panes.delete(start);
        if (table.isStored) this.#droppedPanes.push(start);
      } else {
        this.#nextEvent = Math.min(this.#nextEvent, over);
      }
    }
  }

  /** Emits the first result of every key of a window. */
  #fire(end: number): void {
    const window: Window = { start: end - this.#assigner.size, end };
    const table = this.#merged(window);
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    const final = this.#lateness === 0 || this.#watermark === endOfTime;
    let panes: AccumulatorTable | null = null;
    if (!final) {
      panes = new AccumulatorTable(paneLayout);
      this.#panes.set(window.start, panes);
    }
    for (let row = 0; row < table.size; row++) {
      const key = table.keys[row];
      if (panes !== null) this.#countPane(panes, key);
      this.#emit.result(
        key,
        window,
        this.#aggregate.result(table.numbers, row * width, table.objects, row * objects),
        0,
        "on-time",
        final,
      );
    }
  }

  /** Emits anew each window of a slice that has fired and is not over, for one key. */
  #correct(slice: number, key: Key): void {
    for (
      let end = firstEndAfter(this.#assigner, slice, this.#watermark - this.#lateness);
      end <= this.#watermark;
      end = firstEndAfter(this.#assigner, slice, end)
    ) {
      const window: Window = { start: end - this.#assigner.size, end };
      let panes = this.#panes.get(window.start);
      if (panes === undefined) {
        // Nothing was in the window when it should have fired: this is its first result, though a late one.
        panes = new AccumulatorTable(paneLayout);
        this.#panes.set(window.start, panes);
        this.#nextEvent = Math.min(this.#nextEvent, end + this.#lateness);
      }
      const table = this.#merged(window, key);
      const row = table.find(keyId(key));
      const { numbers: width, objects: { length: objects } } = this.#aggregate;
      this.#emit.reach(this.#watermark);
      this.#emit.result(
        key,
        window,
        this.#aggregate.result(table.numbers, row * width, table.objects, row * objects),
        this.#countPane(panes, key),
        "late",
        false,
      );
    }
  }

  /** Counts a result, and says how many came before it. */
  #countPane(panes: AccumulatorTable, key: Key): number {
    const id = keyId(key);
    let row = panes.find(id);
    if (row < 0) row = panes.add(id, key);
    panes.touch(row);
    return panes.numbers[row]++;
  }

  /** The accumulators of a window: its slices merged in the order of time; of one key, or of all. */
  #merged(window: Window, key?: Key): AccumulatorTable {
    const { slice, size } = this.#assigner;
    if (slice === size) return this.#slices.get(window.start)!;
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    const merged = new AccumulatorTable(this.#layout);
    const starts = [...this.#slices.keys()].filter((start) => start >= window.start && start < window.end);
    for (const start of starts.sort((a, b) => a - b)) {
      const table = this.#slices.get(start)!;
      const only = key === undefined ? undefined : table.find(keyId(key));
      for (let row = only ?? 0; row >= 0 && row < (only === undefined ? table.size : only + 1); row++) {
        const id = keyId(table.keys[row]);
        let into = merged.find(id);
        if (into < 0) {
          into = merged.add(id, table.keys[row]);
          this.#aggregate.reset(merged.numbers, into * width, merged.objects, into * objects);
        }
        this.#aggregate.merge(
          merged.numbers,
          into * width,
          merged.objects,
          into * objects,
          table.numbers,
          row * width,
          table.objects,
          row * objects,
        );
      }
    }
    return merged;
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    const take = (
      name: string,
      dropped: ReadonlyArray<number>,
      tables: ReadonlyMap<number, AccumulatorTable>,
    ): void => {
      for (const namespace of dropped) into.push(droppedDelta(name, partition, namespace));
      for (const [namespace, table] of tables) {
        const delta = table.takeDelta(name, partition, namespace);
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
    const tables = isPanes ? this.#panes : this.#slices;
    if (delta.dropped) {
      tables.delete(delta.namespace);
      return;
    }
    let table = tables.get(delta.namespace);
    if (table === undefined) {
      table = new AccumulatorTable(isPanes ? paneLayout : this.#layout);
      tables.set(delta.namespace, table);
    }
    table.apply(delta);
  }

  snapshot(): unknown {
    return { watermark: this.#watermark, counters: { ...this.#emit.counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, counters } = snapshot as { watermark: number; counters: Counters };
    this.#watermark = watermark;
    Object.assign(this.#emit.counters, counters);
    this.#dropBefore(watermark);
  }
}
