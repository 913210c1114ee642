/**
 * The queries that keep bids: the last of each person for each auction, and the highest of each auction.
 *
 * @module
 */
import { Flow } from "@weir/streams";
import { type NexmarkQuery, query } from "../query.ts";
import { bids } from "./bids.ts";
import { bidSchema } from "./schemas.ts";

export const q18: NexmarkQuery = query({
  name: "q18",
  says: "the last bid that a person makes for an auction within 10 seconds",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ bidder, auction }) => [bidder, auction]),
      Flow.deduplicate("last-bids", { within: "10 seconds", keep: "last", schema: bidSchema, late: "drop" }),
      Flow.map(({ auction, bidder, price, channel, url, dateTime, extra }) => ({
        auction,
        bidder,
        price,
        channel,
        url,
        dateTime,
        extra,
      })),
    ),
  // It is known 10 seconds after the first bid of its group, of which the last one says nothing.
  rowAt: { is: "unknown", of: ({ dateTime }) => dateTime },
});

/** How many bids of an auction are ranked. */
const ranks = 10;

export const q19: NexmarkQuery = query({
  name: "q19",
  says: "the ten highest bids of each auction, said whenever they change",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ auction }) => auction),
      Flow.topN("highest-bids", {
        n: ranks,
        by: ({ price }) => price,
        id: ({ bidder, dateTime, price }) => [bidder, dateTime, price],
        schema: bidSchema,
        entriesMax: ranks, // a bid's price does not fall
      }),
      Flow.map(({ rank, value: { auction, bidder, price, channel, url, dateTime, extra } }) => ({
        auction,
        bidder,
        price,
        channel,
        url,
        dateTime,
        extra,
        rank,
      })),
    ),
  rowAt: { is: "event", of: ({ dateTime }) => dateTime },
});
