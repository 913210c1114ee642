/**
 * Windows of a number of records: each key counts its records, and every so many of them it says something.
 *
 * As windows of time are cut into slices, so are these: `gcd(size, slide)` records at a time. A key has a ring of slices,
 * as many as a window holds; a window that is full is the merge of the ring, from the oldest slice to the newest.
 *
 * @module
 */
import type { BatchReceiver, Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { AccumulatorTable, type RowLayout } from "../../kv-state/accumulator-table.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import { type CountAssigner, greatestCommonDivisor } from "../../windows/assigner.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";
import type { WindowEmitter } from "./window-emitter.ts";

/** The layout of the table that says how many records each key has had. */
const countLayout: RowLayout = { width: 1, objects: [] };

/** The numbers of a slice before those of its accumulator: the least and the greatest time. */
const headerWidth = 2;

/** How many slices there is room for at first. The room doubles whenever it is full. */
const initialSlices = 16;

const noRows = new Uint32Array(0);

/** Aggregates the records of one keyed partition in windows of a number of records. */
export class CountWindowOperator implements Receiver, Stateful {
  readonly name: string;
  readonly #size: number;
  readonly #slide: number;
  /** How many records a slice holds. */
  readonly #slice: number;
  /** How many slices a key has. */
  readonly #ring: number;
  readonly #aggregate: Aggregate<unknown, unknown>;
  readonly #context: TaskContext;
  readonly #emit: WindowEmitter;
  readonly #counts = new AccumulatorTable(countLayout);
  readonly #countTable: string;
  /** The slices of the key in row `r` of the counts begin at slice `r * ring`; side by side, as in a table. */
  #numbers: Float64Array;
  readonly #objects: Array<unknown> = [];
  #isChanged = new Uint8Array(initialSlices);
  #changed: Array<number> = [];
  #watermark = beginningOfTime;

  constructor(options: {
    readonly name: string;
    readonly assigner: CountAssigner;
    readonly aggregate: Aggregate<unknown, unknown>;
    readonly context: TaskContext;
    readonly emitter: WindowEmitter;
  }) {
    const { size, slide } = options.assigner;
    this.name = options.name;
    this.#size = size;
    this.#slide = slide;
    this.#slice = greatestCommonDivisor(size, slide);
    this.#ring = size / this.#slice;
    this.#aggregate = options.aggregate;
    this.#context = options.context;
    this.#emit = options.emitter;
    this.#countTable = `${options.name}#counts`;
    this.#numbers = new Float64Array(initialSlices * this.#width);
  }

  get counters(): Counters {
    return this.#emit.counters;
  }

  get #width(): number {
    return headerWidth + this.#aggregate.numbers;
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

  #take(value: unknown, key: Key, id: KeyId, hash: number, eventTime: number, watermark: number): void {
    this.#emit.counters.records++;
    this.#emit.reach(watermark);
    const time = Number.isNaN(eventTime) ? this.#context.now : eventTime;
    let row = this.#counts.find(id, hash);
    if (row < 0) row = this.#counts.add(id, key, hash);
    const before = this.#counts.numbers[row];
    const slice = this.#sliceAt(row, before);
    this.#makeRoom(slice + 1);
    const { objects: { length: objects } } = this.#aggregate;
    const at = slice * this.#width;
    if (before % this.#slice === 0) {
      this.#numbers[at] = Infinity;
      this.#numbers[at + 1] = -Infinity;
      this.#aggregate.reset(this.#numbers, at + headerWidth, this.#objects, slice * objects);
    }
    this.#aggregate.add(this.#numbers, at + headerWidth, this.#objects, slice * objects, value, time);
    this.#numbers[at] = Math.min(this.#numbers[at], time);
    this.#numbers[at + 1] = Math.max(this.#numbers[at + 1], time);
    this.#touch(slice);
    this.#counts.numbers[row] = before + 1;
    this.#counts.touch(row);
    if ((before + 1) % this.#slide === 0) this.#fire(row);
  }

  watermark(watermark: number): void {
    if (watermark === endOfTime && this.#watermark !== endOfTime) this.#end();
    this.#watermark = watermark;
    this.#emit.watermark(watermark);
  }

  letter(letter: Letter): void {
    this.#emit.letter(letter);
  }

  /** The slice of a key that its record number `position`, counted from 0, belongs to. */
  #sliceAt(row: number, position: number): number {
    return row * this.#ring + Math.floor(position / this.#slice) % this.#ring;
  }

  #makeRoom(slices: number): void {
    const room = this.#isChanged.length;
    if (slices > room) {
      const numbers = new Float64Array(Math.max(slices, 2 * room) * this.#width);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
      const isChanged = new Uint8Array(numbers.length / this.#width);
      isChanged.set(this.#isChanged);
      this.#isChanged = isChanged;
    }
    const { objects: { length: objects } } = this.#aggregate;
    while (this.#objects.length < slices * objects) this.#objects.push(undefined);
  }

  #touch(slice: number): void {
    if (this.#isChanged[slice] === 1) return;
    this.#isChanged[slice] = 1;
    this.#changed.push(slice);
  }

  /** The input has ended: windows that are being filled say what they have. */
  #end(): void {
    this.#emit.due(endOfTime);
    for (let row = 0; row < this.#counts.size; row++) {
      if (this.#counts.numbers[row] % this.#slide > 0) this.#fire(row);
    }
    this.#emit.done();
  }

  /** Says what the window holds that the last record of a key filled, or was filling. */
  #fire(row: number): void {
    const count = this.#counts.numbers[row];
    const full = Math.ceil(count / this.#slide) * this.#slide;
    const first = Math.max(0, full - this.#size);
    const { numbers: width, objects: { length: objects } } = this.#aggregate;
    let start = Infinity;
    let end = -Infinity;
    const slices: Array<number> = [];
    for (let position = first; position < count; position += this.#slice) {
      const slice = this.#sliceAt(row, position);
      start = Math.min(start, this.#numbers[slice * this.#width]);
      end = Math.max(end, this.#numbers[slice * this.#width + 1] + 1);
      slices.push(slice);
    }
    let numbers: Float64Array = this.#numbers;
    let all: ReadonlyArray<unknown> = this.#objects;
    let at = slices[0] * this.#width + headerWidth;
    let objectsAt = slices[0] * objects;
    if (slices.length > 1) {
      const merged: Array<unknown> = new Array(objects);
      numbers = new Float64Array(width);
      this.#aggregate.reset(numbers, 0, merged, 0);
      for (const slice of slices) {
        const from = slice * this.#width + headerWidth;
        this.#aggregate.merge(numbers, 0, merged, 0, this.#numbers, from, this.#objects, slice * objects);
      }
      all = merged;
      at = 0;
      objectsAt = 0;
    }
    const value = this.#aggregate.result(numbers, at, all, objectsAt);
    this.#emit.result(this.#counts.keys[row], { start, end }, value, 0, "on-time", true);
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    const counts = this.#counts.takeDelta(this.#countTable, partition, 0);
    if (counts === null) return;
    const { objects: codecs } = this.#aggregate;
    const width = this.#width;
    const rows = Uint32Array.from(this.#changed);
    const numbers = new Float64Array(rows.length * width);
    const objects: Array<ReadonlyArray<unknown>> = [];
    rows.forEach((slice, k) => {
      this.#isChanged[slice] = 0;
      numbers.set(this.#numbers.subarray(slice * width, (slice + 1) * width), k * width);
      if (codecs.length > 0) {
        objects.push(codecs.map((codec, j) => codec.encode(this.#objects[slice * codecs.length + j])));
      }
    });
    this.#changed = [];
    into.push(counts, {
      table: this.name,
      partition,
      namespace: 0,
      dropped: false,
      firstNewRow: 0,
      newKeys: [], // the key of a slice is that of its row in the counts
      rows,
      width,
      numbers,
      objects,
      removed: noRows,
    });
  }

  applyDelta(delta: Delta): void {
    if (delta.table === this.#countTable) {
      this.#counts.apply(delta);
      return;
    }
    const { objects: codecs } = this.#aggregate;
    delta.rows.forEach((slice, k) => {
      this.#makeRoom(slice + 1);
      this.#numbers.set(delta.numbers.subarray(k * delta.width, (k + 1) * delta.width), slice * this.#width);
      codecs.forEach((codec, j) => this.#objects[slice * codecs.length + j] = codec.decode(delta.objects[k][j]));
    });
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
  }
}
