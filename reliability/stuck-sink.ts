/**
 * A sink that takes nothing for minutes, behind a source that would push as fast as it can: what waits in between is
 * bounded, so the heap is flat. Then the sink recovers, and gets everything that was read, once and in order.
 *
 * ```sh
 * deno task stuck-sink                 # five minutes by a clock that is moved by hand, in a few seconds
 * deno task stuck-sink --minutes=5     # five minutes
 * ```
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Deferred, Effect, Fiber, Stream } from "effect";
import { TestClock } from "effect/testing";
import { parseArgs } from "node:util";

/** How much the heap may grow while the sink is stuck. */
const growthMax = 0.05;
/** For how many minutes the sink is stuck, where the clock is moved by hand. */
const movedMinutes = 5;
/** How many times the heap is measured while the sink is stuck. */
const samples = 5;
/** How much the sink has taken before it is stuck, and takes afterwards, at least. */
const rowsBefore = 20_000;

const { values } = parseArgs({ options: { minutes: { type: "string" } } });
const isMoved = values.minutes === undefined;
const minutes = isMoved ? movedMinutes : Number(values.minutes);
if (!(minutes > 0)) {
  console.error("--minutes takes a number above 0");
  Deno.exit(1);
}

/** The sink: it counts, and checks that what comes is the next. */
const sink = { rows: 0, isExact: true, publications: 0, unstuck: Deferred.makeUnsafe<void>(), isStuck: false };
let asked = 0;

const text = "x".repeat(100);

const readings = Flow.from(Source.make({
  name: "readings",
  bounded: false,
  splits: Effect.succeed(["only"]),
  read: (_split, from, batchRecordsMax) =>
    Stream.fromPull(Effect.sync(() => {
      let index = Number(from ?? 0);
      return Effect.sync(() => {
        const records = Array.from(
          { length: batchRecordsMax },
          (_, k) => ({ index: index + k, text: `${index + k} ${text}` }),
        );
        index += batchRecordsMax;
        asked += batchRecordsMax;
        return [{ records, positions: records.map((record) => record.index + 1), lag: 1 }] as const;
      });
    })),
}));

const job = Job.make({
  name: "stuck-sink",
  guarantee: "exactly-once",
  flows: [
    readings.pipe(
      Flow.mapEffect((reading) => Effect.succeed(reading)),
      Flow.to(Sink.idempotent("readings", {
        encode: (reading) => reading,
        byteLength: (reading) => reading.text.length + 8,
        open: (_context) =>
          Effect.succeed({
            marker: null,
            publish: ({ rows }) =>
              Effect.andThen(
                Effect.suspend(() => sink.isStuck ? Deferred.await(sink.unstuck) : Effect.void),
                Effect.sync(() => {
                  sink.publications++;
                  for (const { index } of rows) sink.isExact &&= index === sink.rows++;
                }),
              ),
          }),
      })),
    ),
    readings.pipe(
      Flow.eventTime({ timestamp: ({ index }) => index, watermark: Watermark.monotonic }),
      Flow.keyBy(({ index }) => index % 100),
      Flow.window("counts", { assigner: Window.tumbling("10 seconds"), aggregate: Aggregate.count, late: "drop" }),
      Flow.to(Sink.idempotent("counts", {
        encode: ({ value }) => value,
        byteLength: () => 8,
        open: (_context) => Effect.succeed({ marker: null, publish: () => Effect.void }),
      })),
    ),
  ],
});

/** Lets all that can run do so, in real time. */
const settle = Effect.promise(() => new Promise<void>((wake) => setTimeout(wake, 5)));

/** Lets time go by. */
const pass = (millis: number): Effect.Effect<void> =>
  isMoved
    ? Effect.gen(function* () {
      for (let at = 0; at < millis; at += 1_000) {
        yield* TestClock.adjust(Math.min(1_000, millis - at));
        yield* settle;
      }
    })
    : Effect.sleep(millis);

const heapBytes = (): number => {
  (globalThis as unknown as { readonly gc: () => void }).gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
};

const program = Effect.scoped(Effect.gen(function* () {
  const running = yield* Job.start(job, {
    state: ":memory:",
    epochInterval: "1 second",
    epochBytesMax: 1_048_576,
    batchRecordsMax: 256,
    queueRecordsMax: 2_048,
  });
  const until = (rows: number) =>
    Effect.gen(function* () {
      while (sink.rows < rows) yield* pass(1_000);
    });
  yield* until(rowsBefore);
  sink.isStuck = true;
  const stuckMillis = minutes * 60_000;
  // What there is room for fills up at once.
  yield* pass(Math.min(10_000, stuckMillis / samples));
  const first = { heap: heapBytes(), asked, rows: sink.rows };
  let most = first.heap;
  for (let k = 1; k <= samples; k++) {
    yield* pass(stuckMillis / samples);
    const heap = heapBytes();
    most = Math.max(most, heap);
    console.log(
      `stuck for ${(k * minutes / samples).toFixed(1)} minutes: heap ${(heap / 1_048_576).toFixed(2)} MiB, ` +
        `${asked - sink.rows} records read ahead of the sink`,
    );
  }
  const growth = most / first.heap - 1;
  const stood = asked === first.asked && sink.rows === first.rows;
  sink.isStuck = false;
  yield* Deferred.succeed(sink.unstuck, undefined);
  yield* until(sink.rows + rowsBefore);
  const stopping = yield* Effect.forkScoped(running.stop);
  yield* pass(3_000);
  const { metrics } = yield* Fiber.join(stopping);
  const { records } = metrics.splits[0];
  const drained = sink.isExact && sink.rows === records;
  console.log(
    `stuck-sink: ${records} records, ${sink.rows} rows, ${drained ? "each once and in order" : "NOT EXACT"}; heap ` +
      `${growth > growthMax ? "GREW by" : "flat within"} ${(100 * Math.max(0, growth)).toFixed(1)} %; the source ` +
      `${stood ? "stood still" : "WENT ON"}`,
  );
  return drained && growth <= growthMax && stood;
}));

const isGood = await Effect.runPromise(isMoved ? Effect.provide(program, TestClock.layer()) : program);
Deno.exit(isGood ? 0 : 1);
