/** How often a job starts anew. */
import assert from "node:assert/strict";
import { Effect, Exit, Stream } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { pass, settle, withTestClock } from "./timeline.ts";

/** A source that fails after so long, each time. */
const failingAfter = (millis: number) =>
  Source.make({
    name: "line",
    bounded: false,
    splits: Effect.succeed(["0"]),
    read: (split, position) =>
      Stream.fromEffect(Effect.andThen(
        Effect.sleep(millis),
        Effect.fail(
          new Source.SourceError({
            message: "the line was cut",
            source: "line",
            split,
            position,
            retryable: true,
            cause: null,
          }),
        ),
      )),
  });

const start = (millis: number, told: Array<number>) =>
  Job.start(
    Job.make({
      name: "line",
      guarantee: "exactly-once",
      flows: [Flow.from(failingAfter(millis)).pipe(Flow.to(Sink.memory("out")))],
    }),
    { state: "x", kv: memoryKv(), onRestart: ({ restart, inMillis }) => told.push(restart, inMillis) },
  );

Deno.test("a job whose attempts last a minute starts anew as often as it takes, and pauses as at first", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const told: Array<number> = [];
    const running = yield* start(60_000, told);
    yield* settle;
    for (let k = 0; k < 12; k++) {
      yield* pass(60_000);
      yield* pass(100);
    }
    assert.deepEqual(told, Array.from({ length: 12 }, (_, k) => [k + 1, 100]).flat());
    assert.equal((yield* running.metrics).restarts, 12);
  }))));

Deno.test("a job that fails six times in a row, each time within a minute, ends", () =>
  withTestClock(Effect.scoped(Effect.gen(function* () {
    const told: Array<number> = [];
    const running = yield* start(59_000, told);
    yield* settle;
    for (let k = 0; k < 6; k++) {
      yield* pass(59_000);
      yield* pass(100 * 2 ** k);
    }
    assert.deepEqual(told, [1, 100, 2, 200, 3, 400, 4, 800, 5, 1_600]);
    assert.ok(Exit.isFailure(yield* Effect.exit(running.await)));
  }))));
