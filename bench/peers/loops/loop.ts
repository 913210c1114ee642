/**
 * What a loop written by hand is: a query as a person would write it for this input alone, in plain arrays and maps.
 *
 * It keeps nothing on disk, recovers nothing, and knows how far events are out of order. So it is the limit of what a
 * general program on the same runtime can reach.
 *
 * @module
 */
import type { Bid } from "../../nexmark/event.ts";

/** Takes a row of the answer. */
export type Emit = (row: object) => void;

/** A query over bids that come one by one. */
export interface Loop {
  readonly bid: (bid: Bid) => void;
  /** After the last one. */
  readonly end: () => void;
}

/** Makes the loop of a query, given how many milliseconds bids are out of order at most. */
export type MakeLoop = (emit: Emit, outOfOrderMillis: number) => Loop;

/** Windows of one size, one after the other, each with a state of its own. */
export class Windows<State> {
  readonly #sizeMillis: number;
  readonly #outOfOrderMillis: number;
  readonly #make: () => State;
  readonly #close: (start: number, state: State) => void;
  readonly #open = new Map<number, State>();
  /** The window of the bid before. */
  #lastStart = NaN;
  #last: State | null = null;
  /** The time from which on the earliest window is over. */
  #due = Infinity;

  constructor(
    options: {
      readonly sizeMillis: number;
      readonly outOfOrderMillis: number;
      readonly make: () => State;
      readonly close: (start: number, state: State) => void;
    },
  ) {
    this.#sizeMillis = options.sizeMillis;
    this.#outOfOrderMillis = options.outOfOrderMillis;
    this.#make = options.make;
    this.#close = options.close;
  }

  /** The state of the window of a time. Those that no bid can be in any more are closed. */
  at(time: number): State {
    if (time >= this.#due) this.#closeBefore(time);
    const start = time - time % this.#sizeMillis;
    if (start === this.#lastStart) return this.#last!;
    let state = this.#open.get(start);
    if (state === undefined) {
      state = this.#make();
      this.#open.set(start, state);
      this.#due = Math.min(this.#due, this.#dueOf(start));
    }
    this.#lastStart = start;
    this.#last = state;
    return state;
  }

  end(): void {
    this.#closeBefore(Infinity);
  }

  #dueOf(start: number): number {
    return start + this.#sizeMillis + this.#outOfOrderMillis;
  }

  #closeBefore(time: number): void {
    this.#due = Infinity;
    this.#lastStart = NaN;
    for (const start of [...this.#open.keys()].sort((a, b) => a - b)) {
      if (this.#dueOf(start) > time) {
        this.#due = Math.min(this.#due, this.#dueOf(start));
        continue;
      }
      this.#close(start, this.#open.get(start)!);
      this.#open.delete(start);
    }
  }
}
