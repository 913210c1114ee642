/**
 * Things that begin somewhere in event time, such as slices, in the order in which they begin.
 *
 * They mostly come in order and go in order, and are found by their start or by a bound for it. Nothing here looks at
 * all of them.
 *
 * @module
 */

/** How many places in front may be empty before the rest moves up. */
const emptyPlacesMax = 32;

/** Things by their start. */
export class ByStart<A extends { readonly start: number }> {
  readonly #byStart = new Map<number, A>();
  #inOrder: Array<A> = [];
  /** The place of the first; those before it are gone. */
  #front = 0;

  /** What begins exactly there. */
  get(start: number): A | undefined {
    return this.#byStart.get(start);
  }

  /** What begins first. */
  get first(): A | undefined {
    return this.#inOrder[this.#front];
  }

  /** What begins last. */
  get last(): A | undefined {
    return this.#inOrder.at(-1);
  }

  /** All of them, in order. */
  all(): IterableIterator<A> {
    return this.between(-Infinity, Infinity);
  }

  /** What begins first at or after an instant. */
  firstFrom(start: number): A | undefined {
    return this.#inOrder[this.#placeFrom(start)];
  }

  /** What begins in a span, its end excluded, in order. It must not change meanwhile. */
  *between(start: number, end: number): IterableIterator<A> {
    for (let place = this.#placeFrom(start); place < this.#inOrder.length; place++) {
      const item = this.#inOrder[place];
      if (item.start >= end) return;
      yield item;
    }
  }

  /** Adds one whose start is new. */
  add(item: A): void {
    this.#byStart.set(item.start, item);
    const last = this.#inOrder.at(-1);
    if (last === undefined || last.start < item.start) this.#inOrder.push(item);
    else this.#inOrder.splice(this.#placeFrom(item.start), 0, item);
  }

  /** Takes one out, wherever it is. */
  delete(start: number): void {
    if (!this.#byStart.delete(start)) return;
    this.#inOrder.splice(this.#placeFrom(start), 1);
  }

  /** Takes out the first, and gives it back. There must be one. */
  shift(): A {
    const item = this.#inOrder[this.#front];
    this.#byStart.delete(item.start);
    this.#front++;
    if (this.#front === this.#inOrder.length) {
      this.#inOrder = [];
      this.#front = 0;
    } else if (this.#front > emptyPlacesMax && 2 * this.#front > this.#inOrder.length) {
      this.#inOrder = this.#inOrder.slice(this.#front);
      this.#front = 0;
    }
    return item;
  }

  #placeFrom(start: number): number {
    let low = this.#front;
    let high = this.#inOrder.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#inOrder[middle].start < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
