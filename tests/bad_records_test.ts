/**
 * Bad records: what answers each, a dead letter or an error with coordinates, and that nothing else is lost by it.
 *
 * Each record of a job is in exactly one place in the end: in = out + late + dead + dropped.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Cause, Effect, Exit, Option, Schema, SchemaTransformation, Stream } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { keyDepthMax } from "../src/kv-state/key.ts";
import { jsonDepthMax } from "../src/streams/sources/formats/value-decoder.ts";

/** Runs a job to its end in memory. */
const run = (job: Job.Job<never>, options: Job.RunOptions = {}) =>
  Effect.runPromiseExit(Job.run(job, { kv: memoryKv(), state: "test.kv", epochInterval: "1 hour", ...options }));

/** A job that is to end well. */
const end = async (job: Job.Job<never>, options: Job.RunOptions = {}): Promise<Job.JobSummary> => {
  const exit = await run(job, options);
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause);
  return exit.value;
};

/** What a job fails with. It is never a defect. */
const failure = async (job: Job.Job<never>, options: Job.RunOptions = {}): Promise<Job.JobError> => {
  const exit = await run(job, options);
  assert.ok(Exit.isFailure(exit), "the job was to fail");
  assert.ok(exit.cause.reasons.every(Cause.isFailReason), `a defect: ${Cause.pretty(exit.cause)}`);
  return Option.getOrThrow(Cause.findErrorOption(exit.cause));
};

const jobOf = (...flows: ReadonlyArray<Flow.CompleteFlow<never, Sink.Transactional | Sink.Idempotent>>) =>
  Job.make({ name: "bad", guarantee: "exactly-once", flows });

/** An error of user code, without the stack and the cause. */
const coordinatesOf = (error: Job.JobError) => {
  assert.ok(error instanceof Job.UserCodeError, `it is a ${error._tag}: ${error.message}`);
  const { operator, source, split, position } = error;
  return { operator, source, split, position };
};

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Nested lists, so many deep. */
const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let k = 0; k < depth; k++) value = [value];
  return value;
};

/** What becomes of values that a function throws at. */
const lettersOf = async (values: ReadonlyArray<unknown>, thrown: () => unknown = () => new Error("no")) => {
  const dead = Sink.memory<Flow.DeadLetter<never>>("dead");
  const out = Sink.memory<unknown>("out");
  const fail = (): unknown => {
    throw thrown();
  };
  const flow = Flow.from(Source.array("values", values)).pipe(
    Flow.map((value) => value === "good" ? value : fail()),
    Flow.onError(dead, { defects: true }),
    Flow.to(out),
  );
  const { metrics } = await end(jobOf(flow));
  const { deadLetters } = metrics.operators["onError#0"];
  assert.equal(metrics.splits[0].records, out.values().length + deadLetters);
  assert.equal(dead.values().length, deadLetters);
  return dead.values();
};

// ── what a source reads ─────────────────────────────────────────────────────────────────────────────────────────────

const withFile = async <A>(lines: ReadonlyArray<string>, use: (path: string) => Promise<A>): Promise<A> => {
  const path = await Deno.makeTempFile({ suffix: ".ndjson" });
  try {
    await Deno.writeTextFile(path, lines.map((line) => `${line}\n`).join(""));
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
};

/** What becomes of lines that are decoded with a schema: all of them are in one place or the other. */
const read = <A>(lines: ReadonlyArray<string>, schema: Schema.Codec<A, unknown>) =>
  withFile(lines, async (path) => {
    const dead = Sink.memory<Flow.DeadLetter<Source.DecodeError>>("dead");
    const out = Sink.memory<A>("out");
    const flow = Flow.from(Source.ndjson("lines", { paths: path, schema, lineBytesMax: 20_000_000 })).pipe(
      Flow.onError(dead),
      Flow.to(out),
    );
    const { metrics } = await end(jobOf(flow));
    assert.equal(metrics.splits[0].records, lines.length);
    assert.equal(out.values().length + dead.values().length, lines.length);
    assert.equal(metrics.operators["onError#0"].deadLetters, dead.values().length);
    return { out: out.values(), dead: dead.values() };
  });

const Reading = Schema.Struct({ at: Schema.Number, celsius: Schema.Number });
const good = '{"at":1,"celsius":20}';

Deno.test("malformed JSON, a missing field and one of a wrong type are dead letters with their bytes", async () => {
  const bad = [
    "{",
    '{"at":1',
    "at=1",
    '{"at":1}',
    '{"at":"1","celsius":20}',
    "null",
    "[]",
    '"text"',
    '{"at":1,"celsius":NaN}',
  ];
  const { out, dead } = await read([good, ...bad, good], Reading);
  assert.equal(out.length, 2);
  assert.deepEqual(dead.map(({ raw }) => text(raw)), bad);
  let offset = good.length + 1;
  for (const [k, letter] of dead.entries()) {
    offset += bad[k].length + 1;
    assert.deepEqual([letter.source, letter.position, letter.operator], ["lines", offset, 'source "lines"']);
    assert.equal(letter.rawForm, "bytes");
    assert.match(letter.reason, k < 3 || k === 8 ? /^is not JSON: / : /^does not match the schema: /);
  }
});

Deno.test("JSON that is nested too deeply is a dead letter, whatever the schema lets through", async () => {
  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  const object = '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000);
  // Brackets in texts are no levels.
  const flat = JSON.stringify(["[".repeat(5_000), '\\"{'.repeat(5_000), "{".repeat(5_000)]);
  const wide = JSON.stringify(Array.from({ length: 5_000 }, () => [{}]));
  for (const schema of [Schema.Unknown, Schema.Json]) {
    const lines = [deep(jsonDepthMax), deep(jsonDepthMax + 1), deep(100_000), object, flat, wide];
    const { out, dead } = await read(lines, schema);
    assert.equal(out.length, 3);
    assert.deepEqual(dead.map(({ reason }) => reason), Array(3).fill("is nested more than 1000 levels deep"));
    assert.deepEqual(dead.map(({ rawLength }) => rawLength), [2_002, 200_000, 600_001]);
  }
});

Deno.test("a schema that would have to wait says so", async () => {
  const waiting = Schema.Number.pipe(Schema.decodeTo(
    Schema.Number,
    SchemaTransformation.transformEffect({
      decode: (value: number) => Effect.delay(Effect.succeed(value), 1),
      encode: (value: number) => Effect.delay(Effect.succeed(value), 1),
    }),
  ));
  const { dead } = await read(["1"], waiting);
  const reason = "it must work without waiting, and one of its transformations waits";
  assert.deepEqual(dead.map((letter) => letter.reason), [`made the schema throw: ${reason}`]);
  const sink = Sink.ndjson("out", { path: await Deno.makeTempFile(), schema: waiting });
  const error = await failure(jobOf(Flow.from(Source.array("values", [1])).pipe(Flow.to(sink))));
  assert.deepEqual(coordinatesOf(error), { operator: 'sink "out"', source: "values", split: "0", position: 1 });
  assert.ok(error.message.endsWith(`Cannot encode a value as its schema must take it: ${reason}`), error.message);
  const flow = windowed([{ at: 0 }], Aggregate.last(({ at }: { at: number }) => at, waiting));
  const unstored = await failure(jobOf(flow), { mode: "available-now" });
  assert.equal(coordinatesOf(unstored).operator, "w");
  assert.ok(unstored.message.endsWith(`a value must match its schema: ${reason}`), unstored.message);
});

Deno.test("a schema that throws whatever can be thrown rejects the record", async () => {
  for (const thrown of [null, "text", Object.create(null), new Error("boom"), Symbol("s")]) {
    const schema = Schema.Number.check(Schema.makeFilter(() => {
      throw thrown;
    }));
    const { dead } = await read(["1"], schema);
    assert.match(dead[0].reason, /^made the schema throw: ./);
  }
});

Deno.test("an empty source, and one of nothing but bad records, end well", async () => {
  assert.deepEqual(await read([], Reading), { out: [], dead: [] });
  const { out, dead } = await read(Array(3_000).fill("{oh}"), Reading);
  assert.deepEqual([out.length, dead.length], [0, 3_000]);
});

Deno.test("a record of 10 MB goes through, or is a dead letter that says how long it was", async () => {
  const long = JSON.stringify({ text: "x".repeat(10_000_000) });
  const through = await read([long], Schema.Struct({ text: Schema.String }));
  assert.equal(through.out[0].text.length, 10_000_000);
  const { dead } = await read([long, good], Reading);
  assert.deepEqual([dead[0].raw.length, dead[0].rawLength], [Source.rejectedBytesMax, long.length]);
});

Deno.test("keys of objects that JavaScript treats in a way of its own come through as any others", async () => {
  const lines = ['{"__proto__":{"polluted":1},"constructor":2,"":3,"toString":4}'];
  const { out } = await read(lines, Schema.Record(Schema.String, Schema.Json));
  assert.deepEqual(Object.keys(out[0]), ["__proto__", "constructor", "", "toString"]);
  assert.equal(JSON.stringify(out[0]), lines[0]);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

Deno.test("a source that throws, dies, or gives no positions ends the job with its split, and is not waited for", async () => {
  const throwing = (read: () => Stream.Stream<Source.SourceBatch<number>>) =>
    Source.make({ name: "own", bounded: true, splits: Effect.succeed(["0"]), read: (_split, _from, _max) => read() });
  const sources = [
    throwing(() => {
      throw new Error("oh");
    }),
    throwing(() => Stream.die(new Error("oh"))),
    throwing(() => Stream.succeed({ records: [1, 2], positions: [1] })),
    throwing(() => Stream.succeed({ records: [1], positions: [NaN] })),
    throwing(() => Stream.succeed({ records: [1], positions: [() => 1] as never })),
    Source.generate("own", {
      seed: 1,
      count: 3,
      make: () => {
        throw new Error("oh");
      },
    }),
  ];
  for (const source of sources) {
    const error = await failure(jobOf(Flow.from(source).pipe(Flow.to(Sink.memory("out")))));
    assert.ok(error._tag === "SourceError", error.message);
    assert.deepEqual([error.source, error.split, error.retryable], ["own", "0", false]);
    assert.match(error.message, /must not throw: current value is oh$|must have a position, a number or a text/);
  }
});

// ── what functions throw, and at which records ──────────────────────────────────────────────────────────────────────

const circular = new Error("circular");
circular.cause = circular;

/** Whatever can be thrown, and how the letter puts it. */
const throwables: ReadonlyArray<readonly [thrown: unknown, reason: string]> = [
  [null, "null"],
  [undefined, "undefined"],
  ["text", "text"],
  [NaN, "NaN"],
  [10n, "10"],
  [Symbol("s"), "Symbol(s)"],
  [Object.freeze({ _tag: "Frozen", message: "cold" }), "Frozen: cold"],
  [{ code: 5 }, '{"code":5}'],
  [circular, "circular"],
  [new Error(""), "Error"],
  [Object.defineProperty(new Error("x"), "message", { get: () => assert.fail("read") }), "Error {}"],
  [Object.assign(new Error("x"), { message: { a: 1 } }), "Error: [object Object]"],
  [Object.create(null), "{}"],
  [{
    get _tag() {
      throw new Error("read");
    },
  }, "[object Object]"],
  [{ toString: () => assert.fail("called") }, "{}"],
  [new Proxy({}, { has: () => assert.fail("asked"), getPrototypeOf: () => assert.fail("asked") }), "[object Object]"],
  [Promise.resolve(1), "Promise {}"],
  [() => 1, "()=>1"],
  [{ _tag: Symbol("t") }, "Symbol(t)"],
];

Deno.test("whatever a function throws, its record is a dead letter", async () => {
  for (const [thrown, reason] of throwables) {
    const [letter] = await lettersOf([7], () => thrown);
    assert.deepEqual([letter.operator, letter.position, text(letter.raw), letter.rawForm], ["map#0", 1, "7", "json"]);
    assert.equal(letter.reason.replaceAll(/\s*=>\s*/g, "=>"), reason);
  }
});

Deno.test("whatever a function throws, where nothing handles it the job fails with the record's coordinates", async () => {
  for (const [thrown] of throwables) {
    const flow = Flow.from(Source.array("values", ["good", "bad"])).pipe(
      Flow.map((value) => {
        if (value === "bad") throw thrown;
        return value;
      }),
      Flow.to(Sink.memory("out")),
    );
    const expected = { operator: "map#0", source: "values", split: "0", position: 2 };
    assert.deepEqual(coordinatesOf(await failure(jobOf(flow))), expected);
  }
});

Deno.test("what a letter says of an error is bounded", async () => {
  const [letter] = await lettersOf([7], () => new Error("x".repeat(1_000_000)));
  assert.equal(letter.reason.length, Flow.reasonCharactersMax);
});

Deno.test("whatever the record is, its letter is made, bounded, and says whether it is all of it", async () => {
  const endless = (): unknown => ({
    get next() {
      return endless();
    },
  });
  const containing: Record<string, unknown> = {};
  containing.itself = containing;
  class Point {
    x = 1;
  }
  const at = new Date(0);
  const whole: ReadonlyArray<readonly [value: unknown, json: string]> = [
    [null, "null"],
    [{ a: [1, "ü", true, null], b: undefined }, '{"a":[1,"ü",true,null]}'],
    [at, `"${at.toISOString()}"`],
    [new Point(), '{"x":1}'],
    ["\ud800", '"\\ud800"'],
    [JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
    [{ a: new Uint8Array(2) }, '{"a":"AAA="}'],
    [[Buffer.from([255])], '["/w=="]'],
    [Uint8Array.of(1, 2, 3).subarray(1), '"AgM="'],
  ];
  const words: ReadonlyArray<readonly [value: unknown, words: string]> = [
    [undefined, "undefined"],
    [10n, "10n"],
    [{ a: 10n }, '{"a":"10n"}'],
    [NaN, "NaN"],
    [{ a: Infinity }, '{"a":null}'],
    [new Map([[1, 2]]), "Map {}"],
    [{ a: new Uint16Array(2) }, '{"a":{"0":0,"1":0}}'],
    [new Date(NaN), "Date null"],
    [containing, "[object Object]"],
    [nested(100_000), "[object Array]"],
    [endless(), "[object Object]"],
    [{
      get a() {
        throw new Error("a bomb");
      },
    }, "[object Object]"],
    [{ toJSON: () => assert.fail("called") }, "[object Object]"],
    [{
      get [Symbol.toStringTag]() {
        throw new Error("a bomb");
      },
      a: 1n,
    }, '{"a":"1n"}'],
    [() => 1, "()=>1"],
  ];
  const letters = await lettersOf([...whole, ...words].map(([value]) => value));
  for (const [k, [, expected]] of [...whole, ...words].entries()) {
    const { raw, rawLength, rawForm } = letters[k];
    assert.deepEqual([text(raw).replaceAll(/\s*=>\s*/g, "=>"), rawForm], [
      expected,
      k < whole.length ? "json" : "words",
    ]);
    assert.equal(rawLength, raw.length);
  }
  const [long] = await lettersOf(["ü".repeat(5_000_000)]);
  assert.deepEqual([long.raw.length, long.rawLength], [Flow.recordBytesMax, 10_000_002]);
});

Deno.test("what is no Effect, and what fails, dies or is interrupted, is a dead letter", async () => {
  const given: ReadonlyArray<readonly [f: () => unknown, reason: RegExp]> = [
    [() => Promise.resolve(1), /must give an Effect: current value is Promise \{\}$/],
    [() => undefined, /must give an Effect: current value is undefined$/],
    [() => "text", /must give an Effect: current value is "text"$/],
    [() => Effect.fail({ _tag: "Down" }), /^Down$/],
    [() => Effect.die(null), /^null$/],
    [() => Effect.interrupt, /interrupt/i],
  ];
  for (const [f, reason] of given) {
    const dead = Sink.memory<Flow.DeadLetter<unknown>>("dead");
    const out = Sink.memory<unknown>("out");
    const flow = Flow.from(Source.array("values", ["good", "bad", "good"])).pipe(
      Flow.mapEffect((value) => value === "good" ? Effect.succeed(value) : f() as Effect.Effect<string>),
      Flow.onError(dead, { defects: true }),
      Flow.to(out),
    );
    await end(jobOf(flow));
    assert.deepEqual(out.values(), ["good", "good"]);
    const [{ operator, position, raw, ...letter }] = dead.values();
    assert.deepEqual([operator, position, text(raw)], ["mapEffect#0", 2, '"bad"']);
    assert.match(letter.reason, reason);
  }
});

Deno.test("a flatMap that gives no list is a dead letter, and so is one whose list throws", async () => {
  const made: ReadonlyArray<() => unknown> = [
    () => undefined,
    () => 5n,
    () => ({ length: 1, 0: "looks like a list" }),
    () => Promise.resolve([1]),
    function* () {
      yield 1;
      throw new Error("half way");
    },
  ];
  for (const f of made) {
    const dead = Sink.memory<Flow.DeadLetter<never>>("dead");
    const out = Sink.memory<unknown>("out");
    const flow = Flow.from(Source.array("values", [1, 2])).pipe(
      Flow.flatMap((value) => value === 1 ? [1] : f() as Array<number>),
      Flow.onError(dead, { defects: true }),
      Flow.to(out),
    );
    await end(jobOf(flow));
    assert.deepEqual(out.values(), [1]);
    assert.deepEqual(dead.values().map(({ operator, position }) => [operator, position]), [["flatMap#0", 2]]);
  }
});

// ── times and keys ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Readings in minutes of event time, by a key. */
const windowed = <A extends { readonly at: number }>(
  records: ReadonlyArray<A>,
  aggregate: unknown,
  out: Sink.Sink<never, Sink.Transactional> = Sink.memory("counts"),
) =>
  Flow.from(Source.array("readings", records)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(() => "all"),
    Flow.window("w", {
      assigner: Window.tumbling("1 minute"),
      aggregate: aggregate as typeof Aggregate.count,
      late: "drop",
    }),
    Flow.to(out as Sink.Sink<unknown, Sink.Transactional>),
  );

/** What becomes of timestamps, in minutes of event time. Every one is counted in one place. */
const stamped = async (times: ReadonlyArray<unknown>) => {
  const dead = Sink.memory<Flow.DeadLetter<never>>("dead");
  const late = Sink.memory<{ readonly value: { readonly at: unknown } }>("late");
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const flow = Flow.from(Source.array("times", times.map((at) => ({ at })))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at as number, watermark: Watermark.monotonic }),
    Flow.onError(dead, { defects: true }),
    Flow.keyBy(() => "all"),
    Flow.window("w", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late }),
    Flow.to(out),
  );
  const { metrics } = await end(jobOf(flow));
  const counted = out.values().reduce((sum, { value }) => sum + value, 0);
  assert.equal(metrics.splits[0].records, counted + late.values().length + dead.values().length);
  return {
    windows: out.values().map(({ window, value }) => [window.start / 60_000, value]),
    late: late.values().map(({ value }) => value.at),
    dead: dead.values().map(({ reason }) => reason.split("current value is ")[1]),
  };
};

Deno.test("a timestamp that is no date is a dead letter, and moves no watermark", async () => {
  const bad = [NaN, Infinity, -Infinity, 8.64e15 + 1, -8.64e15 - 1, undefined, null, "5", new Date(5), 10n, {}, []];
  const words = [
    "NaN",
    "Infinity",
    "-Infinity",
    "8640000000000001",
    "-8640000000000001",
    "undefined",
    "null",
    '"5"',
    'Date "1970-01-01T00:00:00.005Z"',
    "10n",
    "{}",
    "[]",
  ];
  assert.deepEqual(await stamped([1_000, ...bad, 2_000]), { windows: [[0, 2]], late: [], dead: words });
});

Deno.test("dates before 1970, in the year 9999 and at both ends of time are dates", async () => {
  //  -275760            -5 s  0    1 s          the year 9999          275760
  //     A                B    C     D                 E                  F
  const all = [-8.64e15, -5_000, -0, 1_000, Date.UTC(9999, 11, 31), 8.64e15];
  assert.deepEqual(await stamped(all), {
    windows: [[-144e9, 1], [-1, 1], [0, 2], [Date.UTC(9999, 11, 31) / 60_000, 1], [144e9, 1]],
    late: [],
    dead: [],
  });
});

Deno.test("one record from the year 9999 makes those behind it late, and each of them is counted", async () => {
  // 1 s │ 9999 │ 2 s: late │ 3 s: late
  const far = Date.UTC(9999, 0, 1);
  const { windows, late } = await stamped([1_000, far, 2_000, 3_000]);
  assert.deepEqual(windows, [[0, 1], [far / 60_000, 1]]);
  assert.deepEqual(late, [2_000, 3_000]);
});

Deno.test("any key is one of its own, over restarts too", async () => {
  const keys: ReadonlyArray<Flow.Key> = [
    "__proto__",
    "constructor",
    "",
    "\0",
    "k".repeat(4_096),
    "\ud800",
    "\ud801",
    "\ufffd",
    0,
    NaN,
    -1,
    1n,
    "1",
    1,
    true,
    [],
    [[]],
    ["a", ["b"]],
    new Uint8Array([1]),
    new Uint8Array(),
    "m".repeat(1_000_000),
  ];
  const same = [-0, NaN];
  const out = Sink.memory<Window.WindowResult<Flow.Key, number>>("out");
  const records = [...keys, ...keys, ...same];
  const kv = memoryKv();
  const flow = Flow.from(Source.array<Flow.Key>("keys", records)).pipe(
    Flow.eventTime({ timestamp: () => 0, watermark: Watermark.monotonic }),
    Flow.keyBy((key) => key),
    Flow.window("w", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(out),
  );
  // What is read by the first run is in the state of the second.
  await end(jobOf(flow), { kv, mode: "available-now", epochRecordsMax: 5 });
  assert.deepEqual(out.values(), []);
  await end(jobOf(flow), { kv });
  assert.equal(out.values().length, keys.length);
  for (const { key, value } of out.values()) assert.equal(value, key === 0 || Number.isNaN(key) ? 3 : 2);
});

Deno.test("what is no key is a dead letter: null, objects, functions, and lists in lists without end", async () => {
  const itself: Array<unknown> = [];
  itself.push(itself);
  const bad = [
    null,
    undefined,
    {},
    new Date(0),
    () => 1,
    Symbol("s"),
    ["a", null],
    itself,
    nested(keyDepthMax + 1),
    nested(100_000),
  ];
  const dead = Sink.memory<Flow.DeadLetter<never>>("dead");
  const out = Sink.memory<Window.WindowResult<Flow.Key, number>>("out");
  const flow = Flow.from(Source.array<unknown>("keys", [...bad, nested(keyDepthMax)])).pipe(
    Flow.eventTime({ timestamp: () => 0, watermark: Watermark.monotonic }),
    Flow.keyBy((key) => key as Flow.Key),
    Flow.onError(dead, { defects: true }),
    Flow.window("w", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(out),
  );
  await end(jobOf(flow));
  assert.equal(out.values().length, 1);
  assert.equal(dead.values().length, bad.length);
  for (const { operator, reason } of dead.values()) {
    assert.equal(operator, "keyBy#0");
    assert.match(reason, /^Cannot key a record as /);
  }
});

// ── sinks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const rowsOf = async (
  rows: ReadonlyArray<readonly [key: ReadonlyArray<unknown>, value: unknown]>,
) => {
  const kv = memoryKv();
  const sink = Sink.table<(typeof rows)[number]>("t", {
    path: "t.kv",
    kv,
    key: ([key]) => key as ReadonlyArray<string>,
    value: ([, value]) => value,
  });
  const exit = await run(jobOf(Flow.from(Source.array("rows", rows)).pipe(Flow.to(sink))), { kv });
  const table = kv.entries("t.kv").filter(({ key }) => key[0] === "t").map(({ key, value }) => [key[1], value]);
  return { exit, table };
};

Deno.test("a table takes any texts and numbers as keys, and of equal keys the last row stands", async () => {
  const keys = ["__proto__", "constructor", "", "\0", "k".repeat(2_000), -1, 0, NaN];
  const rows = [...keys, ...keys].map((key, k) => [[key], k] as const);
  const { table } = await rowsOf([...rows, [[-0], "last"]]);
  assert.deepEqual(
    new Map(table as Array<[unknown, unknown]>),
    new Map<unknown, unknown>([
      ["", 10],
      ["\0", 11],
      ["__proto__", 8],
      ["constructor", 9],
      ["k".repeat(2_000), 12],
      [-1, 13],
      [0, "last"],
      [NaN, 15],
    ]),
  );
});

Deno.test("whatever order rows come in, NaN among their keys, of equal keys the last stands", async () => {
  const key = fc.constantFrom<number | string>(NaN, -Infinity, -1, 0, 1, 2, 5, Infinity, "a");
  await fc.assert(
    fc.asyncProperty(fc.array(key, { minLength: 50, maxLength: 200, size: "max" }), async (keys) => {
      const { table } = await rowsOf(keys.map((part, k) => [[part], k]));
      assert.deepEqual(new Map(table as Array<[unknown, unknown]>), new Map(keys.map((part, k) => [part, k])));
    }),
    { numRuns: 50 },
  );
});

Deno.test("a row that a table cannot hold fails the job with the record's coordinates, and says why", async () => {
  const bad: ReadonlyArray<readonly [key: ReadonlyArray<unknown>, value: unknown, why: RegExp]> = [
    [["k".repeat(4_096)], 1, /its key must not have more than 2048 bytes: current value is 4101 bytes$/],
    [["\ud800"], 1, /the texts of its key must be well-formed Unicode/],
    [[10n], 1, /its key must hold strings and numbers/],
    [[null], 1, /its key must hold strings and numbers/],
    [[new Uint8Array(1)], 1, /its key must hold strings and numbers/],
    [[nested(100_000)], 1, /its key must hold strings and numbers/],
    [["a"], "x".repeat(65_536), /its value must not have more than 65536 bytes: current value is 65542 bytes/],
    [["a"], new Uint8Array(65_537), /its value must not have more than 65536 bytes/],
    [["a"], "x".repeat(900_000), /its value must not have more than 65536 bytes/],
    [["a"], () => 1, /could not be cloned/],
    [["a"], nested(100_000), /Maximum call stack size exceeded/],
    [["a"], {
      get a() {
        throw new Error("a bomb");
      },
    }, /a bomb$/],
  ];
  for (const [key, value, why] of bad) {
    const { exit, table } = await rowsOf([[["good"], 1], [key, value]]);
    assert.ok(Exit.isFailure(exit));
    const error = Option.getOrThrow(Cause.findErrorOption(exit.cause));
    assert.deepEqual(coordinatesOf(error), { operator: 'sink "t"', source: "rows", split: "0", position: 2 });
    assert.match(error.message, why);
    assert.deepEqual(table, [], "no row of an epoch that was not committed");
  }
});

Deno.test("dates, maps, sets and bytes come out of memory and tables as they went in; of a class its fields do", async () => {
  class Point {
    x = 1;
  }
  const values = [new Date(0), new Map([[1, new Set(["a"])]]), new Float64Array([1.5]), 10n, [undefined, -0, NaN]];
  const out = Sink.memory<unknown>("out");
  await end(jobOf(Flow.from(Source.array<unknown>("values", [...values, new Point()])).pipe(Flow.to(out))));
  assert.deepEqual(out.values(), [...values, { x: 1 }]);
  const { table } = await rowsOf([...values, new Point()].map((value, k) => [[k], value]));
  assert.deepEqual(table.map(([, value]) => value), [...values, { x: 1 }]);
});

Deno.test("what JSON cannot express fails a job that writes JSON, with the record's coordinates", async () => {
  const itself: Record<string, unknown> = {};
  itself.me = itself;
  const path = await Deno.makeTempFile();
  try {
    const values = [10n, { a: 10n }, undefined, () => 1, Symbol("s"), itself, { toJSON: () => assert.fail("no") }];
    for (const bad of [...values, Promise.resolve({ a: 1 }), new Map([[1, 2]]), new Set([1])]) {
      const flow = Flow.from(Source.array<unknown>("values", [1, bad])).pipe(Flow.to(Sink.ndjson("out", { path })));
      const expected = { operator: 'sink "out"', source: "values", split: "0", position: 2 };
      assert.deepEqual(coordinatesOf(await failure(jobOf(flow))), expected);
      assert.equal(await Deno.readTextFile(path), "");
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a row that cannot be stored fails the job with its sink", async () => {
  const own = (encode: (value: number) => unknown, byteLength: () => number = () => 1) =>
    Sink.idempotent("own", {
      encode,
      byteLength,
      open: (_context) => Effect.succeed({ marker: null, publish: () => Effect.void }),
    });
  const bomb = {
    get a() {
      throw new Error("a bomb");
    },
  };
  for (const row of [() => 1, Symbol("s"), nested(100_000), Promise.resolve(1), bomb]) {
    const error = await failure(jobOf(Flow.from(Source.array("values", [1])).pipe(Flow.to(own(() => row)))));
    assert.equal(coordinatesOf(error).operator, 'sink "own"');
    assert.match(error.message, /Cannot store a row of sink "own" as it must be something that the structured clone/);
  }
  const fails = (): number => {
    throw new Error("no length");
  };
  for (const byteLength of [() => NaN, () => -1, fails]) {
    const flow = Flow.from(Source.array("values", [1])).pipe(Flow.to(own((value) => value, byteLength)));
    const expected = { operator: 'sink "own"', source: "values", split: "0", position: 1 };
    assert.deepEqual(coordinatesOf(await failure(jobOf(flow))), expected);
  }
});

// ── state and output of any size ────────────────────────────────────────────────────────────────────────────────────

Deno.test("values of 70 kB, 900 kB and 10 MB are kept in the state, over a restart, and in files", async () => {
  for (const length of [70_000, 900_000, 10_000_000]) {
    const big = "y".repeat(length);
    const texts = [big, "b"];
    const select = (record: { readonly text: string }) => record.text;
    const aggregates = {
      collect: Aggregate.collect(select, Schema.String, { atMost: 5 }),
      first: Aggregate.first(select, Schema.String),
      topN: Aggregate.topN((record: { readonly text: string }) => record.text.length, select, Schema.String, { n: 1 }),
      fold: Aggregate.fold({
        name: "longest",
        schema: Schema.String,
        initial: () => "",
        add: (longest: string, record: { readonly text: string }) => record.text > longest ? record.text : longest,
        result: (longest) => longest,
      }),
    };
    const expected = { collect: { values: texts, total: 2 }, first: big, topN: [big], fold: big };
    const out = Sink.memory<Window.WindowResult<string, unknown>>("out");
    const kept = Sink.memory<unknown>("kept");
    const path = await Deno.makeTempFile();
    const input = Flow.from(Source.array("texts", texts.map((text) => ({ text })))).pipe(
      Flow.eventTime({ timestamp: () => 0, watermark: Watermark.monotonic }),
      Flow.keyBy(() => "all"),
    );
    const job = jobOf(
      input.pipe(
        Flow.window("w", { assigner: Window.tumbling("1 minute"), aggregate: aggregates, late: "drop" }),
        Flow.to(out),
      ),
      input.pipe(
        Flow.deduplicate("d", {
          within: "1 minute",
          keep: "last",
          schema: Schema.Struct({ text: Schema.String }),
          late: "drop",
        }),
        Flow.to(kept),
      ),
      input.pipe(Flow.map(({ text }) => text), Flow.to(Sink.ndjson("file", { path }))),
    );
    const kv = memoryKv();
    try {
      await end(job, { kv, mode: "available-now", epochRecordsMax: 1, batchRecordsMax: 1 });
      await end(job, { kv });
      assert.deepEqual(out.values().map(({ value }) => value), [expected]);
      assert.deepEqual(kept.values(), [{ text: "b" }]);
      assert.equal((await Deno.readTextFile(path)).length, length + 2 + 1 + 4);
    } finally {
      await Deno.remove(path);
    }
  }
});

Deno.test("state that cannot be stored fails the job with its operator", async () => {
  const values = [() => 1, Promise.resolve(1), nested(100_000)];
  for (const value of values) {
    const flow = windowed(
      [{ at: 0, value }],
      Aggregate.last(({ value }: { readonly value: unknown }) => value, Schema.Unknown),
    );
    const error = await failure(jobOf(flow), { mode: "available-now" });
    assert.equal(coordinatesOf(error).operator, "w");
    assert.match(error.message, /Cannot store state of "w" as /);
  }
});

Deno.test("an aggregate that throws fails the job with the record's coordinates", async () => {
  const sum = Aggregate.sum(({ at }: { readonly at: number }): number => {
    if (at === 2) throw new Error("no sum");
    return at;
  });
  const error = await failure(jobOf(windowed([{ at: 1 }, { at: 2 }], sum)));
  assert.deepEqual(coordinatesOf(error), { operator: "w", source: "readings", split: "0", position: 2 });
});

Deno.test("a day beyond the calendar is an error with coordinates, or a dead letter behind the window", async () => {
  for (const at of [8.64e15, -8.64e15]) {
    const dead = Sink.memory<Flow.DeadLetter<never>>("dead");
    const out = Sink.memory<unknown>("out");
    const days = Flow.from(Source.array("days", [{ at }, { at: 0 }])).pipe(
      Flow.eventTime({ timestamp: (day) => day.at, watermark: Watermark.boundedOutOfOrderness("100000000000 days") }),
      Flow.keyBy(() => "all"),
      Flow.window("w", {
        assigner: Window.calendar({ unit: "day", timeZone: "Europe/Zurich" }),
        aggregate: Aggregate.count,
        late: "drop",
      }),
    );
    const expected = { operator: "w", source: "days", split: "0", position: 1 };
    assert.deepEqual(coordinatesOf(await failure(jobOf(days.pipe(Flow.to(out))))), expected);
    await end(jobOf(days.pipe(Flow.onError(dead, { defects: true }), Flow.to(out))));
    assert.deepEqual([out.values().length, dead.values().length], [1, 1]);
  }
});
