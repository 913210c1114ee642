/**
 * What each query answers, in words and by a naive program over an array. It shares nothing with Weir or with the queries.
 *
 * What holds for all of them:
 *
 * - The input is the events in the order of their arrival. Their event time is `dateTime`. The watermark of a split is the
 *   greatest time that came, less `outOfOrderBoundMillis`, so that no event is late; at the end of the input it is at the
 *   end of time, and every window fires.
 * - A window holds the times from its start to before its end, and starts at a multiple of its size since the epoch (sliding
 *   ones of its slide). Sizes and names of times are in milliseconds.
 * - Only bids count. A row is a flat object of whole numbers and ASCII texts; its canonical text is JSON with the fields in
 *   the order given here, no blanks, and nothing to escape.
 * - Prices are in cents. Prices in euros are in thousandths of a cent: cents times 908.
 * - Rows of one query are a bag: their order means nothing.
 *
 * @module
 */
import type { Bid, Event } from "./event.ts";

/** A row of an answer. */
export type Row = Readonly<Record<string, string | number>>;

/** Answers a query over events in the order of their arrival. */
export type Oracle = (events: ReadonlyArray<Event>) => ReadonlyArray<Row>;

const bidsOf = (events: ReadonlyArray<Event>): ReadonlyArray<Bid> => {
  const bids: Array<Bid> = [];
  for (const event of events) if (event.kind === "bid") bids.push(event);
  return bids;
};

/** Values in lists by a text, in the order in which the texts first come. */
const groupsOf = <A>(values: ReadonlyArray<A>, by: (value: A) => string | number): ReadonlyArray<ReadonlyArray<A>> => {
  const groups = new Map<string | number, Array<A>>();
  for (const value of values) {
    const group = groups.get(by(value));
    if (group === undefined) groups.set(by(value), [value]);
    else group.push(value);
  }
  return [...groups.values()];
};

const differing = (values: ReadonlyArray<number>): number => new Set(values).size;

const tenMinutes = 600_000;

/** The start of the window that a bid is in. */
const startOf = ({ dateTime }: Bid, size: number): number => dateTime - dateTime % size;

/** Every bid as it is: kind, auction, bidder, price, channel, url, dateTime, extra. */
const q0: Oracle = (events) =>
  bidsOf(events).map(({ auction, bidder, price, channel, url, dateTime, extra }) => ({
    kind: "bid",
    auction,
    bidder,
    price,
    channel,
    url,
    dateTime,
    extra,
  }));

/** Every bid: auction, bidder, its price in euros, dateTime, extra. */
const q1: Oracle = (events) =>
  bidsOf(events).map((bid) => ({
    auction: bid.auction,
    bidder: bid.bidder,
    price: 908 * bid.price,
    dateTime: bid.dateTime,
    extra: bid.extra,
  }));

/** The bids for auctions whose id is a multiple of 123: auction, price. */
const q2: Oracle = (events) =>
  bidsOf(events).flatMap(({ auction, price }) => Number.isInteger(auction / 123) ? [{ auction, price }] : []);

/**
 * For each window of 10,000, one every 2,000, that holds a bid: every auction that no other has more bids than, how many
 * bids these are, and the end of the window: auction, num, end.
 */
const q5: Oracle = (events) => {
  const bids = bidsOf(events);
  const times = bids.map(({ dateTime }) => dateTime);
  const rows: Array<Row> = [];
  const firstEnd = Math.floor(times.reduce((a, b) => Math.min(a, b)) / 2_000) * 2_000 + 2_000;
  const last = times.reduce((a, b) => Math.max(a, b));
  for (let end = firstEnd; end - 10_000 <= last; end += 2_000) {
    const within = bids.filter(({ dateTime }) => dateTime >= end - 10_000 && dateTime < end);
    const counts = new Map<number, number>();
    for (const { auction } of within) counts.set(auction, (counts.get(auction) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [auction, num] of counts) if (num === most) rows.push({ auction, num, end });
  }
  return rows;
};

/**
 * For each window of 10,000, one after the other: every bid whose price is the greatest of the window: auction, price,
 * bidder, dateTime, extra, and the end of the window as end.
 */
const q7: Oracle = (events) =>
  groupsOf(bidsOf(events), (bid) => startOf(bid, 10_000)).flatMap((bids) => {
    const greatest = Math.max(...bids.map(({ price }) => price));
    return bids.filter(({ price }) => price === greatest).map((bid) => ({
      auction: bid.auction,
      price: bid.price,
      bidder: bid.bidder,
      dateTime: bid.dateTime,
      extra: bid.extra,
      end: startOf(bid, 10_000) + 10_000,
    }));
  });

/**
 * The sessions of each bidder: bids belong to one session if each is less than 10,000 after the one before in time, or just
 * that much: bidder, how many bids, the time of the first as start, and that of the last plus 10,000 as end.
 */
const q11: Oracle = (events) =>
  groupsOf(bidsOf(events), ({ bidder }) => bidder).flatMap((bids) => {
    const times = bids.map(({ dateTime }) => dateTime).sort((a, b) => a - b);
    const rows: Array<Row> = [];
    let start = 0;
    for (let k = 1; k <= times.length; k++) {
      if (k < times.length && times[k] - times[k - 1] <= 10_000) continue;
      rows.push({ bidder: bids[0].bidder, bids: k - start, start: times[start], end: times[k - 1] + 10_000 });
      start = k;
    }
    return rows;
  });

/**
 * How many bids each bidder makes in each window of 10,000 by the clock, one after the other: bidder, bids, start, end. A bid
 * is in the window in which it is read, and at the end of the input the last windows fire. As no two runs deal bids out to
 * the same windows, what is compared is how many bids each bidder made in all: here, bidder and bids.
 */
const q12: Oracle = (events) =>
  groupsOf(bidsOf(events), ({ bidder }) => bidder).map((bids) => ({ bidder: bids[0].bidder, bids: bids.length }));

/**
 * The bids whose price in euros is above 1,000,000,000 and below 50,000,000,000: auction, bidder, price in euros, the kind of
 * the UTC hour as bidTimeType ("dayTime" from 8:00 to before 19:00, "nightTime" before 7:00 and from 20:00, or "otherTime"),
 * dateTime, extra, and how many letters c there are in extra as cCounts.
 */
const q14: Oracle = (events) =>
  bidsOf(events).flatMap(({ auction, bidder, price: cents, dateTime, extra }) => {
    const price = cents * 908;
    if (!(price > 1e9 && price < 5e10)) return [];
    const hour = new Date(dateTime).getUTCHours();
    const bidTimeType = hour >= 8 && hour < 19 ? "dayTime" : hour < 7 || hour >= 20 ? "nightTime" : "otherTime";
    const cCounts = [...extra].filter((letter) => letter === "c").length;
    return [{ auction, bidder, price, bidTimeType, dateTime, extra, cCounts }];
  });

/**
 * Of some bids: how many there are in all, with prices below 10,000, from there to below 1,000,000, and from there on; how
 * many different bidders made those of each of these four kinds; and for how many different auctions.
 */
const statisticsOf = (bids: ReadonlyArray<Bid>) => {
  const rank1 = bids.filter(({ price }) => price < 10_000);
  const rank2 = bids.filter(({ price }) => price >= 10_000 && price < 1_000_000);
  const rank3 = bids.filter(({ price }) => price >= 1_000_000);
  const biddersOf = (some: ReadonlyArray<Bid>): number => differing(some.map(({ bidder }) => bidder));
  const auctionsOf = (some: ReadonlyArray<Bid>): number => differing(some.map(({ auction }) => auction));
  return {
    totalBids: bids.length,
    rank1Bids: rank1.length,
    rank2Bids: rank2.length,
    rank3Bids: rank3.length,
    totalBidders: biddersOf(bids),
    rank1Bidders: biddersOf(rank1),
    rank2Bidders: biddersOf(rank2),
    rank3Bidders: biddersOf(rank3),
    totalAuctions: auctionsOf(bids),
    rank1Auctions: auctionsOf(rank1),
    rank2Auctions: auctionsOf(rank2),
    rank3Auctions: auctionsOf(rank3),
  };
};

/**
 * For each window of 600,000, which stands for a day, one after the other: its start as day, the statistics of its bids in the
 * order of {@link statisticsOf}, and its end as end. Said once, at its end.
 */
const q15: Oracle = (events) =>
  groupsOf(bidsOf(events), (bid) => startOf(bid, tenMinutes)).map((bids) => ({
    day: startOf(bids[0], tenMinutes),
    ...statisticsOf(bids),
    end: startOf(bids[0], tenMinutes) + tenMinutes,
  }));

/**
 * The same for each channel and window: channel, day, the number of the minute since the epoch in which the latest bid was
 * made as minute, the statistics, end.
 */
const q16: Oracle = (events) =>
  groupsOf(bidsOf(events), (bid) => `${bid.channel} ${startOf(bid, tenMinutes)}`).map((bids) => ({
    channel: bids[0].channel,
    day: startOf(bids[0], tenMinutes),
    minute: Math.max(...bids.map(({ dateTime }) => Math.floor(dateTime / 60_000))),
    ...statisticsOf(bids),
    end: startOf(bids[0], tenMinutes) + tenMinutes,
  }));

/**
 * For each auction and window of 600,000: auction, day, totalBids, rank1Bids, rank2Bids, rank3Bids as above, the least and the
 * greatest price as minPrice and maxPrice, the mean price with its fraction cut off as avgPrice, the sum as sumPrice, end.
 */
const q17: Oracle = (events) =>
  groupsOf(bidsOf(events), (bid) => `${bid.auction} ${startOf(bid, tenMinutes)}`).map((bids) => {
    const prices = bids.map(({ price }) => price).sort((a, b) => a - b);
    const sumPrice = prices.reduce((a, b) => a + b);
    const { totalBids, rank1Bids, rank2Bids, rank3Bids } = statisticsOf(bids);
    return {
      auction: bids[0].auction,
      day: startOf(bids[0], tenMinutes),
      totalBids,
      rank1Bids,
      rank2Bids,
      rank3Bids,
      minPrice: prices[0],
      maxPrice: prices[prices.length - 1],
      avgPrice: (sumPrice - sumPrice % totalBids) / totalBids,
      sumPrice,
      end: startOf(bids[0], tenMinutes) + tenMinutes,
    };
  });

/**
 * Of the bids that a bidder makes for an auction, the first to come begins a group, and those whose times are within 10,000 of
 * its own, before or after, belong to it; of several such groups, to that whose first is the earliest in time. One that belongs
 * to no group begins another. Of each group the bid with the latest time, of several the last to come: auction, bidder, price,
 * channel, url, dateTime, extra. It is said when the watermark has passed the group's first by 10,000.
 *
 * At 10,000 events a second all bids for an auction come within half a second or so, thus each pair has one group.
 */
const q18: Oracle = (events) =>
  groupsOf(bidsOf(events), ({ bidder, auction }) => `${bidder} ${auction}`).flatMap((bids) => {
    const groups: Array<{ readonly first: number; last: Bid }> = [];
    for (const bid of bids) {
      groups.sort((one, other) => one.first - other.first);
      const group = groups.find(({ first }) => Math.abs(bid.dateTime - first) <= 10_000);
      if (group === undefined) groups.push({ first: bid.dateTime, last: bid });
      else if (bid.dateTime >= group.last.dateTime) group.last = bid;
    }
    return groups.map(({ last: { auction, bidder, price, channel, url, dateTime, extra } }) => ({
      auction,
      bidder,
      price,
      channel,
      url,
      dateTime,
      extra,
    }));
  });

/**
 * The ten highest bids of each auction, the greatest price first, of equal prices the first to come. Each bid that comes says
 * every rank from that which it takes down to the last there is, ten at most, with the bid that has it now: auction, bidder,
 * price, channel, url, dateTime, extra, rank (from 1). A bid lower than ten others says nothing. One of the same bidder,
 * time and price as one that is ranked takes the place of that, and says this rank only.
 */
const q19: Oracle = (events) =>
  groupsOf(bidsOf(events), ({ auction }) => auction).flatMap((bids) => {
    const rows: Array<Row> = [];
    let ranking: ReadonlyArray<Bid> = [];
    for (const bid of bids) {
      const same = ranking.findIndex((other) =>
        other.bidder === bid.bidder && other.dateTime === bid.dateTime && other.price === bid.price
      );
      const from = same >= 0 ? same : ranking.filter(({ price }) => price >= bid.price).length;
      ranking = same >= 0
        ? ranking.with(same, bid)
        : [...ranking.slice(0, from), bid, ...ranking.slice(from)].slice(0, 10);
      const to = same >= 0 ? same + 1 : ranking.length;
      for (let k = from; k < to; k++) {
        const { auction, bidder, price, channel, url, dateTime, extra } = ranking[k];
        rows.push({ auction, bidder, price, channel, url, dateTime, extra, rank: k + 1 });
      }
    }
    return rows;
  });

/**
 * The bids that have a channel's id: auction, bidder, price, channel, channelId. The id is "0" of the channel apple, "1" of
 * google, "2" of facebook, "3" of baidu, in whatever case; else the text behind "&channel_id=" in the URL up to the next "&".
 */
const q21: Oracle = (events) =>
  bidsOf(events).flatMap(({ auction, bidder, price, channel, url }) => {
    const hot = ["apple", "google", "facebook", "baidu"].indexOf(channel.toLowerCase());
    const inUrl = url.split("&").find((part) => part.startsWith("channel_id="));
    if (hot < 0 && inUrl === undefined) return [];
    return [{
      auction,
      bidder,
      price,
      channel,
      channelId: hot >= 0 ? String(hot) : inUrl!.slice("channel_id=".length),
    }];
  });

/** Every bid: auction, bidder, price, channel, and the three folders of the URL as dir1, dir2, dir3. */
const q22: Oracle = (events) =>
  bidsOf(events).map(({ auction, bidder, price, channel, url }) => {
    const [dir1, dir2, dir3] = new URL(url).pathname.slice(1).split("/");
    return { auction, bidder, price, channel, dir1, dir2, dir3 };
  });

/** The oracle of each query. */
export const oracles: { readonly [query: string]: Oracle } = {
  q0,
  q1,
  q2,
  q5,
  q7,
  q11,
  q12,
  q14,
  q15,
  q16,
  q17,
  q18,
  q19,
  q21,
  q22,
};
