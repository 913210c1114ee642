/**
 * What each shop has sold in each minute.
 *
 * @module
 */
import { Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

export const Sale = Schema.Struct({ shop: Schema.String, cents: Schema.Number, at: Schema.Number });

/** The job that reads and writes the files of a folder, and its ends. */
export const salesIn = (folder: string) => {
  const sales = Source.ndjson("sales", { paths: `${folder}/sales.ndjson`, schema: Sale });
  const totals = Sink.ndjson<{ shop: string; minute: number; cents: number }>("totals", {
    path: `${folder}/totals.ndjson`,
  });
  const late = Sink.ndjson<typeof Sale.Type>("late", { path: `${folder}/late.ndjson` });

  const job = Job.make({
    name: "sales",
    guarantee: "exactly-once",
    flows: [
      Flow.from(sales).pipe(
        Flow.onError("fail"),
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("10 seconds") }),
        Flow.keyBy(({ shop }) => shop),
        Flow.window("per-minute", {
          assigner: Window.tumbling("1 minute"),
          aggregate: Aggregate.sum(({ cents }) => cents),
          late: (sales) => sales.pipe(Flow.map(({ value }) => value), Flow.to(late)),
        }),
        Flow.map(({ key, window, value }) => ({ shop: key, minute: window.start / 60_000, cents: value })),
        Flow.to(totals),
      ),
    ],
  });
  return { job, sales, totals, late };
};
