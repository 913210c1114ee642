/**
 * What sliding windows cost by how much they overlap, and what folding records before they are routed saves.
 *
 * The first part runs one stream through windows that overlap 1, 6, 60 and 600 times, and gives the time for each record
 * and row, which should not grow. The second runs a stream of which one key has nine tenths, with and without
 * pre-aggregation. State is kept in memory; what is written is nothing.
 *
 * `deno run -P=bench --no-prompt --quiet bench/windows.ts [--json] [--rounds=N]`
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Effect } from "effect";
import { spread } from "./measure/spread.ts";

interface Reading {
  readonly key: string;
  readonly value: number;
  readonly at: number;
}

/** When the first record happened: timestamps as large as real ones. */
const epochMillis = Date.UTC(2026, 0, 1);

/** Spreads an index over 32 bits. */
const scatter = (index: number): number => Math.imul(Math.imul(index, 0x9e3779b1) ^ (index >>> 3), 0x85ebca6b) >>> 0;

/** One record each millisecond; the first key has `hotShare` of them, and the others share the rest. */
const sourceOf = (count: number, keys: number, hotShare: number) => {
  const names = Array.from({ length: keys }, (_, k) => `key-${k}`);
  return Source.generate("readings", {
    seed: 1,
    count,
    make: (index): Reading => ({
      key: names[scatter(index) % 1_000 < 1_000 * hotShare ? 0 : scatter(index + 7) % keys],
      value: index % 100,
      at: epochMillis + index,
    }),
  });
};

/** Runs a stream through one window. */
const measure = async (options: {
  readonly records: number;
  readonly keys: number;
  readonly hotShare: number;
  readonly sizeMillis: number;
  readonly slideMillis: number;
  readonly preAggregate: boolean;
}) => {
  const { records, keys, hotShare, sizeMillis, slideMillis, preAggregate } = options;
  let rows = 0;
  const flow = Flow.from(sourceOf(records, keys, hotShare)).pipe(
    Flow.eventTime({ timestamp: (reading) => reading.at, watermark: Watermark.monotonic }),
    Flow.keyBy((reading) => reading.key),
    Flow.window("window", {
      assigner: Window.sliding({ size: sizeMillis, slide: slideMillis }),
      aggregate: { count: Aggregate.count, sum: Aggregate.sum((reading) => reading.value) },
      late: "drop",
      preAggregate,
    }),
    Flow.filter(() => {
      rows++;
      return false;
    }),
    Flow.to(Sink.memory<unknown>("none")),
  );
  const job = Job.make({ name: "bench", guarantee: "exactly-once", flows: [flow] });
  const began = performance.now();
  const { metrics } = await Effect.runPromise(Job.run(job, { state: ":memory:" }));
  const seconds = (performance.now() - began) / 1_000;
  const { records: routed, depthMax } = metrics.queues[0];
  return { seconds, rows, routed, depthMax };
};

const isJson = Deno.args.includes("--json");
const rounds = Number(Deno.args.find((arg) => arg.startsWith("--rounds="))?.slice("--rounds=".length) ?? 5);

/** Measures several things in turn, so that a busy moment of the machine hits all of them; the first round warms up. */
const inTurn = async <A>(things: ReadonlyArray<A>, one: (thing: A) => ReturnType<typeof measure>) => {
  const measured = things.map((): Array<Awaited<ReturnType<typeof measure>>> => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [k, thing] of things.entries()) {
      const result = await one(thing);
      if (round > 0) measured[k].push(result);
    }
  }
  return measured;
};

const slidingRecords = 400_000;
const overlaps = [1, 6, 60, 600];
const slideMillis = 2_000;
const bySliding = await inTurn(overlaps, (overlap) =>
  measure({
    records: slidingRecords,
    keys: 500,
    hotShare: 0,
    sizeMillis: overlap * slideMillis,
    slideMillis,
    preAggregate: false,
  }));
const sliding = bySliding.map((all, k) => ({
  overlap: overlaps[k],
  rows: all[0].rows,
  nanosPerRecordAndRow: spread(all.map(({ seconds, rows }) => 1e9 * seconds / (slidingRecords + rows))),
  recordsPerSecond: spread(all.map(({ seconds }) => slidingRecords / seconds)),
}));

const skewedRecords = 1_000_000;
const bySkew = await inTurn(
  [false, true],
  (preAggregate) =>
    measure({
      records: skewedRecords,
      keys: 1_000,
      hotShare: 0.9,
      sizeMillis: 60_000,
      slideMillis: 10_000,
      preAggregate,
    }),
);
const skewed = bySkew.map((all, k) => ({
  preAggregate: k === 1,
  routed: all[0].routed,
  depthMax: spread(all.map(({ depthMax }) => depthMax)),
  recordsPerSecond: spread(all.map(({ seconds }) => skewedRecords / seconds)),
}));

if (isJson) {
  console.log(JSON.stringify({ deno: Deno.version.deno, rounds, sliding, skewed }, null, 2));
} else {
  for (const { overlap, rows, nanosPerRecordAndRow: nanos, recordsPerSecond } of sliding) {
    console.log(
      `size / slide = ${overlap}: ${nanos.median.toFixed(0)} ns a record and row (${nanos.min.toFixed(0)} to ` +
        `${nanos.max.toFixed(0)}), ${(recordsPerSecond.median / 1e6).toFixed(2)} M records/s, ${rows} rows`,
    );
  }
  for (const { preAggregate, routed, depthMax, recordsPerSecond: { median, min, max } } of skewed) {
    console.log(
      `one key has 90 %, ${preAggregate ? "with" : "without"} pre-aggregation: ${
        (median / 1e6).toFixed(2)
      } M records/s ` +
        `(${(min / 1e6).toFixed(2)} to ${(max / 1e6).toFixed(2)}), ${routed} routed, at most ${depthMax.max} waiting`,
    );
  }
}
