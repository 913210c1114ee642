/** Options, durations, keys and values that cannot be: each is refused in words that name it, by a typed error. */
import assert from "node:assert/strict";
import { Cause, Effect, Exit, Queue, Schema, Stream } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { run } from "./support.ts";

interface Reading {
  readonly key: string;
  readonly at: number;
  /** The type says a number; what comes at run time may be anything. */
  readonly value: number;
}

const reading = (at: number, value: unknown, key = "a"): Reading => ({ key, at, value: value as number });

const keyedOf = (records: ReadonlyArray<Reading>) =>
  Flow.from(Source.array("readings", records)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
  );

/** The typed error that a job ends with. A defect fails the test. */
const errorOf = async (job: Job.Job<never>, options: Job.RunOptions = {}): Promise<Job.JobError> => {
  const exit = await Effect.runPromiseExit(Job.run(job, { kv: memoryKv(), state: "test.kv", ...options }));
  assert.ok(Exit.isFailure(exit), "the job does not fail");
  const failure = exit.cause.reasons.find(Cause.isFailReason);
  assert.ok(failure !== undefined, `the job dies: ${Cause.pretty(exit.cause)}`);
  return failure.error;
};

const refusedWith = (make: () => unknown, message: string): void =>
  assert.throws(make, { name: "RangeError", message });

// ---------------------------------------------------------------------------------------------------------------------
// Durations

const noDurations: ReadonlyArray<readonly [value: unknown, inWords: string]> = [
  ["soon", '"soon"'],
  ["1h", '"1h"'],
  ["", '""'],
  [NaN, "NaN"],
  [{ seconds: NaN }, '{"seconds":null}'],
  [null, "null"],
  [true, "true"],
];

const keyed = keyedOf([]);

/** Every place in which a duration is given, with what the error says of it. */
const durations: Readonly<Record<string, (duration: never) => unknown>> = {
  "make a window as size": (size) => Window.tumbling(size),
  "make a window as offset": (offset) => Window.tumbling("1 hour", { offset }),
  "make a window as slide": (slide) => Window.sliding({ size: "1 hour", slide }),
  "make a window as gap": (gap) => Window.session({ gap }),
  "make a watermark as its bound": (bound) => Watermark.boundedOutOfOrderness(bound),
  "make a watermark as min": (min) => Watermark.adaptive({ lossRate: 0.1, min }),
  "make a watermark as max": (max) => Watermark.adaptive({ lossRate: 0.1, max }),
  "make a trigger as an interval of event time": (interval) => Trigger.afterEventTime(interval),
  "make a trigger as a delay of processing time": (delay) => Trigger.afterProcessingTime(delay),
  "take a rate as per": (per) => Aggregate.rate({ per }),
  "take a rate as over": (over) => Aggregate.rate({ per: "1 second", over }),
  "decay a sum as halfLife": (halfLife) => Aggregate.decayed((x: number) => x, { halfLife }),
  'deduplicate in "once" as within': (within) => keyed.pipe(Flow.deduplicate("once", { within, late: "drop" })),
  'make window "w" as allowedLateness': (allowedLateness) =>
    keyed.pipe(
      Flow.window("w", {
        assigner: Window.tumbling("1 hour"),
        aggregate: Aggregate.count,
        allowedLateness,
        late: "drop",
      }),
    ),
  "stamp a flow as idleAfter": (idleAfter) =>
    Flow.from(Source.array("readings", [reading(1, 1)])).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, idleAfter }),
    ),
  "stamp a flow as maxDrift": (maxDrift) =>
    Flow.from(Source.array("readings", [reading(1, 1)])).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic, maxDrift }),
    ),
};

for (const [what, make] of Object.entries(durations)) {
  Deno.test(`what is no duration is refused: ${what}`, () => {
    for (const [value, inWords] of noDurations) {
      refusedWith(
        () => make(value as never),
        `Cannot ${what} must be a duration such as "30 seconds": current value is ${inWords}`,
      );
    }
    make("30 minutes" as never); // and what is one is not
  });
}

Deno.test("time is cut by whole milliseconds, and waited for by any", () => {
  refusedWith(
    () => Window.tumbling(0.5),
    "Cannot make a window as size must be a whole number of milliseconds above 0: current value is 0.5",
  );
  refusedWith(
    () => Trigger.afterEventTime("1500 micros"),
    "Cannot make a trigger as an interval of event time must be a whole number of milliseconds above 0: " +
      "current value is 1.5",
  );
  assert.equal(Watermark.boundedOutOfOrderness("1500 micros").bound, 1.5);
});

Deno.test("a gap that a record gives and that is no duration fails the job with the record's coordinates", async () => {
  const job = Job.make({
    name: "gaps",
    guarantee: "exactly-once",
    flows: [
      keyedOf([reading(1, 5), reading(2, NaN)]).pipe(
        Flow.window("s", {
          assigner: Window.session({ gap: ({ value }: Reading) => value }),
          aggregate: Aggregate.count,
          late: "drop",
        }),
        Flow.to(Sink.memory("out")),
      ),
    ],
  });
  const error = await errorOf(job);
  assert.ok(error._tag === "UserCodeError");
  assert.deepEqual([error.operator, error.source, error.position], ["s", "readings", 2]);
  assert.match(error.message, /gap must be a duration such as "30 seconds": current value is NaN$/);
});

// ---------------------------------------------------------------------------------------------------------------------
// What a run is told

const makeNothing = (): Job.Job<never> =>
  Job.make({
    name: "nothing",
    guarantee: "exactly-once",
    flows: [Flow.from(Source.array("numbers", [1])).pipe(Flow.to(Sink.memory("out")))],
  });

const interval = "epochInterval must be finite and at least 1 millisecond: current value is";
const duration = 'must be a duration such as "30 seconds": current value is';
const mode = 'mode must be "continuous", "available-now" or { every }: current value is';

const refusedRuns: ReadonlyArray<readonly [options: unknown, message: string]> = [
  [{ epochInterval: "soon" }, `epochInterval ${duration} "soon"`],
  [{ epochInterval: NaN }, `epochInterval ${duration} NaN`],
  [{ epochInterval: Infinity }, `${interval} Infinity`],
  [{ epochInterval: 0 }, `${interval} 0`],
  [{ epochInterval: -1 }, `${interval} -1`],
  [{ mode: "available" }, `${mode} "available"`],
  [{ mode: {} }, `${mode} {}`],
  [{ mode: { every: "soon" } }, `every ${duration} "soon"`],
  [{ mode: { every: undefined } }, `every ${duration} undefined`],
  [{ mode: { every: 0 } }, "every must be finite and at least 1 millisecond: current value is 0"],
  [{ keyedPartitions: 4_097 }, "keyedPartitions must be at most 4096: current value is 4097"],
  [{ keyedPartitions: 0 }, "keyedPartitions must be a whole number above 0: current value is 0"],
  [{ batchRecordsMax: "many" }, 'batchRecordsMax must be a whole number above 0: current value is "many"'],
  [{ state: "" }, 'state must be the path of a file or ":memory:": current value is ""'],
];

for (const [options, message] of refusedRuns) {
  Deno.test(`a run is refused: ${message}`, async () => {
    const error = await errorOf(makeNothing(), options as Job.RunOptions);
    assert.ok(error._tag === "InvalidJob");
    assert.equal(error.message, `Cannot run job "nothing" as ${message}`);
    assert.equal(error.rule, message.split(": current value")[0]);
  });
}

Deno.test("the defaults of a run are named after its options, and keep to their bounds", async () => {
  assert.equal(Job.runDefaults.epochIntervalMillis, 1_000);
  assert.ok(Job.runDefaults.keyedPartitions <= Job.keyedPartitionsMax);
  const { epochIntervalMillis: epochInterval, batchRecordsMax, keyedPartitions } = Job.runDefaults;
  assert.equal((await run(makeNothing(), { epochInterval, batchRecordsMax, keyedPartitions })).outcome, "ended");
});

Deno.test("as many Effects as are to run at once is a whole number above 0", () => {
  for (const concurrency of [0, -1, NaN, 1.5, Infinity]) {
    refusedWith(
      () => Flow.from(Source.array("ids", [1])).pipe(Flow.mapEffect(Effect.succeed, { concurrency })),
      `Cannot map with Effects as concurrency must be a whole number above 0: current value is ${concurrency}`,
    );
  }
});

Deno.test("a program refuses an interval of progress that is none, before it runs anything", async () => {
  await assert.rejects(Job.main(makeNothing(), { progressInterval: "soon" as never }), {
    name: "RangeError",
    message: `Cannot run job "nothing" as progressInterval ${duration} "soon"`,
  });
});

// ---------------------------------------------------------------------------------------------------------------------
// Values of the state that their Schema refuses

const Number_ = Schema.Number as Schema.Codec<number, unknown>;
const ReadingSchema = Schema.Struct({ key: Schema.String, at: Schema.Number, value: Schema.Number });
const tumbling = { assigner: Window.tumbling("1 hour"), late: "drop" } as const;

//   event time (ms)   1    2      3
//                     7   "x"     9        the epoch ends behind the third record, with all of it in the state
const mistaken = keyedOf([reading(1, 7), reading(2, "x"), reading(3, 9, "b")]);

const out = () => Flow.to(Sink.memory<unknown>("out"));

/** Flows with an operator "best" that keeps values. */
const keepers = {
  "Aggregate.last": mistaken.pipe(
    Flow.window("best", { ...tumbling, aggregate: Aggregate.last(({ value }: Reading) => value, Number_) }),
    out(),
  ),
  "Aggregate.topN": mistaken.pipe(
    Flow.window("best", {
      ...tumbling,
      aggregate: Aggregate.topN(({ at }: Reading) => at, ({ value }) => value, Number_, { n: 2 }),
    }),
    out(),
  ),
  "Aggregate.make, in sliding windows": mistaken.pipe(
    Flow.window("best", {
      assigner: Window.sliding({ size: "2 hours", slide: "1 hour" }),
      aggregate: Aggregate.make({
        name: "latest",
        schema: Number_,
        initial: () => 0,
        add: (_, { value }: Reading) => value,
        merge: (_, later) => later,
        result: (value) => value,
      }),
      late: "drop",
    }),
    out(),
  ),
  "Aggregate.fold, in the global window": mistaken.pipe(
    Flow.window("best", {
      assigner: Window.global,
      aggregate: Aggregate.fold({
        name: "latest",
        schema: Number_,
        initial: () => 0,
        add: (_, { value }: Reading) => value,
        result: (value) => value,
      }),
      late: "drop",
    }),
    out(),
  ),
  "a struct of aggregates, in windows of records": mistaken.pipe(
    Flow.window("best", {
      assigner: Window.count(10),
      aggregate: { count: Aggregate.count, last: Aggregate.last(({ value }: Reading) => value, Number_) },
      late: "drop",
    }),
    out(),
  ),
  "Flow.topN": mistaken.pipe(
    Flow.topN("best", { n: 3, by: ({ at }) => at, id: ({ at }) => at, schema: ReadingSchema }),
    Flow.changelog,
    out(),
  ),
  'Flow.deduplicate with keep: "last"': mistaken.pipe(
    Flow.deduplicate("best", { within: "1 hour", keep: "last", schema: ReadingSchema, late: "drop" }),
    out(),
  ),
};

for (const [what, flow] of Object.entries(keepers)) {
  Deno.test(`a value that the schema of the state refuses fails the job, in words: ${what}`, async () => {
    const job = Job.make({ name: "keeps", guarantee: "exactly-once", flows: [flow] });
    const error = await errorOf(job, { epochRecordsMax: 3, batchRecordsMax: 3 });
    assert.ok(error._tag === "UserCodeError", String(error));
    assert.deepEqual([error.job, error.operator, error.source, error.split], ["keeps", "best", "readings", "0"]);
    assert.match(
      error.message,
      /^Job "keeps" failed in best at readings, split 0, before position \d: Cannot store state of "best" as a value must match its schema: Expected number[^\n]*$/,
    );
    assert.ok(error.cause instanceof Error);
  });
}

Deno.test("a stored value that a changed schema refuses fails the next start, in words", async () => {
  const kv = memoryKv();
  /** Both schemas store a number, so that only the value tells. */
  const jobOf = (schema: Schema.Codec<number, unknown>, upTo: number) =>
    Job.make({
      name: "keeps",
      guarantee: "exactly-once",
      flows: [
        Flow.from(Source.make({
          name: "readings",
          bounded: false,
          splits: Effect.succeed(["0"]),
          read: (_split, from) => {
            const records = [reading(1, -7), reading(2, 8)].slice(Number(from ?? 0), upTo);
            const positions = records.map((_, k) => Number(from ?? 0) + k + 1);
            return Stream.make({ records, positions, lag: 0 });
          },
        })).pipe(
          Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
          Flow.keyBy(({ key }) => key),
          Flow.window("best", { ...tumbling, aggregate: Aggregate.last(({ value }: Reading) => value, schema) }),
          Flow.to(Sink.memory("out")),
        ),
      ],
    });
  const first = await Effect.runPromise(Job.run(jobOf(Number_, 1), { kv, state: "test.kv", mode: "available-now" }));
  assert.equal(first.outcome, "caught-up");
  const positive = Schema.Number.pipe(Schema.decodeTo(Schema.Number.check(Schema.isGreaterThan(0))));
  const error = await errorOf(jobOf(positive, 2), { kv, mode: "available-now" });
  assert.ok(error._tag === "IncompatibleState", String(error));
  assert.match(
    error.message,
    /^Cannot go on with job "keeps" as stored state of "best" must match its schema: .*greater than 0/,
  );
});

// ---------------------------------------------------------------------------------------------------------------------
// Keys

const noKeys: ReadonlyArray<readonly [key: unknown, inWords: string]> = [
  [null, "null"],
  [undefined, "undefined"],
  [new Date(0), 'Date "1970-01-01T00:00:00.000Z"'],
  [{ id: 1 }, '{"id":1}'],
  [["a", null], "null"],
  [["a", ["b", undefined]], "undefined"],
  [["a", /b/], "RegExp {}"],
];

for (const [key, inWords] of noKeys) {
  const place = Array.isArray(key) ? ", in a list" : "";
  Deno.test(`what is no key is refused with the record's coordinates: ${inWords}${place}`, async () => {
    const keyedBy = Flow.from(Source.array<unknown>("records", ["good", key])).pipe(
      Flow.keyBy((record) => record as string),
    );
    const results = Sink.memory<Window.WindowResult<string, number>>("results");
    const rejected = Sink.memory<{ readonly reason: string }>("rejected");
    const count = { assigner: Window.global, aggregate: Aggregate.count, late: "drop" } as const;
    const rule = "a key must be a string, number, bigint, boolean, bytes or a list of these: current value is " +
      inWords;
    const failing = Job.make({
      name: "keys",
      guarantee: "exactly-once",
      flows: [keyedBy.pipe(Flow.window("count", count), Flow.to(results))],
    });
    const error = await errorOf(failing);
    assert.ok(error._tag === "UserCodeError");
    assert.deepEqual([error.operator, error.source, error.position], ["keyBy#0", "records", 2]);
    assert.ok(error.message.endsWith(`Cannot key a record as ${rule}`), error.message);

    const handling = Job.make({
      name: "keys",
      guarantee: "exactly-once",
      flows: [keyedBy.pipe(
        Flow.onError(rejected, { defects: true }),
        Flow.window("count", count),
        Flow.to(results),
      )],
    });
    await run(handling);
    assert.deepEqual(rejected.values().map(({ reason }) => reason), [`Cannot key a record as ${rule}`]);
    assert.deepEqual(results.values().map(({ key, value }) => [key, value]), [["good", 1]]);
  });
}

Deno.test("an id of a ranking is a key too", async () => {
  const flow = keyedOf([reading(1, 1)]).pipe(
    Flow.topN("best", { n: 1, by: ({ at }) => at, id: () => undefined as never, schema: ReadingSchema }),
    Flow.changelog,
    Flow.to(Sink.memory("out")),
  );
  const error = await errorOf(Job.make({ name: "ids", guarantee: "exactly-once", flows: [flow] }));
  assert.ok(error._tag === "UserCodeError");
  assert.equal(error.operator, "best");
  assert.match(error.message, /a key must be .*: current value is undefined$/);
});

// ---------------------------------------------------------------------------------------------------------------------
// A stream that ends is live all the same

Deno.test("a record of a bounded stream is handled when it comes, not when a batch is full", async () => {
  //   record   first                    second    the end
  //            the job has seen it → it is sent   and so on: were a full batch waited for, nothing would move
  const program = Effect.gen(function* () {
    const queue = yield* Queue.unbounded<number, Cause.Done>();
    yield* Queue.offer(queue, 0);
    const seen: Array<number> = [];
    const flow = Flow.from(Source.fromStream("live", Stream.fromQueue(queue), { bounded: true })).pipe(
      Flow.map((value) => {
        seen.push(value);
        if (value < 2) Queue.offerUnsafe(queue, value + 1);
        else Queue.endUnsafe(queue);
        return value;
      }),
      Flow.to(Sink.memory<number>("out")),
    );
    const { outcome } = yield* Job.run(Job.make({ name: "live", guarantee: "at-most-once", flows: [flow] }), {
      kv: memoryKv(),
      state: "test.kv",
    });
    assert.equal(outcome, "ended");
    assert.deepEqual(seen, [0, 1, 2]);
  });
  await Effect.runPromise(Effect.timeout(program, "10 seconds"));
  assert.equal(Source.fromStream("live", Stream.make(1), { bounded: true }).paced, true);
  assert.equal(Source.fromStream("ready", Stream.make(1), { bounded: true, paced: false }).paced, false);
});

// ---------------------------------------------------------------------------------------------------------------------
// What a message says

Deno.test("a message names what was given", () => {
  refusedWith(() => Trigger.firstOf(), "Cannot make a trigger as it must have a condition: current value is none");
  refusedWith(() => Trigger.allOf(), "Cannot make a trigger as it must have a condition: current value is none");
  refusedWith(
    () => Window.calendar({ unit: "day", timeZone: "" }),
    'Cannot make a window as its time zone must be known: current value is ""',
  );
  const window = (options: object) => () =>
    keyed.pipe(
      Flow.window("w", {
        assigner: Window.tumbling("1 hour"),
        aggregate: Aggregate.count,
        late: "drop",
        preAggregate: true,
        ...options,
      }),
    );
  const needs = 'Cannot make window "w" as preAggregate needs';
  const season = { name: "seasons", assign: () => ({ start: 0, end: 1 }), overlapping: true } as const;
  const windows = `${needs} tumbling or sliding windows of event time: current value is`;
  refusedWith(window({ assigner: Window.custom(season) }), `${windows} custom("seasons",overlapping)`);
  refusedWith(window({ assigner: Window.count(3) }), `${windows} count(size=3,slide=3)`);
  refusedWith(
    window({ assigner: Window.tumblingProcessingTime("1 second") }),
    `${windows} sliding(no event time,size=1000,slide=1000,offset=0)`,
  );
  refusedWith(
    window({ trigger: Trigger.repeatedly(Trigger.afterCount(2)) }),
    `${needs} the default trigger and accumulating panes: current value is Repeatedly(count(2)), panes "accumulating"`,
  );
  window({})();
});

Deno.test("a record is in no more sliding windows than can be meant", () => {
  assert.equal(Window.slidesMax, 100_000);
  Window.sliding({ size: "1 day", slide: "1 second" });
  Window.sliding({ size: 100_000, slide: 1 });
  const rule = "Cannot make a sliding window as size must be at most 100000 times slide (1): current value is";
  refusedWith(() => Window.sliding({ size: 100_001, slide: 1 }), `${rule} 100001`);
  refusedWith(() => Window.slidingProcessingTime({ size: "1 hour", slide: 1 }), `${rule} 3600000`);
});

Deno.test("a function that gives no window is refused in words", () => {
  for (const [said, inWords] of [[undefined, "undefined"], [null, "null"], [[undefined], "undefined"], [5, "5"]]) {
    const assigner = Window.custom({ name: "none", assign: () => said as never });
    refusedWith(
      () => assigner.assign(0, null),
      `Cannot assign a record to its windows as each must be { start, end }: current value is ${inWords}`,
    );
  }
});

Deno.test("the least and the greatest of no number but NaN are those of none", () => {
  assert.equal(Aggregate.evaluate(Aggregate.min((x: number) => x), [NaN, NaN]), Infinity);
  assert.equal(Aggregate.evaluate(Aggregate.max((x: number) => x), [NaN, NaN]), -Infinity);
  assert.equal(Aggregate.evaluate(Aggregate.max((x: number) => x), [NaN, 3, NaN]), 3);
});

for (
  const [name, assigner] of Object.entries({
    clock: Window.tumblingProcessingTime("1 hour"),
    everything: Window.global,
  })
) {
  Deno.test(`nothing is ever late in a window of ${name}, so it takes no allowed lateness`, () => {
    const keyed = Flow.from(Source.array("words", ["a"])).pipe(Flow.keyBy((word) => word));
    const make = () =>
      keyed.pipe(
        Flow.window("w", { assigner, aggregate: Aggregate.count, allowedLateness: "5 millis", late: "drop" }),
      );
    assert.throws(make, {
      name: "RangeError",
      message: 'Cannot make window "w" as nothing is ever late in it: current value of allowedLateness is 5',
    });
  });
}
