/**
 * Event time: stamps records and keeps the watermark of each split.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { SplitWatermarks, type WatermarkStrategy } from "../../windows/watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** The furthest that a date can be from the epoch, in milliseconds (ECMA-262, "Time Values and Time Range"). */
const timestampMax = 8.64e15;

/** Stamps the records of some splits. */
export class EventTimeOperator implements Receiver, Stateful {
  readonly name: string;
  readonly counters: Counters = {};
  readonly #timestamp: (value: unknown) => number;
  readonly #context: TaskContext;
  readonly #next: Receiver;
  readonly #eager: boolean;
  readonly #watermarks: SplitWatermarks;
  /** The splits that reach this operator, and their places in `#watermarks`, by the number of the split. */
  readonly #places: ReadonlyMap<number, number>;
  #split = -1;
  #place = -1;

  constructor(options: {
    readonly name: string;
    readonly timestamp: (value: unknown) => number;
    readonly strategy: WatermarkStrategy;
    readonly splits: ReadonlyArray<number>;
    readonly context: TaskContext;
    readonly next: Receiver;
    /** Whether to pass the watermark on after every record, for a merge further on that must know it exactly. */
    readonly eager: boolean;
  }) {
    this.name = options.name;
    this.#timestamp = options.timestamp;
    this.#context = options.context;
    this.#next = options.next;
    this.#eager = options.eager;
    this.#places = new Map(options.splits.map((split, place) => [split, place]));
    this.#watermarks = new SplitWatermarks(options.strategy, options.splits.length);
  }

  record(value: unknown, key: unknown): void {
    let time;
    try {
      time = this.#timestamp(value);
      if (!(Math.abs(time) <= timestampMax)) {
        throw new RangeError(
          `Cannot stamp a record as its timestamp must be a date in epoch milliseconds: current value is ${time}`,
        );
      }
    } catch (error) {
      this.#next.letter(this.#context.letter(this.name, error, value, true));
      return;
    }
    if (this.#context.split !== this.#split) {
      this.#split = this.#context.split;
      this.#place = this.#places.get(this.#split)!;
    }
    this.#next.record(value, key, time, this.#watermarks.merged);
    if (this.#watermarks.observe(this.#place, time) && this.#eager) {
      this.#context.afterRecord(() => this.#next.watermark(this.#watermarks.merged));
    }
  }

  watermark(): void {
    this.#next.watermark(this.#watermarks.merged);
  }

  letter(letter: Letter): void {
    this.#next.letter(letter);
  }

  /** Notes that a split has ended: it holds the watermark back no more. */
  splitEnded(split: number): void {
    const place = this.#places.get(split);
    if (place !== undefined) this.#watermarks.end(place);
  }

  /** The watermark of one split; undefined when the split does not come here. */
  watermarkOf(split: number): number | undefined {
    const place = this.#places.get(split);
    return place === undefined ? undefined : this.#watermarks.of(place);
  }

  /** The watermark of all splits together. */
  get merged(): number {
    return this.#watermarks.merged;
  }

  takeDeltas(_partition: number, _into: Array<Delta>): void {}

  applyDelta(_delta: Delta): void {}

  snapshot(): unknown {
    const greatest = this.#watermarks.snapshot();
    return [...this.#places].map(([split, place]) => {
      const { source, split: name } = this.#context.splits[split];
      return [source, name, greatest[place]];
    });
  }

  restore(snapshot: unknown): void {
    const greatest = new Map(
      (snapshot as ReadonlyArray<[string, string, number]>).map((
        [source, split, time],
      ) => [`${source}\n${split}`, time]),
    );
    for (const [split, place] of this.#places) {
      const { source, split: name } = this.#context.splits[split];
      const time = greatest.get(`${source}\n${name}`);
      if (time !== undefined) this.#watermarks.restore(place, time);
    }
  }
}
