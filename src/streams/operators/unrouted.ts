/**
 * Where the records of a branch go that ends in no sink: they are counted.
 *
 * @module
 */
import type { Columns } from "../../actors/columns.ts";
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { Delta } from "../../kv-state/delta.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** Counts what nobody consumes. */
export class UnroutedOperator implements Receiver, Stateful {
  readonly name: string;
  readonly counters = { unrouted: 0 } satisfies Counters;
  readonly #onLetter: (letter: Letter) => void;

  constructor(name: string, onLetter: (letter: Letter) => void) {
    this.name = name;
    this.#onLetter = onLetter;
  }

  record(): void {
    this.counters.unrouted++;
  }

  batch(_columns: Columns, rows: Uint32Array): void {
    this.counters.unrouted += rows.length;
  }

  watermark(): void {}

  letter(letter: Letter): void {
    this.#onLetter(letter);
  }

  takeDeltas(_partition: number, _into: Array<Delta>): void {}

  applyDelta(_delta: Delta): void {}

  snapshot(): unknown {
    return { ...this.counters };
  }

  restore(snapshot: unknown): void {
    Object.assign(this.counters, snapshot);
  }
}
