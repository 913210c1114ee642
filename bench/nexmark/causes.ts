/**
 * Which event brings a row about: the one from whose scheduled instant the row's latency counts.
 *
 * - of a query that answers each event by itself: that event. Its rows come in the order of the events, so they are counted
 *   off against a list.
 * - of a keyed query that answers each event: the event that the row is about. Only its first row counts, as it is said
 *   again when a later event moves it.
 * - of a window: the first event whose time, less the bound of the watermark, is at the window's end.
 * - of a window by the clock: none. The row is due when the clock is at the window's end.
 *
 * @module
 */
import type { Schedule } from "../latency/schedule.ts";
import type { Bid, Event } from "./event.ts";
import { eventsOf, outOfOrderBoundMillis } from "./generator.ts";
import { oracles } from "./oracle.ts";
import type { Measurement } from "./measured.ts";
import type { NexmarkQuery } from "./query.ts";

/** What no event of this run has brought about by itself, such as rows that only the end of the input has. */
export const noCause = -1;

/** Gives the number of the event behind each row, in the order in which rows come; a fraction lies between two events. */
export const causesOf = (measurement: Measurement, schedule: Schedule): (row: unknown) => number => {
  const { query, events } = measurement;
  const { rowAt } = query;
  const eventAt = eventsOf(measurement);
  if (rowAt === null) {
    const list = eventsWithRows(query, eventAt, events);
    let row = 0;
    return () => list[row++];
  }
  switch (rowAt.is) {
    case "event":
      return bidBehind(eventAt, events);
    case "window-end": {
      const firstFrom = firstEventFrom(eventAt, events);
      const bound = outOfOrderBoundMillis(measurement);
      return (row) => firstFrom(rowAt.of(row) + bound);
    }
    case "clock-window-end":
      return (row) => {
        const instant = rowAt.of(row) - performance.timeOrigin;
        const n = (instant - schedule.dueAt(0)) / (schedule.dueAt(1) - schedule.dueAt(0));
        return n < events ? n : noCause;
      };
    case "unknown":
      return () => noCause;
  }
};

/** The events that have a row, each as often as it has rows: each is shown to the query's oracle alone. */
const eventsWithRows = (query: NexmarkQuery, eventAt: (n: number) => Event, events: number): ReadonlyArray<number> => {
  const list: Array<number> = [];
  const oracle = oracles[query.name];
  for (let n = 0; n < events; n++) {
    for (let rows = oracle([eventAt(n)]).length; rows > 0; rows--) list.push(n);
  }
  return list;
};

/** Finds the bid whose fields a row has, the first time that it is asked for. */
const bidBehind = (eventAt: (n: number) => Event, events: number): (row: unknown) => number => {
  const times = Float64Array.from({ length: events }, (_, n) => eventAt(n).dateTime);
  const byTime = Uint32Array.from({ length: events }, (_, n) => n).sort((a, b) => times[a] - times[b] || a - b);
  const sorted = Float64Array.from(byTime, (n) => times[n]);
  const said = new Uint8Array(events);
  return (row) => {
    const wanted = row as Bid;
    for (let k = firstNotBelow(sorted, wanted.dateTime); sorted[k] === wanted.dateTime; k++) {
      const n = byTime[k];
      const event = eventAt(n);
      if (event.kind !== "bid" || !isSame(event, wanted)) continue;
      if (said[n] === 1) return noCause;
      said[n] = 1;
      return n;
    }
    throw new Error(`Cannot time a row as it must have the fields of a bid: current value is ${JSON.stringify(row)}`);
  };
};

const isSame = (a: Bid, b: Bid): boolean =>
  a.auction === b.auction && a.bidder === b.bidder && a.price === b.price && a.extra === b.extra;

/** Finds the first event at which the greatest time so far is an instant or later. */
const firstEventFrom = (eventAt: (n: number) => Event, events: number): (instant: number) => number => {
  const greatest = new Float64Array(events);
  let sofar = -Infinity;
  for (let n = 0; n < events; n++) {
    sofar = Math.max(sofar, eventAt(n).dateTime);
    greatest[n] = sofar;
  }
  return (instant) => {
    const n = firstNotBelow(greatest, instant);
    return n === events ? noCause : n;
  };
};

/** The first place of an ascending list whose number is `least` or more. */
const firstNotBelow = (ascending: Float64Array, least: number): number => {
  let from = 0;
  let to = ascending.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (ascending[middle] < least) from = middle + 1;
    else to = middle;
  }
  return from;
};
