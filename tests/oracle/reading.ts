/** In which order records are read, and what event time they get. */
import type { Tick } from "./tick.ts";

/** How many records of a split are read before the next split is chosen. */
const turn = 1_024;

/** What the reader does next: it reads a record of a split, or notices that the split has ended. */
export type Reading<A> =
  | { readonly split: number; readonly value: A }
  | { readonly split: number; readonly ended: true };

/**
 * The order in which splits are read.
 *
 * @param splits All splits of all sources, in order.
 * @param timesOf The timestamps that one record gives rise to, for each event-time operator that its split reaches. No
 * list at all means that the split reaches none.
 * @param bounds The bounds of those operators, by split.
 */
export const readingOrder = <A>(
  splits: ReadonlyArray<ReadonlyArray<A>>,
  timesOf: (value: A, split: number) => ReadonlyArray<ReadonlyArray<number>>,
  bounds: ReadonlyArray<ReadonlyArray<number>>,
): Array<Reading<A>> => {
  const order: Array<Reading<A>> = [];
  const position = splits.map(() => 0);
  const ended = splits.map(() => false);
  const greatest = bounds.map((ofSplit) => ofSplit.map(() => -Infinity));
  const own = (split: number): number => {
    if (bounds[split].length === 0) return -Infinity;
    return Math.min(...bounds[split].map((bound, k) => greatest[split][k] - bound));
  };
  while (ended.includes(false)) {
    let chosen = -1;
    for (let split = 0; split < splits.length; split++) {
      if (ended[split]) continue;
      if (chosen === -1 || own(split) < own(chosen)) chosen = split;
    }
    const records = splits[chosen];
    if (position[chosen] === records.length) {
      ended[chosen] = true;
      order.push({ split: chosen, ended: true });
      continue;
    }
    const stop = Math.min(records.length, (Math.floor(position[chosen] / turn) + 1) * turn);
    for (; position[chosen] < stop; position[chosen]++) {
      const value = records[position[chosen]];
      order.push({ split: chosen, value });
      timesOf(value, chosen).forEach((times, k) => {
        greatest[chosen][k] = Math.max(greatest[chosen][k], ...times);
      });
    }
  }
  return order;
};

/** A record before it has event time. */
export interface Raw<A> {
  readonly at: number;
  readonly split: number;
  readonly value: A;
}

/** The records of a reading, numbered. */
export const records = <A>(reading: ReadonlyArray<Reading<A>>): Array<Raw<A>> =>
  reading.flatMap((event, at) => "value" in event ? [{ at, split: event.split, value: event.value }] : []);

/**
 * Gives records their event time. A record meets the watermark as it was before the record was counted in.
 *
 * @param raw The records that reach this operator.
 * @param reaching The splits that reach it, whether or not a record of theirs came through.
 * @param reading The whole reading, which says when those splits ended.
 */
export const eventTime = <A>(
  raw: ReadonlyArray<Raw<A>>,
  reaching: ReadonlyArray<number>,
  reading: ReadonlyArray<Reading<unknown>>,
  timestamp: (value: A) => number,
  bound: number,
): Array<Tick<A>> => {
  const own = new Map(reaching.map((split) => [split, -Infinity]));
  const rawAt = Map.groupBy(raw, (record) => record.at);
  const ticks: Array<Tick<A>> = [];
  let merged = reaching.length === 0 ? Infinity : -Infinity;
  const count = (at: number, split: number, watermark: number): void => {
    own.set(split, Math.max(own.get(split)!, watermark));
    const least = Math.min(...own.values());
    if (least > merged) {
      merged = least;
      ticks.push({ tick: "watermark", at, watermark: merged });
    }
  };
  reading.forEach((event, at) => {
    if ("ended" in event) {
      if (own.has(event.split)) count(at, event.split, Infinity);
      return;
    }
    for (const { split, value } of rawAt.get(at) ?? []) {
      const time = timestamp(value);
      ticks.push({ tick: "record", at, value, time, met: merged });
      count(at, split, time - bound);
    }
  });
  return ticks;
};

/** Records that have no event time. There is no watermark either, but for the end of input. */
export const untimed = <A>(raw: ReadonlyArray<Raw<A>>, reading: ReadonlyArray<Reading<unknown>>): Array<Tick<A>> => [
  ...raw.map(({ at, value }) => ({ tick: "record" as const, at, value, time: NaN, met: -Infinity })),
  { tick: "watermark", at: reading.length, watermark: Infinity },
];
