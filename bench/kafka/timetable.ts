/**
 * When each record is due, and when the windows of a run at a rate close: known to whoever writes and to whoever reads.
 *
 * Windows last a second of event time. If that went as the clock does, each window would close at the same point of an epoch of a
 * second, and a run would tell of that point alone. So event time goes faster and slower by turns, as if by chance: from one
 * closing to the next it takes half a second to one and a half.
 *
 * @module
 */
import { type Event, outOfOrderMillisMax, scrambled, users } from "./events.ts";

/** How long a window is while latencies are taken, in milliseconds of event time. */
export const timedWindowMillis = 1_000;

/** At least how many records a second there are, so that each window has each user. */
export const rateMin = 3 * users;

/** A stride that comes to every user before it comes to one again. */
const stride = 7_919;

const names = Array.from({ length: users }, (_, user) => `user-${user}`);

/** A window that closes. */
export interface ClosingWindow {
  /** When it begins, in epoch milliseconds of event time. */
  readonly start: number;
  /** When the record is due that lets it close, in epoch milliseconds of the clock. */
  readonly closes: number;
}

/** The schedule of a run. */
export class Timetable {
  /** How many records there are. */
  readonly records: number;
  readonly #begin: number;
  readonly #perMilli: number;
  /** When the window begins that closes at the second of the instants below, in epoch milliseconds of event time. */
  readonly #firstStart: number;
  /** The instants at which windows close, one after the other, as milliseconds since the beginning. */
  readonly #closings: Array<number> = [0];
  /** The last closing before the record that was asked for last: they are asked for in their order. */
  #place = 0;

  /** The first record is due at `beginMillis`, in epoch milliseconds, and the last so many seconds later. */
  constructor(beginMillis: number, recordsPerSecond: number, seconds: number) {
    this.#begin = beginMillis;
    this.#perMilli = recordsPerSecond / 1_000;
    this.records = Math.floor(seconds * recordsPerSecond);
    this.#firstStart = Math.floor(beginMillis / timedWindowMillis) * timedWindowMillis;
    for (let last = 0; last < seconds * 1_000;) {
      last += timedWindowMillis * (0.5 + scrambled(this.#closings.length) / 2 ** 32);
      this.#closings.push(last);
    }
  }

  /** When a record is due, in epoch milliseconds. */
  dueAt(n: number): number {
    return this.#begin + n / this.#perMilli;
  }

  /** How many records are due by an instant: those of each millisecond come together. */
  dueBy(millis: number): number {
    return Math.floor(Math.floor(millis - this.#begin) * this.#perMilli) + 1;
  }

  /** A record. */
  eventOf(n: number): Event {
    const passed = n / this.#perMilli;
    const closings = this.#closings;
    if (closings[this.#place] > passed) this.#place = 0;
    while (closings[this.#place + 1] <= passed) this.#place++;
    const from = closings[this.#place];
    const share = (passed - from) / (closings[this.#place + 1] - from);
    const at = this.#closingTime(this.#place) + Math.floor(share * timedWindowMillis);
    return { user: names[n * stride % users], amount: n % 100, at };
  }

  /**
   * The windows that begin some time after the beginning, in milliseconds, and close before the end. A window closes by the
   * first record whose time is at its end or later, by as much as records may be out of order.
   */
  windows(fromMillis: number): ReadonlyArray<ClosingWindow> {
    return this.#closings.flatMap((closing, k) => {
      const n = Math.ceil(closing * this.#perMilli);
      if (k < 2 || this.#closings[k - 2] < fromMillis || n >= this.records) return [];
      return [{ start: this.#firstStart + (k - 1) * timedWindowMillis, closes: this.dueAt(n) }];
    });
  }

  /** The event time of a closing, in epoch milliseconds. */
  #closingTime(k: number): number {
    return this.#firstStart + k * timedWindowMillis + outOfOrderMillisMax;
  }
}
