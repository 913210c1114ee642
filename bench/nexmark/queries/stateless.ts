/**
 * The queries that look at one event at a time.
 *
 * @module
 */
import { Flow } from "@weir/streams";
import { type NexmarkQuery, query } from "../query.ts";
import { bids } from "./bids.ts";

/** What a dollar is in euros, in thousandths. Prices in euros are kept in thousandths of a cent, so that they are whole. */
const eurosInThousandths = 908;

export const q0: NexmarkQuery = query({
  name: "q0",
  says: "every bid, as it is",
  build: bids,
});

export const q1: NexmarkQuery = query({
  name: "q1",
  says: "every bid with its price in euros",
  build: (events) =>
    bids(events).pipe(
      Flow.map(({ auction, bidder, price, dateTime, extra }) => ({
        auction,
        bidder,
        price: price * eurosInThousandths,
        dateTime,
        extra,
      })),
    ),
});

/** One auction in so many is of interest. */
const auctionEvery = 123;

export const q2: NexmarkQuery = query({
  name: "q2",
  says: "the bids for every 123rd auction",
  build: (events) =>
    bids(events).pipe(
      Flow.filter(({ auction }) => auction % auctionEvery === 0),
      Flow.map(({ auction, price }) => ({ auction, price })),
    ),
});

const hourMillis = 3_600_000;

/** What people call an hour of the day, in UTC. */
const bidTimeType = (dateTime: number): "dayTime" | "nightTime" | "otherTime" => {
  const hour = Math.floor(dateTime / hourMillis) % 24;
  if (hour >= 8 && hour <= 18) return "dayTime";
  return hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
};

/** How often a letter is in a text. */
const countLetter = (text: string, letter: string): number => {
  let count = 0;
  for (let at = text.indexOf(letter); at >= 0; at = text.indexOf(letter, at + 1)) count++;
  return count;
};

/** The prices in euros of interest lie between these, in thousandths of a cent. */
const pricesBetween = { above: 1_000_000_000, below: 50_000_000_000 } as const;

export const q14: NexmarkQuery = query({
  name: "q14",
  says: "the bids of some prices, with the kind of hour and the letters c of the padding",
  build: (events) =>
    bids(events).pipe(
      Flow.filter(({ price }) => {
        const euros = price * eurosInThousandths;
        return euros > pricesBetween.above && euros < pricesBetween.below;
      }),
      Flow.map(({ auction, bidder, price, dateTime, extra }) => ({
        auction,
        bidder,
        price: price * eurosInThousandths,
        bidTimeType: bidTimeType(dateTime),
        dateTime,
        extra,
        cCounts: countLetter(extra, "c"),
      })),
    ),
});

const hotChannelIds = new Map([["apple", "0"], ["google", "1"], ["facebook", "2"], ["baidu", "3"]]);

const channelIdInUrl = /(?:&|^)channel_id=([^&]*)/;

/** The id that a channel has, or that the URL says. */
const channelIdOf = (channel: string, url: string): string | null =>
  hotChannelIds.get(channel.toLowerCase()) ?? channelIdInUrl.exec(url)?.[1] ?? null;

export const q21: NexmarkQuery = query({
  name: "q21",
  says: "the bids whose channel has an id, with that",
  build: (events) =>
    bids(events).pipe(
      Flow.map(({ auction, bidder, price, channel, url }) => ({
        auction,
        bidder,
        price,
        channel,
        channelId: channelIdOf(channel, url),
      })),
      Flow.filter(({ channelId }) => channelId !== null),
    ),
});

export const q22: NexmarkQuery = query({
  name: "q22",
  says: "every bid with the folders of its URL",
  build: (events) =>
    bids(events).pipe(
      Flow.map(({ auction, bidder, price, channel, url }) => {
        const parts = url.split("/");
        return { auction, bidder, price, channel, dir1: parts[3], dir2: parts[4], dir3: parts[5] };
      }),
    ),
});
