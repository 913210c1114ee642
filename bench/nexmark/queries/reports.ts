/**
 * The queries that report on a whole day; here on ten minutes of event time, which stand for it, at their end.
 *
 * @module
 */
import { Aggregate, Flow, Window } from "@weir/streams";
import type { Bid } from "../event.ts";
import { type NexmarkQuery, query } from "../query.ts";
import { bids } from "./bids.ts";
import { isRank1, isRank2, isRank3 } from "./levels.ts";

/** What stands for a day. */
const day = Window.tumbling("10 minutes");

/** No more people bid, and no more auctions are bid for, in what stands for a day. */
const atMost = 10_000_000;

const bidders = Aggregate.distinct(({ bidder }: Bid) => bidder, { atMost });
const auctions = Aggregate.distinct(({ auction }: Bid) => auction, { atMost });
const nobody = { count: 0, exact: true };

/** How many bids there are, and how many of each level of price. */
const counts = {
  totalBids: Aggregate.count,
  rank1Bids: Aggregate.where(isRank1, Aggregate.count, 0),
  rank2Bids: Aggregate.where(isRank2, Aggregate.count, 0),
  rank3Bids: Aggregate.where(isRank3, Aggregate.count, 0),
};

/** Bids by level of price, who made them, and for which auctions. */
const statistics = {
  ...counts,
  totalBidders: bidders,
  rank1Bidders: Aggregate.where(isRank1, bidders, nobody),
  rank2Bidders: Aggregate.where(isRank2, bidders, nobody),
  rank3Bidders: Aggregate.where(isRank3, bidders, nobody),
  totalAuctions: auctions,
  rank1Auctions: Aggregate.where(isRank1, auctions, nobody),
  rank2Auctions: Aggregate.where(isRank2, auctions, nobody),
  rank3Auctions: Aggregate.where(isRank3, auctions, nobody),
};

/** The numbers of the statistics. */
const numbersOf = (value: Aggregate.AggregateResult<typeof statistics>) => ({
  totalBids: value.totalBids,
  rank1Bids: value.rank1Bids,
  rank2Bids: value.rank2Bids,
  rank3Bids: value.rank3Bids,
  totalBidders: value.totalBidders.count,
  rank1Bidders: value.rank1Bidders.count,
  rank2Bidders: value.rank2Bidders.count,
  rank3Bidders: value.rank3Bidders.count,
  totalAuctions: value.totalAuctions.count,
  rank1Auctions: value.rank1Auctions.count,
  rank2Auctions: value.rank2Auctions.count,
  rank3Auctions: value.rank3Auctions.count,
});

export const q15: NexmarkQuery = query({
  name: "q15",
  says: "bids, bidders and auctions of a day by level of price",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(() => "all"),
      Flow.window("day", { assigner: day, aggregate: statistics, late: "drop" }),
      Flow.map(({ window, value }) => ({ day: window.start, ...numbersOf(value), end: window.end })),
    ),
  rowAt: { is: "window-end", of: ({ end }) => end },
});

const minuteMillis = 60_000;

export const q16: NexmarkQuery = query({
  name: "q16",
  says: "bids, bidders and auctions of a channel and day by level of price",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ channel }) => channel),
      Flow.window("channel-day", {
        assigner: day,
        aggregate: { minute: Aggregate.max(({ dateTime }: Bid) => Math.floor(dateTime / minuteMillis)), ...statistics },
        late: "drop",
      }),
      Flow.map(({ key, window, value }) => ({
        channel: key,
        day: window.start,
        minute: value.minute,
        ...numbersOf(value),
        end: window.end,
      })),
    ),
  rowAt: { is: "window-end", of: ({ end }) => end },
});

export const q17: NexmarkQuery = query({
  name: "q17",
  says: "bids of an auction and day, by level of price, and the prices",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ auction }) => auction),
      Flow.window("auction-day", {
        assigner: day,
        aggregate: {
          ...counts,
          minPrice: Aggregate.min(({ price }: Bid) => price),
          maxPrice: Aggregate.max(({ price }: Bid) => price),
          sumPrice: Aggregate.sum(({ price }: Bid) => price),
        },
        late: "drop",
      }),
      Flow.map(({ key, window, value: { sumPrice, ...value } }) => ({
        auction: key,
        day: window.start,
        ...value,
        avgPrice: Math.floor(sumPrice / value.totalBids),
        sumPrice,
        end: window.end,
      })),
    ),
  rowAt: { is: "window-end", of: ({ end }) => end },
});
