import * as Schema from "@effect/schema";
import { Cause, Effect, Exit, Fiber, Result, Stream } from "effect";
import { TestClock } from "effect/testing";
import fc from "fast-check";
import assert from "node:assert/strict";
import type { LiveOnly } from "../src/exactly-once/sink.ts";
import { type DecodeError, SourceError } from "../src/streams/errors.ts";
import { type Position, Rejected, rejectedBytesMax, type SourceBatch } from "../src/streams/source.ts";
import { blockBytes, Lines } from "../src/streams/sources/formats/lines.ts";
import * as Source from "../src/streams/sources.ts";

/** A record (or why it was rejected, with its bytes) and its position. */
type Read = readonly [record: unknown, position: Position];

const batchesOf = <A, E, S>(
  source: Source.Source<A, E, never, S>,
  split: string,
  from: Position | null = null,
  batchRecordsMax = 1_000,
): Promise<ReadonlyArray<SourceBatch<A>>> =>
  Effect.runPromise(Stream.runCollect(source.read(split, from, batchRecordsMax)));

const flatten = <A>(batches: ReadonlyArray<SourceBatch<A>>): ReadonlyArray<Read> =>
  batches.flatMap((batch) =>
    batch.records.map((record, i): Read => [
      record instanceof Rejected ? { reason: record.reason, raw: [...record.raw], length: record.rawLength } : record,
      batch.positions[i],
    ])
  );

const errorOf = async <A, E, S>(
  source: Source.Source<A, E, never, S>,
  split: string,
  from: Position | null = null,
): Promise<SourceError> => {
  const exit = await Effect.runPromiseExit(Stream.runDrain(source.read(split, from, 1_000)));
  assert.ok(Exit.isFailure(exit));
  const error = Cause.squash(exit.cause);
  assert.ok(error instanceof SourceError);
  return error;
};

const withFile = async <A>(content: string | Uint8Array, use: (path: string) => Promise<A>): Promise<A> => {
  const path = await Deno.makeTempFile({ suffix: ".ndjson" });
  try {
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
};

const withTestClock = (body: Effect.Effect<void, unknown, never>): Promise<void> =>
  Effect.runPromise(body.pipe(Effect.scoped, Effect.provide(TestClock.layer())) as Effect.Effect<void>);

// ── array ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("an array is one split whose positions are indexes", async () => {
  const source = Source.array("letters", ["a", "b", "c"]);
  assert.deepEqual(await Effect.runPromise(source.splits), ["0"]);
  assert.deepEqual(flatten(await batchesOf(source, "0", null, 2)), [["a", 1], ["b", 2], ["c", 3]]);
  assert.deepEqual((await batchesOf(source, "0", null, 2)).map((batch) => batch.lag), [1, 0]);
});

Deno.test("an array read from a recorded position yields the rest", async () => {
  const source = Source.array("letters", { first: ["a", "b"], second: ["c"] });
  assert.deepEqual(flatten(await batchesOf(source, "first", 1)), [["b", 2]]);
  assert.deepEqual(flatten(await batchesOf(source, "second", 1)), []);
});

Deno.test("an array that is shorter than the recorded position is an error, as is a split that it does not have", async () => {
  const source = Source.array("letters", ["a"]);
  assert.equal(
    (await errorOf(source, "0", 2)).message,
    `Cannot read split "0" of source "letters" as its position must be a whole number from 0 to 1: current value is 2`,
  );
  assert.match((await errorOf(source, "1")).message, /has no split of that name: current value is "1"/);
});

// ── generate ────────────────────────────────────────────────────────────────────────────────────────────────────────

const pairs = (options: { seed: number; count?: number; splits?: number; rate?: number }) =>
  Source.generate("pairs", {
    ...options,
    make: (index, random, split) => ({ index, split, a: random(), b: random() }),
  });

Deno.test("a generator read from any position yields what it yields from the start", async () => {
  await fc.assert(fc.asyncProperty(
    fc.maxSafeInteger(),
    fc.integer({ min: 0, max: 50 }),
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: 3 }),
    async (seed, count, batchRecordsMax, splits) => {
      const source = pairs({ seed, count, splits });
      let total = 0;
      for (const split of await Effect.runPromise(source.splits)) {
        const whole = flatten(await batchesOf(source, split));
        total += whole.length;
        for (let from = 0; from <= whole.length; from += 7) {
          assert.deepEqual(flatten(await batchesOf(source, split, from, batchRecordsMax)), whole.slice(from));
        }
      }
      assert.equal(total, count);
    },
  ));
});

Deno.test("the records of a generator differ by seed, split and index, and spread evenly", async () => {
  const values = async (seed: number, split: string) =>
    (await batchesOf(pairs({ seed, count: 20_000, splits: 2 }), split)).flatMap((batch) =>
      batch.records.map((record) => (record as { a: number }).a)
    );
  const all = [
    ...await values(1, "0"),
    ...await values(1, "1"),
    ...await values(2, "0"),
    ...await values(2 ** 40 + 1, "0"),
  ];
  assert.ok(new Set(all).size > all.length - 5);
  assert.ok(all.every((value) => value >= 0 && value < 1));
  const tenths = new Array(10).fill(0);
  for (const value of all) tenths[Math.floor(value * 10)]++;
  for (const tenth of tenths) assert.ok(Math.abs(tenth - all.length / 10) < all.length / 100, String(tenths));
});

Deno.test("an unbounded generator says so and goes on for ever", async () => {
  const source = pairs({ seed: 1 });
  assert.equal(source.bounded, false);
  const batches = await Effect.runPromise(
    source.read("0", 2 ** 33, 10).pipe(Stream.take(3), Stream.runCollect),
  );
  assert.deepEqual(flatten(batches).at(-1)?.[1], 2 ** 33 + 30);
});

Deno.test("a paced generator keeps its rate by the clock, in small batches", () =>
  withTestClock(Effect.gen(function* () {
    const arrived: Array<number> = [];
    const source = pairs({ seed: 1, rate: 1_000, splits: 2 });
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(
        source.read("1", null, 1_000),
        (batch) => Effect.sync(() => arrived.push(batch.records.length)),
      ),
    );
    // Half of the rate is this split's, and a batch stands for a tenth of a second.
    yield* TestClock.adjust("1 second");
    // An empty one after each says that this is all for now.
    assert.deepEqual(arrived, new Array(11).fill([50, 0]).flat());
    yield* TestClock.adjust("9 seconds");
    assert.equal(arrived.filter((size) => size > 0).length, 101);
    yield* Fiber.interrupt(fiber);
  })));

Deno.test("a paced generator makes up for no more than a second of a pause", () =>
  withTestClock(Effect.gen(function* () {
    let arrived = 0;
    const source = pairs({ seed: 1, rate: 100 });
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(source.read("0", null, 1_000), (batch) =>
        Effect.suspend(() => {
          arrived += batch.records.length;
          return arrived === 10 ? Effect.sleep("1 minute") : Effect.void;
        })),
    );
    yield* TestClock.adjust("1 minute");
    assert.equal(arrived, 10 + 110);
    yield* Fiber.interrupt(fiber);
  })));

Deno.test("a generator whose rate is below one batch a second still yields record by record", () =>
  withTestClock(Effect.gen(function* () {
    const sizes: Array<number> = [];
    const source = pairs({ seed: 1, rate: 0.5, count: 4 });
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(source.read("0", null, 1_000), (batch) => Effect.sync(() => sizes.push(batch.records.length))),
    );
    yield* TestClock.adjust("5 seconds");
    assert.deepEqual(sizes, [1, 1, 1]);
    yield* TestClock.adjust("1 second");
    yield* Fiber.join(fiber);
  })));

Deno.test("a generator refuses options that make no sense", () => {
  const make = () => 0;
  assert.throws(() => Source.generate("g", { seed: 0.5, make }), {
    message: `Cannot make source "g" as seed must be a whole number: current value is 0.5`,
  });
  assert.throws(() => Source.generate("g", { seed: 1, rate: 0, make }), /rate must be a number above 0/);
  assert.throws(() => Source.generate("g", { seed: 1, splits: 0, make }), /splits must be a whole number above 0/);
  assert.throws(() => Source.generate("g", { seed: 1, count: -1, make }), /count must be a whole number from 0/);
});

// ── ndjson ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const City = Schema.Struct({ city: Schema.String });
const cities = (path: string, lineBytesMax?: number) =>
  Source.ndjson("cities", { paths: path, schema: City, ...(lineBytesMax === undefined ? {} : { lineBytesMax }) });
const city = (name: string) => JSON.stringify({ city: name });

Deno.test("a file yields a record per line, with the byte offset after the line", () =>
  withFile(`${city("Zürich")}\n${city("Bern")}\r\n\n \t\r\n${city("北京")}`, async (path) => {
    const batches = await batchesOf(cities(path), path);
    assert.deepEqual(flatten(batches), [
      [{ city: "Zürich" }, 19],
      [{ city: "Bern" }, 19 + 17],
      [{ city: "北京" }, 19 + 17 + 1 + 4 + 17],
    ]);
    assert.equal(batches[0].lag, 0);
  }));

Deno.test("a line that crosses a block border is one record with one position", async () => {
  // The border falls before, inside and behind the two bytes of "ü" and the line ending.
  for (let shift = 0; shift < 12; shift++) {
    const first = city("x".repeat(blockBytes - 20 - shift));
    await withFile(`${first}\n${city("ü")}\n${city("b")}\n`, async (path) => {
      const [, second, third] = flatten(await batchesOf(cities(path), path));
      assert.deepEqual(second, [{ city: "ü" }, first.length + 1 + 14]);
      assert.deepEqual(third, [{ city: "b" }, first.length + 1 + 14 + 13]);
    });
  }
});

Deno.test("batches are full until the file ends, and say how many bytes are left", () =>
  withFile(`${city("a")}\n`.repeat(10), async (path) => {
    const batches = await batchesOf(cities(path), path, null, 4);
    assert.deepEqual(batches.map((batch) => [batch.records.length, batch.lag]), [[4, 6 * 13], [4, 2 * 13], [2, 0]]);
  }));

Deno.test("an empty file, and one of blank lines only, yields nothing", async () => {
  for (const content of ["", "\n", "\r\n \n", "\uFEFF"]) {
    await withFile(content, async (path) => assert.deepEqual(await batchesOf(cities(path), path), []));
  }
});

Deno.test("a byte order mark before the first line is not part of the record", () =>
  withFile(`\uFEFF${city("a")}\n\uFEFF${city("b")}\n`, async (path) => {
    const [first, second] = (await batchesOf(cities(path), path))[0].records;
    assert.deepEqual(first, { city: "a" });
    assert.ok(second instanceof Rejected);
  }));

Deno.test("what cannot be decoded stands in the batch as a rejection that says why", () => {
  const encoder = new TextEncoder();
  const lines = [
    encoder.encode(`{"city":`),
    encoder.encode(`{"city":1}`),
    Uint8Array.of(0x22, 0xff, 0x22),
    encoder.encode(city("fine")),
    encoder.encode(city("x".repeat(100))),
  ];
  const content = new Uint8Array(lines.flatMap((line) => [...line, 10]));
  return withFile(content, async (path) => {
    const records = (await batchesOf(cities(path, 100), path))[0].records;
    const reasons = records.map((record) => record instanceof Rejected ? record.reason : record);
    assert.deepEqual(reasons, [
      "is not JSON: Unexpected end of JSON input",
      `does not match the schema: Expected string at ["city"]`,
      `is not UTF-8: ""\uFFFD""`,
      { city: "fine" },
      "is longer than 100 bytes: it has 111",
    ]);
    assert.deepEqual((records[2] as Rejected).raw, lines[2]);
    assert.equal((records[4] as Rejected).rawLength, 111);
  });
});

Deno.test("a record is decoded, or rejected, as the schema's own decoder does it", async () => {
  // Made twice, because the source compiles the one that it is given.
  const make = () =>
    Schema.Struct({
      id: Schema.NumberFromString,
      at: Schema.DateFromString,
      size: Schema.Int.check(Schema.isGreaterThan(3)),
      tags: Schema.Array(Schema.Union([Schema.String, Schema.Struct({ n: Schema.Number })])),
      note: Schema.optionalKey(Schema.NullOr(Schema.String)),
      place: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("nowhere"))),
    });
  const decode = Schema.decodeUnknownResult(make());
  const schema = make();
  const field = <A>(good: fc.Arbitrary<A>) => fc.oneof({ weight: 9, arbitrary: good }, fc.jsonValue({ maxDepth: 1 }));
  const record = fc.record({
    id: field(fc.integer().map(String)),
    at: field(fc.date({ noInvalidDate: true }).map((date) => date.toISOString())),
    size: field(fc.integer({ min: 3 })),
    tags: field(
      fc.array(fc.oneof(fc.string(), fc.record({ n: fc.integer(), excess: fc.boolean() })), { maxLength: 3 }),
    ),
    note: field(fc.option(fc.string())),
    place: field(fc.string()),
    excess: fc.boolean(),
  }, { requiredKeys: ["id", "at", "size", "tags"] });
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 30 }), (records) =>
      withFile(
        records.map((record) => `${JSON.stringify(record)}\n`).join(""),
        async (path) => {
          const source = Source.ndjson("records", { paths: path, schema });
          const read = (await batchesOf(source, path)).flatMap((batch) => batch.records);
          assert.deepEqual(
            read.map((record) => record instanceof Rejected ? record.reason : record),
            records.map((record) => {
              const result = decode(JSON.parse(JSON.stringify(record)));
              return Result.isSuccess(result)
                ? result.success
                : `does not match the schema: ${result.failure.message.replaceAll(/\s*\n\s*/g, " ")}`;
            }),
          );
        },
      )),
  );
});

Deno.test("a schema that throws rejects the record", () =>
  withFile("1\n", async (path) => {
    const schema = Schema.Number.check(Schema.makeFilter(() => {
      throw new Error("boom");
    }));
    const [record] = (await batchesOf(Source.ndjson("n", { paths: path, schema }), path))[0].records;
    assert.ok(record instanceof Rejected);
    assert.match(record.reason, /schema/);
  }));

Deno.test("of a line that is too long no more than its beginning is held, however long it is", () => {
  const lines = new Lines(0, 100);
  const block = new Uint8Array(blockBytes).fill("x".charCodeAt(0));
  for (let blocks = 0; blocks < 100; blocks++) {
    assert.equal(lines.next(), false);
    const space = lines.space();
    assert.ok(space.buffer.byteLength <= 2 * blockBytes, `${space.buffer.byteLength} bytes are held`);
    space.set(block);
    lines.filled(blockBytes);
  }
  lines.space()[0] = "\n".charCodeAt(0);
  lines.filled(1);
  assert.ok(lines.next() && lines.tooLong);
  assert.deepEqual([lines.rawLength, lines.raw().length], [100 * blockBytes, rejectedBytesMax]);
});

Deno.test("a line that is longer than the bound is counted and cut, wherever it ends", async () => {
  const lineBytesMax = 10_000;
  for (const bytes of [lineBytesMax, lineBytesMax + 1, blockBytes, 3 * blockBytes + 17]) {
    for (const ending of ["\n", "\r\n", ""]) {
      const long = city("x".repeat(bytes - 11));
      const next = city("next");
      await withFile(`${city("a")}\n${long}${ending}${ending === "" ? "" : next}`, async (path) => {
        const reads = flatten(await batchesOf(cities(path, lineBytesMax), path));
        const end = 13 + bytes + ending.length;
        assert.deepEqual(
          reads[1],
          bytes <= lineBytesMax ? [JSON.parse(long), end] : [{
            reason: `is longer than ${lineBytesMax} bytes: it has ${bytes}`,
            raw: [...new TextEncoder().encode(long.slice(0, rejectedBytesMax))],
            length: bytes,
          }, end],
        );
        assert.deepEqual(reads.slice(2), ending === "" ? [] : [[{ city: "next" }, end + next.length]]);
      });
    }
  }
});

/** What a file must yield, told line by line without any blocks. */
const expected = (content: Uint8Array, lineBytesMax: number): ReadonlyArray<Read> => {
  const reads: Array<Read> = [];
  for (let start = 0; start < content.length;) {
    const newline = content.indexOf(10, start);
    const next = newline < 0 ? content.length : newline + 1;
    let line = content.subarray(start, newline < 0 ? content.length : newline);
    if (line.at(-1) === 13) line = line.subarray(0, -1);
    start = next;
    const rejected = { raw: [...line.subarray(0, rejectedBytesMax)], length: line.length };
    if (line.length > lineBytesMax) {
      reads.push([{ reason: `is longer than ${lineBytesMax} bytes: it has ${line.length}`, ...rejected }, next]);
      continue;
    }
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
    } catch {
      reads.push([{ reason: `is not UTF-8: "${new TextDecoder().decode(line)}"`, ...rejected }, next]);
      continue;
    }
    if (/^[ \t]*$/.test(text)) continue;
    try {
      reads.push([JSON.parse(text), next]);
    } catch (error) {
      reads.push([{ reason: `is not JSON: ${(error as Error).message}`, ...rejected }, next]);
    }
  }
  return reads;
};

const utf8 = (text: string) => new TextEncoder().encode(text);
const line = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: "binary", maxLength: 12 }).map((name) => utf8(city(name))) },
  { weight: 2, arbitrary: fc.json({ maxDepth: 1 }).map(utf8) },
  { weight: 1, arbitrary: fc.constantFrom("", " ", "\t ", "{", "nul", "1 2", "\u00a0").map(utf8) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }).map((bytes) => bytes.filter((b) => b !== 10 && b !== 13)) },
);
const fileContent = fc.record({
  lines: fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { maxLength: 30 }),
  lastLineEnds: fc.boolean(),
  // A first line that puts the border between two blocks somewhere into the others.
  lead: fc.option(fc.integer({ min: 0, max: 400 }), { nil: null }),
}).map(({ lines, lastLineEnds, lead }) => {
  const bytes = lines.flatMap(([line, ending], i) => [
    ...line,
    ...utf8(i + 1 === lines.length && !lastLineEnds ? "" : ending),
  ]);
  const first = lead === null ? "" : `${city("-".repeat(blockBytes - 12 - lead))}\n`;
  return new Uint8Array([...utf8(first), ...bytes]);
});

Deno.test("a file yields the same from any recorded position, whatever it holds and however it is batched", async () => {
  await fc.assert(
    fc.asyncProperty(
      fileContent,
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(20, 100_000),
      fc.nat(),
      async (content, batchRecordsMax, lineBytesMax, pick) => {
        await withFile(content, async (path) => {
          const source = Source.ndjson("any", { paths: path, schema: Schema.Unknown, lineBytesMax });
          const whole = expected(content, lineBytesMax);
          assert.deepEqual(flatten(await batchesOf(source, path, null, batchRecordsMax)), whole);
          if (whole.length === 0) return;
          const at = pick % whole.length;
          assert.deepEqual(flatten(await batchesOf(source, path, whole[at][1], batchRecordsMax)), whole.slice(at + 1));
        });
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a missing file is an error that names the path, the source and the split, and that a retry does not heal", async () => {
  const error = await errorOf(cities("/nowhere/cities.ndjson"), "/nowhere/cities.ndjson");
  assert.equal(
    error.message,
    `Cannot open "/nowhere/cities.ndjson" for source "cities" as there must be a file: current value is none`,
  );
  assert.deepEqual(
    [error.source, error.split, error.retryable],
    ["cities", "/nowhere/cities.ndjson", false],
  );
});

Deno.test("a file that is shorter than the recorded position is an error with both numbers", () =>
  withFile(`${city("a")}\n`, async (path) => {
    const error = await errorOf(cities(path), path, 100);
    assert.equal(
      error.message,
      `Cannot read on in "${path}" for source "cities" as the file must not be shorter than the recorded position, ` +
        `which is 100: current value is 13 bytes`,
    );
    assert.equal(error.retryable, false);
  }));

Deno.test("a file in which no line begins at the recorded position has changed, which is an error", () =>
  withFile(`${city("a")}\n${city("b")}`, async (path) => {
    assert.match((await errorOf(cities(path), path, 5)).message, /a line must begin at the recorded position/);
    // The end of the file is a position even if the last line has no ending.
    assert.deepEqual(await batchesOf(cities(path), path, 25), []);
  }));

Deno.test("a folder, a position that is no number and a path that is not the source's are errors", async () => {
  assert.equal((await errorOf(cities("/tmp"), "/tmp")).retryable, false);
  assert.match((await errorOf(cities("/tmp"), "/tmp", "offset 3")).message, /must be a whole number/);
  assert.match((await errorOf(cities("/tmp"), "/etc")).message, /has no split of that name/);
});

Deno.test("a source of files names its splits by path, and refuses none and twice the same", async () => {
  const source = Source.ndjson("two", { paths: ["b", "a"], schema: City });
  assert.deepEqual(await Effect.runPromise(source.splits), ["b", "a"]);
  assert.throws(() => Source.ndjson("none", { paths: [], schema: City }), RangeError);
  assert.throws(() => Source.ndjson("twice", { paths: ["a", "a"], schema: City }), RangeError);
  assert.throws(() => Source.ndjson("zero", { paths: "a", schema: City, lineBytesMax: 0 }), RangeError);
});

Deno.test("a file whose reader stops early is closed", () =>
  withFile(`${city("a")}\n`.repeat(100_000), async (path) => {
    const batches = await Effect.runPromise(
      cities(path).read(path, null, 10).pipe(Stream.take(1), Stream.runCollect),
    );
    assert.equal(batches[0].records.length, 10); // Deno's sanitizer would report a file left open.
  }));

// ── fromStream ──────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a stream is a live source whose positions count on from the recorded one", async () => {
  const source = Source.fromStream("live", Stream.fromArray(["a", "b", "c"]));
  assert.deepEqual([source.bounded, source.replayable], [false, false]);
  const batches = await batchesOf(source, "0", 40, 2);
  assert.deepEqual(batches.map((batch) => batch.records.length), [2, 1]);
  assert.deepEqual(flatten(batches), [["a", 41], ["b", 42], ["c", 43]]);
});

Deno.test("a stream that fails is an error of the source with its cause", async () => {
  const source = Source.fromStream("live", Stream.concat(Stream.make(1, 2), Stream.fail("the line was cut")));
  const error = await errorOf(source, "0");
  assert.match(error.message, /Cannot read source "live" after 2 records .* the line was cut/s);
  assert.deepEqual([error.position, error.cause, error.retryable], [2, "the line was cut", true]);
});

// ── types ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a source's type states its errors and whether it can replay", () => {
  const made = {
    name: "made",
    bounded: true,
    splits: Effect.succeed(["0"]),
    read: () => Stream.make({ records: [1], positions: [1] }),
  };
  const plain: Source.Source<number, never, never, never> = Source.make(made);
  const rejecting: Source.Source<number, DecodeError, never, never> = Source.make({ ...made, rejects: true });
  const live: Source.Source<number, never, never, LiveOnly> = Source.make({ ...made, replays: false });
  // @ts-expect-error A source that can reject has an error to be handled.
  const unhandled: Source.Source<number, never, never, never> = Source.make({ ...made, rejects: true });
  // @ts-expect-error A live source is not a source that replays.
  const replaying: Source.Source<number, never, never, never> = Source.fromStream("live", Stream.make(1));
  const decoded: Source.Source<{ readonly city: string }, DecodeError, never, never> = cities("x");
  assert.deepEqual([plain, rejecting, live, unhandled, replaying, decoded].map((source) => source.replayable), [
    true,
    true,
    false,
    true,
    false,
    true,
  ]);
});
