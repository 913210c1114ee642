/**
 * The merge of several flows: records as they come, under the least watermark of all.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { beginningOfTime } from "../../windows/watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** Merges several inputs into one receiver. */
export class MergeOperator implements Stateful {
  readonly name: string;
  readonly counters: Counters = {};
  /** Where each input goes. */
  readonly inputs: ReadonlyArray<Receiver>;
  #watermarks: Array<number>;
  #merged = beginningOfTime;

  constructor(name: string, inputs: number, next: Receiver) {
    this.name = name;
    this.#watermarks = Array.from({ length: inputs }, () => beginningOfTime);
    this.inputs = this.#watermarks.map((_, input): Receiver => ({
      record: (value, key, time, watermark) => {
        this.#observe(input, watermark);
        next.record(value, key, time, this.#merged);
      },
      watermark: (watermark) => {
        this.#observe(input, watermark);
        next.watermark(this.#merged);
      },
      letter: (letter: Letter) => next.letter(letter),
    }));
  }

  #observe(input: number, watermark: number): void {
    if (watermark <= this.#watermarks[input]) return;
    this.#watermarks[input] = watermark;
    this.#merged = Math.min(...this.#watermarks);
  }

  takeDeltas(_partition: number, _into: Array<Delta>): void {}

  applyDelta(_delta: Delta): void {}

  snapshot(): unknown {
    return [...this.#watermarks];
  }

  restore(snapshot: unknown): void {
    this.#watermarks = [...snapshot as ReadonlyArray<number>];
    this.#merged = Math.min(...this.#watermarks);
  }
}
