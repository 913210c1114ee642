/**
 * Event time: stamps records and keeps the watermark of each split.
 *
 * @module
 */
import type { Columns } from "../../actors/columns.ts";
import { batchOf, type BatchReceiver, type Letter, type Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { inWords } from "../../windows/in-words.ts";
import type { DelayHistogram, DelaySnapshot } from "../../windows/delay-histogram.ts";
import { SplitWatermarks, type SplitWatermarkState } from "../../windows/split-watermarks.ts";
import { endOfTime, timestampMax, type WatermarkStrategy } from "../../windows/watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** What is remembered of an event time. */
interface EventTimeSnapshot {
  readonly merged: number;
  readonly splits: ReadonlyArray<readonly [source: string, split: string, state: SplitWatermarkState]>;
  readonly delays: DelaySnapshot;
}

/** Stamps the records of some splits. */
export class EventTimeOperator implements Receiver, Stateful {
  readonly name: string;
  readonly batch: BatchReceiver | null;
  readonly counters: Counters = {};
  /** How far a split may be ahead of others, in milliseconds; null for no bound. */
  readonly maxDrift: number | null;
  readonly #timestamp: (value: unknown) => number;
  readonly #context: TaskContext;
  readonly #next: Receiver;
  readonly #eager: boolean;
  readonly #watermarks: SplitWatermarks;
  readonly #considers: boolean;
  /** After which silence a split is idle, in milliseconds. */
  readonly #idleAfter: number;
  /** The splits that reach this operator, and their places in `#watermarks`, by the number of the split. */
  readonly #places: ReadonlyMap<number, number>;
  #silences: Float64Array;
  #split = -1;
  #place = -1;

  constructor(options: {
    readonly name: string;
    readonly timestamp: (value: unknown) => number;
    readonly strategy: WatermarkStrategy;
    readonly idleAfter: number | null;
    readonly maxDrift: number | null;
    readonly splits: ReadonlyArray<number>;
    readonly context: TaskContext;
    readonly next: Receiver;
    /** Whether to pass the watermark on after every record, for a merge further on that must know it exactly. */
    readonly eager: boolean;
  }) {
    this.name = options.name;
    this.maxDrift = options.maxDrift;
    this.#timestamp = options.timestamp;
    this.#context = options.context;
    this.#next = options.next;
    this.#eager = options.eager;
    this.#places = new Map(options.splits.map((split, place) => [split, place]));
    this.#watermarks = new SplitWatermarks(options.strategy, options.splits.length);
    this.#considers = this.#watermarks.considers;
    this.#idleAfter = options.idleAfter ?? Infinity;
    this.#silences = options.context.silences;
    const handOn = this.#considers ? null : batchOf(options.next, options.context);
    this.batch = handOn === null ? null : (columns, rows) => this.#batch(columns, rows, handOn);
  }

  record(value: unknown, key: unknown): void {
    let time;
    try {
      time = this.#timeOf(value);
      // Functions of the user are called before the record goes on, so that it does not go both ways if one throws.
      if (this.#considers) this.#watermarks.consider(this.#placeOfSplit(), value, time);
    } catch (error) {
      this.#next.letter(this.#context.letter(this.name, error, value, true));
      return;
    }
    this.#next.record(value, key, time, this.#watermarks.merged);
    if (this.#watermarks.observe(this.#placeOfSplit(), time) && this.#eager) {
      this.#context.afterRecord(() => this.#next.watermark(this.#watermarks.merged));
    }
  }

  #batch(columns: Columns, rows: Uint32Array, handOn: BatchReceiver): void {
    const { size, values } = columns;
    const times = new Float64Array(size);
    const stamped = columns.withTimes(times, new Float64Array(size));
    const timestamp = this.#timestamp;
    let from = 0;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      try {
        const time = timestamp(values[row]);
        times[row] = typeof time === "number" && Math.abs(time) <= timestampMax ? time : refuse(time);
      } catch (error) {
        // What came before goes before.
        if (k > from) this.#observe(stamped, rows.subarray(from, k), handOn);
        from = k + 1;
        this.#context.moveToRow(columns, row);
        this.#next.letter(this.#context.letter(this.name, error, values[row], true));
      }
    }
    if (from < rows.length) this.#observe(stamped, from === 0 ? rows : rows.subarray(from), handOn);
  }

  /** Moves the watermark by some records, and hands these on. */
  #observe(stamped: Columns, rows: Uint32Array, handOn: BatchReceiver): void {
    const { times, watermarks } = stamped;
    this.#watermarks.observeAll(this.#placeOfSplit(), times, watermarks, rows);
    handOn(stamped, rows);
    if (!this.#eager) return;
    // Where the watermark moves is said afterwards: none of those that take records at once cares for what comes between.
    for (let k = 0; k < rows.length; k++) {
      const watermark = k + 1 < rows.length ? watermarks[rows[k + 1]] : this.#watermarks.merged;
      if (watermark === watermarks[rows[k]]) continue;
      this.#context.moveToRow(stamped, rows[k]);
      this.#context.afterRecord(() => this.#next.watermark(watermark));
    }
  }

  /** The timestamp of a record. Types do not see everything: null and texts pass for numbers where they are compared. */
  #timeOf(value: unknown): number {
    const time = this.#timestamp(value);
    return typeof time === "number" && Math.abs(time) <= timestampMax ? time : refuse(time);
  }

  /** The place of the split that the round was read from. */
  #placeOfSplit(): number {
    if (this.#context.split !== this.#split) {
      this.#split = this.#context.split;
      this.#place = this.#places.get(this.#split)!;
    }
    return this.#place;
  }

  watermark(watermark: number): void {
    this.#listen();
    // A source without splits has but this to say. Otherwise what splits say is known better here.
    if (watermark === endOfTime && this.#places.size === 0) this.#watermarks.endAll();
    this.#next.watermark(this.#watermarks.merged);
  }

  /** Takes over which splits are silent. */
  #listen(): void {
    const { silences } = this.#context;
    if (silences === this.#silences) return;
    this.#silences = silences;
    for (const [split, place] of this.#places) {
      const silence = silences[split];
      // A split that has ended is not idle: that it has is heard in `splitEnded`, after what came before.
      this.#watermarks.setIdle(place, silence >= this.#idleAfter && silence !== Infinity);
    }
  }

  letter(letter: Letter): void {
    this.#next.letter(letter);
  }

  /** Notes that a split has ended: it holds the watermark back no more. */
  splitEnded(split: number): void {
    const place = this.#places.get(split);
    if (place !== undefined) this.#watermarks.end(place);
  }

  /** Moves a split's watermark, of which its source knows more than its records say. */
  raise(split: number, watermark: number): void {
    const place = this.#places.get(split);
    if (place === undefined || !this.#watermarks.raise(place, watermark) || !this.#eager) return;
    this.#next.watermark(this.#watermarks.merged);
  }

  /** The watermark of one split; undefined when the split does not come here. */
  watermarkOf(split: number): number | undefined {
    const place = this.#places.get(split);
    return place === undefined ? undefined : this.#watermarks.of(place);
  }

  /** Whether a split comes here and holds the watermark back while it does not move. */
  waitsFor(split: number): boolean {
    const place = this.#places.get(split);
    return place !== undefined && !this.#watermarks.isPassive(place);
  }

  /** The watermark of all splits together. */
  get merged(): number {
    return this.#watermarks.merged;
  }

  /** How far records were behind when they came. */
  get delays(): DelayHistogram {
    return this.#watermarks.delays;
  }

  takeDeltas(_partition: number, _into: Array<Delta>): void {}

  applyDelta(_delta: Delta): void {}

  snapshot(): EventTimeSnapshot {
    return {
      merged: this.#watermarks.merged,
      splits: [...this.#places].map(([split, place]) => {
        const { source, split: name } = this.#context.splits[split];
        return [source, name, this.#watermarks.snapshot(place)];
      }),
      delays: this.#watermarks.delays.snapshot(),
    };
  }

  restore(snapshot: unknown): void {
    const { merged, splits, delays } = snapshot as EventTimeSnapshot;
    const states = new Map(splits.map(([source, split, state]) => [`${source}\n${split}`, state]));
    for (const [split, place] of this.#places) {
      const { source, split: name } = this.#context.splits[split];
      const state = states.get(`${source}\n${name}`);
      if (state !== undefined) this.#watermarks.restore(place, state);
    }
    this.#watermarks.restoreMerged(merged);
    this.#watermarks.delays.restore(delays);
  }
}

const refuse = (time: unknown): never => {
  throw new RangeError(
    `Cannot stamp a record as its timestamp must be a date in epoch milliseconds: current value is ${inWords(time)}`,
  );
};
