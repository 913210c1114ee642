/**
 * The records of the input, and the rows that must come of them.
 *
 * @module
 */
import { RowsDigest } from "../nexmark/digest.ts";

/** A record of the input, as its JSON says it beside what pads it. */
export interface Event {
  readonly user: string;
  readonly amount: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** A record of the output: what a window that has closed says of a user. */
export interface Row {
  readonly user: string;
  /** When the window begins, in epoch milliseconds. */
  readonly start: number;
  readonly count: number;
  readonly sum: number;
}

/** How many users there are. */
export const users = 1_000;

/** How long a window is, in milliseconds of event time. */
export const windowMillis = 10_000;

/** How many records there are in a second of event time: 5,000 a window. */
export const eventsPerSecond = 500;

/** By how much a record may be older than one before it, in milliseconds: so long everybody waits, and nothing is late. */
export const outOfOrderMillisMax = 200;

/** The event time of the first record, at which a window begins. */
const firstMillis = 1_700_000_000_000;

/** How long after the last record those come that close all windows, in milliseconds of event time. */
const closingMillis = 3_600_000;

const names = Array.from({ length: users }, (_, user) => `user-${user}`);

/** A word that looks as if it had come by chance: 32 bits, unsigned. */
export const scrambled = (n: number): number => {
  const once = Math.imul(n ^ (n >>> 15), 0x2c1b3c6d);
  const twice = Math.imul(once ^ (once >>> 12), 0x297a2d39);
  return (twice ^ (twice >>> 15)) >>> 0;
};

/** Record `n` of the input, from 0 on. */
export const eventOf = (n: number): Event => {
  const word = scrambled(n + 1);
  return {
    user: names[word % users],
    amount: (word >>> 10) % 100,
    at: firstMillis + Math.floor(n * 1_000 / eventsPerSecond) + outOfOrderMillisMax -
      (word >>> 20) % outOfOrderMillisMax,
  };
};

/** A record that closes all windows of its partition, behind so many. Its own stays open, so there is no row of it. */
export const closingEvent = (records: number): Event => ({
  user: "closing",
  amount: 0,
  at: firstMillis + Math.ceil(records * 1_000 / eventsPerSecond) + closingMillis,
});

/** JSON that is padded to so many bytes, or a little more where it is longer by itself. */
export const jsonOf = ({ user, amount, at }: Event, bytes: number): string => {
  const text = `{"user":"${user}","amount":${amount},"at":${at},"pad":"`;
  return `${text.padEnd(bytes - 2, "x")}"}`;
};

/** What a topic of rows or of records holds, however it is ordered and dealt out. */
export interface Contents {
  readonly rows: number;
  /** The sum of all counts; of a copy, the bytes of all keys. */
  readonly count: number;
  /** The sum of all sums; of a copy, the bytes of all values. */
  readonly sum: number;
  /** The sum of the digests of all rows, modulo 2^32; of a copy 0. */
  readonly digest: number;
}

/** Adds up what a topic holds. */
export class Tally {
  readonly #digest = new RowsDigest();
  #count = 0;
  #sum = 0;

  /** Takes a row. */
  add({ user, start, count, sum }: Row): void {
    this.#digest.add(`${user} ${start} ${count} ${sum}`);
    this.#count += count;
    this.#sum += sum;
  }

  get contents(): Contents {
    return { rows: this.#digest.rows, count: this.#count, sum: this.#sum, digest: this.#digest.value };
  }
}

/** What must come of the first records, counted as they are written. */
export class Expectation {
  readonly #windows = new Map<number, Map<string, { count: number; sum: number }>>();

  /** Takes a record. */
  add({ user, amount, at }: Event): void {
    const start = at - at % windowMillis;
    let totals = this.#windows.get(start);
    if (totals === undefined) this.#windows.set(start, totals = new Map());
    const total = totals.get(user);
    if (total === undefined) {
      totals.set(user, { count: 1, sum: amount });
    } else {
      total.count++;
      total.sum += amount;
    }
  }

  get contents(): Contents {
    const tally = new Tally();
    for (const [start, totals] of this.#windows) {
      for (const [user, { count, sum }] of totals) tally.add({ user, start, count, sum });
    }
    return tally.contents;
  }
}
