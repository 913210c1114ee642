/**
 * The queries about windows of some seconds, by hand.
 *
 * @module
 */
import type { Bid } from "../../nexmark/event.ts";
import { type MakeLoop, Windows } from "./loop.ts";

const sizeMillis = 10_000;
const slideMillis = 2_000;

const increment = (counts: Map<number, number>, key: number, by: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + by);
};

export const q5: MakeLoop = (emit, outOfOrderMillis) => {
  /** The bids of each auction in the slides that are over, by the slide's start. */
  const slides = new Map<number, Map<number, number>>();
  /** The end of the window that is said next. */
  let next = NaN;
  const say = (until: number): void => {
    for (; next <= until; next += slideMillis) {
      const counts = new Map<number, number>();
      for (let start = next - sizeMillis; start < next; start += slideMillis) {
        for (const [auction, bids] of slides.get(start) ?? []) increment(counts, auction, bids);
      }
      slides.delete(next - sizeMillis);
      let most = 0;
      for (const bids of counts.values()) most = Math.max(most, bids);
      for (const [auction, num] of counts) if (num === most) emit({ auction, num, end: next });
    }
  };
  let last = 0;
  const windows = new Windows<Map<number, number>>({
    sizeMillis: slideMillis,
    outOfOrderMillis,
    make: () => new Map(),
    close: (start, counts) => {
      slides.set(start, counts);
      last = start + slideMillis;
      if (Number.isNaN(next)) next = last;
      say(last);
    },
  });
  return {
    bid: ({ auction, dateTime }) => increment(windows.at(dateTime), auction, 1),
    end: () => {
      windows.end();
      say(last - slideMillis + sizeMillis);
    },
  };
};

export const q7: MakeLoop = (emit, outOfOrderMillis) => {
  const windows = new Windows<{ price: number; bids: Array<Bid> }>({
    sizeMillis,
    outOfOrderMillis,
    make: () => ({ price: -1, bids: [] }),
    close: (start, { bids }) => {
      for (const { auction, price, bidder, dateTime, extra } of bids) {
        emit({ auction, price, bidder, dateTime, extra, end: start + sizeMillis });
      }
    },
  });
  return {
    bid: (bid) => {
      const highest = windows.at(bid.dateTime);
      if (bid.price > highest.price) {
        highest.price = bid.price;
        highest.bids = [bid];
      } else if (bid.price === highest.price) {
        highest.bids.push(bid);
      }
    },
    end: () => windows.end(),
  };
};

interface Session {
  bids: number;
  start: number;
  end: number;
}

export const q11: MakeLoop = (emit, outOfOrderMillis) => {
  /** The sessions of each bidder that are not over: one, but for a short time. */
  const sessions = new Map<number, Array<Session>>();
  let swept = -Infinity;
  const sweep = (time: number): void => {
    swept = time;
    for (const [bidder, open] of sessions) {
      for (const { bids, start, end } of open) if (end + outOfOrderMillis < time) emit({ bidder, bids, start, end });
      const left = open.filter(({ end }) => end + outOfOrderMillis >= time);
      if (left.length === 0) sessions.delete(bidder);
      else if (left.length < open.length) sessions.set(bidder, left);
    }
  };
  return {
    bid: ({ bidder, dateTime }) => {
      if (dateTime > swept + sizeMillis) sweep(dateTime);
      const open = sessions.get(bidder);
      if (open === undefined) {
        sessions.set(bidder, [{ bids: 1, start: dateTime, end: dateTime + sizeMillis }]);
        return;
      }
      const near = open.filter(({ start, end }) => dateTime <= end && dateTime + sizeMillis >= start);
      if (near.length === 1) {
        const [session] = near;
        session.bids++;
        session.start = Math.min(session.start, dateTime);
        session.end = Math.max(session.end, dateTime + sizeMillis);
        return;
      }
      const joined: Session = { bids: 1, start: dateTime, end: dateTime + sizeMillis };
      for (const { bids, start, end } of near) {
        joined.bids += bids;
        joined.start = Math.min(joined.start, start);
        joined.end = Math.max(joined.end, end);
      }
      sessions.set(bidder, [...open.filter((session) => !near.includes(session)), joined]);
    },
    end: () => sweep(Infinity),
  };
};

/** How many bids there are between two looks at the clock. */
const bidsBetweenLooks = 1_024;

export const q12: MakeLoop = (emit) => {
  let counts = new Map<number, number>();
  let start = NaN;
  let untilLook = 0;
  const say = (): void => {
    for (const [bidder, bids] of counts) emit({ bidder, bids, start, end: start + sizeMillis });
    counts = new Map();
  };
  return {
    bid: ({ bidder }) => {
      if (untilLook-- === 0) {
        untilLook = bidsBetweenLooks;
        const now = Date.now();
        if (now >= start + sizeMillis) say();
        start = now - now % sizeMillis;
      }
      increment(counts, bidder, 1);
    },
    end: say,
  };
};
