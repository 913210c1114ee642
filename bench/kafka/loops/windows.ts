/**
 * The windows of the loops: a Map for each window that is open, with a total for each key.
 *
 * @module
 */
import { type Event, outOfOrderMillisMax, type Row, windowMillis } from "../events.ts";

/** Counts and sums by window and user, and closes windows as all partitions pass their end. */
export class Windows {
  readonly #open = new Map<number, Map<string, { count: number; sum: number }>>();
  /** The greatest time of each partition. */
  readonly #latest: Float64Array;
  /** When the next window closes that has been seen. */
  #nextEnd = Infinity;

  constructor(partitions: number) {
    this.#latest = new Float64Array(partitions).fill(-Infinity);
  }

  /** Takes a record. */
  add({ user, amount, at }: Event, partition: number): void {
    const start = at - at % windowMillis;
    let totals = this.#open.get(start);
    if (totals === undefined) {
      this.#open.set(start, totals = new Map());
      this.#nextEnd = Math.min(this.#nextEnd, start + windowMillis);
    }
    const total = totals.get(user);
    if (total === undefined) {
      totals.set(user, { count: 1, sum: amount });
    } else {
      total.count++;
      total.sum += amount;
    }
    if (at > this.#latest[partition]) this.#latest[partition] = at;
  }

  /** Whether there is a window to close, where a partition has just had a record of some time. */
  mayClose(at: number): boolean {
    return at - outOfOrderMillisMax >= this.#nextEnd &&
      Math.min(...this.#latest) - outOfOrderMillisMax >= this.#nextEnd;
  }

  /** What the windows say that have closed by now. */
  close(): ReadonlyArray<Row> {
    const watermark = Math.min(...this.#latest) - outOfOrderMillisMax;
    const rows: Array<Row> = [];
    if (watermark < this.#nextEnd) return rows;
    this.#nextEnd = Infinity;
    for (const [start, totals] of this.#open) {
      const end = start + windowMillis;
      if (end > watermark) {
        this.#nextEnd = Math.min(this.#nextEnd, end);
        continue;
      }
      this.#open.delete(start);
      for (const [user, { count, sum }] of totals) rows.push({ user, start, count, sum });
    }
    return rows;
  }
}
