/**
 * The queries that keep bids, by hand.
 *
 * @module
 */
import type { Bid } from "../../nexmark/event.ts";
import type { MakeLoop } from "./loop.ts";

const withinMillis = 10_000;

interface Group {
  readonly key: number;
  readonly first: number;
  last: Bid;
}

/** More auctions than there are: a bidder and an auction are one number, which stays below 2^53. */
const auctionsMax = 2 ** 27;

export const q18: MakeLoop = (emit, outOfOrderMillis) => {
  /** The groups of each pair that are not over, the earliest first: one, but for a short time. */
  const groups = new Map<number, Array<Group>>();
  let swept = -Infinity;
  const sweep = (time: number): void => {
    swept = time;
    const isOver = ({ first }: Group) => first + withinMillis + outOfOrderMillis < time;
    for (const [key, open] of groups) {
      if (!isOver(open[0])) continue;
      for (const group of open) {
        if (!isOver(group)) continue;
        const { auction, bidder, price, channel, url, dateTime, extra } = group.last;
        emit({ auction, bidder, price, channel, url, dateTime, extra });
      }
      const left = open.filter((group) => !isOver(group));
      if (left.length === 0) groups.delete(key);
      else groups.set(key, left);
    }
  };
  return {
    bid: (bid) => {
      const time = bid.dateTime;
      if (time > swept + withinMillis) sweep(time);
      const key = bid.bidder * auctionsMax + bid.auction;
      const open = groups.get(key);
      if (open === undefined) {
        groups.set(key, [{ key, first: time, last: bid }]);
        return;
      }
      const group = open.find(({ first }) => Math.abs(time - first) <= withinMillis);
      if (group === undefined) {
        open.push({ key, first: time, last: bid });
        open.sort((one, other) => one.first - other.first);
      } else if (time >= group.last.dateTime) {
        group.last = bid;
      }
    },
    end: () => sweep(Infinity),
  };
};

const ranks = 10;

export const q19: MakeLoop = (emit) => {
  const rankings = new Map<number, Array<Bid>>();
  const say = ({ auction, bidder, price, channel, url, dateTime, extra }: Bid, place: number): void =>
    emit({ auction, bidder, price, channel, url, dateTime, extra, rank: place + 1 });
  return {
    bid: (bid) => {
      const ranking = rankings.get(bid.auction);
      if (ranking === undefined) {
        rankings.set(bid.auction, [bid]);
        say(bid, 0);
        return;
      }
      const { price, bidder, dateTime } = bid;
      if (ranking.length === ranks && price < ranking[ranks - 1].price) return;
      const same = ranking.findIndex((one) =>
        one.price === price && one.bidder === bidder && one.dateTime === dateTime
      );
      if (same >= 0) {
        ranking[same] = bid;
        say(bid, same);
        return;
      }
      let place = ranking.length;
      while (place > 0 && ranking[place - 1].price < price) place--;
      if (place === ranks) return;
      ranking.splice(place, 0, bid);
      if (ranking.length > ranks) ranking.pop();
      for (let k = place; k < ranking.length; k++) say(ranking[k], k);
    },
    end: () => {},
  };
};
