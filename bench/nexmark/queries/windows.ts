/**
 * The queries about windows of some seconds.
 *
 * @module
 */
import { Aggregate, Flow, Window } from "@weir/streams";
import { Schema } from "effect";
import { type NexmarkQuery, query } from "../query.ts";
import { bids } from "./bids.ts";
import { greatest } from "./greatest.ts";
import { bidSchema } from "./schemas.ts";

const auctionBids = Schema.Struct({ auction: Schema.Number, num: Schema.Number });

export const q5: NexmarkQuery = query({
  name: "q5",
  says: "the auctions with the most bids in the last 10 seconds, every 2 seconds",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ auction }) => auction),
      Flow.window("bids-per-auction", {
        assigner: Window.sliding({ size: "10 seconds", slide: "2 seconds" }),
        aggregate: Aggregate.count,
        late: "drop",
      }),
      Flow.map(({ key, value, window }) => ({ auction: key, num: value, end: window.end })),
      // Results of one window have the time of its last millisecond, and those of the next that of 2 seconds later.
      Flow.keyBy(({ end }) => end),
      Flow.window("hot-auctions", {
        assigner: Window.tumbling("2 seconds"),
        aggregate: greatest(({ num }) => num, auctionBids),
        preAggregate: true,
        late: "drop",
      }),
      Flow.flatMap(({ key, value }) => value.map(({ auction, num }) => ({ auction, num, end: key }))),
    ),
  rowAt: { is: "window-end", of: ({ end }) => end },
});

export const q7: NexmarkQuery = query({
  name: "q7",
  says: "the highest bids of each 10 seconds",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(() => "all"),
      Flow.window("highest-bids", {
        assigner: Window.tumbling("10 seconds"),
        aggregate: greatest(({ price }) => price, bidSchema),
        preAggregate: true,
        late: "drop",
      }),
      Flow.flatMap(({ value, window }) =>
        value.map(({ auction, bidder, price, dateTime, extra }) => ({
          auction,
          price,
          bidder,
          dateTime,
          extra,
          end: window.end,
        }))
      ),
    ),
  rowAt: { is: "window-end", of: ({ end }) => end },
});

export const q11: NexmarkQuery = query({
  name: "q11",
  says: "how many bids a person made in a session without 10 seconds of silence",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ bidder }) => bidder),
      Flow.window("bidder-sessions", {
        assigner: Window.session({ gap: "10 seconds" }),
        aggregate: Aggregate.count,
        late: "drop",
      }),
      Flow.map(({ key, value, window: { start, end } }) => ({ bidder: key, bids: value, start, end })),
    ),
  rowAt: { is: "window-end", of: ({ end }) => end },
});

export const q12: NexmarkQuery = query({
  name: "q12",
  says: "how many bids a person made in each 10 seconds by the clock",
  build: (events) =>
    bids(events).pipe(
      Flow.keyBy(({ bidder }) => bidder),
      Flow.window("bids-by-the-clock", {
        assigner: Window.tumblingProcessingTime("10 seconds"),
        aggregate: Aggregate.count,
        late: "drop",
      }),
      Flow.map(({ key, value, window: { start, end } }) => ({ bidder: key, bids: value, start, end })),
    ),
  rowAt: { is: "clock-window-end", of: ({ end }) => end },
  // The clock deals the bids of a person out to windows; how many there are is the same in every run.
  checked: ({ bidder, bids }) => ({ text: JSON.stringify({ bidder }), times: bids }),
});
