/** Watermarks: what the strategies say, how splits and flows come together, who is idle, and who has to wait. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Effect, Schedule, Stream } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { TaskContext } from "../src/actors/task-context.ts";
import { MergeOperator } from "../src/streams/operators/merge.ts";
import { Silences } from "../src/streams/silences.ts";
import type { SplitReader } from "../src/streams/split-reader.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { Seeded } from "../src/testing/simulation/seeded.ts";
import { bucketOf, delayBuckets, delayBucketsPerDoubling, upToOf } from "../src/windows/delay-histogram.ts";
import { SplitWatermarks } from "../src/windows/split-watermarks.ts";
import { runToEnd } from "./support.ts";
import { pass, type Reading, type Script, scripted, settle, withTestClock } from "./timeline.ts";

// ── strategies ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** The watermark of one split after each record. */
const watermarksOf = <A extends { readonly at: number }>(
  strategy: Watermark.WatermarkStrategy<A>,
  records: ReadonlyArray<A>,
  restartAfter = -1,
): ReadonlyArray<number> => {
  let splits = new SplitWatermarks(strategy as Watermark.WatermarkStrategy, 1);
  return records.map((record, k) => {
    if (splits.considers) splits.consider(0, record, record.at);
    splits.observe(0, record.at);
    if (k === restartAfter) {
      const [state, merged] = structuredClone([splits.snapshot(0), splits.merged] as const);
      splits = new SplitWatermarks(strategy as Watermark.WatermarkStrategy, 1);
      splits.restore(0, state);
      splits.restoreMerged(merged);
    }
    return splits.merged;
  });
};

const at = (...times: ReadonlyArray<number>): ReadonlyArray<{ readonly at: number }> => times.map((at) => ({ at }));

// event time   0 · 2 · 4 · 6 · 8 · 10
// order            4   2   9   5   10
// bound 3      watermark 1   1   6   6   7
Deno.test("a bound: the watermark is that far behind the greatest timestamp", () => {
  assert.deepEqual(watermarksOf(Watermark.boundedOutOfOrderness(3), at(4, 2, 9, 5, 10)), [1, 1, 6, 6, 7]);
  assert.deepEqual(watermarksOf(Watermark.monotonic, at(4, 2, 9, 5, 10)), [4, 4, 9, 9, 10]);
});

// order        4     2     9     5     10
// says         -     3     -     7     5
// watermark   -∞     3     3     7     7        a lower one has no effect
Deno.test("punctuated: the watermark is what a record last said, and never goes back", () => {
  const records = [
    { at: 4, says: null },
    { at: 2, says: 3 },
    { at: 9, says: null },
    { at: 5, says: 7 },
    { at: 10, says: 5 },
  ];
  const says = watermarksOf(Watermark.punctuated((record: typeof records[number]) => record.says), records);
  assert.deepEqual(says, [-Infinity, 3, 3, 7, 7]);
});

// order        1    9999    2    3    4
// watermark   -∞     1      2    3    4         the second greatest: one from the future does not pull it along
Deno.test("custom: the watermark is what a function says of a state that follows the records", () => {
  const second = Watermark.custom({
    initial: [-Infinity, -Infinity],
    next: ([first, second], at) => at > first ? [at, first] : [first, Math.max(second, at)],
    watermark: ([, second]) => second,
  });
  assert.deepEqual(watermarksOf(second, at(1, 9_999, 2, 3, 4)), [-Infinity, 1, 2, 3, 4]);
});

Deno.test("a custom watermark that goes down stays where it is", () => {
  const last = Watermark.custom({ initial: 0, next: (_last: number, at) => at, watermark: (last) => last });
  assert.deepEqual(watermarksOf(last, at(5, 3, 4, 8, 1)), [5, 5, 5, 8, 8]);
});

Deno.test("a custom watermark that is no date is refused; it would be taken for the end of the input", () => {
  for (const wrong of [NaN, Infinity, 8.64e15 + 1]) {
    const strategy = Watermark.custom({ initial: 0, next: (state) => state, watermark: () => wrong });
    assert.throws(() => watermarksOf(strategy, at(1)), {
      message: `Cannot move a watermark as it must be a date in epoch ` +
        `milliseconds: current value is ${wrong}`,
    });
  }
});

/** Random numbers from a seed. */
const randomOf = (seed: number): () => number => {
  const seeded = new Seeded(seed);
  return () => seeded.next();
};

/** Delays of records, in milliseconds: how long each is on its way. A record is stamped every 10 ms. */
const disorders: Readonly<Record<string, (random: () => number) => number>> = {
  "uniform to 1 s": (random) => random() * 1_000,
  "exponential of 200 ms": (random) => -200 * Math.log(1 - random()),
  "log-normal": (random) =>
    Math.exp(4 + 1.2 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())),
  "one in ten is a second late": (random) => random() < 0.1 ? 900 + 200 * random() : 5 * random(),
};

const disordered = (delay: (random: () => number) => number, seed: number, count: number) => {
  const random = randomOf(seed);
  const sent = Array.from({ length: count }, (_, k) => ({ at: k * 10, arrives: k * 10 + delay(random) }));
  return sent.sort((a, b) => a.arrives - b.arrives);
};

/** How many records are behind the watermark that they meet, and the greatest bound that there was in the second half. */
const lossOf = (strategy: Watermark.WatermarkStrategy, records: ReadonlyArray<{ readonly at: number }>) => {
  const watermarks = watermarksOf(strategy, records);
  let behind = 0;
  let greatest = -Infinity;
  let bound = 0;
  records.forEach(({ at }, k) => {
    if (k > 0 && at < watermarks[k - 1]) behind++;
    greatest = Math.max(greatest, at);
    if (k > records.length / 2) bound = Math.max(bound, greatest - watermarks[k]);
  });
  return { share: behind / records.length, bound };
};

for (const [name, delay] of Object.entries(disorders)) {
  Deno.test(`adaptive: as few are lost as was asked for, with a small bound: ${name}`, () => {
    for (const lossRate of [0.05, 0.01]) {
      for (const seed of [1, 2, 3]) {
        const records = disordered(delay, seed, 60_000);
        const { share, bound } = lossOf(Watermark.adaptive({ lossRate, max: "10 minutes" }), records);
        assert.ok(share <= 1.5 * lossRate, `${lossRate}: a share of ${share} was behind`);
        // A bucket of delays may hold much of a steep tail, and the bound is the limit of a bucket.
        assert.ok(share >= lossRate / 8, `${lossRate}: only ${share} was behind, so the bound is too large`);
        assert.ok(bound < 10_000, `${lossRate}: the bound came to ${bound}`);
      }
    }
  });
}

// A fixed bound taken from one kind of disorder is wrong for another; the adaptive one learns.
Deno.test("adaptive: when disorder grows tenfold, it learns the new one", () => {
  const calm = disordered((random) => random() * 100, 1, 30_000);
  const rough = disordered((random) => random() * 1_000, 2, 120_000).map(({ at }) => ({ at: at + 400_000 }));
  const strategy = Watermark.adaptive({ lossRate: 0.02 });
  const all = watermarksOf(strategy, [...calm, ...rough]);
  const tail = rough.slice(60_000);
  const behind = tail.filter(({ at }, k) => at < all[calm.length + 60_000 + k - 1]).length;
  assert.ok(behind / tail.length <= 0.03, `${behind / tail.length}`);
  const fixed = watermarksOf(Watermark.boundedOutOfOrderness(100), rough);
  const lost = rough.filter(({ at }, k) => k > 0 && at < fixed[k - 1]).length;
  assert.ok(lost / rough.length > 0.3, `the bound of before would lose ${lost / rough.length}`);
});

Deno.test("adaptive: it is as cautious as can be until it has seen enough, and keeps to its limits", () => {
  const calm = at(...Array.from({ length: 1_000 }, (_, k) => k * 10));
  const strategy = Watermark.adaptive({ lossRate: 0.1, min: 50, max: 2_000 });
  const watermarks = watermarksOf(strategy, calm);
  // 64 / 0.1 records are enough; the bound is worked out at every 64th.
  const first = watermarks.findIndex((watermark, k) => watermark > k * 10 - 2_000);
  assert.equal(first, 639);
  assert.equal(watermarks[998], 998 * 10 - 50);
});

Deno.test("adaptive: what makes no sense is refused with the rule and the value", () => {
  assert.throws(() => Watermark.adaptive({ lossRate: 0 }), /lossRate must be above 0 and below 1: current value is 0$/);
  assert.throws(() => Watermark.adaptive({ lossRate: 0.1, min: 5, max: 4 }), /max must be finite and at least min/);
  assert.throws(() => Watermark.adaptive({ lossRate: 0.1, halfLifeRecords: 0.5 }), /halfLifeRecords must be a whole/);
  assert.throws(
    () => Watermark.boundedOutOfOrderness(-1),
    /bound must be finite and not negative: current value is -1/,
  );
});

Deno.test("every strategy goes on from a snapshot as if nothing had happened", () => {
  const records = disordered((random) => random() * 1_000, 7, 3_000);
  const strategies = {
    bounded: Watermark.boundedOutOfOrderness(200),
    punctuated: Watermark.punctuated((_: unknown, at: number) => at % 70 === 0 ? at - 500 : null),
    custom: Watermark.custom({
      initial: { recent: [] as ReadonlyArray<number> },
      next: ({ recent }, at) => ({ recent: [...recent, at].slice(-20) }),
      watermark: ({ recent }) => Math.min(...recent),
    }),
    adaptive: Watermark.adaptive({ lossRate: 0.1, max: 5_000 }),
  };
  for (const [name, strategy] of Object.entries(strategies)) {
    const expected = watermarksOf(strategy, records);
    assert.ok(new Set(expected).size > 100, `${name} moves`);
    for (const restartAfter of [0, 700, 2_000]) {
      assert.deepEqual(watermarksOf(strategy, records, restartAfter), expected, `${name} after ${restartAfter}`);
    }
  }
});

Deno.test("the state of an adaptive watermark stays small", () => {
  const splits = new SplitWatermarks(Watermark.adaptive({ lossRate: 0.01 }), 1);
  const random = randomOf(1);
  for (let k = 0; k < 50_000; k++) {
    const at = k * 10 - Math.exp(30 * random());
    splits.consider(0, null, at);
    splits.observe(0, at);
  }
  assert.ok(JSON.stringify(splits.snapshot(0)).length < 40 * delayBuckets);
});

// ── delays ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("buckets of delays follow on each other, and are never more than a sixteenth too wide", () => {
  for (let bucket = 0; bucket < delayBuckets; bucket++) {
    assert.equal(bucketOf(upToOf(bucket)), bucket);
    if (bucket > 0) assert.ok(bucketOf(upToOf(bucket - 1) * (1 + 1e-12)) === bucket, `${bucket}`);
  }
  assert.equal(bucketOf(2 * 8.64e15) < delayBuckets, true);
  fc.assert(fc.property(fc.double({ min: 1, max: 2 * 8.64e15, noNaN: true }), (delay) => {
    const upTo = upToOf(bucketOf(delay));
    assert.ok(delay <= upTo && upTo - delay <= Math.max(1, delay / delayBucketsPerDoubling));
  }));
});

Deno.test("the trade-off says for each bound how many would have come behind the watermark", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 60 }), (times) => {
    const splits = new SplitWatermarks(Watermark.monotonic, 1);
    for (const time of times) splits.observe(0, time);
    const { lateness } = splits.delays;
    assert.equal(lateness.records, times.length);
    for (const { bound, behind, share } of Watermark.tradeOff(lateness)) {
      const watermarks = watermarksOf(Watermark.boundedOutOfOrderness(bound), at(...times));
      const expected = times.filter((time, k) => k > 0 && time < watermarks[k - 1]).length;
      assert.deepEqual([behind, share], [expected, expected / times.length], `bound ${bound}`);
    }
  }));
  assert.deepEqual(Watermark.tradeOff({ records: 0, inOrder: 0, delays: [] }), [{ bound: 0, behind: 0, share: 0 }]);
});

// ── several splits ──────────────────────────────────────────────────────────────────────────────────────────────────

type Event =
  | { readonly observe: number; readonly time: number }
  | { readonly idle: number; readonly isIdle: boolean }
  | { readonly end: number }
  | "restart";

/** The rule in the plainest words: worked out afresh from everything that has happened. */
class NaiveWatermarks {
  readonly #splits: Array<{ own: number; status: "active" | "idle" | "ended" }>;
  merged = -Infinity;

  constructor(splits: number, readonly bound: number) {
    this.#splits = Array.from({ length: splits }, () => ({ own: -Infinity, status: "active" }));
  }

  happen(event: Event): void {
    if (event === "restart") {
      for (const split of this.#splits) if (split.status === "idle") split.status = "active";
    } else if ("observe" in event) {
      const split = this.#splits[event.observe];
      if (split.status === "ended") return;
      split.own = Math.max(split.own, event.time - this.bound);
      split.status = "active";
    } else if ("idle" in event) {
      const split = this.#splits[event.idle];
      if (split.status !== "ended") split.status = event.isIdle ? "idle" : "active";
    } else {
      this.#splits[event.end].status = "ended";
    }
    const ownOf = (status: string) => this.#splits.filter((split) => split.status === status).map(({ own }) => own);
    const active = ownOf("active");
    const rest = [...ownOf("idle"), ...ownOf("ended")];
    const now = active.length > 0 ? Math.min(...active) : ownOf("idle").length > 0 ? Math.max(...rest) : Infinity;
    this.merged = Math.max(this.merged, now);
  }
}

Deno.test("several splits: the merged watermark is that of the plain rule, whatever happens in whatever order", () => {
  const splits = fc.integer({ min: 1, max: 4 });
  const plan = splits.chain((count) => {
    const split = fc.nat(count - 1);
    const event: fc.Arbitrary<Event> = fc.oneof(
      { weight: 8, arbitrary: fc.record({ observe: split, time: fc.integer({ min: -20, max: 60 }) }) },
      { weight: 3, arbitrary: fc.record({ idle: split, isIdle: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ end: split }) },
      { weight: 1, arbitrary: fc.constant("restart" as const) },
    );
    return fc.record({
      count: fc.constant(count),
      bound: fc.constantFrom(0, 7),
      isCustom: fc.boolean(),
      events: fc.array(event, { maxLength: 40 }),
    });
  });
  let idleMattered = 0;
  fc.assert(
    fc.property(plan, ({ count, bound, isCustom, events }) => {
      const strategy = isCustom
        ? Watermark.custom({ initial: 0, next: (_: number, at) => at, watermark: (last) => last - bound })
        : Watermark.boundedOutOfOrderness(bound);
      let real = new SplitWatermarks(strategy, count);
      const naive = new NaiveWatermarks(count, bound);
      const ended = new Set<number>();
      for (const event of events) {
        const before = real.merged;
        if (event === "restart") {
          const states = Array.from({ length: count }, (_, split) => structuredClone(real.snapshot(split)));
          real = new SplitWatermarks(strategy, count);
          states.forEach((state, split) => real.restore(split, state));
          real.restoreMerged(before);
        } else if ("observe" in event) {
          if (ended.has(event.observe)) continue;
          if (real.considers) real.consider(event.observe, null, event.time);
          assert.equal(real.observe(event.observe, event.time), real.merged > before);
        } else if ("idle" in event) {
          if (real.setIdle(event.idle, event.isIdle)) idleMattered++;
        } else {
          real.end(event.end);
          ended.add(event.end);
        }
        naive.happen(event);
        assert.equal(real.merged, naive.merged);
        assert.ok(real.merged >= before, "it never goes back");
      }
    }),
    { numRuns: 2_000, seed: 20_260_101 },
  );
  assert.ok(idleMattered > 100, `idleness moved the watermark ${idleMattered} times`);
});

// split a     10 ─────── 20 ──────────── 30 ──|            ends
// split b            5 ──────── 12 ────────────────── 15   starts late
// merged      -∞     5   5      12      12     12     15
Deno.test("a split that starts late holds the watermark back from the start, one that has ended does not", () => {
  const splits = new SplitWatermarks(Watermark.monotonic, 2);
  const seen: Array<number> = [];
  const note = (): void => void seen.push(splits.merged);
  for (const [split, time] of [[0, 10], [1, 5], [0, 20], [1, 12], [0, 30]] as const) {
    splits.observe(split, time);
    note();
  }
  splits.end(0);
  note();
  splits.observe(1, 15);
  note();
  splits.end(1);
  note();
  assert.deepEqual(seen, [-Infinity, 5, 5, 12, 12, 12, 15, Watermark.endOfTime]);
});

// ── idle splits ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Counts readings in windows of 10 ms, under one key. */
const counting = (
  scripts: Readonly<Record<string, Script>>,
  options: {
    readonly idleAfter?: number;
    readonly maxDrift?: number;
    readonly ends?: ReadonlyArray<string>;
    readonly timestamp?: (reading: Reading) => number;
    /** An earlier run, whose sinks this one goes on with. */
    readonly goesOn?: { readonly results: Sink.MemorySink<string>; readonly late: Sink.MemorySink<string> };
  } = {},
) => {
  const results = options.goesOn?.results ?? Sink.memory<string>("results");
  const late = options.goesOn?.late ?? Sink.memory<string>("late");
  const job = Job.make({
    name: "counting",
    guarantee: "exactly-once",
    flows: [
      Flow.from(scripted("readings", scripts, options.ends)).pipe(
        Flow.eventTime({
          timestamp: options.timestamp ?? ((reading) => reading.at),
          watermark: Watermark.monotonic,
          ...(options.idleAfter === undefined ? {} : { idleAfter: options.idleAfter }),
          ...(options.maxDrift === undefined ? {} : { maxDrift: options.maxDrift }),
        }),
        Flow.keyBy(() => "all"),
        Flow.window("counts", {
          assigner: Window.tumbling(10),
          aggregate: Aggregate.count,
          late: (side) => side.pipe(Flow.map(({ value }) => `${value.split} ${value.at}`), Flow.to(late)),
        }),
        Flow.map(({ window, value }) => `[${window.start}, ${window.end}) ${value}`),
        Flow.to(results),
      ),
    ],
  });
  return { job, results, late };
};

/** A job that has opened its state and waits for the clock to move. */
const started = (job: Job.Job<never>, options: Job.RunOptions) => Effect.tap(Job.start(job, options), () => settle);

const watermarkOf = (running: Job.RunningJob, operator = "eventTime#0"): Effect.Effect<number> =>
  Effect.map(running.metrics, ({ watermarks }) => watermarks[operator]);

// processing   0 s          1 s          2 s      3 s     4 s     5 s     6 s
// split a      25           35                            55
// split b      12           (silent from here on)                         20
// watermark    12           12           12       35              55      55    b is idle 3 s after it was last read
Deno.test("a split that is silent for long enough does not hold the watermark back; when it wakes it may be late", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const a: Script = [[0, 25], [1_000, 35], [4_000, 55]];
    const b: Script = [[0, 12], [6_000, 20]];
    const { job, results, late } = counting({ a, b }, { idleAfter: 2_600 });
    const running = yield* started(job, { state: ":memory:", kv: memoryKv(), epochInterval: 100 });
    yield* pass(2_000);
    assert.equal(yield* watermarkOf(running), 12);
    assert.deepEqual((yield* running.metrics).splits.map(({ idle }) => idle), [false, false]);
    yield* pass(1_000);
    assert.equal(yield* watermarkOf(running), 35);
    const { splits } = yield* running.metrics;
    assert.deepEqual(splits.map(({ split, idle, watermark }) => [split, idle, watermark]), [
      ["a", false, 35],
      ["b", true, 12],
    ]);
    yield* pass(500);
    assert.deepEqual(results.values(), ["[10, 20) 1", "[20, 30) 1"]);
    yield* pass(1_500);
    assert.equal(yield* watermarkOf(running), 55);
    yield* pass(1_500);
    assert.deepEqual((yield* running.metrics).splits.map(({ idle }) => idle), [false, false]);
    assert.equal(yield* watermarkOf(running), 55, "it does not go back for a split that wakes");
    assert.deepEqual(late.values(), ["b 20"]);
    yield* running.stop;
    assert.deepEqual(results.values(), ["[10, 20) 1", "[20, 30) 1", "[30, 40) 1"]);
  }))));

Deno.test("without idleAfter a silent split is waited for", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const { job, results } = counting({ a: [[0, 25], [1_000, 35]], b: [[0, 12]] });
    const running = yield* started(job, { state: ":memory:", kv: memoryKv(), epochInterval: 100 });
    for (let k = 0; k < 10; k++) yield* pass(60_000);
    assert.equal(yield* watermarkOf(running), 12);
    assert.deepEqual((yield* running.stop).outcome, "stopped");
    assert.deepEqual(results.values(), []);
  }))));

// processing   0 s       1 s      2 s
// split a      25        35
// split b      (never says anything)
// watermark    -∞        -∞       35
Deno.test("a split that never had a record becomes idle, too", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const { job, results } = counting({ a: [[0, 25], [1_000, 35], [3_000, 45]], b: [] }, { idleAfter: 2_000 });
    const running = yield* started(job, { state: ":memory:", kv: memoryKv(), epochInterval: 100 });
    yield* pass(1_000);
    assert.equal(yield* watermarkOf(running), -Infinity);
    yield* pass(1_500);
    assert.equal(yield* watermarkOf(running), 35);
    yield* running.stop;
    assert.deepEqual(results.values(), ["[20, 30) 1"]);
  }))));

// processing   0 s       1 s   …   3 s             4 s
// split a      25   (silent from here on)          28
// split b      47   (silent from here on)
// watermark    25        25        47              47      both idle: to where the furthest of them is
Deno.test("when all splits are idle the watermark goes to where the furthest of them is", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const { job, results, late } = counting({ a: [[0, 25], [4_000, 28]], b: [[0, 47]] }, { idleAfter: 2_000 });
    const running = yield* started(job, { state: ":memory:", kv: memoryKv(), epochInterval: 100 });
    yield* pass(1_000);
    assert.equal(yield* watermarkOf(running), 25);
    yield* pass(2_000);
    assert.equal(yield* watermarkOf(running), 47);
    yield* pass(1_500);
    assert.equal(yield* watermarkOf(running), 47);
    yield* running.stop;
    assert.deepEqual(results.values(), ["[20, 30) 1"]);
    assert.deepEqual(late.values(), ["a 28"]);
  }))));

// processing   0 s       1 s       2 s       3 s       4 s
// source a     25   (silent from here on; a flow of its own, idle as a whole)
// source b     12        31        41        51        61
// merged       12        25        25        51        61
for (const where of ["at once", "behind an Effect", "behind a window"] as const) {
  Deno.test(`a flow that is idle as a whole does not hold back the flow that it is merged with, ${where}`, () =>
    withTestClock(Effect.scoped(Effect.gen(function* () {
      const results = Sink.memory<number>("results");
      const stamped = (name: string, script: Script) =>
        Flow.from(scripted(name, { [name]: script })).pipe(
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, idleAfter: 2_000 }),
          Flow.map(({ at }) => at),
        );
      const a = stamped("a", [[0, 25]]);
      const b = stamped("b", [[0, 12], [1_000, 31], [2_000, 41], [3_000, 51], [4_000, 61]]);
      const windowed = a.pipe(
        Flow.keyBy(() => 0),
        Flow.window("first", { assigner: Window.tumbling(1), aggregate: Aggregate.count, late: "drop" }),
        Flow.map(({ window }) => window.start),
      );
      const waited = a.pipe(Flow.mapEffect((at) => Effect.succeed(at)));
      const key = Flow.keyBy(() => 0 as const);
      const idle = where === "behind a window" ? windowed.pipe(key) : (where === "at once" ? a : waited).pipe(key);
      const job = Job.make({
        name: "merged",
        guarantee: "exactly-once",
        flows: [
          b.pipe(
            key,
            Flow.merge(idle),
            Flow.window("counts", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
            Flow.map(({ window }) => window.start),
            Flow.to(results),
          ),
        ],
      });
      const running = yield* started(job, { state: ":memory:", kv: memoryKv(), epochInterval: 100 });
      yield* pass(1_900);
      assert.deepEqual(results.values(), [10]);
      yield* pass(1_700);
      assert.deepEqual(results.values(), where === "behind a window" ? [10, 30, 40] : [10, 20, 30, 40]);
      yield* pass(1_000);
      yield* running.stop;
      assert.equal(results.values().at(-1), 50);
    }))));
}

// processing   0 s                    2 s           12 s    13 s
// fast         0, 10, …, 400
// steady       5                      (silent)              15        silent for 11 s, but for 10 s of them nobody asked
// downstream   is held up by one record for 10 s: mailboxes are full, and the ingest cannot go on
//
// A clock that runs from when a split was last read would take "steady" for idle at 12 s, and its record for late.
Deno.test("a split is not idle while a slow consumer holds the ingest up", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const late = Sink.memory<number>("late");
    const idleAfter = 3_000;
    const fast: Script = Array.from({ length: 41 }, (_, k) => [k < 20 ? 0 : 1_900, 10 * k]);
    const steady: Script = [[0, 5], [13_000, 15]];
    const job = Job.make({
      name: "slow",
      guarantee: "exactly-once",
      flows: [
        Flow.from(scripted("readings", { fast, steady })).pipe(
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, idleAfter }),
          Flow.mapEffect(({ at }) => Effect.as(at === 200 ? Effect.sleep(10_000) : Effect.void, at)),
          Flow.keyBy(() => 0),
          Flow.window("counts", {
            assigner: Window.tumbling(10),
            aggregate: Aggregate.count,
            late: (side) => side.pipe(Flow.map(({ value }) => value), Flow.to(late)),
          }),
          Flow.to(Sink.memory("counts")),
        ),
      ],
    });
    const running = yield* started(job, {
      state: ":memory:",
      kv: memoryKv(),
      epochInterval: 100,
      queueRecordsMax: 2,
      batchRecordsMax: 1,
    });
    for (let k = 0; k < 27; k++) yield* pass(500);
    const { queues, splits, watermarks } = yield* running.metrics;
    assert.ok(queues[0].blockedMillis > 2 * idleAfter, `the ingest was held up for ${queues[0].blockedMillis} ms`);
    assert.deepEqual(splits.map(({ split, watermark }) => [split, watermark]), [["fast", 400], ["steady", 15]]);
    assert.equal(watermarks["eventTime#0"], 15);
    // Now that nothing holds the ingest up, both are taken for idle in time.
    yield* pass(idleAfter + 1_000);
    assert.equal(yield* watermarkOf(running), 400);
    yield* running.stop;
    assert.deepEqual(late.values(), []);
  }))));

// processing   0 s                    2 s            10 s
// split a      5                      (idle)         45
// split b      10, 20, 30 (all there from the start)
// read         a 5                    b 10, 20, 30   a 45        b waits for its turn until a is idle
Deno.test("a bounded source with a pace is read in order of watermarks, but not held up by a split that is idle", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const read: Array<number> = [];
    const scripts = { a: [[0, 5], [10_000, 45]], b: [[0, 10], [0, 20], [0, 30]] } as const;
    const source = { ...scripted("readings", scripts, ["a", "b"]), bounded: true, paced: true };
    const out = Sink.memory<number>("out");
    const job = Job.make({
      name: "paced",
      guarantee: "exactly-once",
      flows: [
        Flow.from(source).pipe(
          Flow.eventTime({
            timestamp: ({ at }) => (read.push(at), at),
            watermark: Watermark.monotonic,
            idleAfter: 2_000,
          }),
          Flow.map(({ at }) => at),
          Flow.to(out),
        ),
      ],
    });
    const options = { state: ":memory:", kv: memoryKv(), epochInterval: 100, batchRecordsMax: 1 };
    const running = yield* started(job, options);
    yield* pass(1_500);
    assert.deepEqual(read, [5]);
    yield* pass(1_000);
    assert.deepEqual(read, [5, 10, 20, 30]);
    yield* pass(10_000);
    assert.equal((yield* running.await).outcome, "ended");
    assert.deepEqual(out.values(), [5, 10, 20, 30, 45]);
  }))));

Deno.test("whatever splits do and whenever a job is stopped, no record is lost and no watermark goes back", async () => {
  const script = fc.array(fc.tuple(fc.nat(8_000), fc.nat(200)), { maxLength: 12 })
    .map((records) => records.sort(([a], [b]) => a - b));
  const plan = fc.record({
    scripts: fc.array(script, { minLength: 1, maxLength: 3 }),
    idleAfter: fc.option(fc.constantFrom(300, 1_000), { nil: undefined }),
    maxDrift: fc.option(fc.constantFrom(20, 100), { nil: undefined }),
    stops: fc.array(fc.integer({ min: 100, max: 6_000 }), { maxLength: 2 }),
  });
  let lateInAll = 0;
  await fc.assert(
    fc.asyncProperty(
      plan,
      ({ scripts, idleAfter, maxDrift, stops }) =>
        withTestClock(Effect.scoped(Effect.gen(function* () {
          const named = Object.fromEntries(scripts.map((script, k) => [`${k}`, script]));
          const options = {
            ends: Object.keys(named),
            ...(idleAfter === undefined ? {} : { idleAfter }),
            ...(maxDrift === undefined ? {} : { maxDrift }),
          };
          const first = counting(named, options);
          const kv = memoryKv();
          let watermark = -Infinity;
          for (const stop of [...stops, Infinity]) {
            const { job } = counting(named, { ...options, goesOn: first });
            const running = yield* started(job, { state: "x", kv, epochInterval: 200 });
            for (let passed = 0; passed < Math.min(stop, 9_000); passed += 1_000) {
              yield* pass(1_000);
              const now = yield* watermarkOf(running);
              assert.ok(now === undefined || now >= watermark, `${now} after ${watermark}`);
              watermark = now ?? watermark;
            }
            yield* stop === Infinity ? running.await : running.stop;
          }
          const counted = first.results.values().reduce((sum, text) => sum + Number(text.split(" ")[2]), 0);
          const records = scripts.flat().length;
          assert.equal(counted + first.late.values().length, records);
          lateInAll += first.late.values().length;
        }))),
    ),
    { numRuns: 60, seed: 20_260_101 },
  );
  assert.ok(lateInAll > 0, "some were late");
});

// A look counts for two eighths of the silence at most; the first one at which all eight have been waited for is it.
Deno.test("silence counts only while somebody listens: not while the thread stands still, nor while a split is paused", () => {
  const silent = { started: true, ended: false, paused: false, exhausted: false, buffered: 0 };
  const measure = (
    looks: ReadonlyArray<readonly [now: number, change?: Partial<typeof silent> | "skip" | "wake"]>,
  ): ReadonlyArray<boolean> => {
    const reader = { ...silent, split: 0, source: { bounded: false } };
    const context = new TaskContext("job", [{ source: "s", split: "0" }], 0);
    const readers = [reader as unknown as SplitReader];
    const silences = new Silences({ context, readers, lengths: [[800]], now: 0 });
    return looks.map(([now, change]) => {
      if (change === "skip") silences.skip(now);
      else if (change === "wake") silences.wake(0);
      else Object.assign(reader, change);
      silences.look(now);
      return context.silences[0] >= 800;
    });
  };
  assert.deepEqual(measure([[200], [400], [600], [780], [800]]), [false, false, false, false, true]);
  // The thread stands still from 200 to 9,000: what came meanwhile has not been heard yet.
  assert.deepEqual(measure([[200], [9_000], [9_200], [9_400]]), [false, false, false, true]);
  // Paused from 200 to 600.
  assert.deepEqual(measure([[200], [400, { paused: true }], [600], [800, { paused: false }], [1_000], [1_200]]), [
    ...[false, false, false, false, false],
    true,
  ]);
  // Held up until 600.
  assert.deepEqual(measure([[200], [600, "skip"], [800], [1_000], [1_200]]), [false, false, false, false, true]);
  // Records are there at 600, and again nothing from then on.
  assert.deepEqual(measure([[400], [600, { buffered: 1 }], [800, { buffered: 0 }], [1_000], [1_200], [1_400]]), [
    ...[false, false, false, false, false],
    true,
  ]);
  // Read between two looks, and awake again once it is idle.
  assert.deepEqual(measure([[200], [400], [600, "wake"], [800], [1_000], [1_200], [1_400, "wake"]]), [
    ...[false, false, false, false, false],
    true,
    false,
  ]);
});

// ── alignment ───────────────────────────────────────────────────────────────────────────────────────────────────────

// ahead        0 … 1999, all there at once
// behind       0, 50, 100, …: one a second
// maxDrift 100, a turn of 10 records of 1 ms: "ahead" is never more than 110 ms ahead
for (const maxDrift of [100, undefined]) {
  Deno.test(
    maxDrift === undefined
      ? "without maxDrift a split that is faster runs ahead"
      : "with maxDrift a split that is faster is paused, and never further ahead than that and a turn",
    () =>
      withTestClock(Effect.scoped(Effect.gen(function* () {
        const greatest: Record<string, number> = { ahead: -Infinity, behind: -Infinity };
        let furthest = 0;
        let pauses = 0;
        const ahead: Script = Array.from({ length: 2_000 }, (_, k) => [0, k]);
        const behind: Script = Array.from({ length: 20 }, (_, k) => [1_000 * k, 50 * k]);
        const { job } = counting({ ahead, behind }, {
          ...(maxDrift === undefined ? {} : { maxDrift }),
          timestamp: ({ split, at }) => {
            greatest[split] = at;
            if (greatest.behind >= 0) furthest = Math.max(furthest, greatest.ahead - greatest.behind);
            return at;
          },
        });
        const running = yield* started(job, {
          state: ":memory:",
          kv: memoryKv(),
          epochInterval: 500,
          batchRecordsMax: 10,
        });
        for (let k = 0; k < 20; k++) {
          yield* pass(1_000);
          const { splits } = yield* running.metrics;
          if (splits[0].paused) pauses++;
          assert.equal(splits[1].paused, false);
        }
        const { metrics } = yield* running.stop;
        if (maxDrift === undefined) {
          assert.ok(furthest > 900, `it was ${furthest} ahead`);
          assert.equal(pauses, 0);
        } else {
          assert.ok(furthest <= maxDrift + 10 && furthest > maxDrift - 50, `it was ${furthest} ahead`);
          assert.ok(pauses >= 15, `it was paused ${pauses} times`);
          assert.ok(metrics.splits[0].records > 900, "it goes on with the other");
        }
      }))),
  );
}

// processing   0 s                  2 s
// ahead        0, 10, …, 1000       (paused at 110 until "behind" is taken for idle)
// behind       0   (silent)
Deno.test("a silent split holds aligned ones up until it is idle; being paused is not being idle", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const ahead: Script = Array.from({ length: 101 }, (_, k) => [0, 10 * k]);
    const { job } = counting({ ahead, behind: [[0, 0]] }, { maxDrift: 100, idleAfter: 2_000 });
    const running = yield* started(job, {
      state: ":memory:",
      kv: memoryKv(),
      epochInterval: 100,
      batchRecordsMax: 1,
    });
    yield* pass(1_500);
    const { splits } = yield* running.metrics;
    assert.deepEqual(splits.map(({ watermark, paused, idle }) => [watermark, paused, idle]), [
      [110, true, false],
      [0, false, false],
    ]);
    yield* pass(1_000);
    assert.deepEqual((yield* running.metrics).splits.map(({ watermark, paused, idle }) => [watermark, paused, idle]), [
      [1_000, false, false],
      [0, false, true],
    ]);
    yield* running.stop;
  }))));

Deno.test("maxDrift behind an Effect is refused: a split could not be held back in time", () => {
  const flow = Flow.from(Source.array("numbers", [1])).pipe(
    Flow.mapEffect((k) => Effect.succeed(k)),
    Flow.eventTime({ timestamp: (k) => k, watermark: Watermark.monotonic, maxDrift: 10 }),
    Flow.to(Sink.memory("out")),
  );
  assert.throws(
    () => Job.make({ name: "far", guarantee: "exactly-once", flows: [flow] }),
    /maxDrift needs an event time/,
  );
  const numbers = Flow.from(Source.array("numbers", [1]));
  const options = { timestamp: (k: number) => k, watermark: Watermark.monotonic };
  assert.throws(
    () => numbers.pipe(Flow.eventTime({ ...options, idleAfter: 0 })),
    /idleAfter must be finite and above 0 milliseconds: current value is 0$/,
  );
  assert.throws(() => numbers.pipe(Flow.eventTime({ ...options, maxDrift: Infinity })), /maxDrift must be finite/);
});

// ── restarts ────────────────────────────────────────────────────────────────────────────────────────────────────────

// run 1        a: 10, 30                     watermark 30
// run 2        a: 40      b (new): 5, 35     watermark 30, and 35 once b is there; b 5 is late
Deno.test("a split that is added between two runs does not pull the watermark back", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const kv = memoryKv();
    const options = { state: "added", kv, epochInterval: 100 };
    const first = counting({ a: [[0, 10], [100, 30]] });
    const one = yield* started(first.job, options);
    yield* pass(1_000);
    assert.equal(yield* watermarkOf(one), 30);
    yield* one.stop;
    const a: Script = [[0, 10], [100, 30], [2_000, 40]];
    const second = counting({ a, b: [[1_500, 5], [2_000, 35]] }, { goesOn: first });
    const two = yield* started(second.job, options);
    assert.equal(yield* watermarkOf(two), 30);
    yield* pass(800);
    assert.equal(yield* watermarkOf(two), 30);
    yield* pass(1_000);
    assert.equal(yield* watermarkOf(two), 35);
    yield* two.stop;
    assert.deepEqual(second.late.values(), ["b 5"]);
  }))));

// run 1        a: 25, 35     b: 12 (silent, idle)     watermark 35
// run 2        a: 55         b: 33                    watermark 35: b is awake again, and waited for anew
Deno.test("the watermark that idle splits have let go on is still there after a restart", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const options = { state: "idle", kv: memoryKv(), epochInterval: 100 };
    const scripts = { a: [[0, 25], [0, 35], [7_000, 55]], b: [[0, 12], [8_000, 33]] } as const;
    const first = counting(scripts, { idleAfter: 2_000 });
    const one = yield* started(first.job, options);
    yield* pass(4_000);
    assert.equal(yield* watermarkOf(one), 35);
    yield* one.stop;
    const second = counting(scripts, { idleAfter: 10_000, goesOn: first });
    const two = yield* started(second.job, options);
    assert.equal(yield* watermarkOf(two), 35);
    yield* pass(5_000);
    assert.equal(yield* watermarkOf(two), 35, "both are awake, and the least of them is not ahead of that");
    yield* two.stop;
    assert.deepEqual(second.late.values(), []);
  }))));

// input a      10, 12 (idle)             after a restart 14
// input b      30                                                  40
// merged       10      30                                30        30, as a is awake again at 14
Deno.test("the watermark of merged flows does not go back for an input that wakes, nor over a restart", () => {
  const context = new TaskContext("job", [{ source: "a", split: "0" }, { source: "b", split: "0" }], 0);
  const seen: Array<number> = [];
  const next = { record: () => {}, watermark: (watermark: number) => void seen.push(watermark), letter: () => {} };
  const follows = [[{ splits: [0], idleAfter: 5 }], [{ splits: [1], idleAfter: 5 }]];
  const before = new MergeOperator("merge#0", follows, context, next);
  before.inputs[0].watermark(10);
  before.inputs[1].watermark(30);
  context.silences = Float64Array.of(5, 0);
  before.inputs[0].watermark(12);
  assert.deepEqual(seen, [-Infinity, 10, 30]);
  const snapshot = structuredClone(before.snapshot());
  context.silences = new Float64Array(2);
  const after = new MergeOperator("merge#0", follows, context, next);
  after.restore(snapshot);
  after.inputs[0].watermark(14);
  after.inputs[1].watermark(40);
  assert.deepEqual(seen.slice(3), [30, 30]);
  // Both are idle: to where the furthest is. One has ended, one is idle: it is not the end.
  context.silences = Float64Array.of(5, 5);
  after.inputs[0].watermark(14);
  context.silences = Float64Array.of(0, Infinity);
  after.inputs[1].watermark(Watermark.endOfTime);
  context.silences = Float64Array.of(5, Infinity);
  after.inputs[0].watermark(45);
  after.inputs[0].watermark(Watermark.endOfTime);
  assert.deepEqual(seen.slice(5), [40, 40, 45, Watermark.endOfTime]);
});

Deno.test("a strategy with a state says the same after any crash, and delays are counted once", async () => {
  const random = randomOf(3);
  const readings = Array.from({ length: 2_000 }, (_, k) => ({ at: Math.max(0, k * 10 - Math.floor(random() * 700)) }));
  const strategies: Readonly<Record<string, Watermark.WatermarkStrategy<{ readonly at: number }>>> = {
    punctuated: Watermark.punctuated(({ at }) => at % 5 === 0 ? at - 200 : null),
    custom: Watermark.custom({
      initial: [] as ReadonlyArray<number>,
      next: (recent, at) => [...recent, at].slice(-30),
      watermark: (recent) => Math.min(...recent) + 600,
    }),
    adaptive: Watermark.adaptive({ lossRate: 0.2, max: 2_000 }),
  };
  for (const [name, watermark] of Object.entries(strategies)) {
    const run = async (crash: (commit: number) => boolean) => {
      const kv = memoryKv();
      const commits = { seen: 0 };
      kv.onCommit((commit) => (commits.seen = commit, crash(commit) ? "crash-after" : "ok"));
      const late = Sink.memory<number>("late");
      const job = Job.make({
        name: "strategies",
        guarantee: "exactly-once",
        flows: [
          Flow.from(Source.array("readings", { a: readings.slice(0, 1_200), b: readings.slice(1_200) })).pipe(
            Flow.eventTime({ timestamp: ({ at }) => at, watermark }),
            Flow.keyBy(() => 0),
            Flow.window("counts", {
              assigner: Window.tumbling(100),
              aggregate: Aggregate.count,
              late: (side) => side.pipe(Flow.map(({ timestamp, watermark }) => timestamp + watermark), Flow.to(late)),
            }),
            Flow.to(Sink.memory("counts")),
          ),
        ],
      });
      const { metrics, starts } = await runToEnd(job, { kv, batchRecordsMax: 64, epochRecordsMax: 100 });
      return { late: late.values(), lateness: metrics.lateness["eventTime#0"], starts };
    };
    const calm = await run(() => false);
    const crashing = await run((commit) => commit % 7 === 5);
    assert.ok(calm.late.length > 10, `${name}: ${calm.late.length} were late`);
    assert.ok(crashing.starts > 3);
    assert.deepEqual(crashing.late, calm.late, name);
    assert.deepEqual(crashing.lateness, calm.lateness, name);
    assert.equal(calm.lateness.records, readings.length);
    // A count of one's own.
    const inOrder = [readings.slice(0, 1_200), readings.slice(1_200)].map((split) => {
      let greatest = -Infinity;
      return split.filter(({ at }) => at >= greatest && ((greatest = at), true)).length;
    });
    assert.equal(calm.lateness.inOrder, inOrder[0] + inOrder[1]);
  }
});

Deno.test("what a strategy's own function throws makes a defect of the record, which then goes no other way", async () => {
  const letters = Sink.memory<Flow.DeadLetter<never>>("letters");
  const out = Sink.memory<number>("out");
  const job = Job.make({
    name: "throwing",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("numbers", [1, 2, 3])).pipe(
        Flow.eventTime({
          timestamp: (k) => k,
          watermark: Watermark.punctuated((k) => {
            if (k === 2) throw new Error("no two");
            return k;
          }),
        }),
        Flow.onError(letters, { defects: true }),
        Flow.to(out),
      ),
    ],
  });
  await Effect.runPromise(Job.run(job, { state: ":memory:" }));
  assert.deepEqual(out.values(), [1, 3]);
  assert.deepEqual(letters.values().map(({ operator, reason }) => [operator, reason]), [["eventTime#0", "no two"]]);
});

// ── time that goes by, and the end of the input ─────────────────────────────────────────────────────────────────────

// processing   0 s         1 s                               61 s
// records      x x         (silent)
// window       [0, 1 s) ───┤ fires though nothing comes; a minute of silence costs no commit
Deno.test("windows of the clock fire though nothing comes, and time alone is not committed", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const results = Sink.memory<number>("results");
    const job = Job.make({
      name: "clock",
      guarantee: "exactly-once",
      flows: [
        Flow.from(scripted("readings", { a: [[200, 1], [400, 2]] })).pipe(
          Flow.keyBy(() => 0),
          Flow.window("counts", {
            assigner: Window.tumblingProcessingTime(1_000),
            aggregate: Aggregate.count,
            late: "drop",
          }),
          Flow.map(({ value }) => value),
          Flow.to(results),
        ),
      ],
    });
    const kv = memoryKv();
    const running = yield* started(job, { state: "clock", kv, epochInterval: 100 });
    yield* pass(900);
    assert.deepEqual(results.values(), []);
    yield* pass(700);
    assert.deepEqual(results.values(), [2]);
    const { committed } = (yield* running.metrics).epochs;
    const commits = kv.commits();
    for (let k = 0; k < 6; k++) yield* pass(10_000);
    assert.equal((yield* running.metrics).epochs.committed, committed);
    assert.equal(kv.commits(), commits);
    yield* running.stop;
  }))));

Deno.test("a trigger that looks at the clock has its ticks, too", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const results = Sink.memory<number>("results");
    const job = Job.make({
      name: "early",
      guarantee: "exactly-once",
      flows: [
        Flow.from(scripted("readings", { a: [[200, 1], [400, 2]] })).pipe(
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
          Flow.keyBy(() => 0),
          Flow.window("counts", {
            assigner: Window.tumbling("1 hour"),
            aggregate: Aggregate.count,
            trigger: Trigger.atWatermark({ early: Trigger.afterProcessingTime(2_000) }),
            late: "drop",
          }),
          Flow.changelog,
          Flow.map(({ value }) => value),
          Flow.to(results),
        ),
      ],
    });
    const running = yield* started(job, { state: ":memory:", kv: memoryKv(), epochInterval: 100 });
    yield* pass(2_000);
    assert.deepEqual(results.values(), []);
    yield* pass(700);
    assert.deepEqual(results.values(), [2]);
    yield* running.stop;
  }))));

/** One number for each window that holds everything: it is there when the flow learns that its input is over. */
const everything =
  <A>(name: string) => (flow: Flow.Flow<A, never, never, Flow.NotKeyed, Flow.NoEventTime, Flow.Append, never>) => {
    const sink = Sink.memory<number>(name);
    const complete = flow.pipe(
      Flow.keyBy(() => 0),
      Flow.window(name, { assigner: Window.global, aggregate: Aggregate.count, late: "drop" }),
      Flow.map(({ value }) => value),
      Flow.to(sink),
    );
    return { sink, complete };
  };

Deno.test("flows without event time learn that their input is over: alone, merged, behind Effects, after crashes", async () => {
  for (const crashes of [false, true]) {
    const numbers = Flow.from(Source.array("numbers", { a: [1, 2, 3], b: [4, 5] }));
    const waited = numbers.pipe(Flow.mapEffect((k) => Effect.succeed(k)));
    const more = Flow.from(Source.array("more", Array.from({ length: 40 }, (_, k) => k)));
    const none = Flow.from(Source.array<number>("none", {}));
    const empty = Flow.from(Source.array<number>("empty", []));
    const flows = [
      everything<number>("alone")(numbers),
      everything<number>("merged")(numbers.pipe(Flow.merge(more))),
      everything<number>("waited")(waited),
      everything<number>("merged behind")(waited.pipe(Flow.merge(more))),
      everything<number>("without splits")(numbers.pipe(Flow.merge(none))),
      everything<number>("without records")(waited.pipe(Flow.merge(empty))),
    ];
    const kv = memoryKv();
    if (crashes) kv.onCommit((commit) => commit % 4 === 3 ? "crash-after" : "ok");
    const flowsOf = flows.map(({ complete }) => complete);
    const job = Job.make({ name: "ends", guarantee: "exactly-once", flows: flowsOf });
    const { outcome, starts } = await runToEnd(job, { kv, batchRecordsMax: 2, epochRecordsMax: 3 });
    assert.equal(outcome, "ended");
    assert.equal(starts > 3, crashes);
    assert.deepEqual(flows.map(({ sink }) => sink.values()), [[5], [45], [5], [45], [5], [5]]);
    // Started again after its end, it says nothing twice.
    await Effect.runPromise(Job.run(job, { state: "test.kv", kv, restart: Schedule.recurs(50) }));
    assert.deepEqual(flows.map(({ sink }) => sink.values()), [[5], [45], [5], [45], [5], [5]]);
  }
});

Deno.test("a source that feeds two flows of a job feeds both", async () => {
  const source = Source.array("numbers", [1, 2, 3]);
  const [a, b] = [Sink.memory<number>("a"), Sink.memory<number>("b")];
  const flows = [Flow.from(source).pipe(Flow.to(a)), Flow.from(source).pipe(Flow.to(b))];
  await Effect.runPromise(
    Job.run(Job.make({ name: "twice", guarantee: "exactly-once", flows }), { state: ":memory:" }),
  );
  assert.deepEqual([a.values(), b.values()], [[1, 2, 3], [1, 2, 3]]);
});

// ── what a source knows ─────────────────────────────────────────────────────────────────────────────────────────────

// order       3   [20]   15   21   [7]   8        [n]: the source says that nothing before n is to come
// watermark   -∞   3-5…  20   20   20    20       bound 5: by records alone it would be at 16 last
// window 10   0 fires at [20]; 15 and 8 come after their windows
Deno.test("a notice of the source moves the watermark at its place among the records, at every batch size", async () => {
  const notices = [3, new Source.WatermarkNotice(20), 15, 21, new Source.WatermarkNotice(7), 8];
  for (const batchRecordsMax of [1, 2, 3, 100]) {
    for (const crashAt of [-1, 1, 2, 3]) {
      const source = Source.make<number>({
        name: "known",
        bounded: true,
        splits: Effect.succeed(["0"]),
        read: (_split, from, batchRecordsMax) => {
          const first = Number(from ?? 0);
          const indexes = Array.from({ length: notices.length - first }, (_, k) => first + k);
          return Stream.fromIterable(indexes).pipe(
            Stream.rechunk(batchRecordsMax),
            Stream.chunks,
            Stream.map((chunk) => ({ records: chunk.map((k) => notices[k]), positions: chunk.map((k) => k + 1) })),
          );
        },
      });
      const rows = Sink.memory<Window.WindowResult<string, number>>("rows");
      const late = Sink.memory<Window.Late<number, string>>("late");
      const job = Job.make({
        name: "notices",
        guarantee: "exactly-once",
        flows: [
          Flow.from(source).pipe(
            Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.boundedOutOfOrderness(5) }),
            Flow.keyBy(() => "all"),
            Flow.window("tens", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late }),
            Flow.to(rows),
          ),
        ],
      });
      const kv = memoryKv();
      kv.onCommit((commit) => commit === crashAt ? "crash-after" : "ok");
      await runToEnd(job, { kv, batchRecordsMax, epochRecordsMax: 1 });
      assert.deepEqual(rows.values().map(({ window, value }) => [window.start, value]), [[0, 1], [20, 1]]);
      assert.deepEqual(late.values().map(({ value, watermark }) => [value, watermark]), [[15, 20], [8, 20]]);
    }
  }
});

Deno.test("a notice that is no date ends the job", async () => {
  const source = Source.make<number>({
    name: "wrong",
    bounded: true,
    splits: Effect.succeed(["0"]),
    read: () => Stream.make({ records: [new Source.WatermarkNotice(NaN)], positions: [1] }),
  });
  const flow = Flow.from(source).pipe(
    Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.monotonic }),
    Flow.to(Sink.memory("out")),
  );
  const job = Job.make({ name: "wrong", guarantee: "exactly-once", flows: [flow] });
  await assert.rejects(runToEnd(job, { kv: memoryKv() }), /must be a date in epoch milliseconds: current value is NaN/);
});
