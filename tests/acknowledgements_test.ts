/** A source is told how far it is stored: when, with which positions, and what follows from it. */
import assert from "node:assert/strict";
import { Cause, Deferred, Effect, Exit, References, Schedule, Stream } from "effect";
import fc from "fast-check";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { runToEnd } from "./support.ts";

type Positions = ReadonlyMap<string, Source.Position | null>;

/** The numbers from 1 to `end` in one or more splits, and what is done with acknowledgements. */
const numbers = (
  end: number,
  committed: (positions: Positions) => Effect.Effect<void, Source.SourceError>,
  splits: ReadonlyArray<string> = ["all"],
) =>
  Source.make({
    name: "numbers",
    bounded: true,
    splits: Effect.succeed(splits),
    read: (_split, from, batchRecordsMax) =>
      Stream.unfold(Number(from ?? 0), (before) => {
        const length = Math.min(batchRecordsMax, end - before);
        const records: Array<number> = Array.from({ length }, (_, k) => before + k + 1);
        return Effect.succeed(length === 0 ? undefined : [{ records, positions: records }, before + length] as const);
      }),
    committed,
  });

const job = (source: Source.Source<number, never, never, never>, out: Sink.Sink<number, Sink.Transactional>) =>
  Job.make({ name: "numbers", guarantee: "exactly-once", flows: [Flow.from(source).pipe(Flow.to(out))] });

/** Epochs of ten records. */
const options = { epochInterval: "1 hour", epochRecordsMax: 10, batchRecordsMax: 5 } as const;

const asError = (message: string, retryable: boolean) =>
  new Source.SourceError({ message, source: "numbers", split: "all", position: null, retryable, cause: null });

Deno.test("it is told at the start, and after each epoch that held something, where its splits stand", async () => {
  // records   1 … 10 │ 11 … 20 │ 21 … 25 │ the end
  // told   –         10        20        25
  const told: Array<Source.Position | null> = [];
  const source = numbers(25, (positions) => Effect.sync(() => void told.push(positions.get("all")!)));
  const kv = memoryKv();
  await runToEnd(job(source, Sink.memory("out")), { kv, ...options });
  assert.deepEqual(told, [null, 10, 20, 25]);
  // The job has ended: a further run is told so, and reads nothing.
  await runToEnd(job(source, Sink.memory("more")), { kv, ...options });
  assert.deepEqual(told.slice(4), [25]);
});

Deno.test("it is told of all of its splits, and of its own alone", async () => {
  const told: Array<ReadonlyArray<readonly [string, Source.Position | null]>> = [];
  const source = numbers(3, (positions) => Effect.sync(() => void told.push([...positions])), ["a", "b"]);
  const out = Sink.memory<number>("out");
  const other = Source.array("other", { a: [7], b: [8] });
  const both = Job.make({
    name: "both",
    guarantee: "exactly-once",
    flows: [Flow.from(source).pipe(Flow.merge(Flow.from(other)), Flow.to(out))],
  });
  await runToEnd(both, { kv: memoryKv(), ...options });
  assert.deepEqual(told[0], [["a", null], ["b", null]]);
  assert.deepEqual(told.at(-1), [["a", 3], ["b", 3]]);
  assert.equal(out.values().length, 8);
});

Deno.test("what it was told is stored: over any crash the positions never go back", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 12 }), async (pattern) => {
      const told: Array<number> = [];
      const source = numbers(80, (positions) => Effect.sync(() => void told.push(Number(positions.get("all")))));
      const kv = memoryKv();
      kv.onCommit((index) => {
        const fate = pattern[index];
        return fate === 0 ? "crash-before" : fate === 1 ? "crash-after" : fate === 2 ? "fail-after" : "ok";
      });
      const out = Sink.memory<number>("out");
      await runToEnd(job(source, out), { kv, ...options });
      assert.deepEqual(told, told.toSorted((a, b) => a - b));
      assert.equal(told.at(-1), 80);
      assert.deepEqual(out.values(), Array.from({ length: 80 }, (_, k) => k + 1));
    }),
    { numRuns: 40 },
  ));

Deno.test("the next epoch is not committed before it has been told of this one", async () => {
  // epoch 1 ── told … (held up) ── epoch 2
  const isTold = Deferred.makeUnsafe<void>();
  const goOn = Deferred.makeUnsafe<void>();
  const told: Array<Source.Position | null> = [];
  const source = numbers(40, (positions) =>
    Effect.gen(function* () {
      told.push(positions.get("all")!);
      if (told.length !== 2) return;
      yield* Deferred.succeed(isTold, undefined);
      yield* Deferred.await(goOn);
    }));
  const out = Sink.memory<number>("out");
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job(source, out), { kv: memoryKv(), ...options });
    yield* Deferred.await(isTold);
    yield* Effect.sleep(50);
    const { epochs, splits } = yield* running.metrics;
    // The epoch that is being told of is published all the same.
    assert.deepEqual([out.epochs(), epochs.committed, told], [[1], 0, [null, 10]]);
    assert.ok(Number(splits[0].position) <= 20);
    yield* Deferred.succeed(goOn, undefined);
    yield* running.await;
  })));
  // The end of the split is an epoch of its own here.
  assert.deepEqual(told, [null, 10, 20, 30, 40, 40]);
});

const run = (of: Job.Job<never>, more: Job.RunOptions) =>
  Effect.runPromiseExit(
    Effect.provideService(Job.run(of, { ...options, ...more }), References.MinimumLogLevel, "None"),
  );

Deno.test("its failure ends the job, and the epoch is published all the same", async () => {
  const out = Sink.memory<number>("out");
  const source = numbers(
    30,
    (positions) => positions.get("all") === 10 ? Effect.fail(asError("the broker is gone", false)) : Effect.void,
  );
  const exit = await run(job(source, out), { kv: memoryKv() });
  assert.ok(Exit.isFailure(exit));
  assert.equal((Cause.squash(exit.cause) as Error).message, "the broker is gone");
  assert.deepEqual(out.values(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("a failure that may pass starts the job anew, and it is told again", async () => {
  const told: Array<Source.Position | null> = [];
  const source = numbers(30, (positions) => {
    told.push(positions.get("all")!);
    return told.length === 2 || told.length === 3 ? Effect.fail(asError("busy", true)) : Effect.void;
  });
  const out = Sink.memory<number>("out");
  const exit = await run(job(source, out), { kv: memoryKv(), restart: Schedule.recurs(3) });
  assert.ok(Exit.isSuccess(exit));
  assert.deepEqual(told, [null, 10, 10, 10, 20, 30, 30]);
  assert.equal(out.values().length, 30);
});

Deno.test("a queue that delivers again what was not acknowledged loses nothing", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 20 }), async (pattern) => {
      // The queue forgets a message when it is acknowledged, and not before. A new reader gets all that it has.
      const count = 60;
      const held = new Set(Array.from({ length: count }, (_, k) => k + 1));
      const delivered = new Map<number, number>();
      const queue = Source.make({
        name: "queue",
        bounded: true,
        splits: Effect.succeed(["all"]),
        replays: "until-acknowledged",
        read: (_split, from, batchRecordsMax) =>
          Stream.suspend(() => {
            delivered.clear();
            let position = Number(from ?? 0);
            const batches: Array<Source.SourceBatch<number>> = [];
            const messages = [...held];
            for (let at = 0; at < messages.length; at += batchRecordsMax) {
              const records = messages.slice(at, at + batchRecordsMax);
              const positions = records.map((message) => {
                delivered.set(++position, message);
                return position;
              });
              batches.push({ records, positions });
            }
            return Stream.fromIterable(batches);
          }),
        committed: (positions) =>
          Effect.sync(() => {
            for (const [position, message] of delivered) {
              if (position <= Number(positions.get("all"))) held.delete(message);
            }
          }),
      });
      const kv = memoryKv();
      kv.onCommit((index) => pattern[index] === 0 ? "crash-before" : pattern[index] === 1 ? "crash-after" : "ok");
      const out = Sink.memory<number>("out");
      const flows = [Flow.from(queue).pipe(Flow.to(out))];
      await runToEnd(Job.make({ name: "queue", guarantee: "at-least-once", flows }), { kv, ...options });
      assert.deepEqual(held, new Set());
      assert.deepEqual(new Set(out.values()), new Set(Array.from({ length: count }, (_, k) => k + 1)));
    }),
    { numRuns: 40 },
  ));

Deno.test("a source that repeats what was not acknowledged is refused where it must not repeat", () => {
  const queue = Source.make({
    name: "queue",
    bounded: false,
    splits: Effect.succeed(["all"]),
    read: () => Stream.never as Stream.Stream<Source.SourceBatch<number>>,
    replays: "until-acknowledged",
  });
  assert.deepEqual([queue.replayable, queue.reportsLag], ["until-acknowledged", false]);
  const flows = [Flow.from(queue).pipe(Flow.to(Sink.memory<number>("out")))];
  Job.make({ name: "queue", guarantee: "at-least-once", flows });
  Job.make({ name: "queue", guarantee: "at-most-once", flows });
  const options = { name: "queue", guarantee: "exactly-once", flows } as const;
  assert.throws(
    // @ts-expect-error An exactly-once job refuses it.
    () => Job.make(options),
    /guarantee "exactly-once" needs sources that replay: current value is "queue"/,
  );
});
