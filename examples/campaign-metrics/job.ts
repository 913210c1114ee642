/**
 * What each advertising campaign did in every half minute: impressions, clicks, spend and click-through rate.
 *
 * A click counts for the half minute in which its impression was served, so nearly every click is a late record of its
 * window. For two minutes it corrects the window's row; after that it goes to a file of corrections.
 *
 * @module
 */
import { Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { type AdEvent, adEvent } from "./events.ts";

/** How many events there are, and how many come in a second. Without a count they would never end. */
export const count = 20_000;
const rate = 8_000;

/** The events of a campaign in one window, until they become numbers. */
const Attribution = Schema.Struct({
  prices: Schema.Record(Schema.String, Schema.Number),
  clicked: Schema.Record(Schema.String, Schema.Boolean),
});

/**
 * Attributes clicks to impressions: a click counts if its impression is there, whichever comes first, and only once.
 *
 * Both carry the impression's id, campaign and time (the click has them from its link), so they meet in one window.
 * With joins a click will need no more than the id, and this will be a join of two flows.
 */
const attribution = Aggregate.make({
  name: "attribution",
  schema: Attribution,
  initial: () => ({ prices: {}, clicked: {} }),
  add: ({ prices, clicked }, event: AdEvent) =>
    event.type === "impression"
      ? { prices: { ...prices, [event.impression]: event.price }, clicked }
      : { prices, clicked: { ...clicked, [event.impression]: true } },
  merge: (a, b) => ({ prices: { ...a.prices, ...b.prices }, clicked: { ...a.clicked, ...b.clicked } }),
  result: ({ prices, clicked }) => {
    const impressions = Object.keys(prices).length;
    const clicks = Object.keys(clicked).filter((impression) => impression in prices).length;
    const spend = Object.values(prices).reduce((sum, price) => sum + price, 0) / 1_000_000;
    return { impressions, clicks, spend, clickThroughRate: impressions === 0 ? 0 : clicks / impressions };
  },
});

/** The events, as they come. */
export const adEvents = Source.generate("ad-events", { seed: 42, count, rate, make: adEvent });

/** The event time of an event, and how far behind others it may come. */
export const served: Flow.EventTimeOptions<AdEvent> = {
  timestamp: (event) => event.servedAt,
  watermark: Watermark.boundedOutOfOrderness("5 seconds"),
};

/** Half minutes, which clicks correct for two minutes more. */
export const halfMinutes = {
  assigner: Window.tumbling("30 seconds"),
  aggregate: attribution,
  allowedLateness: "2 minutes",
} as const;

/** The job, with its output in a folder. */
export const campaignMetrics = (folder = ".weir/campaign-metrics") => {
  const perCampaign = Flow.from(adEvents).pipe(
    Flow.eventTime(served),
    Flow.keyBy((event) => event.campaign),
    Flow.window("campaign-metrics", {
      ...halfMinutes,
      late: (late) =>
        late.pipe(
          Flow.map(({ value, window }) => ({ ...value, windowStart: new Date(window.start).toISOString() })),
          Flow.to(Sink.ndjson("corrections", { path: `${folder}/corrections.ndjson` })),
        ),
    }),
    Flow.map(({ key, window, value }) => ({
      campaign: key,
      windowStart: new Date(window.start).toISOString(),
      ...value,
    })),
    Flow.to(Sink.table("campaigns", {
      path: `${folder}/campaigns.kv`,
      key: (row) => [row.campaign, row.windowStart],
      value: (row) => row,
    })),
  );

  return Job.make({ name: "campaign-metrics", guarantee: "exactly-once", flows: [perCampaign] });
};

export default campaignMetrics();
