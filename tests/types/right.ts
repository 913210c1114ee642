/** Pipelines that compile without any annotation, and what is inferred of them. */
import { Data, Effect, Schema, Stream } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import * as Kafka from "@weir/streams/kafka";
import { type Click, clicks, keyedClicks } from "./shared.ts";

/** `true` if two types are the same, and not only assignable to one another. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
/** Compiles for `true` alone. */
const isTrue = <_ extends true>(): void => {};

type ValueOf<F extends Flow.Flow<unknown, unknown, unknown, unknown, unknown, unknown, unknown>> =
  F["~weir/Flow"]["value"];

class LookUpFailed extends Data.TaggedError("LookUpFailed")<{ readonly user: string }> {}

// Values, keys and errors go through every operator.
const mapped = clicks.pipe(
  Flow.filter((click) => click.at > 0),
  Flow.map((click) => ({ ...click, minute: Math.floor(click.at / 60_000) })),
  Flow.flatMap((click) => [click, click]),
);
isTrue<
  Equal<
    typeof mapped,
    Flow.Flow<
      { minute: number; user: string; at: number },
      never,
      never,
      Flow.NotKeyed,
      Flow.NoEventTime,
      Flow.Append,
      never
    >
  >
>();

const lookedUp = keyedClicks.pipe(
  Flow.mapEffect(
    (click) => click.user === "" ? Effect.fail(new LookUpFailed(click)) : Effect.succeed(click.user.length),
    { concurrency: 4 },
  ),
);
isTrue<
  Equal<
    typeof lookedUp,
    Flow.Flow<number, LookUpFailed, never, Flow.Keyed<string>, Flow.EventTime, Flow.Append, never>
  >
>();

// A key keeps its type, and a tuple the types of its parts.
const byTuple = clicks.pipe(Flow.keyBy((click) => [click.user, click.at]));
isTrue<Equal<(typeof byTuple)["~weir/Flow"]["key"], Flow.Keyed<readonly [string, number]>>>();

// A window answers what its aggregates answer.
const counted = keyedClicks.pipe(
  Flow.window("per-minute", {
    assigner: Window.tumbling("1 minute"),
    aggregate: {
      clicks: Aggregate.count,
      last: Aggregate.last((click) => click.user, Schema.String),
      mean: Aggregate.mean((click) => click.at),
      some: Aggregate.collect((click) => click.at, Schema.Number, { atMost: 2 }),
    },
    late: (side) => side.pipe(Flow.map((late) => late.value.user + late.key), Flow.to(Sink.memory("late"))),
  }),
);
isTrue<
  Equal<
    ValueOf<typeof counted>,
    Window.WindowResult<
      string,
      {
        clicks: number;
        last: string;
        mean: number;
        some: Aggregate.Collected<number>;
      }
    >
  >
>();
isTrue<Equal<(typeof counted)["~weir/Flow"]["changes"], Flow.Append>>();
isTrue<Equal<(typeof counted)["~weir/Flow"]["ends"], Sink.Transactional>>();

// Lateness makes an updating flow; its changelog is an appending one, which a second window takes.
const corrected = keyedClicks.pipe(
  Flow.window("sessions", {
    assigner: Window.session({ gap: "30 seconds" }),
    aggregate: Aggregate.sum((click) => click.at),
    allowedLateness: "1 hour",
    late: Sink.ndjson("late", { path: "late.ndjson" }),
  }),
);
isTrue<Equal<(typeof corrected)["~weir/Flow"]["changes"], Flow.Update>>();
const twice = corrected.pipe(
  Flow.changelog,
  Flow.window("per-hour", {
    assigner: Window.sliding({ size: "1 hour", slide: "30 minutes" }),
    aggregate: Aggregate.max((session) => session.value),
    late: "drop",
  }),
);
isTrue<Equal<ValueOf<typeof twice>, Window.WindowResult<string, number>>>();

// Windows that fire early are updating ones, unless each pane says only what is new.
const early = Trigger.atWatermark({
  early: Trigger.firstOf(Trigger.afterCount(10), Trigger.afterEventTime("1 minute")),
});
const updating = keyedClicks.pipe(
  Flow.window("early", {
    assigner: Window.tumbling("1 hour"),
    aggregate: Aggregate.fold({
      name: "last-user",
      schema: Schema.String,
      initial: () => "",
      add: (_, click: Click) => click.user,
      result: (user) => user,
    }),
    trigger: early,
    late: "drop",
  }),
);
isTrue<Equal<(typeof updating)["~weir/Flow"]["changes"], Flow.Update>>();
isTrue<Equal<ValueOf<typeof updating>, Window.WindowResult<string, string>>>();
const deltas = keyedClicks.pipe(
  Flow.window("deltas", {
    assigner: Window.tumbling("1 hour"),
    aggregate: { clicks: Aggregate.count, latest: Aggregate.max((click) => click.at) },
    trigger: early,
    panes: "discarding",
    allowedLateness: "1 day",
    late: "drop",
  }),
);
isTrue<Equal<(typeof deltas)["~weir/Flow"]["changes"], Flow.Append>>();
const retracting = keyedClicks.pipe(
  Flow.window("visits", {
    assigner: Window.session({ gap: (click) => click.user === "ada" ? "1 minute" : "1 hour" }),
    aggregate: Aggregate.count,
    panes: "retracting",
    late: "drop",
  }),
);
isTrue<Equal<(typeof retracting)["~weir/Flow"]["changes"], Flow.Update>>();
isTrue<Equal<ValueOf<typeof retracting>, Window.WindowChange<string, number>>>();

// Counting records, and one window for everything, need no event time.
const unstamped = clicks.pipe(
  Flow.keyBy((click) => click.user),
  Flow.window("by-ten", { assigner: Window.count(10), aggregate: Aggregate.count, late: "drop" }),
);
isTrue<Equal<(typeof unstamped)["~weir/Flow"]["time"], Flow.NoEventTime>>();
isTrue<Equal<(typeof unstamped)["~weir/Flow"]["changes"], Flow.Append>>();

// Flows of one key are merged into one; a branch narrows what goes through it.
const merged = keyedClicks.pipe(Flow.merge(keyedClicks));
isTrue<Equal<typeof merged, typeof keyedClicks>>();

const { text, otherwise } = Flow.from(Source.array("mixed", ["a", 1])).pipe(
  Flow.branch({ text: (value) => typeof value === "string" }),
);
isTrue<Equal<ValueOf<typeof text>, string>>();
isTrue<Equal<ValueOf<typeof otherwise>, string | number>>();

// Dead letters know what went wrong.
const schema = Schema.Struct({ id: Schema.Number });
const orders = Flow.from(Source.ndjson("orders", { paths: "orders.ndjson", schema })).pipe(
  Flow.mapEffect((order) => order.id < 0 ? Effect.fail(new LookUpFailed({ user: "" })) : Effect.succeed(order.id)),
  Flow.onError((side) =>
    side.pipe(
      Flow.map(({ error }) => {
        isTrue<Equal<typeof error, Source.DecodeError | LookUpFailed>>();
        return error._tag;
      }),
      Flow.to(Sink.memory("rejected")),
    )
  ),
);
isTrue<Equal<(typeof orders)["~weir/Flow"]["error"], never>>();

// Jobs under each guarantee; none of them needs anything from outside.
const table = Sink.table<Window.WindowResult<string, number>>("table", {
  path: "table.kv",
  key: (result) => [result.key, result.window.start],
  value: (result) => result.value,
});
const exactlyOnce = Job.make({
  name: "exactly-once",
  guarantee: "exactly-once",
  flows: [
    counted.pipe(Flow.to(Sink.memory("counts"))),
    corrected.pipe(Flow.to(table)),
    orders.pipe(Flow.to(Sink.memory("ids"))),
  ],
});
isTrue<Equal<typeof exactlyOnce, Job.Job<never>>>();

export const jobs = [
  exactlyOnce,
  Job.make({
    name: "at-least-once",
    guarantee: "at-least-once",
    flows: [clicks.pipe(Flow.onError("drop"), Flow.to(Sink.console("clicks", { format: (click) => click.user })))],
  }),
  Job.make({
    name: "at-most-once",
    guarantee: "at-most-once",
    flows: [Flow.from(Source.fromStream("ticks", Stream.make("tick"))).pipe(Flow.to(Sink.console("ticks")))],
  }),
];

// A generated source and event time, keyed afterwards.
export const generated = Flow.from(
  Source.generate("generated", { seed: 1, make: (index): Click => ({ user: `user ${index % 3}`, at: index }) }),
).pipe(
  Flow.eventTime({ timestamp: (click) => click.at, watermark: Watermark.boundedOutOfOrderness("1 second") }),
  Flow.keyBy(({ user }) => user),
);
isTrue<Equal<(typeof generated)["~weir/Flow"]["time"], Flow.EventTime>>();

// A flow that is de-duplicated stays what it is, whichever record goes on.
const once = keyedClicks.pipe(Flow.deduplicate("once", { within: "1 hour", late: "drop" }));
isTrue<Equal<typeof once, typeof keyedClicks>>();
const clickSchema = Schema.Struct({ user: Schema.String, at: Schema.Number });
const latest = keyedClicks.pipe(
  Flow.deduplicate("latest", {
    within: "1 hour",
    keep: "last",
    schema: clickSchema,
    late: (side) => side.pipe(Flow.map((late) => late.value.at + late.key), Flow.to(Sink.memory("late"))),
  }),
);
isTrue<Equal<ValueOf<typeof latest>, Click>>();
isTrue<Equal<(typeof latest)["~weir/Flow"]["ends"], Sink.Transactional>>();

// A ranking needs no event time, takes corrections, and makes them.
const ranks = clicks.pipe(
  Flow.keyBy((click) => click.user.length),
  Flow.topN("ranks", { n: 3, by: (click) => click.at, id: (click) => [click.user], schema: clickSchema }),
);
isTrue<
  Equal<
    typeof ranks,
    Flow.Flow<
      Flow.Ranked<number, Click>,
      never,
      never,
      Flow.Keyed<number>,
      Flow.NoEventTime,
      Flow.Update,
      never
    >
  >
>();

// Windows of the clock and of a number of records need no event time; a function that gives windows knows its records.
const keyedOnly = clicks.pipe(Flow.keyBy((click) => click.user));
export const withoutEventTime = [
  keyedOnly.pipe(
    Flow.window("hundreds", { assigner: Window.count(100), aggregate: Aggregate.count, late: "drop" }),
  ),
  keyedOnly.pipe(
    Flow.window("by-clock", {
      assigner: Window.slidingProcessingTime({ size: "1 minute", slide: "10 seconds" }),
      aggregate: Aggregate.count,
      late: "drop",
    }),
  ),
];
isTrue<Equal<(typeof withoutEventTime)[number]["~weir/Flow"]["time"], Flow.NoEventTime>>();
isTrue<Equal<(typeof withoutEventTime)[number]["~weir/Flow"]["changes"], Flow.Append>>();
export const byFunction = keyedClicks.pipe(
  Flow.window("seasons", {
    assigner: Window.custom({
      name: "by length of the user's name",
      assign: (timestamp, click: Click) => ({ start: timestamp, end: timestamp + click.user.length + 1 }),
    }),
    aggregate: Aggregate.count,
    late: "drop",
  }),
);

// A source that repeats what was not acknowledged may stand in an at-least-once job, and so may one of one's own.
const received = Source.http("received", { schema });
isTrue<Equal<typeof received, Source.Source<{ readonly id: number }, never, never, Sink.Acknowledged>>>();
const receivedWithLetters = Source.http("received-with-letters", { schema, rejects: true });
isTrue<
  Equal<
    typeof receivedWithLetters,
    Source.Source<{ readonly id: number }, Source.DecodeError, never, Sink.Acknowledged>
  >
>();
const queue = Source.make({
  name: "queue",
  bounded: false,
  splits: Effect.succeed(["all"]),
  read: () => Stream.make({ records: [1, 2], positions: [1, 2] }),
  replays: "until-acknowledged",
  committed: (positions) => Effect.log(positions.get("all")),
});
isTrue<Equal<(typeof queue)["~weir/Source"]["end"], Sink.Acknowledged>>();
export const acknowledging = Job.make({
  name: "acknowledging",
  guarantee: "at-least-once",
  flows: [
    Flow.from(received).pipe(Flow.to(Sink.memory("received"))),
    Flow.from(queue).pipe(Flow.to(Sink.console("queue"))),
  ],
});

// A predicate that says of which type a value is narrows the flow to it; any other leaves its type.
const perhaps = Flow.from(Source.array("perhaps", ["a", null]));
const certain = perhaps.pipe(Flow.filter((word): word is string => word !== null));
isTrue<Equal<(typeof certain)["~weir/Flow"]["value"], string>>();
const kept = perhaps.pipe(Flow.filter((word) => word?.length === 1));
isTrue<Equal<(typeof kept)["~weir/Flow"]["value"], string | null>>();

// Topics: what is inferred of keys, values and headers, and which guarantees fit.
const cluster = Kafka.cluster({ brokers: ["127.0.0.1:9092"] });
const plainTopic = Flow.from(Kafka.source("plain", { cluster, topics: "t", value: Kafka.string() }));
isTrue<Equal<ValueOf<typeof plainTopic>, Kafka.KafkaRecord<Uint8Array | null, string, ReadonlyArray<Kafka.Header>>>>();
const topic = Flow.from(Kafka.source("topic", {
  cluster,
  topics: ["t", "u"],
  key: Kafka.string(),
  value: Kafka.nullable(Kafka.json(Schema.Struct({ n: Schema.NumberFromString }))),
  headers: Schema.Struct({ trace: Schema.String }),
}));
isTrue<
  Equal<
    ValueOf<typeof topic>,
    Kafka.KafkaRecord<string, { readonly n: number } | null, { readonly trace: string }>
  >
>();
export const topicToTopic = Job.make({
  name: "topics",
  guarantee: "exactly-once",
  flows: [
    topic.pipe(
      Flow.onError(Sink.memory("dead")),
      Flow.map(({ key, value, headers }) => ({ key, value: value?.n ?? null, headers, timestamp: 5, partition: 0 })),
      Flow.to(Kafka.sink("keyed", {
        cluster,
        topic: "v",
        key: Kafka.string(),
        value: Kafka.nullable(Kafka.json(Schema.Number)),
      })),
    ),
    topic.pipe(
      Flow.onError("fail"),
      Flow.map(({ key }) => ({ value: key })),
      Flow.to(Kafka.sink("keyless", { cluster, topic: "w", value: Kafka.string() })),
    ),
  ],
});
export const topicAtLeastOnce = Job.make({
  name: "topics",
  guarantee: "at-least-once",
  flows: [
    clicks.pipe(
      Flow.map(({ user }) => ({ value: user })),
      Flow.to(Kafka.sink("users", { cluster, topic: "v", value: Kafka.string(), transactional: false })),
    ),
  ],
});
