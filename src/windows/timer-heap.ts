/**
 * Timers in the order in which they are due: a binary heap, with ties broken by the order of an id.
 *
 * A timer is a place in three columns, so a million of them take 20 MB and the collector has nothing to look at.
 *
 * @module
 */

/** How many timers a new heap has room for. The room doubles whenever it is full. */
const initialTimers = 4;

/** Timers, earliest first. */
export class TimerHeap {
  #times = new Float64Array(initialTimers);
  #ids = new Float64Array(initialTimers);
  #items = new Int32Array(initialTimers);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The time of the earliest timer; `Infinity` when there is none. */
  get nextTime(): number {
    return this.#size === 0 ? Infinity : this.#times[0];
  }

  /** The id of the earliest timer, of which there must be one. */
  get nextId(): number {
    return this.#ids[0];
  }

  /** What the earliest timer is for, of which there must be one. */
  get nextItem(): number {
    return this.#items[0];
  }

  /** Adds a timer for something that a number from 0 to 2^31 - 1 stands for. */
  push(time: number, id: number, item: number): void {
    if (this.#size === this.#times.length) this.#grow();
    const times = this.#times;
    const ids = this.#ids;
    const items = this.#items;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!(time < times[parent] || (time === times[parent] && id < ids[parent]))) break;
      times[at] = times[parent];
      ids[at] = ids[parent];
      items[at] = items[parent];
      at = parent;
    }
    times[at] = time;
    ids[at] = id;
    items[at] = item;
  }

  /** Takes the earliest timer out, of which there must be one. */
  pop(): void {
    const times = this.#times;
    const ids = this.#ids;
    const items = this.#items;
    const size = --this.#size;
    const time = times[size];
    const id = ids[size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(child + 1, child)) child++;
      if (!(times[child] < time || (times[child] === time && ids[child] < id))) break;
      times[at] = times[child];
      ids[at] = ids[child];
      items[at] = items[child];
      at = child;
    }
    times[at] = time;
    ids[at] = id;
    items[at] = items[size];
  }

  #isBefore(a: number, b: number): boolean {
    const times = this.#times;
    return times[a] < times[b] || (times[a] === times[b] && this.#ids[a] < this.#ids[b]);
  }

  #grow(): void {
    const { length } = this.#times;
    const times = new Float64Array(2 * length);
    times.set(this.#times);
    this.#times = times;
    const ids = new Float64Array(2 * length);
    ids.set(this.#ids);
    this.#ids = ids;
    const items = new Int32Array(2 * length);
    items.set(this.#items);
    this.#items = items;
  }
}
