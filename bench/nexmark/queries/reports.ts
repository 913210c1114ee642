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

const ranks = { rank1: isRank1, rank2: isRank2, rank3: isRank3 };

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
  bidders: Aggregate.distinctAmong(({ bidder }: Bid) => bidder, ranks, { atMost }),
  auctions: Aggregate.distinctAmong(({ auction }: Bid) => auction, ranks, { atMost }),
};

/** The numbers of the statistics. */
const numbersOf = ({ bidders, auctions, ...bids }: Aggregate.AggregateResult<typeof statistics>) => ({
  totalBids: bids.totalBids,
  rank1Bids: bids.rank1Bids,
  rank2Bids: bids.rank2Bids,
  rank3Bids: bids.rank3Bids,
  totalBidders: bidders.count,
  rank1Bidders: bidders.among.rank1,
  rank2Bidders: bidders.among.rank2,
  rank3Bidders: bidders.among.rank3,
  totalAuctions: auctions.count,
  rank1Auctions: auctions.among.rank1,
  rank2Auctions: auctions.among.rank2,
  rank3Auctions: auctions.among.rank3,
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
