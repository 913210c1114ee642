/**
 * The campaign job from topic to topics: impressions and clicks are read from one; metrics, clicks that came too late and
 * events that make no sense are written to three others, exactly once.
 *
 * ```sh
 * deno task kafka                                  # in another terminal: a broker, on 127.0.0.1:9092
 * deno run -P examples/campaign-metrics/kafka.ts
 * ```
 *
 * Each run makes topics of its own. It writes the events to one of them, and a few that are broken, runs the job up to their
 * end, and compares what it has written with what a plain loop counts.
 *
 * @module
 */
import { Effect, Schema } from "effect";
import { Flow, Job } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { brokers, connect, type StoredRecord } from "../kafka-wordcount/topics.ts";
import type { AdEvent } from "./events.ts";
import { adEvents, count, halfMinutes, served } from "./job.ts";

/** The topics of a run. */
interface Topics {
  readonly events: string;
  readonly metrics: string;
  readonly corrections: string;
  readonly deadLetters: string;
}

const aboutImpression = { impression: Schema.String, campaign: Schema.String, servedAt: Schema.Number };

/** What the topic of events holds. */
const Event = Schema.Union([
  Schema.Struct({ type: Schema.Literal("impression"), ...aboutImpression, price: Schema.Number }),
  Schema.Struct({ type: Schema.Literal("click"), ...aboutImpression, clickedAt: Schema.Number }),
]);

/** What a campaign did in a half minute. */
const Metrics = Schema.Struct({
  campaign: Schema.String,
  windowStart: Schema.String,
  impressions: Schema.Number,
  clicks: Schema.Number,
  spend: Schema.Number,
  clickThroughRate: Schema.Number,
});

const event = Kafka.json(Event);
const key = Kafka.string();

/** The job that makes the metrics. The bounded source ends where the topic ends when the job first starts. */
export const campaignMetricsOnKafka = (cluster: Kafka.Cluster, topics: Topics) => {
  const events = Kafka.source("ad-events", { cluster, topics: topics.events, value: event, bounded: true });
  const metrics = Kafka.sink("metrics", { cluster, topic: topics.metrics, key, value: Kafka.json(Metrics) });
  const corrections = Kafka.sink("corrections", { cluster, topic: topics.corrections, key, value: event });
  const bytes = Kafka.nullable(Kafka.bytes());
  const deadLetters = Kafka.sink("dead-letters", { cluster, topic: topics.deadLetters, key: bytes, value: bytes });

  const perCampaign = Flow.from(events).pipe(
    Flow.onError((letters) =>
      letters.pipe(
        // The record as it was, and in headers where it lay and what is wrong with it.
        Flow.map(({ key, raw, rawForm, headers, split, offset, reason }) => ({
          key,
          value: rawForm === "none" ? null : raw,
          headers: [...headers, ["split", split], ["offset", String(offset)], ["reason", reason]] as const,
        })),
        Flow.to(deadLetters),
      )
    ),
    Flow.map(({ value }): AdEvent => value),
    Flow.eventTime(served),
    Flow.keyBy((event) => event.campaign),
    Flow.window("campaign-metrics", {
      ...halfMinutes,
      late: (late) =>
        late.pipe(
          Flow.map(({ value, key, window }) => ({
            key,
            value,
            headers: { windowStart: new Date(window.start).toISOString() },
          })),
          Flow.to(corrections),
        ),
    }),
    Flow.map(({ key, window, value }) => {
      const windowStart = new Date(window.start).toISOString();
      // The last record of a key stands, also where the topic is compacted.
      return { key: `${key} ${windowStart}`, value: { campaign: key, windowStart, ...value } };
    }),
    Flow.to(metrics),
  );
  return Job.make({ name: "campaign-metrics-kafka", guarantee: "exactly-once", flows: [perCampaign] });
};

/** A job that writes the events: those of a campaign have one key, so they are in one partition, in their order. */
const writeEvents = (cluster: Kafka.Cluster, { events }: Topics) =>
  Job.make({
    name: "ad-events",
    guarantee: "exactly-once",
    flows: [
      Flow.from(adEvents).pipe(
        Flow.map((event) => ({ key: event.campaign, value: event })),
        Flow.to(Kafka.sink("ad-events", { cluster, topic: events, key, value: event })),
      ),
    ],
  });

/** Events as nobody should write them. */
const broken = ['{"type":"impression","impr', "{}", '{"type":"click","campaign":"city-bikes"}', null];

/** What a campaign did in a half minute. */
interface Row {
  readonly impressions: number;
  readonly clicks: number;
  /** In millionths of a dollar. */
  readonly price: number;
}

/** Counts the events of each campaign and half minute again; clicks that came too late are not to be counted. */
const recount = (events: ReadonlyArray<AdEvent>, late: ReadonlyArray<AdEvent>): ReadonlyMap<string, Row> => {
  const rows = new Map<string, Row>();
  const done = new Set(late.map((click) => JSON.stringify(click)));
  for (const event of events) {
    const key = `${event.campaign} ${new Date(Math.floor(event.servedAt / 30_000) * 30_000).toISOString()}`;
    const { impressions, clicks, price } = rows.get(key) ?? { impressions: 0, clicks: 0, price: 0 };
    if (event.type === "impression") {
      rows.set(key, { impressions: impressions + 1, clicks, price: price + event.price });
    } else if (!done.has(JSON.stringify(event)) && !done.has(event.impression)) {
      done.add(event.impression);
      rows.set(key, { impressions, clicks: clicks + 1, price });
    }
  }
  return rows;
};

const main = async (folder = ".weir/campaign-metrics-kafka"): Promise<number> => {
  await using kafka = await connect();
  const run = Date.now().toString(36);
  const topics: Topics = {
    events: `campaign-events-${run}`,
    metrics: `campaign-metrics-${run}`,
    corrections: `campaign-corrections-${run}`,
    deadLetters: `campaign-dead-letters-${run}`,
  };
  for (const topic of Object.values(topics)) await kafka.create(topic, 3);
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });

  console.log(`${count} impressions and clicks are on their way …`);
  const cluster = Kafka.cluster({ brokers });
  await Effect.runPromise(Job.run(writeEvents(cluster, topics), { state: ":memory:" }));
  await kafka.write(topics.events, broken.map((value) => ({ value })));
  await Effect.runPromise(Job.run(campaignMetricsOnKafka(cluster, topics), { state: `${folder}/state.kv` }));

  const read = async (topic: string) => {
    const records = await kafka.read(topic);
    console.log(`${topic.padEnd(34)}${String(records.length).padStart(8)} records`);
    return records;
  };
  const eventsOf = (records: ReadonlyArray<StoredRecord>) =>
    records.filter(({ value }) => !broken.includes(value)).map(({ value }): AdEvent => JSON.parse(value!));
  const events = eventsOf(await read(topics.events));
  const metrics = new Map((await read(topics.metrics)).map(({ key, value }) => [key, JSON.parse(value!)]));
  const late = eventsOf(await read(topics.corrections));
  const letters = await read(topics.deadLetters);
  for (const { headers } of letters) console.log(`  ${headers.split}: ${headers.reason}`);

  const rows = recount(events, late);
  const matches = letters.length === broken.length && metrics.size === rows.size &&
    [...rows].every(([key, { impressions, clicks, price }]) => {
      const said = metrics.get(key);
      return said?.impressions === impressions && said.clicks === clicks &&
        Math.round(said.spend * 1_000_000) === price;
    });
  const clicks = rows.values().reduce((sum, row) => sum + row.clicks, 0);
  console.log(
    `campaign-metrics-kafka: ${events.length} events, ${metrics.size} windows, ${clicks} clicks, ${late.length} late, ` +
      `${letters.length} dead letters, ${matches ? "totals match" : "totals differ"}`,
  );
  return matches ? 0 : 1;
};

if (import.meta.main) Deno.exitCode = await main(...Deno.args);
