/** Runs that go on, that end with what is there, and that do so again and again; and that all of them say the same. */
import assert from "node:assert/strict";
import { Clock, Effect, Exit, Stream } from "effect";
import * as Schema from "@effect/schema";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { assertSameBag } from "./support.ts";
import { pass, settle, withTestClock } from "./timeline.ts";

interface Reading {
  readonly key: string;
  readonly at: number;
}

/** Readings counted by key, in windows of 10 ms with a bound of 5 ms. */
const counting = <S>(
  source: Source.Source<Reading, never, never, S>,
  sinks = { counts: Sink.memory<unknown>("counts"), late: Sink.memory<unknown>("late") },
  options: { readonly maxDrift?: number; readonly idleAfter?: number } = {},
) => ({
  ...sinks,
  job: Job.make({
    name: "counting",
    guarantee: "exactly-once",
    flows: [
      Flow.from(source as Source.Source<Reading, never, never, never>).pipe(
        Flow.eventTime({
          timestamp: ({ at }) => at,
          watermark: Watermark.boundedOutOfOrderness(5),
          ...options,
        }),
        Flow.keyBy(({ key }) => key),
        Flow.window("counts", {
          assigner: Window.tumbling(10),
          aggregate: Aggregate.count,
          late: (side) => side.pipe(Flow.map(({ value, watermark }) => ({ ...value, watermark })), Flow.to(sinks.late)),
        }),
        Flow.map(({ key, window, value }) => ({ key, start: window.start, value })),
        Flow.to(sinks.counts),
      ),
    ],
  }),
});

const readings: fc.Arbitrary<ReadonlyArray<Reading>> = fc.array(
  fc.record({ key: fc.constantFrom("a", "b"), at: fc.integer({ min: 0, max: 100 }) }),
  { maxLength: 60 },
);

// ── available now ───────────────────────────────────────────────────────────────────────────────────────────────────

// run 1        3  12  8 |                 caught up: nothing has ended, [0, 10) and [10, 20) are open
// run 2                   17  26 |        watermark 21
// at the end                       |      the rest fires
Deno.test("a run of what is available leaves its windows open, and the next one goes on with what has come since", async () => {
  const kv = memoryKv();
  const sinks = { counts: Sink.memory<unknown>("counts"), late: Sink.memory<unknown>("late") };
  const all = [3, 12, 8, 17, 26].map((at) => ({ key: "a", at }));
  const run = (count: number, mode: Job.RunMode) => {
    const { job } = counting(Source.array("readings", all.slice(0, count)), sinks);
    return Effect.runPromise(Job.run(job, { state: "x", kv, mode }));
  };
  const one = await run(3, "available-now");
  assert.equal(one.outcome, "caught-up");
  assert.deepEqual(one.metrics.splits.map(({ ended, records }) => [ended, records]), [[false, 3]]);
  assert.deepEqual(sinks.counts.values(), []);
  const two = await run(5, "available-now");
  assert.equal(two.outcome, "caught-up");
  assert.deepEqual(sinks.counts.values(), [{ key: "a", start: 0, value: 2 }, { key: "a", start: 10, value: 2 }]);
  const commits = two.metrics.epochs.epoch;
  const three = await run(5, "available-now");
  assert.equal(three.metrics.epochs.epoch, commits, "without news there is no epoch");
  const four = await run(5, "continuous");
  assert.equal(four.outcome, "ended");
  assert.equal(sinks.counts.values().length, 3);
});

// run 1        monday 3 12                       nothing else is there: watermark 7
// run 2        monday, tuesday 18 27             monday has nothing new: with idleAfter it does not hold tuesday back
// run 3        monday, tuesday, wednesday 33 45
for (const idleAfter of [undefined, 1]) {
  Deno.test(`a new file each run ${idleAfter === undefined ? "waits for the old ones" : "fires windows, given idleAfter"}`, async () => {
    const kv = memoryKv();
    const sinks = { counts: Sink.memory<unknown>("counts"), late: Sink.memory<unknown>("late") };
    const days = { monday: [3, 12], tuesday: [18, 27], wednesday: [33, 45] };
    for (const runs of [1, 2, 3]) {
      const files = Object.entries(days).slice(0, runs).map(([day, times]) =>
        [day, times.map((at) => ({ key: "a", at }))] as const
      );
      const source = Source.array<Reading>("days", Object.fromEntries(files));
      const { job } = counting(source, sinks, idleAfter === undefined ? {} : { idleAfter });
      const { outcome } = await Effect.runPromise(Job.run(job, { state: "x", kv, mode: "available-now" }));
      assert.equal(outcome, "caught-up");
    }
    const fired = [0, 10, 20, 30].map((start) => ({ key: "a", start, value: start === 10 ? 2 : 1 }));
    assert.deepEqual(sinks.counts.values(), idleAfter === undefined ? [] : fired);
    assert.deepEqual(sinks.late.values(), []);
  });
}

Deno.test("several runs of what is available, whatever came between them, answer what one run over all of it does", async () => {
  const plan = fc.record({
    all: readings,
    cuts: fc.array(fc.nat(60), { maxLength: 4 }),
    batchRecordsMax: fc.constantFrom(1, 7, 1_000),
  });
  let lateInAll = 0;
  await fc.assert(
    fc.asyncProperty(plan, async ({ all, cuts, batchRecordsMax }) => {
      const whole = counting(Source.array("readings", all));
      await Effect.runPromise(Job.run(whole.job, { state: "x", kv: memoryKv() }));
      const kv = memoryKv();
      const sinks = { counts: Sink.memory<unknown>("counts"), late: Sink.memory<unknown>("late") };
      for (const cut of [...cuts].sort((a, b) => a - b)) {
        const { job } = counting(Source.array("readings", all.slice(0, cut)), sinks);
        const { outcome } = await Effect.runPromise(
          Job.run(job, { state: "x", kv, mode: "available-now", batchRecordsMax }),
        );
        assert.equal(outcome, "caught-up");
      }
      await Effect.runPromise(Job.run(counting(Source.array("readings", all), sinks).job, { state: "x", kv }));
      assertSameBag(sinks.counts.values(), whole.counts.values(), "counts");
      assertSameBag(sinks.late.values(), whole.late.values(), "late records");
      lateInAll += whole.late.values().length;
    }),
    { numRuns: 60, seed: 20_260_101 },
  );
  assert.ok(lateInAll > 50, `${lateInAll} records were late`);
});

/** A source that goes on for ever: all of these records at once, and then silence. */
const live = (records: ReadonlyArray<Reading>): Source.Source<Reading, never, never, never> =>
  Source.make({
    name: "readings",
    bounded: false,
    splits: Effect.succeed(["0"]),
    read: (_split, from, batchRecordsMax) => {
      const rest = records.slice(Number(from ?? 0), Number(from ?? 0) + batchRecordsMax);
      const positions = rest.map((_, k) => Number(from ?? 0) + k + 1);
      return Stream.make({ records: rest, positions, lag: 0 }).pipe(Stream.concat(Stream.never));
    },
  });

Deno.test("a stream that never ends answers what the batch does, once its watermark is past everything", async () => {
  await fc.assert(
    fc.asyncProperty(readings, async (all) => {
      const batch = counting(Source.array("readings", all));
      await Effect.runPromise(Job.run(batch.job, { state: "x", kv: memoryKv() }));
      const future = { key: "later", at: 1_000_000 };
      const stream = counting(live([...all, future]));
      const { outcome } = await Effect.runPromise(
        Job.run(stream.job, { state: "x", kv: memoryKv(), mode: "available-now" }),
      );
      assert.equal(outcome, "caught-up");
      assertSameBag(stream.counts.values(), batch.counts.values(), "counts");
      assertSameBag(stream.late.values(), batch.late.values(), "late records");
    }),
    { numRuns: 40, seed: 20_260_101 },
  );
});

Deno.test("a run of what is available does not chase a producer that goes on: it ends where this was first all", async () => {
  let made = 0;
  const endless = Source.make({
    name: "readings",
    bounded: false,
    splits: Effect.succeed(["quick", "quicker"]),
    read: (_split, from) => {
      let k = Number(from ?? 0);
      return Stream.fromEffectRepeat(Effect.sync(() => {
        made++;
        k++;
        // It has three and then, for a moment, no more.
        return { records: [{ key: "a", at: k }], positions: [k], lag: 3 - k % 4 };
      }));
    },
  });
  const { job, counts } = counting(endless);
  const { outcome, metrics } = await Effect.runPromise(
    Job.run(job, { state: "x", kv: memoryKv(), mode: "available-now" }),
  );
  assert.equal(outcome, "caught-up");
  assert.deepEqual(metrics.splits.map(({ records, lag }) => [records, lag]), [[3, 0], [3, 0]]);
  assert.equal(made, 6);
  assert.deepEqual(counts.values(), []);
});

Deno.test("a paced generator says when it has nothing yet, so a run of what is available ends", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const source = Source.generate("readings", { seed: 1, rate: 100, make: (k) => ({ key: "a", at: k * 10 }) });
    const kv = memoryKv();
    const sinks = { counts: Sink.memory<unknown>("counts"), late: Sink.memory<unknown>("late") };
    const { job } = counting(source, sinks);
    const run = Job.run(job, { state: "x", kv, mode: "available-now" });
    const one = yield* run;
    assert.deepEqual([one.outcome, one.metrics.splits[0].records], ["caught-up", 10]);
    const two = yield* run;
    assert.deepEqual([two.outcome, two.metrics.splits[0].records], ["caught-up", 20]);
  }))));

// ahead        0, 10, …, 1000 (all there)      behind   0 (all there)      maxDrift 100
Deno.test("a split that is caught up with does not hold aligned ones up for the rest of the run", async () => {
  const splits = { ahead: Array.from({ length: 101 }, (_, k) => k * 10), behind: [0] };
  const source = Source.make({
    name: "readings",
    bounded: false,
    splits: Effect.succeed(Object.keys(splits)),
    read: (split, from) => {
      const all = splits[split as keyof typeof splits];
      const first = Number(from ?? 0);
      return Stream.fromIterable(
        all.slice(first).map((at, k) => ({
          records: [{ key: split, at }],
          positions: [first + k + 1],
          lag: all.length - first - k - 1,
        })),
      ).pipe(Stream.rechunk(1), Stream.concat(Stream.never));
    },
  });
  const { job } = counting(source, undefined, { maxDrift: 100 });
  const options = { state: "x", kv: memoryKv(), mode: "available-now", batchRecordsMax: 1 } as const;
  const { outcome, metrics } = await Effect.runPromise(Job.run(job, options));
  assert.deepEqual([outcome, metrics.splits[0].records], ["caught-up", 101]);
});

Deno.test("a source that cannot say when it has nothing more is refused, and so is an interval that makes no sense", async () => {
  const ruleOf = async (job: Job.Job<never>, mode: Job.RunMode): Promise<string> => {
    const exit = await Effect.runPromiseExit(Effect.flip(Job.run(job, { state: ":memory:", kv: memoryKv(), mode })));
    assert.ok(Exit.isSuccess(exit) && exit.value._tag === "InvalidJob");
    return exit.value.message;
  };
  const ticks = Source.fromStream("ticks", Stream.never as Stream.Stream<number>);
  const nowhere = Sink.memory<number>("nowhere");
  const flows = [Flow.from(ticks).pipe(Flow.to(nowhere))];
  const unknown = Job.make({ name: "ticks", guarantee: "at-most-once", flows });
  assert.match(await ruleOf(unknown, "available-now"), /nothing more right now: current value is "ticks"$/);
  const endless = counting(Source.generate("readings", { seed: 1, make: (k) => ({ key: "a", at: k }) })).job;
  assert.match(await ruleOf(endless, { every: "1 minute" }), /current value is "readings"$/);
  const bounded = counting(Source.array("readings", [])).job;
  assert.match(await ruleOf(bounded, { every: 0 }), /must be finite and at least 1 millisecond: current value is 0$/);
});

Deno.test("a file that grows is read on by the next run", async () => {
  const path = await Deno.makeTempFile();
  try {
    const kv = memoryKv();
    const out = Sink.memory<number>("out");
    const schema = Schema.Struct({ id: Schema.Number });
    const flow = Flow.from(Source.ndjson("orders", { paths: path, schema })).pipe(
      Flow.onError("fail"),
      Flow.map(({ id }) => id),
      Flow.to(out),
    );
    const job = Job.make({ name: "growing", guarantee: "exactly-once", flows: [flow] });
    for (const ids of [[1, 2], [], [3], [4, 5, 6]]) {
      await Deno.writeTextFile(path, ids.map((id) => `{"id":${id}}\n`).join(""), { append: true });
      await Effect.runPromise(Job.run(job, { state: "x", kv, mode: "available-now" }));
    }
    assert.deepEqual(out.values(), [1, 2, 3, 4, 5, 6]);
  } finally {
    await Deno.remove(path);
  }
});

// run 1        web 5, 25          folder: no file yet          open, not ended
// run 2                           folder: one.txt 7, 30        7 counts: nothing has gone by
Deno.test("a source that has no splits yet has not ended; those that come later are read from their beginning", async () => {
  const kv = memoryKv();
  const counts = Sink.memory<number>("counts");
  const late = Sink.memory<number>("late");
  const seen = Sink.memory<number>("seen");
  const run = (files: Readonly<Record<string, ReadonlyArray<number>>>, mode: Job.RunMode) => {
    const stamped = (name: string, splits: Readonly<Record<string, ReadonlyArray<number>>>) =>
      Flow.from(Source.array(name, splits)).pipe(
        Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.monotonic }),
        Flow.keyBy(() => 0),
      );
    const flow = stamped("folder", files).pipe(
      Flow.window("counts", {
        assigner: Window.tumbling(10),
        aggregate: Aggregate.count,
        late: (side) => side.pipe(Flow.map(({ timestamp }) => timestamp), Flow.to(late)),
      }),
      Flow.map(({ window }) => window.start),
      Flow.to(counts),
    );
    const web = stamped("web", { web: [5, 25] }).pipe(Flow.to(seen));
    const job = Job.make({ name: "folder", guarantee: "exactly-once", flows: [flow, web] });
    return Effect.runPromise(Job.run(job, { state: "x", kv, mode }));
  };
  const alone = counting(Source.array("readings", {}));
  const options = { state: ":memory:", kv: memoryKv() };
  const none = await Effect.runPromise(Job.run(alone.job, { ...options, mode: "available-now" }));
  assert.equal(none.outcome, "caught-up");
  const one = await run({}, "available-now");
  assert.deepEqual([one.outcome, one.metrics.watermarks["eventTime#0"]], ["caught-up", -Infinity]);
  const two = await run({ "one.txt": [7, 30] }, "available-now");
  assert.deepEqual([two.outcome, two.metrics.watermarks["eventTime#0"]], ["caught-up", 30]);
  assert.deepEqual([counts.values(), late.values()], [[0], []]);
  assert.equal((await run({ "one.txt": [7, 30] }, "continuous")).outcome, "ended");
  assert.deepEqual([counts.values(), late.values()], [[0, 30], []]);
});

// ── again and again ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A log to which something writes a reading each second; a reader gets what is there, and is told when that is all. */
const log = Source.make({
  name: "readings",
  bounded: false,
  splits: Effect.succeed(["0"]),
  read: (_split, from) => {
    let next = Number(from ?? 0);
    return Stream.fromEffectRepeat(Effect.gen(function* () {
      const written = Math.floor((yield* Clock.currentTimeMillis) / 1_000);
      const records = Array.from({ length: written - next }, (_, k) => ({ key: "a", at: (next + k) * 1_000 }));
      const positions = records.map((_, k) => next + k + 1);
      if (records.length === 0) yield* Effect.sleep(500);
      next = written;
      return { records, positions, lag: 0 };
    }));
  },
});

// processing   30 s    1 min              2 min            …   10 min
// log          · · · · · · · · · · · · · · · · · · · · · · · · · · ·       one record a second
// passes       |       |                  |                    |           each commits once
Deno.test("a job that runs each minute commits once a minute, one that goes on does each second; both say the same", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    yield* pass(30_000);
    const runs = yield* Effect.forEach(
      [{ every: "1 minute" }, "continuous"] as const,
      (mode) =>
        Effect.gen(function* () {
          const kv = memoryKv();
          const counted = counting(log);
          const running = yield* Job.start(counted.job, { state: "x", kv, mode, epochInterval: "1 second" });
          yield* settle;
          return { ...counted, running, kv };
        }),
    );
    for (let k = 0; k < 57; k++) yield* pass(10_000);
    yield* pass(500);
    const [minutely, continuous] = yield* Effect.forEach(
      runs,
      ({ running }) => Effect.map(running.metrics, ({ epochs, splits }) => ({ ...epochs, records: splits[0].records })),
    );
    assert.deepEqual([minutely.records, minutely.committed], [600, 11]);
    assert.ok(continuous.committed > 500, `${continuous.committed} commits`);
    // A pass costs a claim and a note of what was published, too; still far less.
    assert.ok(runs[0].kv.commits() < 4 * 11, `${runs[0].kv.commits()} atomic commits`);
    assert.ok(runs[1].kv.commits() > 500);
    for (const { running } of runs) assert.equal((yield* running.stop).outcome, "stopped");
    assertSameBag(runs[0].counts.values(), runs[1].counts.values().slice(0, runs[0].counts.values().length), "counts");
    assert.ok(runs[0].counts.values().length > 590);
  }))));

Deno.test("a job between two of its passes stops at once, and its metrics can be read", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const { job } = counting(log);
    const running = yield* Job.start(job, { state: "x", kv: memoryKv(), mode: { every: "1 hour" } });
    yield* pass(10_000);
    assert.equal((yield* running.metrics).splits[0].split, "0");
    const { outcome, metrics } = yield* running.stop;
    assert.equal(outcome, "stopped");
    assert.deepEqual(metrics.splits.map(({ ended }) => ended), [false]);
  }))));
