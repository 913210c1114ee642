/**
 * What must not grow: rounds, wake-ups, bytes, writes and reads for each record, row, key and epoch.
 *
 * Cost is counted, so that it is the same on every machine. Where only time can tell, it is a ratio between two things done
 * in turn in one process, of which the best of several rounds is taken, and the bound is far from what is reached. How
 * often accumulators are merged is counted in `tests/sliding_test.ts`.
 */
import assert from "node:assert/strict";
import { AsyncResource } from "node:async_hooks";
import process from "node:process";
import { Cause, Clock, Deferred, Effect, Stream } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { inspect } from "../src/exactly-once/inspect.ts";
import { SplitWatermarks } from "../src/windows/split-watermarks.ts";
import { type MemoryKv, memoryKv } from "../src/testing/memory-kv.ts";

interface Reading {
  readonly n: number;
  readonly key: number;
  readonly at: number;
}

const reading = (n: number, keys: number): Reading => ({ n, key: (n * 7_919) % keys, at: n });

const readings = (count: number, keys: number): ReadonlyArray<Reading> =>
  Array.from({ length: count }, (_, n) => reading(n, keys));

/** Counts by key in one window, and drops the rows. */
const counting = (source: Source.Source<Reading, never, never, never>) =>
  Job.make({
    name: "counts",
    guarantee: "exactly-once",
    flows: [
      Flow.from(source).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
        Flow.keyBy(({ key }) => key),
        Flow.window("window", {
          assigner: Window.tumbling("1 day"),
          aggregate: { count: Aggregate.count, sum: Aggregate.sum(({ n }: Reading) => n) },
          late: "drop",
        }),
        Flow.filter(() => false),
        Flow.to(Sink.memory<unknown>("none")),
      ),
    ],
  });

/** How many rounds a job has made, by its stored state. */
const roundsOf = (kv: MemoryKv, job: string): Promise<number> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const summary = yield* inspect(yield* kv.open("test.kv"), job);
    return (summary!.control as { readonly round: number }).round;
  })));

/** How long each look at the clock of a run takes. A turn of the ingest lasts as many looks as it does on a real machine. */
const lookMillis = 0.25;

/** A clock that nothing moves but looking at it: what a job does then depends on nothing but its input. */
const clockOfLooks = (): Clock.Clock => {
  let now = 0;
  const millis = (): number => Math.floor(now += lookMillis);
  const nanos = (): bigint => BigInt(millis()) * 1_000_000n;
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: () => Effect.never,
  };
};

/** Runs a job to its end. Only records end its epochs. */
const run = (job: Job.Job<never>, kv: MemoryKv, options: Job.RunOptions = {}): Promise<Job.JobSummary> =>
  Effect.runPromise(
    Effect.provideService(Job.run(job, { state: "test.kv", kv, ...options }), Clock.Clock, clockOfLooks()),
  );

/** How often fibers that waited are woken while something runs: Effect gives back a resource for each. */
const countingWakes = async (running: () => Promise<unknown>): Promise<number> => {
  const { prototype } = AsyncResource;
  const giveBack = prototype.emitDestroy;
  let wakes = 0;
  prototype.emitDestroy = function (this: AsyncResource) {
    wakes++;
    return giveBack.call(this);
  };
  try {
    await running();
  } finally {
    prototype.emitDestroy = giveBack;
  }
  return wakes;
};

// ---------------------------------------------------------------------------------------------------------------------
// Rounds: as small as what is there, as large as a batch

/**
 * Hands out one record, and the next only when the one before has come out at the other end.
 *
 *     source    n=0 ─┐         n=1 ─┐         n=2 ─┐
 *     result         └▶ n=0 ───▲    └▶ n=1 ───▲    └▶ …
 */
const pingPong = (count: number) => {
  let arrived: Deferred.Deferred<void> | null = null;
  const source = Source.make({
    name: "ping-pong",
    bounded: true,
    paced: true,
    splits: Effect.succeed(["all"]),
    read: () =>
      Stream.fromPull(Effect.sync(() => {
        let n = 0;
        return Effect.gen(function* () {
          if (arrived !== null) yield* Deferred.await(arrived);
          if (n === count) return yield* Cause.done();
          arrived = yield* Deferred.make<void>();
          return [{ records: [reading(n, 50)], positions: [++n] }] as const;
        });
      })),
  });
  return { source, arrive: () => Effect.runSync(Deferred.succeed(arrived!, undefined)) };
};

/** Answers each record, behind a keyed exchange. */
const answering = (source: Source.Source<Reading, never, never, never>, answer: () => void) =>
  Job.make({
    name: "answers",
    guarantee: "exactly-once",
    flows: [
      Flow.from(source).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
        Flow.keyBy(({ key }) => key),
        Flow.window("running", {
          assigner: Window.tumbling("1 day"),
          aggregate: Aggregate.count,
          trigger: Trigger.repeatedly(Trigger.afterCount(1)),
          panes: "accumulating",
          late: "drop",
        }),
        Flow.filter(() => {
          answer();
          return false;
        }),
        Flow.to(Sink.memory<unknown>("none")),
      ),
    ],
  });

Deno.test("a record that comes alone is handed on at once, in a round of its own, by waking each actor once", async () => {
  const count = 500;
  const keyedPartitions = 8;
  const kv = memoryKv();
  const { source, arrive } = pingPong(count);
  let answers = 0;
  const job = answering(source, () => {
    answers++;
    arrive();
  });
  const wakes = await countingWakes(() => run(job, kv, { keyedPartitions }));
  assert.equal(answers, count);
  // Each of them, and the end of the split.
  assert.equal(await roundsOf(kv, "answers"), count + 1);
  // The actors, the ingest, and those who read the source.
  const wakesMax = keyedPartitions + 4;
  assert.ok(wakes <= wakesMax * count, `${wakes} wakes for ${count} records`);
});

Deno.test("records that are there fill their rounds, and fibers are woken once for thousands of them", async () => {
  const rounds = 60;
  const count = rounds * Job.runDefaults.batchRecordsMax;
  const kv = memoryKv();
  const job = counting(Source.array("readings", readings(count, 100)));
  const wakes = await countingWakes(() => run(job, kv));
  assert.equal(await roundsOf(kv, "counts"), rounds + 1);
  // Were each actor woken for each round, it would be all of them every time.
  const wakesMax = rounds * Job.runDefaults.keyedPartitions * 3 / 4;
  assert.ok(wakes <= wakesMax, `${wakes} wakes for ${count} records in ${rounds} rounds`);
});

Deno.test("however much there is to read, others have their turn every few rounds", async () => {
  const rounds = 60;
  const job = counting(Source.array("readings", readings(rounds * Job.runDefaults.batchRecordsMax, 100)));
  let turns = 0;
  const other = Effect.forever(Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++)));
  await Effect.runPromise(Effect.race(
    Effect.promise(() => run(job, memoryKv())),
    other,
  ));
  assert.ok(turns >= rounds / 10, `${turns} turns while ${rounds} rounds were read`);
});

Deno.test("what has come while the engine was busy makes one round", async () => {
  const batches = 400;
  const kv = memoryKv();
  const source = Source.make({
    name: "drops",
    bounded: true,
    paced: true,
    splits: Effect.succeed(["all"]),
    read: () =>
      Stream.range(0, batches - 1).pipe(
        Stream.rechunk(1),
        Stream.map((n) => ({ records: [reading(n, 50)], positions: [n + 1] })),
      ),
  });
  await run(counting(source), kv);
  const rounds = await roundsOf(kv, "counts");
  assert.ok(rounds <= batches / 10, `${rounds} rounds for ${batches} batches`);
});

// ---------------------------------------------------------------------------------------------------------------------
// Epochs: what is written is what has changed

/** How many bytes a changed row of two numbers may take in an epoch of a thousand rows, with its share of all the rest. */
const rowBytesMax = 16;

Deno.test("a small epoch is one atomic commit, and a row that has changed takes a few bytes", async () => {
  const keys = 1_000;
  const epochs = 20;
  const kv = memoryKv();
  const job = counting(Source.array("readings", readings(keys * epochs, keys)));
  const { metrics } = await run(job, kv, { epochRecordsMax: keys, batchRecordsMax: keys });
  const { committed, atomics, bytes } = metrics.epochs;
  assert.ok(committed >= epochs, `${committed} epochs`);
  assert.equal(atomics, committed);
  // Two numbers, and what tells which row it is.
  const perRow = bytes / (keys * epochs);
  assert.ok(perRow <= rowBytesMax, `${perRow} bytes for each row`);
});

Deno.test("an epoch in which few of many keys have changed writes those alone", async () => {
  const changed = 50;
  const epochs = 20;
  const bytesPerEpoch = async (keys: number): Promise<number> => {
    const few = Array.from({ length: changed * epochs }, (_, n) => reading(keys + n % changed, keys));
    const written = async (list: ReadonlyArray<Reading>): Promise<number> => {
      const { metrics } = await run(counting(Source.array("readings", list)), memoryKv(), {
        epochRecordsMax: changed,
        batchRecordsMax: changed,
        mode: "available-now",
      });
      return metrics.epochs.bytes;
    };
    const all = readings(keys, keys);
    return (await written([...all, ...few]) - await written(all)) / epochs;
  };
  const of500 = await bytesPerEpoch(500);
  const of10000 = await bytesPerEpoch(10_000);
  assert.ok(of10000 <= 1.1 * of500, `${of10000} bytes an epoch with 10,000 keys, ${of500} with 500`);
});

Deno.test("a start reads each chunk of the state once", async () => {
  const keys = 100_000;
  const kv = memoryKv();
  const list = readings(keys, keys);
  const job = counting(Source.array("readings", list));
  await run(job, kv, { mode: "available-now" });
  const readsBefore = kv.reads();
  const entries = kv.entries("test.kv").length;
  await run(job, kv, { mode: "available-now" });
  // The manifest is looked at more often: to claim it, and before the first flip.
  const reads = kv.reads() - readsBefore;
  assert.ok(entries > 10, `${entries} entries`);
  assert.ok(reads <= entries + 5, `${reads} reads of ${entries} entries`);
});

// ---------------------------------------------------------------------------------------------------------------------
// Memory

/** Says how much the heap grows for each of many keys, when they have been stored and nothing is on its way any more. */
const liveKeys = `
  import { Effect, Stream } from "effect";
  import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
  const keys = 100_000;
  // Put into a set once, so that the texts have the form that they have as keys.
  const names = Array.from(new Set(Array.from({ length: keys }, (_, k) => "key-" + k)));
  // What is outside of the heap goes only after what refers to it, and some of it in the background.
  const heap = Effect.gen(function* () {
    let least = Infinity;
    for (let k = 0; k < 8; k++) {
      globalThis.gc();
      yield* Effect.sleep(25);
      const { heapUsed, external } = Deno.memoryUsage();
      least = Math.min(least, heapUsed + external);
    }
    return least;
  });
  const batch = (start, size) => ({
    records: Array.from({ length: size }, (_, k) => ({ key: names[start + k], value: k, at: start + k })),
    positions: Array.from({ length: size }, (_, k) => start + k + 1),
  });
  const job = (count) => Job.make({
    name: "live",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.make({
        name: "readings",
        bounded: false,
        splits: Effect.succeed(["all"]),
        read: () => Stream.range(0, count / 1_000 - 1).pipe(
          Stream.map((k) => batch(k * 1_000, 1_000)),
          Stream.concat(Stream.never),
        ),
      })).pipe(
        Flow.eventTime({ timestamp: (reading) => reading.at, watermark: Watermark.monotonic }),
        Flow.keyBy((reading) => reading.key),
        Flow.window("counts", {
          assigner: Window.tumbling("1000 days"),
          aggregate: { count: Aggregate.count, sum: Aggregate.sum((reading) => reading.value) },
          late: "drop",
        }),
        Flow.to(Sink.memory("nowhere")),
      ),
    ],
  });
  const heapWith = (count) => Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job(count), { state: ":memory:", epochInterval: "50 millis" });
    for (;;) {
      yield* Effect.sleep(20);
      const { splits, epochs } = yield* running.metrics;
      if (splits.length > 0 && splits[0].records === count && epochs.committed > 0) break;
    }
    yield* Effect.sleep(200);
    const bytes = yield* heap;
    yield* running.stop;
    return bytes;
  }));
  await Effect.runPromise(Effect.gen(function* () {
    yield* heapWith(keys / 10);
    const few = yield* heapWith(keys / 10);
    const all = yield* heapWith(keys);
    console.log((all - few) / (keys - keys / 10));
  }));
`;

/** How many bytes of memory a key with two numbers may take beside itself. */
const liveKeyBytesMax = 96;

/** Runs a program in a process of its own, and returns what it prints. */
const printedBy = async (program: string): Promise<string> => {
  const folder = await Deno.makeTempDir({ dir: "tests" });
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const { stdout, stderr, success } = await new Deno.Command("deno", {
      args: ["run", "--quiet", "--no-prompt", "--no-check", "--v8-flags=--expose-gc", `${folder}/program.ts`],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

Deno.test("a live key takes some tens of bytes of memory beside its own", async () => {
  const bytes = Number(await printedBy(liveKeys));
  assert.ok(bytes <= liveKeyBytesMax, `${bytes} bytes for each key`);
  assert.ok(bytes >= 16, `${bytes} bytes cannot hold two numbers`);
});

// ---------------------------------------------------------------------------------------------------------------------
// Time, as ratios

/** How often two things are timed in turn. */
const rounds = 5;

/**
 * The least processor time that each of some things takes, in turn; a first time, which warms up, is not counted. Others
 * that use the machine hardly show in it.
 */
const leastMillis = async (things: ReadonlyArray<() => unknown>): Promise<ReadonlyArray<number>> => {
  const least = things.map(() => Infinity);
  for (let round = 0; round <= rounds; round++) {
    for (const [k, thing] of things.entries()) {
      const before = process.cpuUsage();
      await thing();
      const { user, system } = process.cpuUsage(before);
      if (round > 0) least[k] = Math.min(least[k], (user + system) / 1_000);
    }
  }
  return least;
};

const generated = (count: number, keys: number) =>
  Source.generate("readings", { seed: 1, count, make: (n): Reading => reading(n, keys) });

/** The loop that a person would write: it keeps nothing. */
const byHand = (count: number, keys: number) => {
  const cells = new Map<number, { count: number; sum: number }>();
  return Effect.runPromise(
    Stream.runForEach(
      generated(count, keys).read("0", null, Job.runDefaults.batchRecordsMax),
      ({ records }) =>
        Effect.sync(() => {
          for (const { key, n } of records as ReadonlyArray<Reading>) {
            const cell = cells.get(key);
            if (cell === undefined) {
              cells.set(key, { count: 1, sum: n });
            } else {
              cell.count++;
              cell.sum += n;
            }
          }
        }),
    ),
  );
};

const onWeir = (count: number, keys: number, options: Job.RunOptions = {}) => () =>
  Effect.runPromise(Job.run(counting(generated(count, keys)), { state: "test.kv", kv: memoryKv(), ...options }));

/** How many times as long as the loop a job may take, its start included: about twice what it takes. */
const loopsMax = 8;

Deno.test("a job takes no more than a few times what a loop takes that a person would write", async () => {
  const count = 1_000_000;
  const [loop, weir] = await leastMillis([() => byHand(count, 1_000), onWeir(count, 1_000)]);
  assert.ok(weir <= loopsMax * loop, `${weir.toFixed(0)} ms, against ${loop.toFixed(0)} ms of the loop`);
});

Deno.test("ten times the keys of a partition do not cost ten times as much", async () => {
  const count = 300_000;
  const [few, many] = await leastMillis([500, 5_000].map((keys) => onWeir(count, keys, { keyedPartitions: 1 })));
  assert.ok(many <= 3 * few, `${many.toFixed(0)} ms with 5,000 keys, ${few.toFixed(0)} ms with 500`);
});

/**
 * Each split begins where another ends, so that for long stretches one alone holds the watermark back.
 *
 *     split 0  ├──────┤
 *     split 1         ├──────┤
 *     split 2                ├──────┤
 */
Deno.test("a record of one of many splits costs no look at the others", async () => {
  const count = 1_000_000;
  const follow = (splits: number) => () => {
    const watermarks = new SplitWatermarks(Watermark.boundedOutOfOrderness(5), splits);
    const each = count / splits;
    for (let split = 0; split < splits; split++) watermarks.observe(split, split * each);
    for (let split = 0; split < splits; split++) {
      for (let n = 0; n < each; n++) watermarks.observe(split, split * each + n);
      watermarks.end(split);
    }
    assert.equal(watermarks.merged, Infinity);
  };
  const [alone, many] = await leastMillis([follow(1), follow(200)]);
  // Looking at all of them for each record would make it about 100 times.
  assert.ok(many <= 8 * alone, `${many.toFixed(1)} ms with 200 splits, ${alone.toFixed(1)} ms with one`);
});

Deno.test("to hear of many splits that nothing has changed costs no look at the others", async () => {
  const heard = (splits: number) => () => {
    const watermarks = new SplitWatermarks(Watermark.monotonic, splits);
    for (let split = 0; split < splits; split++) watermarks.observe(split, split);
    for (let n = 0; n < 400_000; n++) watermarks.setIdle(n % splits, false);
    assert.equal(watermarks.merged, 0);
  };
  const [few, many] = await leastMillis([heard(10), heard(1_000)]);
  assert.ok(many <= 8 * few, `${many.toFixed(1)} ms with 1,000 splits, ${few.toFixed(1)} ms with 10`);
});

// ---------------------------------------------------------------------------------------------------------------------
// Start

/** What the engine loads of others. `effect` itself every program loads; of the rest only what is needed. */
const loaded = [
  "@effect/schema",
  "effect",
  "effect/encoding/Csv",
  "effect/encoding/Sse",
  "effect/schema",
];

Deno.test("a start loads of others no more than what is needed", async () => {
  const { stdout } = await new Deno.Command("deno", { args: ["info", "--json", "mod.ts"] }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly modules: ReadonlyArray<{
      readonly dependencies?: ReadonlyArray<{ readonly specifier: string; readonly code?: unknown }>;
    }>;
  };
  const specifiers = modules.flatMap(({ dependencies = [] }) =>
    dependencies.filter(({ code }) => code !== undefined).map(({ specifier }) => specifier)
  );
  assert.ok(specifiers.length > 100);
  const others = new Set(specifiers.filter((specifier) => !/^(\.|node:)/.test(specifier)));
  assert.deepEqual([...others].sort(), loaded);
});
