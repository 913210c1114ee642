/**
 * Pre-aggregation: the records of a round that one key has in one slice are made one before they are routed.
 *
 * A key that has most of the records would send most of the records to one keyed partition. Folded where they are read,
 * they are one *partial* a round, which the window adds as if its records had come one by one.
 *
 * A record is folded only if the watermark that it meets has not come to the end of any window that it is in. Until then
 * nothing about its slice can happen in between: nothing fires, nothing is corrected, nothing is late. All others are
 * passed on as they came.
 *
 * @module
 */
import type { Columns } from "../../actors/columns.ts";
import { batchOf, type BatchReceiver, type Letter, type Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable, type RowLayout } from "../../kv-state/accumulator-table.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import { firstEndAfter, sliceStart, type SlidingAssigner } from "../../windows/assigner.ts";
import { beginningOfTime } from "../../windows/watermark.ts";
import { addToAll, type HasTable, SliceAdditions } from "./slice-additions.ts";

/** Some records of a key in one slice, which travel in the place of the first of them. */
export class PartialAggregate {
  /** Holds the accumulator. */
  readonly table: AccumulatorTable;
  readonly row: number;
  /** How many records they are. */
  records = 1;

  constructor(table: AccumulatorTable, row: number) {
    this.table = table;
    this.row = row;
  }
}

/** The partials of one slice in one round. */
interface Fold {
  readonly start: number;
  readonly end: number;
  /** The end of the first window that the slice is in. */
  readonly firstEnd: number;
  readonly table: AccumulatorTable;
  /** The partial of each row of the table. */
  readonly partials: Array<PartialAggregate>;
  /** What a batch adds to it. */
  readonly additions: SliceAdditions<HasTable>;
}

/**
 * Folds records, and hands partials on. A partial still grows after it was handed on, until the round is over: what is next
 * must be an exchange, which sends nothing before that.
 */
export class PreAggregateOperator implements Receiver {
  readonly batch: BatchReceiver | null;
  readonly #name: string;
  readonly #assigner: SlidingAssigner;
  readonly #aggregate: Aggregate<unknown, unknown>;
  readonly #context: TaskContext;
  readonly #next: Receiver;
  readonly #layout: RowLayout;
  readonly #folds = new Map<number, Fold>();
  #near: Fold | null = null;
  #round = NaN;

  constructor(options: {
    /** The name of the window. */
    readonly name: string;
    readonly assigner: SlidingAssigner;
    readonly aggregate: Aggregate<unknown, unknown>;
    readonly context: TaskContext;
    readonly next: Receiver;
  }) {
    this.#name = options.name;
    this.#assigner = options.assigner;
    this.#aggregate = options.aggregate;
    this.#context = options.context;
    this.#next = options.next;
    const handOn = batchOf(options.next, options.context);
    this.batch = handOn === null ? null : (columns, rows) => this.#batch(columns, rows, handOn);
    this.#layout = { width: options.aggregate.numbers, objects: options.aggregate.objects };
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    this.#beginRound();
    const fold = this.#foldAt(time);
    if (watermark >= fold.firstEnd) {
      this.#next.record(value, key, time, watermark);
      return;
    }
    const { table, partials } = fold;
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    const id = keyId(key as Key);
    const hash = keyHash(id);
    const known = table.find(id, hash);
    const row = known < 0 ? this.#addRow(table, id, key as Key, hash) : known;
    try {
      this.#aggregate.add(table.numbers, row * width, table.objects, row * objects, value, time);
    } catch (error) {
      this.#next.letter(this.#context.letter(this.#name, error, value, true));
      return;
    }
    if (known < 0) {
      const partial = new PartialAggregate(table, row);
      partials.push(partial);
      this.#next.record(partial, key, fold.start, watermark);
    } else {
      partials[row].records++;
    }
  }

  #batch(columns: Columns, rows: Uint32Array, handOn: BatchReceiver): void {
    this.#beginRound();
    const { size, values, keys, times, watermarks } = columns;
    const folded = new Array<unknown>(size);
    const starts = new Float64Array(size);
    const kept = new Uint32Array(rows.length);
    let count = 0;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      const fold = this.#foldAt(times[row]);
      if (watermarks[row] >= fold.firstEnd) {
        folded[row] = values[row];
        starts[row] = times[row];
        kept[count++] = row;
        continue;
      }
      const { table, partials } = fold;
      const key = keys[row] as Key;
      const id = keyId(key);
      const hash = keyHash(id);
      let tableRow = table.find(id, hash);
      if (tableRow >= 0) {
        partials[tableRow].records++;
      } else {
        tableRow = this.#addRow(table, id, key, hash);
        const partial = new PartialAggregate(table, tableRow);
        partials.push(partial);
        folded[row] = partial;
        starts[row] = fold.start;
        kept[count++] = row;
      }
      fold.additions.add(row, tableRow);
    }
    const failed = addToAll(this.#folds.values().map(({ additions }) => additions), this.#aggregate, columns);
    if (failed !== null) {
      this.#context.moveToRow(columns, failed.row);
      this.#next.letter(this.#context.letter(this.#name, failed.cause, values[failed.row], true));
      return;
    }
    handOn(columns.withTimes(starts, watermarks).withValues(folded), kept.subarray(0, count));
  }

  #beginRound(): void {
    if (this.#context.round === this.#round) return;
    this.#round = this.#context.round;
    this.#folds.clear();
    this.#near = null;
  }

  #addRow(table: AccumulatorTable, id: KeyId, key: Key, hash: number): number {
    const row = table.add(id, key, hash);
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    this.#aggregate.reset(table.numbers, row * width, table.objects, row * objects);
    return row;
  }

  watermark(watermark: number): void {
    this.#next.watermark(watermark);
  }

  letter(letter: Letter): void {
    this.#next.letter(letter);
  }

  #foldAt(time: number): Fold {
    const near = this.#near;
    if (near !== null && time >= near.start && time < near.end) return near;
    const start = sliceStart(this.#assigner, time);
    let fold = this.#folds.get(start);
    if (fold === undefined) {
      fold = {
        start,
        end: start + this.#assigner.slice,
        firstEnd: firstEndAfter(this.#assigner, start, beginningOfTime),
        table: new AccumulatorTable(this.#layout),
        partials: [],
        additions: new SliceAdditions(),
      };
      fold.additions.begin(fold);
      this.#folds.set(start, fold);
    }
    return this.#near = fold;
  }
}
