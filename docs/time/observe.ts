/**
 * Runs the engine record by record, and notes what comes out after each.
 *
 * The source hands over one record, and the next one only when the engine has done with it. The clock is moved by hand,
 * so that windows that follow the clock are the same in every run too.
 *
 * @module
 */
import { type Cause, Effect, References, type Scope, Stream } from "effect";
import * as Queue from "effect/Queue";
import * as TestClock from "effect/testing/TestClock";
import { setImmediate } from "node:timers/promises";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import type { Reading, Row, Scenario, Step } from "./scenario.ts";

/** What happened at one step. */
export interface Moment {
  /** `"End"`: the end of the input. */
  readonly step: Step | { readonly _tag: "End" };
  /** Whether the record came too late for every window. */
  readonly isLate: boolean;
  /** Whether the record was found to be a duplicate. */
  readonly isDuplicate: boolean;
  /** Whether the record has not been read yet, as its split is ahead of others. */
  readonly isWaiting: boolean;
  /** The watermark after it, in milliseconds; -Infinity where there is none. */
  readonly watermark: number;
  /** The splits' own watermarks after it, whether they are idle or paused, and how many of their records have been read, in order. */
  readonly splits: ReadonlyArray<
    { readonly watermark: number; readonly isIdle: boolean; readonly isPaused: boolean; readonly records: number }
  >;
  /** The results of windows because of it. */
  readonly rows: ReadonlyArray<Row>;
  /** The records that went on because of it, where nothing but records comes out. */
  readonly passed: ReadonlyArray<Reading>;
}

/** After how many turns of the event loop without news the engine has nothing left to do: it waits for no disk here. */
const quietTurns = 64;

/** Runs a scenario to its end. */
export const observe = (scenario: Scenario): Promise<ReadonlyArray<Moment>> =>
  Effect.runPromise(
    play(scenario).pipe(
      Effect.scoped,
      Effect.provide(TestClock.layer({ warningDelay: "1 hour" })),
      Effect.provideService(References.MinimumLogLevel, "Warn"),
    ),
  );

const play = (
  { steps, splits = ["0"], pipeline, name }: Scenario,
): Effect.Effect<ReadonlyArray<Moment>, Job.JobError, Scope.Scope> =>
  Effect.gen(function* () {
    const queues = new Map<string, Queue.Queue<Reading, Cause.Done>>();
    for (const split of splits) queues.set(split, yield* Queue.unbounded<Reading, Cause.Done>());
    const readings = Source.make({
      name: "readings",
      bounded: false,
      splits: Effect.succeed(splits),
      read: (split) =>
        Stream.fromQueue(queues.get(split)!).pipe(
          Stream.mapEffect((reading) => Effect.succeed({ records: [reading], positions: [0] })),
        ),
    });
    const out = Sink.memory<Row | Reading>("out");
    const job = Job.make({
      name,
      guarantee: "exactly-once",
      flows: [pipeline(readings).pipe(Flow.to(out))],
    });
    const running = yield* Job.start(job, {
      kv: memoryKv(),
      batchRecordsMax: 1,
      epochRecordsMax: 1,
      epochInterval: "100 millis",
      keyedPartitions: 1,
    });

    const moments: Array<Moment> = [];
    let written = 0;
    let late = 0;
    let duplicates = 0;
    let offered = 0;
    const note = (step: Moment["step"]) =>
      Effect.gen(function* () {
        yield* settled(running);
        const { watermarks, operators, splits } = yield* running.metrics;
        const count = (counter: string): number =>
          Object.values(operators).reduce((sum, counters) => sum + (counters[counter] ?? 0), 0);
        const outputs = out.values().slice(written);
        moments.push({
          step,
          isLate: count("late") > late,
          isDuplicate: count("duplicates") > duplicates,
          isWaiting: step._tag === "Record" && splits.reduce((sum, { records }) => sum + records, 0) < offered,
          watermark: Object.values(watermarks)[0] ?? -Infinity,
          splits: splits.map(({ watermark, idle, paused, records }) => ({
            watermark: watermark ?? -Infinity,
            isIdle: idle,
            isPaused: paused,
            records,
          })),
          rows: outputs.filter((output) => "window" in output),
          passed: outputs.filter((output) => "at" in output),
        });
        written += outputs.length;
        late = count("late");
        duplicates = count("duplicates");
      });

    yield* settled(running);
    for (const step of steps) {
      yield* TestClock.setTime(step.clock);
      if (step._tag === "Record") {
        offered++;
        yield* Queue.offer(queues.get(step.split)!, step.reading);
      }
      yield* settled(running);
      // What is due by the clock is published with the next epoch.
      yield* TestClock.adjust("200 millis");
      yield* note(step);
    }
    for (const queue of queues.values()) yield* Queue.end(queue);
    yield* running.await;
    yield* note({ _tag: "End" });
    return moments;
  });

/** Waits until nothing moves any more. */
const settled = (running: Job.RunningJob): Effect.Effect<void> =>
  Effect.gen(function* () {
    let before = "";
    for (let turns = 0; turns < quietTurns; turns++) {
      yield* Effect.promise(() => setImmediate());
      const { splits, epochs, watermarks, sinks, operators } = yield* running.metrics;
      const now = JSON.stringify({ splits, epochs, watermarks, sinks, operators });
      if (now !== before) turns = 0;
      before = now;
    }
  });
