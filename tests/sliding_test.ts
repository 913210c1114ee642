/**
 * Sliding windows of many slices: what they answer, in which order, and what they cost.
 *
 * Cost is counted in merges of accumulators rather than in seconds, so that it is the same on every machine.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import * as Oracle from "./oracle.ts";
import { assertSameBag, canonical, runToEnd } from "./support.ts";

interface Reading {
  readonly id: number;
  readonly at: number;
  readonly key: number;
}

interface Plan {
  readonly readings: ReadonlyArray<Reading>;
  readonly size: number;
  readonly slide: number;
  readonly offset?: number;
  readonly bound?: number;
  readonly lateness?: number;
}

// ---------------------------------------------------------------------------------------------------------------------
// What they cost

/** Texts that are joined, and a count of how often. Its merges cannot be swapped, and it would show if they were. */
const countingMerges = () => {
  const counted = { merges: 0 };
  const aggregate = Aggregate.make({
    name: "texts",
    schema: Schema.String,
    initial: () => "",
    add: (text, { id }: Reading) => `${text}${id} `.slice(0, 1_000),
    merge: (text, later) => {
      counted.merges++;
      return `${text}${later}`.slice(0, 1_000);
    },
    result: (text) => text,
  });
  return { counted, aggregate };
};

/** How many merges a plan takes, and how many there may be: records and rows. */
const costOf = async ({ readings, size, slide, bound = 0, lateness = 0 }: Plan) => {
  const { counted, aggregate } = countingMerges();
  const out = Sink.memory<unknown>("out");
  const job = Job.make({
    name: "cost",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("readings", readings)).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(bound) }),
        Flow.keyBy(({ key }) => key),
        Flow.window("window", {
          assigner: Window.sliding({ size, slide }),
          aggregate,
          allowedLateness: lateness,
          late: "drop",
        }),
        Flow.to(out),
      ),
    ],
  });
  const { metrics } = await runToEnd(job, { kv: memoryKv(), keyedPartitions: 4 });
  const { corrections } = metrics.operators["window"];
  return { merges: counted.merges, corrections, records: readings.length, rows: out.values().length };
};

/** Records of some keys in turn, one each millisecond or more rarely. */
const inOrder = (count: number, keys: number, everyMillis = 1): ReadonlyArray<Reading> =>
  Array.from({ length: count }, (_, id) => ({ id, at: id * everyMillis, key: (id * 7_919) % keys }));

/**
 * How many merges there are at most for each record and row: two for the beginning and two for the end of a record's cell,
 * of which one each is a copy, and two for a row.
 */
const mergesMax = 4;

for (const ratio of [1, 6, 60, 600]) {
  Deno.test(`dense records: merges do not grow with the windows' overlap (size / slide = ${ratio})`, async () => {
    const slide = 20;
    const { merges, records, rows } = await costOf({ readings: inOrder(20_000, 5), size: slide * ratio, slide });
    assert.ok(rows >= 5_000, `${rows} rows`);
    assert.ok(merges <= mergesMax * (records + rows), `${merges} merges for ${records} records and ${rows} rows`);
  });
}

Deno.test("sparse records: a key that is rarely there costs by its records and rows, not by the slices between", async () => {
  const { merges, records, rows } = await costOf({ readings: inOrder(300, 50, 40), size: 6_000, slide: 10 });
  assert.ok(merges <= mergesMax * (records + rows), `${merges} merges for ${records} records and ${rows} rows`);
});

Deno.test("a slide that does not divide the size cuts finer slices, and costs no more merges", async () => {
  const { merges, records, rows } = await costOf({ readings: inOrder(10_000, 3), size: 1_000, slide: 30 });
  assert.ok(merges <= mergesMax * (records + rows), `${merges} merges for ${records} records and ${rows} rows`);
});

for (const ratio of [6, 60, 600]) {
  // Every twentieth record is late by anything up to a window's length, which makes up to size / slide corrections.
  Deno.test(`corrections of late records cost by their number (size / slide = ${ratio})`, async () => {
    const slide = 10;
    const size = slide * ratio;
    const readings = inOrder(8_000, 4).map((reading) =>
      reading.id % 20 === 19 ? { ...reading, at: reading.at - (reading.id * 31) % size } : reading
    );
    const { merges, records, rows, corrections } = await costOf({ readings, size, slide, lateness: 2 * size });
    assert.ok(corrections > 400, `${corrections} corrections`);
    assert.ok(merges <= mergesMax * (records + rows), `${merges} merges for ${records} records and ${rows} rows`);
  });
}

Deno.test("without allowed lateness, a late record spoils what is kept of its own key only", async () => {
  const ratio = 60;
  const slide = 80;
  const every = 50;
  const readings = inOrder(20_000, 40).map((reading) =>
    reading.id % every === every - 1 ? { ...reading, at: reading.at - (reading.id * 31) % (slide * ratio) } : reading
  );
  const { merges, records, rows, corrections } = await costOf({ readings, size: slide * ratio, slide });
  assert.equal(corrections, 0);
  // At worst one end or beginning for each slice of a window, each a copy and a merge; of one key, not of forty.
  const spoiltMax = 2 * ratio * (records / every);
  assert.ok(
    merges <= mergesMax * (records + rows) + spoiltMax,
    `${merges} merges for ${records} records, ${rows} rows`,
  );
});

// ---------------------------------------------------------------------------------------------------------------------
// What they answer

const numbers = Oracle.collect<Reading, number>(({ id }) => id, 200);

interface Setting {
  readonly epochRecordsMax: number;
  readonly batchRecordsMax: number;
  readonly faults: ReadonlyArray<readonly [commit: number, fate: CommitFate]>;
}

type Row = Window.WindowResult<number, { readonly ids: Aggregate.Collected<number>; readonly sum: number }>;

/** Runs a plan with one keyed partition, so that the order of all rows is one. */
const rowsOf = async (plan: Plan, { faults, ...options }: Setting): Promise<ReadonlyArray<Row>> => {
  const { readings, size, slide, offset = 0, bound = 0, lateness = 0 } = plan;
  const out = Sink.memory<Row>("out");
  const job = Job.make({
    name: "rows",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("readings", readings)).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(bound) }),
        Flow.keyBy(({ key }) => key),
        Flow.window("window", {
          assigner: Window.sliding({ size, slide, offset }),
          aggregate: {
            ids: Aggregate.collect(({ id }: Reading) => id, Schema.Number, { atMost: 200 }),
            // Sums of fractions depend on the order and the grouping in which they are added.
            sum: Aggregate.sum(({ id }: Reading) => 0.1 * (id + 1)),
          },
          allowedLateness: lateness,
          late: "drop",
        }),
        Flow.to(out),
      ),
    ],
  });
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  await runToEnd(job, { kv, keyedPartitions: 1, ...options });
  return out.values();
};

/**
 * The order in which the keys of each window are said when it fires: by the slice that a key begins in, and in one slice by
 * who came first.
 */
const ordersOf = ({ readings, size, slide, offset = 0, bound = 0, lateness = 0 }: Plan): Map<number, Array<number>> => {
  const assigner = Oracle.sliding(size, slide, offset);
  const greatestCommonDivisor = (a: number, b: number): number => b === 0 ? a : greatestCommonDivisor(b, a % b);
  const sliceOf = (at: number): number => Math.floor((at - offset) / greatestCommonDivisor(size, slide));
  const kept: Array<Reading> = [];
  const orders = new Map<number, Array<number>>();
  let watermark = -Infinity;
  const reach = (to: number): void => {
    const starts = new Set(kept.flatMap((one) => Oracle.windowsOf(assigner, one.at, one).map(({ start }) => start)));
    for (const start of starts) {
      if (start + size <= watermark || start + size > to) continue;
      const inside = kept.filter(({ at }) => at >= start && at < start + size);
      inside.sort((a, b) => sliceOf(a.at) - sliceOf(b.at)); // stable: in one slice by arrival
      orders.set(start, [...new Set(inside.map(({ key }) => key))]);
    }
    watermark = Math.max(watermark, to);
  };
  let met = -Infinity;
  for (const reading of readings) {
    reach(met);
    const spans = Oracle.windowsOf(assigner, reading.at, reading);
    if (spans.some(({ end }) => end + lateness > watermark)) kept.push(reading);
    met = Math.max(met, reading.at - bound);
  }
  reach(Infinity);
  return orders;
};

const plans: fc.Arbitrary<Plan> = fc.record({
  steps: fc.array(fc.tuple(fc.integer({ min: -60, max: 60 }), fc.nat(3)), { maxLength: 60 }),
  pace: fc.integer({ min: 1, max: 12 }),
  sizes: fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 60 })),
    // Slices in which several records of a key fall.
    fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 10, max: 30 })).map(([ratio, slide]) =>
      [ratio * slide, slide] as const
    ),
  ),
  offset: fc.integer({ min: -9, max: 40 }),
  bound: fc.integer({ min: 0, max: 20 }),
  lateness: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200 })),
}).map(({ steps, pace, sizes: [size, slide], ...others }) => {
  let now = 0;
  const readings = steps.map(([step, key], id) => {
    now += pace;
    // One in four is out of order, by up to half of the longest window.
    return { id, key, at: step < -30 ? now + step : now + (step > 55 ? now += step : 0) };
  });
  return { readings, size: Math.max(size, slide), slide: Math.min(size, slide), ...others };
});

const settings: fc.Arbitrary<Setting> = fc.record({
  epochRecordsMax: fc.constantFrom(3, 10, 1_000),
  batchRecordsMax: fc.constantFrom(1, 5, 1_024),
  faults: fc.array(
    fc.tuple(fc.nat(20), fc.constantFrom<CommitFate>("crash-before", "crash-after")),
    { minLength: 1, maxLength: 4 },
  ),
});

Deno.test("sliding windows answer what the oracle says, in the order of their slices, whatever crashes", () =>
  fc.assert(
    fc.asyncProperty(plans, settings, async (plan, setting) => {
      const { readings, size, slide, offset = 0, bound = 0, lateness = 0 } = plan;
      const rows = await rowsOf(plan, { ...setting, faults: [] });
      const { results } = Oracle.aggregate({
        splits: [readings],
        timestamp: ({ at }: Reading) => at,
        bound,
        key: ({ key }) => key,
        assigner: Oracle.sliding(size, slide, offset),
        lateness,
        summary: numbers,
      });
      assertSameBag(
        rows.map(({ value, ...row }) => ({ ...row, value: value.ids })),
        results.map(({ key, window, value, pane, timing, final }) => ({ key, window, value, pane, timing, final })),
        "rows",
      );
      for (const { value } of rows) {
        const sum = value.ids.values.reduce((total, id) => total + 0.1 * (id + 1), 0);
        assert.ok(Math.abs(value.sum - sum) < 1e-9 * sum, `a sum of ${value.sum}, not ${sum}`);
      }
      const fired = Map.groupBy(rows.filter(({ timing }) => timing === "on-time"), ({ window }) => window.start);
      assert.deepEqual(
        new Map([...fired].map(([start, ofWindow]) => [start, ofWindow.map(({ key }) => key)])),
        ordersOf(plan),
        "the order of the keys of each window",
      );
      const stormy = await rowsOf(plan, setting);
      assert.deepEqual(stormy.map(canonical), rows.map(canonical), "with and without crashes");
    }),
    { numRuns: 600, seed: Number(Deno.env.get("WEIR_SEED") ?? 20_260_101) },
  ));
