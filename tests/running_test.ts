/**
 * A job while it runs: bounded everywhere, readable from outside, started anew after errors that pass, and ended by those
 * that do not, with coordinates.
 */
import assert from "node:assert/strict";
import { Deferred, Effect, Exit, Schedule, Stream } from "effect";
import * as Schema from "@effect/schema";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Signal } from "../src/actors/signal.ts";
import { SplitReader } from "../src/streams/split-reader.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { runToEnd } from "./support.ts";

const failureOf = async <A, E>(effect: Effect.Effect<A, E>): Promise<E> => {
  const exit = await Effect.runPromiseExit(Effect.flip(effect));
  if (Exit.isFailure(exit)) throw new Error("it was to fail");
  return exit.value;
};

Deno.test("a slow sink slows the source, and what is in between stays bounded", async () => {
  const epochBytesMax = 5_000;
  const queueRecordsMax = 512;
  const batchRecordsMax = 64;
  let published = 0;
  const slow = Sink.idempotent("slow", {
    encode: (value: number) => value,
    byteLength: () => 10,
    open: (_context) =>
      Effect.succeed({
        marker: null,
        publish: ({ rows }) => Effect.sync(() => void (published += rows.length)).pipe(Effect.delay(30)),
      }),
  });
  const job = Job.make({
    name: "slow",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.generate("numbers", { seed: 1, make: (index) => index })).pipe(
        Flow.mapEffect((index) => Effect.succeed(index)),
        Flow.to(slow),
      ),
    ],
  });
  const program = Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, {
      state: ":memory:",
      epochBytesMax,
      queueRecordsMax,
      batchRecordsMax,
      epochInterval: "10 seconds",
    });
    let most = 0;
    for (let i = 0; i < 60; i++) {
      yield* Effect.sleep(10);
      const { splits, queues } = yield* running.metrics;
      if (splits.length === 0) continue;
      most = Math.max(most, splits[0].records - published);
      assert.equal(queues.length, 1);
      assert.ok(queues[0].depthMax <= queueRecordsMax);
    }
    const { metrics } = yield* running.stop;
    return { most, metrics };
  }));
  const { most, metrics } = await Effect.runPromise(program);
  // One epoch is being published while the next fills up, and is noticed to be full with queues full.
  const bound = 2 * (epochBytesMax / 10 + queueRecordsMax + 2 * batchRecordsMax);
  assert.ok(published > 2_000, `the job goes on: ${published} rows were published`);
  assert.ok(most <= bound, `${most} records were ahead of the sink; at most ${bound} may be`);
  assert.equal(published, metrics.splits[0].records);
});

Deno.test("a slow operator blocks its writer, and the time it did so can be read", async () => {
  const job = Job.make({
    name: "blocked",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("numbers", Array.from({ length: 400 }, (_, k) => k))).pipe(
        Flow.mapEffect((k) => Effect.delay(Effect.succeed(k), 1), { concurrency: 4 }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  const { metrics } = await Effect.runPromise(
    Job.run(job, { state: ":memory:", batchRecordsMax: 16, queueRecordsMax: 32 }),
  );
  const [queue] = metrics.queues;
  assert.equal(queue.stage, "mapEffect#0");
  assert.ok(queue.blockedMillis > 20, `blocked for ${queue.blockedMillis} ms`);
  assert.equal(queue.depth, 0);
  assert.equal(queue.depthMax, 32);
});

Deno.test("lag is what lies ahead of the source, and is gone when it has ended", async () => {
  const numbers = Source.array("numbers", Array.from({ length: 1_000 }, (_, k) => k));
  const goOn = Deferred.makeUnsafe<void>();
  const job = Job.make({
    name: "lag",
    guarantee: "exactly-once",
    flows: [
      Flow.from(numbers).pipe(
        Flow.mapEffect((k) => k === 500 ? Effect.as(Deferred.await(goOn), k) : Effect.succeed(k), { concurrency: 1 }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  const program = Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, { state: ":memory:", batchRecordsMax: 50, queueRecordsMax: 50 });
    const [split] = yield* Effect.repeat(Effect.delay(Effect.map(running.metrics, ({ splits }) => splits), 5), {
      until: ([split]) => (split?.records ?? 0) > 500,
    });
    yield* Deferred.succeed(goOn, undefined);
    const { metrics } = yield* running.await;
    return { split, end: metrics.splits[0] };
  }));
  const { split, end } = await Effect.runPromise(program);
  assert.equal(split.lagUnit, "records");
  assert.equal(split.records + split.lag, 1_000);
  assert.ok(split.lag > 0);
  assert.deepEqual([end.records, end.lag, end.ended], [1_000, 0, true]);
});

/** A bounded source of two splits of a hundred numbers, with no lag in its batches unless told otherwise. */
const twoSplits = (options: { readonly tells: boolean }) => {
  const asked = new Map<string, ReadonlyArray<Source.Position | null>>();
  const source = Source.make({
    name: "numbers",
    bounded: true,
    splits: Effect.succeed(["a", "b"]),
    begin: (splits) => Effect.succeed(new Map(splits.map((split) => [split, 0]))),
    lagAt: (split, position) => {
      asked.set(split, [...asked.get(split) ?? [], position]);
      return position === null ? null : 100 - Number(position);
    },
    read: (_split, from, batchRecordsMax) =>
      Stream.range(Number(from), 99).pipe(
        Stream.rechunk(batchRecordsMax),
        Stream.chunks,
        Stream.map((records) => {
          const positions = records.map((n) => n + 1);
          // What the batches tell is twice as much, so that one can be told from the other.
          return options.tells
            ? { records, positions, lag: 2 * (100 - positions[positions.length - 1]) }
            : { records, positions };
        }),
      ),
  });
  return { source, asked };
};

//  a  0 ═════▶ 50 ┄┄┄┄┄ 100      the flow waits at 50
//  b  0 ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 100      its turn has not come
for (const tells of [false, true]) {
  const how = tells ? "and then what its batches tell" : "and further on, too, where its batches tell nothing";
  Deno.test(`the lag of a split that waits for its turn is what the source says of its position, ${how}`, async () => {
    const { source, asked } = twoSplits({ tells });
    const goOn = Deferred.makeUnsafe<void>();
    const job = Job.make({
      name: "lag",
      guarantee: "exactly-once",
      flows: [
        Flow.from(source).pipe(
          Flow.mapEffect((k) => k === 50 ? Effect.as(Deferred.await(goOn), k) : Effect.succeed(k), { concurrency: 1 }),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
    await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const kv = memoryKv();
      const running = yield* Job.start(job, { kv, batchRecordsMax: 10, queueRecordsMax: 10 });
      const splits = yield* Effect.repeat(Effect.delay(Effect.map(running.metrics, ({ splits }) => splits), 5), {
        until: ([split]) => (split?.records ?? 0) > 50,
      });
      const [a, b] = splits;
      // What was read ahead are records, and what lies behind them is told.
      assert.ok(tells ? a.lag > 100 - a.records : a.lag === 100 - a.records, `${a.lag} behind ${a.records}`);
      assert.deepEqual([b.records, b.lag], [0, 100]);
      yield* Deferred.succeed(goOn, undefined);
      assert.deepEqual((yield* running.await).metrics.splits.map(({ lag }) => lag), [0, 0]);
      // At a later start of an ended job nothing is asked any more.
      asked.clear();
      const { metrics } = yield* Job.run(job, { kv });
      assert.deepEqual(metrics.splits.map(({ ended, lag }) => [ended, lag]), [[true, 0], [true, 0]]);
      assert.equal(asked.size, 0);
    })));
  });
}

Deno.test("a source that fails and may recover is read again from the last epoch, and every result is there once", async () => {
  let failures = 0;
  const inner = Source.array("inner", Array.from({ length: 300 }, (_, k) => k));
  const flaky = Source.make({
    name: "flaky",
    bounded: true,
    splits: inner.splits,
    read: (split: string, from: Source.Position | null, batchRecordsMax: number) =>
      inner.read(split, from, batchRecordsMax).pipe(
        Stream.mapEffect((batch) => {
          if (failures === 3 || (batch.positions[0] as number) < 80 * (failures + 1)) return Effect.succeed(batch);
          failures++;
          return new Source.SourceError({
            message: "the line was cut",
            source: "flaky",
            split,
            position: batch.positions[0],
            retryable: true,
            cause: null,
          });
        }),
      ),
  });
  const out = Sink.memory<number>("out");
  const job = Job.make({ name: "flaky", guarantee: "exactly-once", flows: [Flow.from(flaky).pipe(Flow.to(out))] });
  const { metrics } = await Effect.runPromise(
    Job.run(job, { state: "flaky", kv: memoryKv(), batchRecordsMax: 10, epochRecordsMax: 20 }),
  );
  assert.equal(failures, 3);
  assert.equal(metrics.restarts, 3);
  assert.deepEqual(out.values(), Array.from({ length: 300 }, (_, k) => k));
});

Deno.test("an error that lasts ends the job when the restart policy is exhausted", async () => {
  const broken = Source.make({
    name: "broken",
    bounded: true,
    splits: Effect.succeed(["0"]),
    read: (split: string) =>
      Stream.fail(
        new Source.SourceError({
          message: "the disk is gone",
          source: "broken",
          split,
          position: null,
          retryable: false,
          cause: null,
        }),
      ),
  });
  const job = Job.make({
    name: "broken",
    guarantee: "exactly-once",
    flows: [Flow.from(broken).pipe(Flow.to(Sink.memory("out")))],
  });
  const error = await failureOf(Job.run(job, { state: ":memory:" }));
  assert.equal(error._tag, "SourceError");
  assert.equal(error.message, "the disk is gone");
});

const failing = (flow: "map" | "sink" | "aggregate" | "timestamp"): Job.Job<never> => {
  const throwAt = (k: number): number => {
    if (k === 7) throw new Error("seven is not liked");
    return k;
  };
  const numbers = Flow.from(Source.array("numbers", { a: Array.from({ length: 20 }, (_, k) => k) }));
  const stamped = numbers.pipe(
    Flow.eventTime({
      timestamp: (k) => flow === "timestamp" && k === 7 ? NaN : k,
      watermark: Watermark.monotonic,
    }),
    Flow.keyBy((k) => k % 2),
    Flow.window("sums", {
      assigner: Window.tumbling(10),
      aggregate: Aggregate.sum((k: number) => flow === "aggregate" ? throwAt(k) : k),
      late: "drop",
    }),
    Flow.to(Sink.memory("sums")),
  );
  const sink = Sink.idempotent("picky", {
    encode: (k: number) => flow === "sink" ? throwAt(k) : k,
    byteLength: () => 1,
    open: (_context) => Effect.succeed({ marker: null, publish: () => Effect.void }),
  });
  return Job.make({
    name: "failing",
    guarantee: "exactly-once",
    flows: [stamped, numbers.pipe(Flow.map((k) => flow === "map" ? throwAt(k) : k), Flow.to(sink))],
  });
};

for (
  const [where, operator] of [
    ["map", "map#0"],
    ["sink", 'sink "picky"'],
    ["aggregate", "sums"],
    ["timestamp", "eventTime#0"],
  ] as const
) {
  Deno.test(`what throws in ${where} ends the job with the record's coordinates`, async () => {
    const error = await failureOf(Job.run(failing(where), { state: ":memory:" }));
    assert.equal(error._tag, "UserCodeError");
    assert.deepEqual(
      error._tag === "UserCodeError" && [error.job, error.operator, error.source, error.split, error.position],
      ["failing", operator, "numbers", "a", 8],
    );
    assert.match(error.message, where === "timestamp" ? /current value is NaN/ : /seven is not liked/);
  });
}

Deno.test("errors and, if the flow says so, defects become dead letters with their coordinates; the rest goes on", async () => {
  const letters = Sink.memory<Flow.DeadLetter<unknown>>("letters");
  const out = Sink.memory<number>("out");
  const job = Job.make({
    name: "letters",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("numbers", [1, 2, 3, 4])).pipe(
        Flow.mapEffect((k) => k === 2 ? Effect.fail("no two") : Effect.succeed(k)),
        Flow.map((k) => {
          if (k === 3) throw new Error("no three");
          return k;
        }),
        Flow.onError(letters, { defects: true }),
        Flow.to(out),
      ),
    ],
  });
  const { metrics } = await Effect.runPromise(Job.run(job, { state: ":memory:" }));
  assert.deepEqual(out.values(), [1, 4]);
  const seen = letters.values().map(({ operator, position, reason, raw }) => [
    operator,
    position,
    reason,
    new TextDecoder().decode(raw),
  ]);
  assert.deepEqual(seen, [["mapEffect#0", 2, "no two", "2"], ["map#0", 3, "no three", "3"]]);
  assert.deepEqual(metrics.operators["onError#0"], { deadLetters: 2, dropped: 0 });
});

Deno.test("a record that does not match its Schema fails the job, is dropped and counted, or becomes a dead letter", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, '{"id":1}\n{"id":"two"}\nnot json\n{"id":4}\n');
    const orders = Flow.from(Source.ndjson("orders", { paths: path, schema: Schema.Struct({ id: Schema.Number }) }));
    const run = (flow: Flow.CompleteFlow<never, Sink.Transactional>) =>
      Job.run(Job.make({ name: "orders", guarantee: "exactly-once", flows: [flow] }), { state: ":memory:" });

    const failed = await failureOf(run(orders.pipe(Flow.onError("fail"), Flow.to(Sink.memory("a")))));
    assert.equal(failed._tag, "UserCodeError");
    assert.match(failed.message, /source "orders"/);

    const dropped = await Effect.runPromise(run(orders.pipe(Flow.onError("drop"), Flow.to(Sink.memory("b")))));
    assert.deepEqual(dropped.metrics.operators["onError#0"], { deadLetters: 0, dropped: 2 });

    const letters = Sink.memory<Flow.DeadLetter<Source.DecodeError>>("letters");
    await Effect.runPromise(run(orders.pipe(Flow.onError(letters), Flow.to(Sink.memory("c")))));
    assert.deepEqual(letters.values().map(({ position }) => position), [22, 31]);
    assert.deepEqual(letters.values().map(({ raw }) => new TextDecoder().decode(raw)), ['{"id":"two"}', "not json"]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("effects of one key run one after the other, those of different keys at once", async () => {
  const running = new Map<number, number>();
  let together = 0;
  const job = Job.make({
    name: "lanes",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("numbers", Array.from({ length: 40 }, (_, k) => k))).pipe(
        Flow.keyBy((k) => k % 4),
        Flow.mapEffect((k) =>
          Effect.gen(function* () {
            const key = k % 4;
            running.set(key, (running.get(key) ?? 0) + 1);
            assert.equal(running.get(key), 1, "no two of one key");
            together = Math.max(together, [...running.values()].reduce((a, b) => a + b, 0));
            yield* Effect.sleep(1);
            running.set(key, running.get(key)! - 1);
            return k;
          }), { concurrency: 3 }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  await Effect.runPromise(Job.run(job, { state: ":memory:" }));
  assert.equal(together, 3);
});

Deno.test("a job whose code has changed is refused, and says which operator and how", async () => {
  const kv = memoryKv();
  const jobOf = (size: number, name: string) =>
    Job.make({
      name: "evolving",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.array("numbers", [1, 2, 3])).pipe(
          Flow.eventTime({ timestamp: (k) => k, watermark: Watermark.monotonic }),
          Flow.keyBy((k) => k),
          Flow.window(name, { assigner: Window.tumbling(size), aggregate: Aggregate.count, late: "drop" }),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
  const out = await Effect.runPromise(Job.run(jobOf(10, "counts"), { state: "x", kv }));
  assert.equal(out.outcome, "ended");
  for (const [size, name, keyedPartitions] of [[20, "counts", 8], [10, "totals", 8], [10, "counts", 16]] as const) {
    const error = await failureOf(Job.run(jobOf(size, name), { state: "x", kv, keyedPartitions }));
    assert.equal(error._tag, "IncompatibleState");
    assert.match(error.message, keyedPartitions === 16 ? /16/ : name === "totals" ? /totals|counts/ : /counts/);
  }
});

Deno.test("a wrong bound or a job without flows is refused with the rule and the value", async () => {
  const job = Job.make({
    name: "words",
    guarantee: "exactly-once",
    flows: [Flow.from(Source.array("words", ["a"])).pipe(Flow.to(Sink.memory("words")))],
  });
  const error = await failureOf(Job.run(job, { batchRecordsMax: 0 }));
  assert.equal(error._tag, "InvalidJob");
  assert.match(error.message, /batchRecordsMax must be a whole number above 0: current value is 0/);
  const words = Flow.from(Source.array("words", ["a"])).pipe(Flow.to(Sink.memory("words")));
  const twice = Flow.from(Source.array("more", ["a"])).pipe(Flow.to(Sink.memory("words")));
  assert.throws(
    () => Job.make({ name: "w", guarantee: "exactly-once", flows: [words, twice] }),
    /two sinks must not have one name/,
  );
  assert.throws(() => Job.make({ name: "w", guarantee: "exactly-once", flows: [] }), /must have a flow/);
});

Deno.test("a branch that ends in no sink drops its records, and they are counted", async () => {
  const { even } = Flow.from(Source.array("numbers", [1, 2, 3, 4, 5])).pipe(Flow.branch({ even: (k) => k % 2 === 0 }));
  const job = Job.make({ name: "branch", guarantee: "exactly-once", flows: [even.pipe(Flow.to(Sink.memory("even")))] });
  const { metrics } = await Effect.runPromise(Job.run(job, { state: ":memory:" }));
  const unrouted = Object.values(metrics.operators).reduce((sum, { unrouted }) => sum + (unrouted ?? 0), 0);
  assert.equal(unrouted, 3);
});

Deno.test("a split that has not ended must not go away, nor may what reaches an operator change", async () => {
  const kv = memoryKv();
  kv.onCommit((commit) => commit === 4 ? "crash-after" : "ok");
  const jobOf = (splits: Readonly<Record<string, ReadonlyArray<number>>>, source = "numbers") =>
    Job.make({
      name: "splits",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.array(source, splits)).pipe(
          Flow.eventTime({ timestamp: (k) => k, watermark: Watermark.monotonic }),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
  const options = { state: "x", kv, batchRecordsMax: 1, epochRecordsMax: 1 };
  await failureOf(Job.run(jobOf({ a: [1, 2, 3, 4, 5, 6, 7, 8, 9] }), { ...options, restart: Schedule.recurs(0) }));
  for (const other of [jobOf({ b: [1, 2, 3] }), jobOf({ a: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, "others")]) {
    const error = await failureOf(Job.run(other, options));
    assert.equal(error._tag, "IncompatibleState");
  }
});

// epoch        1              2
// state        committed      committed
// sink         published      published
// recorded                x   a crash before epoch 2 is committed, and with it that epoch 1 was published
Deno.test("an epoch that the sink's own marker knows is not published to it again", async () => {
  const database = { epoch: 0, rows: [] as Array<number> };
  const sink = Sink.transactional("database", {
    encode: (value: number) => value,
    byteLength: () => 8,
    open: (_context) =>
      Effect.succeed({
        marker: database.epoch,
        // It trusts whoever asks it.
        publish: ({ epoch, rows }) =>
          Effect.sync(() => {
            database.rows.push(...rows);
            database.epoch = epoch;
          }),
      }),
  });
  const job = Job.make({
    name: "trusting",
    guarantee: "exactly-once",
    flows: [Flow.from(Source.array("numbers", [1, 2, 3, 4])).pipe(Flow.to(sink))],
  });
  const provider = memoryKv();
  // The claim, epoch 1, epoch 2.
  provider.onCommit((index) => index === 2 ? "crash-before" : "ok");
  await runToEnd(job, { kv: provider, batchRecordsMax: 2, epochRecordsMax: 2 });
  assert.deepEqual(database.rows, [1, 2, 3, 4]);
});

// epoch        1              2
// state        committed      committed
// sink         published      -
// recorded                x   a crash before epoch 1 is recorded as published: nobody knows whether it was
Deno.test("under at-most-once, rows that may be lost are counted, over all restarts, and not published again", async () => {
  const rows: Array<number> = [];
  const sink = Sink.appendOnly("rows", {
    encode: (value: number) => value,
    byteLength: () => 8,
    open: (_context) =>
      Effect.succeed({
        marker: null,
        publish: (publication) => Effect.sync(() => void rows.push(...publication.rows)),
      }),
  });
  const job = Job.make({
    name: "at-most-once",
    guarantee: "at-most-once",
    flows: [Flow.from(Source.array("numbers", [1, 2, 3, 4])).pipe(Flow.to(sink))],
  });
  const provider = memoryKv();
  // The claim, epoch 1, epoch 2.
  provider.onCommit((index) => index === 2 ? "crash-before" : "ok");
  const { metrics } = await runToEnd(job, { kv: provider, batchRecordsMax: 2, epochRecordsMax: 2 });
  assert.deepEqual(rows, [1, 2, 3, 4]);
  assert.deepEqual(metrics.sinks.map(({ sink, lostRows }) => [sink, lostRows]), [["rows", 2]]);
  provider.onCommit(() => "ok");
  const again = await runToEnd(job, { kv: provider });
  assert.equal(again.metrics.sinks[0].lostRows, 2, "it is part of the epoch");
});

Deno.test("a split is read ahead until a batch is full, and no further", async () => {
  const batchRecordsMax = 10;
  let made = 0;
  const source = Source.generate("numbers", { seed: 1, make: (index) => made = index });
  const reader = new SplitReader({
    split: 0,
    source: source as Source.Source<unknown, unknown, unknown, unknown>,
    name: "0",
    progress: undefined,
    identity: null,
    batchRecordsMax,
    onNews: new Signal(),
    untilCaughtUp: false,
  });
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    yield* reader.start();
    for (let taken = 0; taken < 200; taken += 2) {
      for (let k = 0; k < 20; k++) yield* Effect.yieldNow;
      assert.ok(reader.buffered > 0 && reader.buffered < 2 * batchRecordsMax, `${reader.buffered} are buffered`);
      // What was made and is not buffered yet waits for room.
      assert.ok(made < taken + 4 * batchRecordsMax, `${made} were made, ${taken} taken`);
      reader.take(2, (_batch, start, end) => end - start);
    }
  })));
});

// split a   [--- turn ---][--- turn ---]…      a turn of 1,024 records is half of a batch of 2,048, more than was asked for
// split b                 [--- turn ---]…
// epochs    |            |             |       each ends where a batch of one of them is half taken
Deno.test("a restart goes on in the middle of a batch", async () => {
  const records = 3_000;
  const numbers = (from: number) => Array.from({ length: records }, (_, k) => from + k);
  const out = Sink.memory<number>("out");
  const inLargeBatches = (name: string, all: ReadonlyArray<number>) =>
    Flow.from(Source.make({
      name,
      bounded: true,
      splits: Effect.succeed(["0"]),
      read: (_split, from) =>
        Stream.fromIterable(all.keys().drop(Number(from ?? 0))).pipe(
          Stream.rechunk(2_048),
          Stream.chunks,
          Stream.map((at) => ({ records: at.map((k) => all[k]), positions: at.map((k) => k + 1) })),
        ),
    }));
  const a = inLargeBatches("a", numbers(0));
  const b = inLargeBatches("b", numbers(records));
  const job = Job.make({
    name: "halves",
    guarantee: "exactly-once",
    flows: [a.pipe(Flow.merge(b), Flow.to(out))],
  });
  const provider = memoryKv();
  provider.onCommit((index) => index % 3 === 2 ? "crash-before" : "ok");
  await runToEnd(job, { kv: provider, batchRecordsMax: 2_048, epochRecordsMax: 1_024 });
  assert.deepEqual(out.values().toSorted((one, other) => one - other), [...numbers(0), ...numbers(records)]);
});
