/** The harness: what is fed by hand is what a run would have read, and what can be read of it is what a run would say. */
import assert from "node:assert/strict";
import { Context, Effect, Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { StillWaiting, TestHarness } from "@weir/streams/testing";
import * as Oracle from "./oracle.ts";
import { answer, applySteps } from "./plans/answer.ts";
import { plans, small } from "./plans/arbitraries.ts";
import { compare, compareCounters } from "./plans/compare.ts";
import { jobOf } from "./plans/flows.ts";
import type { Item, Plan } from "./plans/plan.ts";
import { writePlan } from "./plans/write.ts";

interface Click {
  readonly user: string;
  readonly at: number;
}

const minute = 60_000;

/** Clicks of each user and minute; clicks that come more than five seconds too late are written down. */
const clicksPerMinute = () => {
  const clicks = Source.array<Click>("clicks", []);
  const counts = Sink.memory<string>("counts");
  const late = Sink.memory<string>("late");
  const job = Job.make({
    name: "clicks",
    guarantee: "exactly-once",
    flows: [
      Flow.from(clicks).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
        Flow.keyBy(({ user }) => user),
        Flow.window("per-minute", {
          assigner: Window.tumbling("1 minute"),
          aggregate: Aggregate.count,
          late: (side) => side.pipe(Flow.map(({ value }) => `${value.user} at ${value.at}`), Flow.to(late)),
        }),
        Flow.map(({ key, window, value }) => `${key}: ${value} in minute ${window.start / minute}`),
        Flow.to(counts),
      ),
    ],
  });
  return { job, clicks, counts, late };
};

//  minute 0                      | minute 1
//  ada ......................... | bob(61)            the watermark is five seconds behind: 56
//                                | ... cyd(65)        and now at 60: minute 0 fires
//        ada(59) comes ..................... too late
Deno.test("a window fires when a pushed record moves the watermark past its end, and a record after that is late", () => {
  const { job, clicks, counts, late } = clicksPerMinute();
  const harness = TestHarness.make(job);
  harness.push(clicks, [{ user: "ada", at: 1_000 }, { user: "bob", at: 61_000 }]);
  assert.deepEqual(harness.take(counts), []);
  harness.push(clicks, [{ user: "cyd", at: 65_000 }]);
  assert.deepEqual(harness.take(counts), ["ada: 1 in minute 0"]);
  harness.push(clicks, [{ user: "ada", at: 59_000 }]);
  assert.deepEqual(harness.take(counts), []);
  assert.deepEqual(harness.rows(late), ["ada at 59000"]);
  harness.end();
  assert.deepEqual(harness.take(counts).toSorted(), ["bob: 1 in minute 1", "cyd: 1 in minute 1"]);
  assert.equal(harness.rows(counts).length, 3);
  const { records, results, late: tooLate } = harness.metrics().operators["per-minute"];
  assert.deepEqual({ records, results, tooLate }, { records: 4, results: 3, tooLate: 1 });
});

Deno.test("a watermark is moved by hand, up to the instant and not beyond", () => {
  const { job, clicks, counts } = clicksPerMinute();
  const harness = TestHarness.make(job);
  harness.push(clicks, [{ user: "ada", at: 1_000 }]);
  harness.advanceWatermark(clicks, minute - 1);
  assert.deepEqual(harness.take(counts), []);
  harness.advanceWatermark("clicks", new Date(minute));
  assert.deepEqual(harness.take("counts"), ["ada: 1 in minute 0"]);
  // It never goes back.
  harness.advanceWatermark(clicks, 0);
  assert.equal(harness.metrics().watermarks["eventTime#0"], minute);
});

Deno.test("of several splits the least watermark counts, and one that has ended does not hold it back", () => {
  const { job, clicks, counts } = clicksPerMinute();
  const harness = TestHarness.make(job, { splits: { clicks: ["web", "app"] } });
  harness.push(clicks, [{ user: "ada", at: 1_000 }], { split: "web" });
  harness.advanceWatermark(clicks, minute, { split: "web" });
  assert.deepEqual(harness.take(counts), []);
  harness.end(clicks, { split: "app" });
  assert.deepEqual(harness.take(counts), ["ada: 1 in minute 0"]);
  assert.throws(() => harness.push(clicks, [{ user: "ada", at: 1_000 }], { split: "app" }), {
    name: "RangeError",
    message:
      'Cannot feed source "clicks" as it must not have ended (harness.end ends it): current value is split "app"',
  });
});

//  processing time    0 s        10 s       20 s
//  windows            |---------|----------|
//  records            a a             a
Deno.test("time goes by when it is told to: windows by the clock fire at their ends", () => {
  const words = Source.array<string>("words", []);
  const counts = Sink.memory<readonly [number, number]>("counts");
  const harness = TestHarness.make(
    Job.make({
      name: "by the clock",
      guarantee: "exactly-once",
      flows: [
        Flow.from(words).pipe(
          Flow.keyBy(() => "all"),
          Flow.window("ten-seconds", {
            assigner: Window.tumblingProcessingTime("10 seconds"),
            aggregate: Aggregate.count,
            late: "drop",
          }),
          Flow.map(({ window, value }) => [window.start, value] as const),
          Flow.to(counts),
        ),
      ],
    }),
    { begins: 0 },
  );
  harness.push(words, ["a", "a"]);
  harness.advanceTime("9.9 seconds");
  assert.deepEqual(harness.take(counts), []);
  harness.advanceTime("100 millis");
  assert.equal(harness.now, 10_000);
  assert.deepEqual(harness.take(counts), [[0, 2]]);
  harness.advanceTime("5 seconds");
  harness.push(words, ["a"]);
  harness.advanceTime("10 minutes");
  assert.deepEqual(harness.take(counts), [[10_000, 1]]);
});

//  web   1 s ................ (silent)
//  app   .................... 61 s          "app" alone moves the watermark once "web" is idle, after 30 s
Deno.test("a split that is silent for long enough holds the watermark back no more", () => {
  const clicks = Source.array<Click>("clicks", []);
  const counts = Sink.memory<number>("counts");
  const harness = TestHarness.make(
    Job.make({
      name: "idle",
      guarantee: "exactly-once",
      flows: [
        Flow.from(clicks).pipe(
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, idleAfter: "30 seconds" }),
          Flow.keyBy(({ user }) => user),
          Flow.window("per-minute", {
            assigner: Window.tumbling("1 minute"),
            aggregate: Aggregate.count,
            late: "drop",
          }),
          Flow.map(({ value }) => value),
          Flow.to(counts),
        ),
      ],
    }),
    { splits: { clicks: ["web", "app"] } },
  );
  harness.push(clicks, [{ user: "ada", at: 1_000 }], { split: "web" });
  harness.advanceTime("29 seconds");
  harness.push(clicks, [{ user: "ada", at: 61_000 }], { split: "app" });
  assert.deepEqual(harness.take(counts), []);
  harness.advanceTime("5 seconds");
  assert.deepEqual(harness.take(counts), [1]);
  assert.deepEqual(harness.metrics().splits.map(({ idle }) => idle), [true, false]);
});

Deno.test("a trigger by the clock speaks when its time has come", () => {
  const clicks = Source.array<Click>("clicks", []);
  const counts = Sink.memory<number>("counts");
  const harness = TestHarness.make(Job.make({
    name: "early",
    guarantee: "exactly-once",
    flows: [
      Flow.from(clicks).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
        Flow.keyBy(({ user }) => user),
        Flow.window("per-minute", {
          assigner: Window.tumbling("1 minute"),
          aggregate: Aggregate.count,
          trigger: Trigger.atWatermark({ early: Trigger.afterProcessingTime("5 seconds") }),
          panes: "accumulating",
          late: "drop",
        }),
        Flow.map(({ value }) => value),
        Flow.to(counts),
      ),
    ],
  }));
  harness.push(clicks, [{ user: "ada", at: 1_000 }]);
  harness.advanceTime("4 seconds");
  harness.push(clicks, [{ user: "ada", at: 2_000 }]);
  assert.deepEqual(harness.take(counts), []);
  harness.advanceTime("1 second");
  assert.deepEqual(harness.take(counts), [2]);
});

Deno.test("a restart goes on from the last epoch: what operators know comes out of the store", () => {
  const { job, clicks, counts } = clicksPerMinute();
  const harness = TestHarness.make(job);
  harness.push(clicks, [{ user: "ada", at: 1_000 }]);
  harness.restart();
  harness.push(clicks, [{ user: "ada", at: 2_000 }]);
  harness.restart();
  harness.advanceWatermark(clicks, minute);
  assert.deepEqual(harness.take(counts), ["ada: 2 in minute 0"]);
  harness.restart();
  assert.deepEqual(harness.take(counts), [], "nothing is said twice");
  assert.equal(harness.metrics().splits[0].records, 3, "two clicks and a notice");
});

Deno.test("a restart with a changed job throws what its state does not fit", () => {
  const { job, clicks, counts } = clicksPerMinute();
  const harness = TestHarness.make(job);
  harness.push(clicks, [{ user: "ada", at: 1_000 }]);
  const changed = Job.make({
    name: "clicks",
    guarantee: "exactly-once",
    flows: [
      Flow.from(clicks).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
        Flow.keyBy(({ user }) => user),
        Flow.window("per-minute", {
          assigner: Window.tumbling("2 minutes"),
          aggregate: Aggregate.count,
          late: "drop",
        }),
        Flow.map(({ value }) => String(value)),
        Flow.to(counts),
      ),
    ],
  });
  assert.throws(() => harness.restart(changed), { _tag: "IncompatibleState" });
  assert.throws(() => harness.take(counts), { _tag: "IncompatibleState" });
  harness.restart(job);
  harness.advanceWatermark(clicks, minute);
  assert.deepEqual(harness.take(counts), ["ada: 1 in minute 0"]);
});

Deno.test("what a function throws is thrown by the push that brought it about, with its coordinates", () => {
  const numbers = Source.array<number>("numbers", []);
  const out = Sink.memory<number>("out");
  const half = (n: number): number => {
    if (n % 2 === 1) throw new Error("odd");
    return n / 2;
  };
  const harness = TestHarness.make(Job.make({
    name: "halves",
    guarantee: "exactly-once",
    flows: [Flow.from(numbers).pipe(Flow.map(half), Flow.to(out))],
  }));
  harness.push(numbers, [4, 6]);
  assert.deepEqual(harness.take(out), [2, 3]);
  const odd = { _tag: "UserCodeError", operator: "map#0", source: "numbers", split: "0", position: 3, message: /odd/ };
  assert.throws(() => harness.push(numbers, [7]), odd);
  assert.throws(() => harness.take(out), odd, "and by every call after it");
  assert.throws(() => harness.restart(), odd, "the record is still there");
});

Deno.test("a record that was rejected is an error of the flow, with its bytes", () => {
  const words = Source.ndjson("words", { paths: "no such file.ndjson", schema: Schema.String });
  const dead = Sink.memory<string>("dead");
  const out = Sink.memory<string>("out");
  const harness = TestHarness.make(Job.make({
    name: "words",
    guarantee: "exactly-once",
    flows: [
      Flow.from(words).pipe(
        Flow.onError((letters) =>
          letters.pipe(Flow.map(({ reason, position }) => `${reason} at ${position}`), Flow.to(dead))
        ),
        Flow.to(out),
      ),
    ],
  }));
  harness.push(words, ["to"]);
  harness.reject(words, "is not JSON", "be}");
  assert.deepEqual(harness.take(out), ["to"]);
  assert.deepEqual(harness.take(dead), ["is not JSON at 2"]);
});

Deno.test("a record of a log that could not be decoded comes with its key, headers and place, or without a value", () => {
  const words = Source.array<string>("words", []);
  const dead = Sink.memory<Flow.DeadLetter<unknown>>("dead");
  const harness = TestHarness.make(Job.make({
    name: "words",
    guarantee: "exactly-once",
    flows: [Flow.from(words).pipe(Flow.onError(dead), Flow.to(Sink.memory<string>("out")))],
  }));
  const key = Uint8Array.of(1);
  harness.reject(words, "is null", null, { key, headers: [["trace", null]], offset: 7, timestamp: 5 });
  harness.reject(words, "is empty", "");
  const [none, empty] = harness.take(dead);
  assert.deepEqual([none.rawForm, none.key, none.headers, none.offset, none.timestamp], [
    "none",
    key,
    [["trace", null]],
    7,
    5,
  ]);
  assert.deepEqual([empty.rawForm, empty.key, empty.headers, empty.offset, empty.timestamp], [
    "bytes",
    null,
    [],
    null,
    null,
  ]);
});

Deno.test("what a sink cannot encode is an error, though nothing is written", () => {
  const values = Source.array<unknown>("values", []);
  const file = Sink.ndjson<unknown>("file", { path: "never/written.ndjson" });
  const harness = TestHarness.make(Job.make({
    name: "file",
    guarantee: "exactly-once",
    flows: [Flow.from(values).pipe(Flow.to(file))],
  }));
  const first = { list: [1] };
  harness.push(values, [first]);
  first.list.push(2);
  assert.deepEqual(harness.take(file), [{ list: [1] }], "as it was when it was written");
  assert.throws(() => harness.push(values, [undefined]), { _tag: "UserCodeError", message: /form in JSON/ });
  assert.throws(() => Deno.statSync("never/written.ndjson"), Deno.errors.NotFound);
});

class Prices extends Context.Service<Prices, { readonly of: (item: string) => Effect.Effect<number> }>()("Prices") {}

const priced = () => {
  const items = Source.array<string>("items", []);
  const prices = Sink.memory<number>("prices");
  const job = Job.make({
    name: "prices",
    guarantee: "exactly-once",
    flows: [
      Flow.from(items).pipe(
        Flow.mapEffect((item) => Effect.flatMap(Prices, ({ of }) => of(item))),
        Flow.to(prices),
      ),
    ],
  });
  return { job, items, prices };
};

Deno.test("a job that needs services is given them, and does not compile without", () => {
  const { job, items, prices } = priced();
  const services = Context.make(Prices, { of: (item) => Effect.succeed(item.length) });
  const harness = TestHarness.make(job, { services });
  harness.push(items, ["tea", "toast"]);
  assert.deepEqual(harness.take(prices), [3, 5]);
  // @ts-expect-error -- services are missing
  assert.throws(() => TestHarness.make(job).push(items, ["tea"]));
});

Deno.test("a function that sleeps has its result when the time has come, and reading it before is refused", () => {
  const { job, items, prices } = priced();
  const services = Context.make(Prices, { of: (item) => Effect.delay(Effect.succeed(item.length), "2 seconds") });
  const harness = TestHarness.make(job, { services });
  harness.push(items, ["tea"]);
  assert.throws(
    () => harness.take(prices),
    new StillWaiting(
      'Cannot read sink "prices" of job "prices" as its Effects must have ended (call harness.advanceTime if they sleep, ' +
        "await harness.settled() if they ask the world outside): current value is 1 that waits",
    ),
  );
  harness.advanceTime("2 seconds");
  assert.deepEqual(harness.take(prices), [3]);
});

Deno.test("a function that asks the world outside is waited for, but not for ever", async () => {
  const { job, items, prices } = priced();
  const answers: Array<() => void> = [];
  const of = (item: string) =>
    Effect.promise(() => new Promise<number>((resolve) => answers.push(() => resolve(item.length))));
  const harness = TestHarness.make(job, { services: Context.make(Prices, { of }) });
  harness.push(items, ["tea"]);
  assert.throws(() => harness.rows(prices), { name: "StillWaiting" });
  await assert.rejects(harness.settled("10 millis"), { name: "StillWaiting" });
  answers.shift()!();
  await harness.settled();
  assert.deepEqual(harness.take(prices), [3]);
  // One that is killed meanwhile is asked again.
  harness.push(items, ["toast"]);
  harness.restart();
  assert.equal(answers.length, 2);
  answers.forEach((answer) => answer());
  await harness.settled();
  assert.deepEqual(harness.take(prices), [5]);
});

Deno.test("what is asked of the harness that the job does not have is refused", () => {
  const { job, clicks, counts } = clicksPerMinute();
  const other = Source.array<Click>("other", []);
  const untimed = Source.array<number>("untimed", []);
  const harness = TestHarness.make(job);
  const refused: ReadonlyArray<readonly [() => void, string | RegExp]> = [
    [
      () => harness.push(other, []),
      'Cannot feed a source as the job must have one of that name, its sources are "clicks": current value is "other"',
    ],
    [
      () => harness.take("none"),
      'Cannot read a sink as the job must have one of that name, its sinks are "counts", "late": current value is "none"',
    ],
    [
      () => harness.push(clicks, [], { split: "app" }),
      'Cannot feed source "clicks" as option splits of the harness must name the split, it names "0": current value is "app"',
    ],
    [() => harness.advanceWatermark(clicks, NaN), /must be a date, in epoch milliseconds: current value is NaN/],
    [() => harness.advanceTime("-1 second"), /duration must be finite and not negative/],
    [() => TestHarness.make(job, { begins: 0.5 }), /begins must be a date/],
    [() => TestHarness.make(job, { splits: { other: [] } }), /its? ?.*"clicks": current value is "other"/],
    [
      () => TestHarness.make(job, { splits: { clicks: ["a", "b"] } }).push(clicks, []),
      /it must be said which of its splits is meant, "a", "b": current value is none/,
    ],
    [
      () =>
        TestHarness.make(Job.make({
          name: "untimed",
          guarantee: "exactly-once",
          flows: [Flow.from(untimed).pipe(Flow.to(Sink.memory<number>("out")))],
        })).advanceWatermark(untimed, 0),
      /before the first Effect and window: current value is no event time/,
    ],
  ];
  for (const [call, message] of refused) assert.throws(call, { name: "RangeError", message });
  // None of it has done any harm.
  harness.push(clicks, [{ user: "ada", at: 1_000 }]);
  harness.end();
  assert.deepEqual(harness.take(counts), ["ada: 1 in minute 0"]);
  assert.throws(() => harness.end(clicks), { message: /must not have ended/ });
  // @ts-expect-error -- the records of a source have its type
  assert.throws(() => harness.push(clicks, [1]), { name: "RangeError" });
});

Deno.test("who imports the package loads nothing of its tools for tests", async () => {
  const { code, stdout } = await new Deno.Command("deno", {
    args: ["info", "--json", "mod.ts"],
    cwd: decodeURIComponent(new URL("../", import.meta.url).pathname),
  }).output();
  assert.equal(code, 0);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout));
  const loaded = (modules as ReadonlyArray<{ readonly specifier: string }>).map(({ specifier }) => specifier);
  assert.ok(loaded.some((specifier) => specifier.endsWith("/src/streams/run.ts")));
  assert.deepEqual(loaded.filter((specifier) => specifier.includes("/src/testing/")), []);
});

// ---------------------------------------------------------------------------------------------------------------------
// The harness and a run

/** Feeds a harness the records of a plan in the order in which a run reads them, some at a time, and restarts it at times. */
const feed = (plan: Plan, sizes: ReadonlyArray<number>, restartEvery: number): TestHarness => {
  const splits = plan.sources.flatMap((source, s) =>
    source.splits.map((records, k) => ({ source, name: `source ${s}`, split: `split ${k}`, records }))
  );
  const reading = Oracle.readingOrder<Item>(
    splits.map(({ records }) => records),
    (item, split) => [applySteps(item, splits[split].source.before).map(({ at }) => at)],
    splits.map(({ source }) => [plan.joined === "before" ? plan.sources[0].bound : source.bound]),
  );
  const job = jobOf(plan, {
    guarantee: "exactly-once",
    from: (name) => Flow.from(Source.array<Item>(name, [])),
    sinkOf: <A>(name: string) => Sink.memory<A>(name),
  });
  const harness = TestHarness.make(job, {
    splits: Object.fromEntries(
      plan.sources.map(({ splits }, s) => [`source ${s}`, splits.map((_, k) => `split ${k}`)]),
    ),
  });
  for (let at = 0, calls = 1; at < reading.length; calls++) {
    const first = reading[at];
    const { name, split } = splits[first.split];
    if (calls % restartEvery === 0) harness.restart();
    if ("ended" in first) {
      harness.end(name, { split });
      at++;
      continue;
    }
    const records: Array<Item> = [];
    const size = sizes[calls % sizes.length];
    for (; at < reading.length && records.length < size; at++) {
      const next = reading[at];
      if ("ended" in next || next.split !== first.split) break;
      records.push(next.value);
    }
    harness.push<unknown>(name, records, { split });
  }
  return harness;
};

Deno.test("whatever the pipeline and however it is fed, the harness says what the oracle says", () => {
  const property = fc.property(
    plans(small),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
    fc.constantFrom(2, 5, Infinity),
    (plan, sizes, restartEvery) => {
      const expected = answer(plan);
      const harness = feed(plan, sizes, restartEvery);
      const rows = Object.fromEntries(Object.keys(expected.rows).map((name) => [name, harness.rows(name)]));
      const got = { rows, metrics: harness.metrics() };
      try {
        compare(got, expected);
        compareCounters(got, expected);
      } catch (error) {
        throw new Error(`${writePlan(plan)}\n${(error as Error).message}`, { cause: error });
      }
    },
  );
  fc.assert(property, { numRuns: 100, seed: 20_260_101 });
});

Deno.test("what a call throws begins with the line of the test that made the call", () => {
  const words = Source.array<string>("words", []);
  const job = Job.make({
    name: "words",
    guarantee: "exactly-once",
    flows: [
      Flow.from(words).pipe(
        Flow.map((word) => {
          if (word === "bad") throw new TypeError("no such word");
          return word;
        }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  const thrownBy = (call: (harness: TestHarness) => void): Error & { readonly cause?: unknown } => {
    const harness = TestHarness.make(job);
    try {
      call(harness);
    } catch (error) {
      return error as Error;
    }
    return assert.fail("nothing was thrown");
  };
  for (
    const call of [
      (harness: TestHarness) => harness.push(words, ["bad"]),
      (harness: TestHarness) => harness.push(words, "bad" as never),
      (harness: TestHarness) => harness.push("other", []),
      (harness: TestHarness) => harness.advanceWatermark(words, "2026-01-01" as never),
      (harness: TestHarness) => harness.advanceTime(-1),
    ]
  ) {
    const { stack } = thrownBy(call);
    const [frame] = stack!.split("\n").filter((line) => /^ +at /.test(line));
    assert.match(frame, /testing_harness_test\.ts/, String(stack));
  }
  const error = thrownBy((harness) => harness.push(words, ["bad"]));
  assert.equal((error as { _tag?: string })._tag, "UserCodeError");
  assert.ok(error.cause instanceof TypeError && error.cause.message === "no such word");
});
