/**
 * Timers in the order in which they are due: a binary heap, with ties broken by the order of an id.
 *
 * @module
 */

/** Something that is due when the watermark reaches a time. */
export interface Timer<out A> {
  readonly time: number;
  /** Breaks ties, so that the order does not depend on how the heap was built. */
  readonly id: number;
  readonly item: A;
}

/** Timers, earliest first. */
export class TimerHeap<A> {
  readonly #timers: Array<Timer<A>> = [];

  /** The time of the earliest timer; `Infinity` when there is none. */
  get nextTime(): number {
    return this.#timers.length === 0 ? Infinity : this.#timers[0].time;
  }

  get size(): number {
    return this.#timers.length;
  }

  push(timer: Timer<A>): void {
    const timers = this.#timers;
    let at = timers.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, timers[parent])) break;
      timers[at] = timers[parent];
      at = parent;
    }
    timers[at] = timer;
  }

  /** Takes the earliest timer out; undefined when there is none. */
  pop(): Timer<A> | undefined {
    const timers = this.#timers;
    const earliest = timers[0];
    const last = timers.pop();
    if (last === undefined || timers.length === 0) return earliest;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= timers.length) break;
      if (child + 1 < timers.length && isBefore(timers[child + 1], timers[child])) child++;
      if (!isBefore(timers[child], last)) break;
      timers[at] = timers[child];
      at = child;
    }
    timers[at] = last;
    return earliest;
  }
}

const isBefore = <A>(a: Timer<A>, b: Timer<A>): boolean => a.time < b.time || (a.time === b.time && a.id < b.id);
