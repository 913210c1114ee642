/**
 * Keys of which few have most of the records: they are named, and they can be folded before they are routed.
 */
import assert from "node:assert/strict";
import { Effect, Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { HotKeys } from "../src/actors/hot-keys.ts";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import { canonical, run, runToEnd } from "./support.ts";

interface Reading {
  readonly id: number;
  readonly at: number;
  readonly key: number;
}

// ---------------------------------------------------------------------------------------------------------------------
// Pre-aggregation

/** A pipeline with one window, and what may stand before and behind it. */
interface Plan {
  readonly splits: ReadonlyArray<ReadonlyArray<Reading>>;
  readonly size: number;
  readonly slide: number;
  readonly bound: number;
  readonly lateness: number;
  /** Where the records come from: straight from a source, out of an Effect, of a merge, or of a window by another key. */
  readonly from: "source" | "effect" | "merge" | "window";
}

interface Setting {
  readonly batchRecordsMax: number;
  readonly keyedPartitions: number;
  readonly epochRecordsMax: number;
  readonly faults: ReadonlyArray<readonly [commit: number, fate: CommitFate]>;
}

/** What cannot be swapped: ids in order of arrival, and texts that are joined. */
const aggregate = {
  count: Aggregate.count,
  sum: Aggregate.sum<Reading>(({ id }) => id),
  ids: Aggregate.collect<Reading, number>(({ id }) => id, Schema.Number, { atMost: 50 }),
  last: Aggregate.last<Reading, number>(({ id }) => id, Schema.Number),
  text: Aggregate.make<Reading, string, string>({
    name: "text",
    schema: Schema.String,
    initial: () => "",
    add: (text, { id }) => `${text}${id} `,
    merge: (text, later) => text + later,
    result: (text) => text,
  }),
};

type Readings = Flow.Flow<
  Reading,
  never,
  never,
  Flow.Keyed<number>,
  Flow.EventTime,
  Flow.Append,
  Sink.Transactional
>;

const flowOf = ({ splits, bound, from }: Plan): Readings => {
  const source = Flow.from(
    Source.array<Reading>("readings", Object.fromEntries(splits.map((records, k) => [`split ${k}`, records]))),
  ).pipe(Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(bound) }));
  switch (from) {
    case "source":
      return source.pipe(Flow.keyBy(({ key }) => key));
    case "effect":
      return source.pipe(
        Flow.mapEffect((reading) =>
          reading.id % 2 === 0 ? Effect.as(Effect.yieldNow, reading) : Effect.succeed(reading)
        ),
        Flow.keyBy(({ key }) => key),
      );
    case "merge":
      return source.pipe(
        Flow.filter(({ id }) => id % 3 === 0),
        Flow.merge(source.pipe(Flow.filter(({ id }) => id % 3 !== 0))),
        Flow.keyBy(({ key }) => key),
      );
    case "window":
      return source.pipe(
        Flow.keyBy(({ id }) => id % 5),
        Flow.window("before", {
          assigner: Window.tumbling(7),
          aggregate: Aggregate.last<Reading, Reading>(
            (reading) => reading,
            Schema.Struct({ id: Schema.Number, at: Schema.Number, key: Schema.Number }),
          ),
          late: "drop",
        }),
        Flow.map(({ value }) => value),
        Flow.keyBy(({ key }) => key),
      );
  }
};

/** Everything that a plan writes and counts. */
const outcomeOf = async (plan: Plan, { faults, ...options }: Setting, preAggregate: boolean) => {
  const { size, slide, lateness } = plan;
  const out = Sink.memory<unknown>("out");
  const late = Sink.memory<unknown>("late");
  const job = Job.make({
    name: "skew",
    guarantee: "exactly-once",
    flows: [
      flowOf(plan).pipe(
        Flow.window("window", {
          assigner: size === slide ? Window.tumbling(size) : Window.sliding({ size, slide }),
          aggregate,
          allowedLateness: lateness,
          late: (records) => records.pipe(Flow.to(late)),
          preAggregate,
        }),
        Flow.to(out),
      ),
    ],
  });
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const { metrics } = await runToEnd(job, { kv, ...options });
  return {
    rows: out.values().map(canonical),
    late: late.values().map(canonical),
    counters: metrics.operators["window"],
    routed: metrics.queues.find(({ stage }) => stage === "window")!.records,
  };
};

const plans: fc.Arbitrary<Plan> = fc.record({
  splits: fc.array(
    fc.array(fc.tuple(fc.integer({ min: -12, max: 12 }), fc.constantFrom(0, 0, 0, 1, 2)), { maxLength: 40 }),
    { minLength: 1, maxLength: 2 },
  ),
  sizes: fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 30 }), fc.boolean()),
  bound: fc.integer({ min: 0, max: 20 }),
  lateness: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
  from: fc.constantFrom("source", "source", "effect", "merge", "window"),
}).map(({ splits, sizes: [one, other, tumbles], ...others }) => {
  let id = 0;
  return {
    splits: splits.map((steps) => {
      let at = 0;
      return steps.map(([step, key]) => ({ id: id++, at: at += step < -9 ? 3 * step : step + 2, key }));
    }),
    size: tumbles ? one : Math.max(one, other),
    slide: tumbles ? one : Math.min(one, other),
    ...others,
  };
});

const settings: fc.Arbitrary<Setting> = fc.record({
  batchRecordsMax: fc.constantFrom(1, 4, 1_024),
  keyedPartitions: fc.constantFrom(1, 3),
  epochRecordsMax: fc.constantFrom(5, 20, 1_000),
  faults: fc.array(fc.tuple(fc.nat(12), fc.constantFrom<CommitFate>("crash-before", "crash-after")), { maxLength: 3 }),
});

Deno.test("folded before they are routed, records give the same rows, late records and counts, whatever crashes", () =>
  fc.assert(
    fc.asyncProperty(plans, settings, async (plan, setting) => {
      const { routed: all, ...plain } = await outcomeOf(plan, { ...setting, faults: [] }, false);
      const { routed: some, ...folded } = await outcomeOf(plan, { ...setting, faults: [] }, true);
      assert.deepEqual(folded, plain);
      assert.ok(some <= all, `${some} of ${all} are routed`);
      const { routed: _, ...stormy } = await outcomeOf(plan, setting, true);
      assert.deepEqual(stormy, plain);
    }),
    { numRuns: 400, seed: Number(Deno.env.get("WEIR_SEED") ?? 20_260_101) },
  ));

/** Nine of ten records have key 0, the others one of nine keys. */
const skewed = (count: number): ReadonlyArray<Reading> =>
  Array.from({ length: count }, (_, id) => ({ id, at: id, key: id % 10 === 9 ? 1 + (id * 31) % 9 : 0 }));

Deno.test("of a key with most of the records one partial is routed for each slice and batch", async () => {
  const plan: Plan = {
    splits: [skewed(10_000)],
    size: 5_000,
    slide: 1_000,
    bound: 100,
    lateness: 0,
    from: "source",
  };
  const setting: Setting = { batchRecordsMax: 1_000, keyedPartitions: 4, epochRecordsMax: 1_000_000, faults: [] };
  const plain = await outcomeOf(plan, setting, false);
  const folded = await outcomeOf(plan, setting, true);
  assert.equal(plain.routed, 10_000);
  // Ten batches, each with one slice and at most ten keys.
  assert.equal(folded.routed, 100);
  assert.deepEqual(folded.rows, plain.rows);
});

// event time  10        15        20        25
//             | abc     |ef       |d        |
// slices      [---------)[--------)[--------)
// watermark             when d comes: 14; when e comes: 20, the end of the first window that e and f are in
Deno.test("a record that meets the end of its first window is passed on as it is", async () => {
  const at = [12, 13, 14, 20, 15, 16];
  const plan: Plan = {
    splits: [at.map((at, id) => ({ id, at, key: 0 }))],
    size: 10,
    slide: 5,
    bound: 0,
    lateness: 10,
    from: "source",
  };
  const setting: Setting = { batchRecordsMax: 100, keyedPartitions: 1, epochRecordsMax: 100, faults: [] };
  const plain = await outcomeOf(plan, setting, false);
  const folded = await outcomeOf(plan, setting, true);
  // a, b and c are one, d is one; e and f are corrections of [10, 20), one by one.
  assert.equal(folded.routed, 4);
  assert.deepEqual(folded.rows, plain.rows);
  assert.equal(folded.counters.lateAdmitted, 2);
  assert.equal(folded.counters.records, 6);
});

Deno.test("a window behind another one of the same key takes its records as they are", async () => {
  const out = Sink.memory<unknown>("out");
  const flow = Flow.from(Source.array<Reading>("readings", skewed(100))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
    Flow.window("first", {
      assigner: Window.tumbling(10),
      aggregate: Aggregate.count,
      late: "drop",
      preAggregate: true,
    }),
    Flow.window("second", {
      assigner: Window.tumbling(50),
      aggregate: Aggregate.sum(({ value }) => value),
      late: "drop",
      preAggregate: true,
    }),
    Flow.filter(({ key }) => key === 0),
    Flow.map(({ value }) => value),
    Flow.to(out),
  );
  const { metrics } = await run(Job.make({ name: "two", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values(), [45, 45]);
  assert.deepEqual(metrics.queues.map(({ stage }) => stage), ["first, second"]);
});

Deno.test("what throws while records are folded fails the job with the window and the record", async () => {
  const flow = Flow.from(Source.array<Reading>("readings", skewed(5))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
    Flow.window("window", {
      assigner: Window.tumbling(10),
      aggregate: Aggregate.sum(({ id }) => {
        if (id === 3) throw new Error("no fourth");
        return id;
      }),
      late: "drop",
      preAggregate: true,
    }),
    Flow.to(Sink.memory("out")),
  );
  const error = await Effect.runPromise(
    Effect.flip(Job.run(Job.make({ name: "throws", guarantee: "exactly-once", flows: [flow] }), { kv: memoryKv() })),
  );
  assert.equal(error._tag, "UserCodeError");
  assert.match(error.message, /no fourth/);
  assert.match(error.message, /"?window"?/);
});

Deno.test("pre-aggregation is refused where it would not give the same", () => {
  const keyed = Flow.from(Source.array<Reading>("readings", skewed(1))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
  );
  const refused = (make: () => unknown, rule: string) =>
    assert.throws(make, { name: "RangeError", message: `Cannot make window "w" as preAggregate ${rule}` });
  const common = { aggregate: Aggregate.count, late: "drop", preAggregate: true } as const;
  refused(
    () => keyed.pipe(Flow.window("w", { ...common, assigner: Window.session({ gap: 1 }) })),
    "needs tumbling or sliding windows of event time: current value is session(gap=1)",
  );
  refused(
    () => keyed.pipe(Flow.window("w", { ...common, assigner: Window.global })),
    "needs tumbling or sliding windows of event time: current value is global",
  );
  refused(
    () =>
      keyed.pipe(Flow.window("w", {
        ...common,
        assigner: Window.tumbling(1),
        trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
      })),
    "needs the default trigger and accumulating panes: current value is AtWatermark(early=count(2) late=count(1)), " +
      'panes "accumulating"',
  );
  refused(
    () => keyed.pipe(Flow.window("w", { ...common, assigner: Window.tumbling(1), panes: "discarding" })),
    'needs the default trigger and accumulating panes: current value is AtWatermark(late=count(1)), panes "discarding"',
  );
});

// ---------------------------------------------------------------------------------------------------------------------
// The hottest keys

/** A number from 0 up to 1 that looks random, the same in every run. */
const chance = (index: number): number => {
  let x = Math.imul(index ^ (index >>> 16), 0x45d9f3b) ^ 0x9e3779b9;
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return ((x ^ (x >>> 13)) >>> 0) / 2 ** 32;
};

/** Shows keys to a sampler as an exchange does. */
const show = (hotKeys: HotKeys, count: number, keyOf: (index: number) => number | string): void => {
  let next = 1;
  for (let index = 0; index < count; index++) if (--next === 0) next = hotKeys.sample(keyOf(index));
};

/** By how much a share may be off: what comes of a bounded number of counts, and what comes of sampling. */
const tooSmallMax = 1 / 128;
const samplingErrorMax = 0.01;

const assertShare = (share: number | undefined, expected: number): void => {
  assert.ok(share !== undefined && share <= expected + samplingErrorMax, `${share} is not above ${expected}`);
  assert.ok(share >= expected - samplingErrorMax - tooSmallMax, `${share} is not below ${expected}`);
};

Deno.test("the keys with the greatest shares are named, among a million others", () => {
  const shares = [0.3, 0.1, 0.05, 0.02];
  const hotKeys = new HotKeys();
  show(hotKeys, 1_000_000, (index) => {
    let x = chance(index);
    for (let k = 0; k < shares.length; k++) if ((x -= shares[k]) < 0) return `hot ${k}`;
    return `cold ${index}`;
  });
  const hottest = hotKeys.hottest();
  assert.deepEqual(hottest.map(({ key }) => key), ["hot 0", "hot 1", "hot 2", "hot 3"]);
  hottest.forEach(({ share }, k) => assertShare(share, shares[k]));
});

Deno.test("no key is called hot where all have about the same", () => {
  const hotKeys = new HotKeys();
  show(hotKeys, 300_000, (index) => Math.floor(1_000 * chance(index)));
  assert.deepEqual(hotKeys.hottest(), []);
});

for (const period of [2, 16, 20, 32, 64]) {
  Deno.test(`keys that take turns have equal shares, whatever is looked at (${period} keys)`, () => {
    const hotKeys = new HotKeys();
    show(hotKeys, 300_000, (index) => index % period);
    for (const { share } of hotKeys.hottest()) assertShare(share, 1 / period);
    assert.equal(hotKeys.hottest().length, Math.min(10, period));
  });
}

Deno.test("the hottest keys of old make way for those of late", () => {
  const hotKeys = new HotKeys();
  show(hotKeys, 3_000_000, (index) => index % 2 === 0 ? "old" : index);
  show(hotKeys, 12_000_000, (index) => index % 4 === 0 ? "new" : index);
  const [first, ...others] = hotKeys.hottest();
  assert.equal(first.key, "new");
  assertShare(first.share, 0.25);
  assert.deepEqual(others, []);
});

Deno.test("metrics name the hottest keys of each stage, also by keys of several parts", async () => {
  const readings = skewed(100_000);
  const window = { assigner: Window.tumbling(1_000), aggregate: Aggregate.count, late: "drop" } as const;
  const stamped = Flow.from(Source.array<Reading>("readings", readings)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
  );
  const flows = [
    stamped.pipe(Flow.keyBy(({ key }) => key), Flow.window("by key", window), Flow.to(Sink.memory("one"))),
    stamped.pipe(
      Flow.keyBy(({ key, id }) => [key === 0 ? "hot" : "cold", id % 2]),
      Flow.window("by parts", window),
      Flow.to(Sink.memory("two")),
    ),
    stamped.pipe(Flow.keyBy(({ id }) => id), Flow.window("by id", window), Flow.to(Sink.memory("three"))),
  ];
  const { metrics } = await run(Job.make({ name: "hot", guarantee: "exactly-once", flows }));
  assert.deepEqual(Object.keys(metrics.hotKeys), ["by key", "by parts", "by id"]);
  const [hottest, ...others] = metrics.hotKeys["by key"];
  assert.equal(hottest.key, 0);
  // Three thousand records are looked at: shares are right to within 0.02.
  assert.ok(Math.abs(hottest.share - 0.9) < 0.02, `${hottest.share}`);
  assert.equal(others.length, 9);
  const byParts = metrics.hotKeys["by parts"];
  assert.deepEqual(byParts.map(({ key }) => key), [["hot", 0], ["hot", 1], ["cold", 1]]);
  assert.deepEqual(metrics.hotKeys["by id"], []);
});
