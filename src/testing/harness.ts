/**
 * The harness: a job whose sources are fed by hand, whose clock is moved by hand, and whose sinks can be read.
 *
 * It is like a train set on a table: nothing moves unless you push it, and when you let go it stands still.
 *
 * @module
 */
import { Cause, Clock, Context, Duration, Effect, type Exit } from "effect";
import type { End, Sink } from "../exactly-once/sink.ts";
import { inWords } from "../windows/in-words.ts";
import { millisOf, notNegative } from "../windows/millis-of.ts";
import { timestampMax } from "../windows/watermark.ts";
import { graphOf, type Job, replaceEnds } from "../streams/job.ts";
import type { JobMetrics } from "../streams/metrics.ts";
import { type JobError, type JobSummary, type RunningJob, type RunOptions, start } from "../streams/run.ts";
import type { WithServices } from "../streams/with-services.ts";
import { type RejectedParts, type Source, WatermarkNotice } from "../streams/source.ts";
import { rejectedBytes } from "../streams/sources/formats/value-decoder.ts";
import { HandFed } from "./hand-fed-source.ts";
import { type MemoryKv, memoryKv } from "./memory-kv.ts";
import { watch, Watched } from "./watched-sink.ts";
import { type Process, World, worldBegins } from "./simulation/world.ts";

/** How a {@link TestHarness} differs from the usual one. */
export interface HarnessOptions {
  /**
   * The splits of sources that have more than one, by the name of the source.
   *
   * @default {{ }} Every source has one split, named `"0"`.
   */
  readonly splits?: Readonly<Record<string, ReadonlyArray<string>>>;
  /**
   * What the clock says at first: a `Date`, or epoch milliseconds.
   *
   * @default {1_767_225_600_000} 1 January 2026.
   */
  readonly begins?: Date | number;
  /** How many slices the keys are dealt out to, as in `Job.run`. The order of rows of different keys depends on it. */
  readonly keyedPartitions?: number;
  /** How many records are read at once, as in `Job.run`. */
  readonly batchRecordsMax?: number;
}

/** A source of the job, or its name; of a name the type of the records is not known. */
export type SourceRef<A> = Source<A, unknown, unknown, unknown> | string;

/**
 * A sink of the job, or its name; of a name the type of the rows is not known. A sink, too, is looked up by its name, so one
 * that was made by another call of the same function stands for the job's.
 */
export type SinkRef<A> = Sink<A, End> | string;

/** The job still waits for something outside, so that what could be read now is not yet what it will say. */
export class StillWaiting extends Error {
  /** `"StillWaiting"`. */
  override readonly name = "StillWaiting";
  /** `"StillWaiting"`, as other errors have it. */
  readonly _tag = "StillWaiting";
}

/**
 * No job can be asked to last so long, so it stands for an epoch that ends when the harness says so: the engine's timer
 * for epochs is told from others by it.
 */
const epochMillis = Number.MAX_SAFE_INTEGER;

/** How long {@link TestHarness.settled} waits unless it is told otherwise: 5 seconds. */
export const settledMillisMax = 5_000;

/** How often {@link TestHarness.settled} looks, in milliseconds. */
const lookMillis = 1;

const state = "harness.kv";

/** A process of the job, and what the harness knows of it. */
interface Run {
  readonly process: Process;
  running: RunningJob | null;
  /** How it ended; null while it runs. */
  exit: Exit.Exit<JobSummary, JobError> | null;
  /** Has the epoch end. */
  endEpoch: () => void;
  /** How many Effects of the job have begun and not ended. */
  waiting: number;
}

/**
 * Feeds a job by hand and reads what it says: synchronously, with nothing to start and no sleeping.
 *
 * The job is the real one, with every rule of the engine. Its sources are replaced by ones that yield what is pushed, and
 * its sinks by ones that remember what they were given (their `encode` is called, as its errors count); its state is in
 * memory, and its clock stands still until {@link TestHarness.advanceTime}. After each call everything that can be done
 * has been done, and an epoch has been committed.
 *
 * Sources are fed as live ones: a split ends when it is told to, and one of which nothing comes falls silent as time goes
 * by, where the job looks at that.
 *
 * What a function of the job throws, and whatever else the job fails with, is thrown by the call that brought it about,
 * and by every later one but {@link TestHarness.restart}.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
 * import { TestHarness } from "@weir/streams/testing";
 *
 * const clicks = Source.array<{ user: string; at: number }>("clicks", []);
 * const counts = Sink.memory<string>("counts");
 * const job = Job.make({
 *   name: "clicks",
 *   guarantee: "exactly-once",
 *   flows: [
 *     Flow.from(clicks).pipe(
 *       Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
 *       Flow.keyBy(({ user }) => user),
 *       Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
 *       Flow.map(({ key, value }) => `${key}: ${value}`),
 *       Flow.to(counts),
 *     ),
 *   ],
 * });
 *
 * const harness = TestHarness.make(job);
 * harness.push(clicks, [{ user: "ada", at: 1_000 }, { user: "ada", at: 59_000 }]);
 * assert.deepEqual(harness.take(counts), []);
 * harness.advanceWatermark(clicks, 60_000);
 * assert.deepEqual(harness.take(counts), ["ada: 2"]);
 * ```
 */
export class TestHarness {
  readonly #job: Job<unknown>;
  readonly #world: World;
  readonly #disk: MemoryKv = memoryKv();
  readonly #sources = new Map<string, HandFed>();
  readonly #sinks = new Map<string, { readonly watched: Watched; taken: number }>();
  readonly #options: HarnessOptions;
  readonly #services: Context.Context<unknown>;
  #run: Run;

  private constructor(job: Job<unknown>, options: HarnessOptions & { readonly services?: Context.Context<unknown> }) {
    const { begins = worldBegins } = options;
    const instant = typeof begins === "number" ? begins : begins.getTime();
    if (!Number.isInteger(instant) || Math.abs(instant) > timestampMax) {
      throw new RangeError(
        `Cannot make a harness as begins must be a date, in whole milliseconds: current value is ${inWords(begins)}`,
      );
    }
    this.#options = options;
    this.#services = options.services ?? (Context.empty() as Context.Context<unknown>);
    this.#job = job;
    this.#world = new World({ seed: job.name, begins: instant });
    const { splits = {} } = options;
    const names = new Set(graphOf(job).sources.map(({ source }) => source.name));
    for (const name of Object.keys(splits)) {
      if (names.has(name)) continue;
      throw new RangeError(
        `Cannot make a harness as splits must name sources of the job, which are ${list(names)}: current value is ` +
          `"${name}"`,
      );
    }
    this.#adopt(job);
    this.#run = this.#start(job);
    this.#settle();
  }

  /**
   * Makes a harness of a job, and starts it. A job that needs services must be given them.
   *
   * @throws {RangeError} If an option is out of its range, or names a source that the job does not have.
   */
  static make<R>(job: Job<R>, ...optionsWithServices: WithServices<R, HarnessOptions>): TestHarness {
    return fromCall(TestHarness.make, () => new TestHarness(job as Job<unknown>, optionsWithServices[0] ?? {}));
  }

  /**
   * Has records come, in this order. What they bring about has happened when it returns.
   *
   * @throws {RangeError} If the job has no such source, the source has no such split, or it has ended.
   */
  push<A>(source: SourceRef<A>, records: ReadonlyArray<NoInfer<A>>, options?: { readonly split?: string }): void {
    fromCall(this.push, () => {
      const { fed, split } = this.#splitOf(source, options?.split);
      if (!Array.isArray(records)) {
        throw new RangeError(
          `Cannot feed source "${fed.name}" as records must be an array: current value is ${inWords(records)}`,
        );
      }
      fed.feed(split, records);
      this.#settle();
    });
  }

  /**
   * Has a record come that its source could not decode: it is a `DecodeError` of the flow.
   *
   * @param reason Which rule stopped it, as the source would say it.
   * @param raw The record itself, as bytes or text; of one that has a key and headers, its value, which may be `null`.
   * @param options The split, and what else the source knows of the record: its key, headers, offset and timestamp.
   * @throws {RangeError} If the job has no such source, the source has no such split, or it has ended.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { Schema } from "effect";
   * import { Flow, Job, Sink, Source } from "@weir/streams";
   * import { TestHarness } from "@weir/streams/testing";
   *
   * const orders = Source.ndjson("orders", { paths: "orders.ndjson", schema: Schema.Struct({ id: Schema.Number }) });
   * const dead = Sink.memory<string>("dead");
   * const ids = Sink.memory<number>("ids");
   * const job = Job.make({
   *   name: "orders",
   *   guarantee: "exactly-once",
   *   flows: [
   *     Flow.from(orders).pipe(
   *       Flow.onError((letters) => letters.pipe(Flow.map(({ reason }) => reason), Flow.to(dead))),
   *       Flow.map(({ id }) => id),
   *       Flow.to(ids),
   *     ),
   *   ],
   * });
   * const harness = TestHarness.make(job);
   * harness.push(orders, [{ id: 1 }]);
   * harness.reject(orders, "is not JSON", '{"id":');
   * assert.deepEqual(harness.take(ids), [1]);
   * assert.deepEqual(harness.take(dead), ["is not JSON"]);
   * ```
   */
  reject(
    source: SourceRef<unknown>,
    reason: string,
    raw: Uint8Array | string | null = "",
    options: RejectedParts & { readonly split?: string } = {},
  ): void {
    fromCall(this.reject, () => {
      const { split: name, ...parts } = options;
      const { fed, split } = this.#splitOf(source, name);
      const bytes = typeof raw === "string" ? new TextEncoder().encode(raw) : raw;
      fed.feed(split, [rejectedBytes(reason, bytes, parts)]);
      this.#settle();
    });
  }

  /**
   * Says that no record with an earlier event time will come, so that windows fire that end by then. Records that come
   * all the same are late. A watermark never goes back. Where no split is named it is that of each split of the source that
   * has not ended.
   *
   * @param instant The watermark: a `Date`, or epoch milliseconds.
   * @throws {RangeError} If the instant is no date; if the job has no such source, the source has no such split, or it has
   * ended; or if its records get no event time, or only behind an Effect or a window, where it cannot be moved by hand.
   */
  advanceWatermark(
    source: SourceRef<unknown>,
    instant: Date | number,
    options?: { readonly split?: string },
  ): void {
    fromCall(this.advanceWatermark, () => this.#advanceWatermark(source, instant, options));
  }

  #advanceWatermark(source: SourceRef<unknown>, instant: Date | number, options?: { readonly split?: string }): void {
    const millis = instant instanceof Date ? instant.getTime() : instant;
    if (typeof millis !== "number" || !(Math.abs(millis) <= timestampMax)) {
      throw new RangeError(
        `Cannot advance a watermark as it must be a date, in epoch milliseconds: current value is ${inWords(instant)}`,
      );
    }
    const { fed } = this.#splitOf(source, options?.split, true);
    const splits = fed.splits.filter((split) =>
      options?.split === undefined ? fed.hasEnded(split) === false : split === options.split
    );
    for (const split of splits) fed.feed(split, [new WatermarkNotice(millis)]);
    this.#settle();
    if (this.#run.waiting > 0) return;
    for (const { source, split, watermark, paused } of this.metrics().splits) {
      if (source !== fed.name || !splits.includes(split) || paused || (watermark !== null && watermark >= millis)) {
        continue;
      }
      throw new RangeError(
        `Cannot advance the watermark of source "${fed.name}" as its records must get their event time before the first ` +
          `Effect and window: current value is ${watermark === null ? "no event time" : "an event time behind one"}`,
      );
    }
  }

  /**
   * Lets time go by, as the job's functions, triggers and idle splits see it. What looks at the clock looks every 100
   * milliseconds, as in a real run; an hour of that takes a second or two, and much less with `keyedPartitions: 1`.
   *
   * @throws {RangeError} If the duration is negative or not finite.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { Aggregate, Flow, Job, Sink, Source, Window } from "@weir/streams";
   * import { TestHarness } from "@weir/streams/testing";
   *
   * const words = Source.array<string>("words", []);
   * const counts = Sink.memory<number>("counts");
   * const job = Job.make({
   *   name: "words",
   *   guarantee: "exactly-once",
   *   flows: [
   *     Flow.from(words).pipe(
   *       Flow.keyBy((word) => word),
   *       Flow.window("per-minute", {
   *         assigner: Window.tumblingProcessingTime("1 minute"),
   *         aggregate: Aggregate.count,
   *         late: "drop",
   *       }),
   *       Flow.map(({ value }) => value),
   *       Flow.to(counts),
   *     ),
   *   ],
   * });
   * const harness = TestHarness.make(job, { begins: new Date("2026-01-01T12:00:30Z") });
   * harness.push(words, ["to", "to"]);
   * harness.advanceTime("29 seconds");
   * assert.deepEqual(harness.take(counts), []);
   * harness.advanceTime("1 second");
   * assert.deepEqual(harness.take(counts), [2]);
   * ```
   */
  advanceTime(duration: Duration.Input): void {
    fromCall(this.advanceTime, () => {
      const millis = millisOf("advance the time", "duration", duration, notNegative);
      this.#check();
      this.#world.advanceTo(this.#world.now + millis);
      this.#settle();
    });
  }

  /** What the clock of the job says, in epoch milliseconds. */
  get now(): number {
    return this.#world.now;
  }

  /**
   * What a sink was given since it was last taken from, in the order in which it became visible.
   *
   * @throws {RangeError} If the job has no such sink.
   * @throws {StillWaiting} If an Effect of the job has not ended.
   */
  take<A>(sink: SinkRef<A>): ReadonlyArray<A> {
    const one = fromCall(this.take, () => this.#sinkOf(sink));
    const rows = one.watched.values.slice(one.taken);
    one.taken = one.watched.values.length;
    return rows as ReadonlyArray<A>;
  }

  /**
   * Everything that a sink was ever given.
   *
   * @throws {RangeError} If the job has no such sink.
   * @throws {StillWaiting} If an Effect of the job has not ended.
   */
  rows<A>(sink: SinkRef<A>): ReadonlyArray<A> {
    return fromCall(this.rows, () => this.#sinkOf(sink)).watched.values.slice() as ReadonlyArray<A>;
  }

  /** What can be read from the job right now: watermarks, what operators have counted, and more. */
  metrics(): JobMetrics {
    fromCall(this.metrics, () => this.#check());
    return Effect.runSync(this.#run.running!.metrics);
  }

  /**
   * Kills the job and starts it again from its last epoch, as after a crash: what its operators know comes out of the
   * store. With another job it is a deployment: its state must fit, and what it fails with otherwise is thrown.
   *
   * @param job The job to start. Default: the same one. It must have the same name, and need no other services.
   * @throws {RangeError} If the job has another name.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { Aggregate, Flow, Job, Sink, Source, Window } from "@weir/streams";
   * import { TestHarness } from "@weir/streams/testing";
   *
   * const words = Source.array<string>("words", []);
   * const counts = Sink.memory<string>("counts");
   * const job = Job.make({
   *   name: "words",
   *   guarantee: "exactly-once",
   *   flows: [
   *     Flow.from(words).pipe(
   *       Flow.keyBy((word) => word),
   *       Flow.window("three", { assigner: Window.count(3), aggregate: Aggregate.count, late: "drop" }),
   *       Flow.map(({ key, value }) => `${key}: ${value}`),
   *       Flow.to(counts),
   *     ),
   *   ],
   * });
   * const harness = TestHarness.make(job);
   * harness.push(words, ["to", "to"]);
   * harness.restart();
   * harness.push(words, ["to"]);
   * assert.deepEqual(harness.take(counts), ["to: 3"]);
   * ```
   */
  restart(job: Job<unknown> = this.#job): void {
    fromCall(this.restart, () => this.#restart(job));
  }

  #restart(job: Job<unknown>): void {
    if (job.name !== this.#job.name) {
      throw new RangeError(
        `Cannot restart job "${this.#job.name}" with a job of another name: current value is "${job.name}"`,
      );
    }
    if (this.#run.exit === null) this.#run.process.kill();
    this.#adopt(job);
    this.#run = this.#start(job);
    this.#settle();
  }

  /**
   * Ends a split, or every split of a source, or of all sources: the end of time, for which every window fires. A job all
   * of whose splits have ended is over.
   *
   * @throws {RangeError} If the job has no such source, the source has no such split, or it has ended.
   */
  end(source?: SourceRef<unknown>, options?: { readonly split?: string }): void {
    fromCall(this.end, () => this.#end(source, options));
  }

  #end(source?: SourceRef<unknown>, options?: { readonly split?: string }): void {
    this.#check();
    const ending = source === undefined
      ? [...this.#sources.values()]
      : [this.#splitOf(source, options?.split, true).fed];
    for (const fed of ending) {
      for (const split of options?.split === undefined ? fed.splits : [options.split]) fed.end(split);
    }
    this.#settle();
  }

  /**
   * Waits until every Effect of the job has ended. Only a job that waits for the world outside needs it, such as one that
   * calls a function that returns a promise; the better way is to give such a job a service that answers at once.
   *
   * @param waitMax How long to wait. Default: 5 seconds.
   * @throws {StillWaiting} If it takes longer.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { Effect } from "effect";
   * import { Flow, Job, Sink, Source } from "@weir/streams";
   * import { TestHarness } from "@weir/streams/testing";
   *
   * const words = Source.array<string>("words", []);
   * const lengths = Sink.memory<number>("lengths");
   * const job = Job.make({
   *   name: "words",
   *   guarantee: "exactly-once",
   *   flows: [
   *     Flow.from(words).pipe(
   *       Flow.mapEffect((word) => Effect.promise(() => Promise.resolve(word.length))),
   *       Flow.to(lengths),
   *     ),
   *   ],
   * });
   * const harness = TestHarness.make(job);
   * harness.push(words, ["tea"]);
   * await harness.settled();
   * assert.deepEqual(harness.take(lengths), [3]);
   * ```
   */
  async settled(waitMax: Duration.Input = settledMillisMax): Promise<void> {
    const looks = millisOf("wait for a job", "waitMax", waitMax, notNegative) / lookMillis;
    for (let look = 0; this.#run.waiting > 0; look++) {
      if (look >= looks) throw this.#stillWaiting("wait for");
      await Effect.runPromise(Effect.sleep(lookMillis));
      this.#settle();
    }
  }

  /** Gives the job hand-fed sources and watched sinks, those that it had under these names if any. */
  #adopt(job: Job<unknown>): void {
    const { sources, sinks } = graphOf(job);
    for (const { source: { name } } of sources) {
      if (!this.#sources.has(name)) this.#sources.set(name, new HandFed(name, this.#options.splits?.[name] ?? ["0"]));
    }
    for (const { sink: { name } } of sinks) {
      if (!this.#sinks.has(name)) this.#sinks.set(name, { watched: new Watched(), taken: 0 });
    }
  }

  #start(job: Job<unknown>): Run {
    const process = this.#world.spawn(`process ${this.#world.steps}`);
    const run: Run = { process, running: null, exit: null, endEpoch: () => {}, waiting: 0 };
    const counted = replaceEnds(job, {
      source: ({ name }) => this.#sources.get(name)!.source(),
      sink: (sink) => watch(sink, this.#sinks.get(sink.name)!.watched),
      effect: (f) => (value) =>
        Effect.suspend(() => {
          run.waiting++;
          return f(value);
        }).pipe(Effect.ensuring(Effect.sync(() => void run.waiting--))),
    });
    const { keyedPartitions, batchRecordsMax } = this.#options;
    const options: RunOptions = {
      state,
      kv: this.#disk,
      epochInterval: epochMillis,
      ...(keyedPartitions === undefined ? {} : { keyedPartitions }),
      ...(batchRecordsMax === undefined ? {} : { batchRecordsMax }),
    };
    const main = Effect.clockWith((clock) =>
      Effect.scoped(Effect.flatMap(start(counted, options), (running) => {
        run.running = running;
        return running.await;
      })).pipe(
        Effect.provideContext(this.#services),
        Effect.provideService(Clock.Clock, withEpochsByHand(clock, run)),
      )
    );
    process.run(main as Effect.Effect<JobSummary, JobError>, (exit) => void (run.exit = exit));
    return run;
  }

  /** Does what can be done, and commits it. */
  #settle(): void {
    this.#world.settle();
    if (this.#run.exit === null) {
      this.#run.endEpoch();
      this.#world.settle();
    }
    this.#check();
  }

  /** Throws what the job has failed with. */
  #check(): void {
    const { exit } = this.#run;
    if (exit !== null && exit._tag === "Failure") throw Cause.squash(exit.cause);
  }

  #splitOf(
    source: SourceRef<unknown>,
    split: string | undefined,
    every = false,
  ): { readonly fed: HandFed; readonly split: string } {
    this.#check();
    const name = typeof source === "string" ? source : source.name;
    const fed = this.#sources.get(name);
    if (fed === undefined) {
      throw new RangeError(
        `Cannot feed a source as the job must have one of that name, its sources are ${list(this.#sources.keys())}: ` +
          `current value is "${name}"`,
      );
    }
    const { splits } = fed;
    if (split === undefined && splits.length > 1 && !every) {
      throw new RangeError(
        `Cannot feed source "${name}" as it must be said which of its splits is meant, ${
          list(splits)
        }: current value ` +
          "is none",
      );
    }
    const isGone = (one: string): boolean => fed.hasEnded(one) !== false;
    if (split === undefined ? splits.every(isGone) : isGone(split)) {
      throw new RangeError(
        split === undefined || splits.includes(split)
          ? `Cannot feed source "${name}" as it must not have ended (harness.end ends it): current value is split "${
            split ?? splits[0]
          }"`
          : `Cannot feed source "${name}" as option splits of the harness must name the split, it names ` +
            `${list(splits)}: current value is "${split}"`,
      );
    }
    return { fed, split: split ?? splits[0] };
  }

  #sinkOf(sink: SinkRef<never>): { readonly watched: Watched; taken: number } {
    this.#check();
    const name = typeof sink === "string" ? sink : sink.name;
    const one = this.#sinks.get(name);
    if (one === undefined) {
      throw new RangeError(
        `Cannot read a sink as the job must have one of that name, its sinks are ${
          list(this.#sinks.keys())
        }: current ` +
          `value is "${name}"`,
      );
    }
    if (this.#run.waiting > 0) throw this.#stillWaiting(`read sink "${name}" of`);
    return one;
  }

  #stillWaiting(doing: string): StillWaiting {
    const { waiting } = this.#run;
    return new StillWaiting(
      `Cannot ${doing} job "${this.#job.name}" as its Effects must have ended (call harness.advanceTime if they sleep, ` +
        `await harness.settled() if they ask the world outside): current value is ${waiting} that ` +
        `${waiting === 1 ? "waits" : "wait"}`,
    );
  }
}

/**
 * Does what a call of the harness asks for. The stack of what that throws begins with the line of the test that made the
 * call, and not with those of the engine.
 */
const fromCall = <A>(method: (...args: Array<never>) => unknown, body: () => A): A => {
  try {
    return body();
  } catch (error) {
    if (error instanceof Error && Object.isExtensible(error)) Error.captureStackTrace(error, method);
    throw error;
  }
};

/** A clock like another one, but for the timer of epochs, which goes off when the harness says so. */
const withEpochsByHand = (clock: Clock.Clock, run: Run): Clock.Clock => ({
  ...clock,
  sleep: (duration) =>
    Duration.toMillis(duration) !== epochMillis ? clock.sleep(duration) : Effect.callback<void>((resume) => {
      run.endEpoch = () => {
        run.endEpoch = () => {};
        resume(Effect.void);
      };
    }),
});

const list = (names: Iterable<string>): string => [...names].map((name) => `"${name}"`).join(", ");
