/**
 * The merge of several flows: records as they come, under the least watermark of all that are not idle.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** An event time whose watermark an input follows: when all of its splits are silent for so long, the input is idle. */
export interface Follows {
  readonly splits: ReadonlyArray<number>;
  /** In milliseconds; null where silent splits are waited for. */
  readonly idleAfter: number | null;
}

/** What is remembered of a merge. */
interface MergeSnapshot {
  readonly watermarks: ReadonlyArray<number>;
  readonly furthest: ReadonlyArray<number>;
  readonly merged: number;
}

/** Merges several inputs into one receiver. */
export class MergeOperator implements Stateful {
  readonly name: string;
  readonly counters: Counters = {};
  /** Where each input goes. */
  readonly inputs: ReadonlyArray<Receiver>;
  readonly #follows: ReadonlyArray<ReadonlyArray<Follows>>;
  readonly #context: TaskContext;
  #silences: Float64Array;
  #watermarks: Array<number>;
  /** How far each input had come before it ended. */
  #furthest: Array<number>;
  readonly #isIdle: Array<boolean>;
  #merged = beginningOfTime;

  /** `follows` says for each input which event times are before it. */
  constructor(
    name: string,
    follows: ReadonlyArray<ReadonlyArray<Follows>>,
    context: TaskContext,
    next: Receiver,
  ) {
    this.name = name;
    this.#follows = follows;
    this.#context = context;
    this.#silences = context.silences;
    this.#watermarks = follows.map(() => beginningOfTime);
    this.#furthest = follows.map(() => beginningOfTime);
    this.#isIdle = follows.map(() => false);
    this.inputs = follows.map((_, input): Receiver => ({
      record: (value, key, time, watermark) => {
        this.#observe(input, watermark);
        next.record(value, key, time, this.#merged);
      },
      watermark: (watermark) => {
        this.#observe(input, watermark);
        next.watermark(this.#merged);
      },
      batch: null,
      letter: (letter: Letter) => next.letter(letter),
    }));
  }

  #observe(input: number, watermark: number): void {
    const { silences } = this.#context;
    const isHigher = watermark > this.#watermarks[input];
    if (!isHigher && silences === this.#silences) return;
    if (isHigher) {
      this.#watermarks[input] = watermark;
      if (watermark !== endOfTime) this.#furthest[input] = watermark;
    }
    if (silences !== this.#silences) {
      this.#silences = silences;
      for (let k = 0; k < this.#follows.length; k++) this.#isIdle[k] = isIdle(this.#follows[k], silences);
    }
    this.#merge();
  }

  /** The same rule as for splits: see `SplitWatermarks`. */
  #merge(): void {
    let least = endOfTime;
    let furthest = beginningOfTime;
    let isActive = false;
    for (let input = 0; input < this.#watermarks.length; input++) {
      const watermark = this.#watermarks[input];
      furthest = Math.max(furthest, this.#furthest[input]);
      if (watermark === endOfTime || this.#isIdle[input]) continue;
      isActive = true;
      least = Math.min(least, watermark);
    }
    const isOver = this.#watermarks.every((watermark) => watermark === endOfTime);
    const merged = isActive || isOver ? least : furthest;
    if (merged > this.#merged) this.#merged = merged;
  }

  takeDeltas(_partition: number, _into: Array<Delta>): void {}

  applyDelta(_delta: Delta): void {}

  snapshot(): MergeSnapshot {
    return { watermarks: [...this.#watermarks], furthest: [...this.#furthest], merged: this.#merged };
  }

  restore(snapshot: unknown): void {
    const { watermarks, furthest, merged } = snapshot as MergeSnapshot;
    this.#watermarks = [...watermarks];
    this.#furthest = [...furthest];
    this.#merged = merged;
  }
}

/**
 * Whether nothing has come of what an input follows for so long that it is not waited for. Splits that have ended do not
 * count: when all of them have, the input says so itself.
 */
const isIdle = (follows: ReadonlyArray<Follows>, silences: Float64Array): boolean =>
  follows.every(({ splits, idleAfter }) => splits.every((split) => silences[split] >= (idleAfter ?? Infinity))) &&
  follows.some(({ splits }) => splits.some((split) => silences[split] !== Infinity));
