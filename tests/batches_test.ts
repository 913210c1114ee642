/** Records go through the engine in batches: nobody can tell, least of all where one in the middle fails. */
import assert from "node:assert/strict";
import { Effect, Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

interface Reading {
  readonly at: number;
  /** The operator that fails on it; null for none. */
  readonly fails: string | null;
}

const operators = ["stamp", "first", "keep", "split", "last"] as const;

/** Throws where a reading is to fail in an operator. */
const unless = <A>(reading: Reading, operator: string, value: A): A => {
  if (reading.fails === operator) throw new Error(operator);
  return value;
};

/** Runs readings through a chain of operators, each of which fails on some of them. */
const run = async (readings: ReadonlyArray<Reading>, batchRecordsMax: number) => {
  const out = Sink.memory<number>("out");
  const letters = Sink.memory<string>("letters");
  const flow = Flow.from(Source.array("readings", readings)).pipe(
    Flow.eventTime({
      timestamp: (reading) => unless(reading, "stamp", reading.at),
      watermark: Watermark.boundedOutOfOrderness(1_000),
    }),
    Flow.map((reading) => unless(reading, "first", reading)),
    Flow.filter((reading) => unless(reading, "keep", reading.at % 5 !== 0)),
    Flow.flatMap((reading) => unless(reading, "split", reading.at % 3 === 0 ? [reading, reading] : [reading])),
    Flow.map((reading) => unless(reading, "last", reading.at)),
    Flow.onError(
      (failed) =>
        failed.pipe(
          Flow.map(({ position, reason, operator }) => `${position} ${reason} ${operator}`),
          Flow.to(letters),
        ),
      { defects: true },
    ),
    Flow.to(out),
  );
  const job = Job.make({ name: "batches", guarantee: "exactly-once", flows: [flow] });
  await Effect.runPromise(Job.run(job, { state: ":memory:", batchRecordsMax }));
  return { values: out.values(), letters: letters.values() };
};

//   reading    1   2   3   4   5   6
//   fails      .   .   X   .   X   .     one batch, or six: what stands before a failure goes on, and so does what follows
Deno.test("of a batch in which some records fail all others go on, and the letters come in the order of the records", async () => {
  for (const operator of operators) {
    const readings = Array.from({ length: 12 }, (_, k): Reading => ({
      at: k + 1,
      fails: k % 4 === 2 ? operator : k % 5 === 3 ? "last" : null,
    }));
    const one = await run(readings, 1);
    assert.deepEqual(await run(readings, 100), one, operator);
    const isKept = ({ at, fails }: Reading): boolean => fails === null && at % 5 !== 0;
    const expected = readings.filter(isKept).flatMap(({ at }) => at % 3 === 0 ? [at, at] : [at]);
    assert.deepEqual(one.values, expected);
  }
});

Deno.test("any mixture of failures gives the same rows and letters for any size of batches", async () => {
  const reading = fc.record({
    at: fc.integer({ min: 1, max: 60 }),
    fails: fc.option(fc.constantFrom(...operators), { freq: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(reading, { maxLength: 40 }), fc.integer({ min: 2, max: 50 }), async (readings, size) => {
      assert.deepEqual(await run(readings, size), await run(readings, 1));
    }),
    { numRuns: 40 },
  );
});

//   record    0  1  …  12  …  15          twelve fit; the thirteenth is the first that does not
//   few                 X                 fails because of those before it
//   sum                        X          fails whatever came before it
Deno.test("an aggregate that fails because of what it has seen fails on the same record whatever the size of batches", async () => {
  const few = Aggregate.make<number, number, number>({
    name: "few",
    schema: Schema.Number,
    initial: () => 0,
    add: (count) => {
      if (count === 12) throw new Error("too many");
      return count + 1;
    },
    merge: (a, b) => a + b,
    result: (count) => count,
  });
  const sum = Aggregate.sum((at: number) => {
    if (at === 15) throw new Error("fifteen");
    return at;
  });
  const all = Array.from({ length: 20 }, (_, at) => at);
  for (const batchRecordsMax of [1, 7, 100]) {
    const flow = Flow.from(Source.array("numbers", all)).pipe(
      Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.monotonic }),
      Flow.keyBy(() => "all"),
      Flow.window("window", {
        assigner: Window.tumbling(1_000),
        aggregate: { count: Aggregate.count, sum, few },
        late: "drop",
      }),
      Flow.to(Sink.memory("out")),
    );
    const job = Job.make({ name: "batches", guarantee: "exactly-once", flows: [flow] });
    const error = await Effect.runPromise(Effect.flip(Job.run(job, { state: ":memory:", batchRecordsMax })));
    assert.match(error.message, /before position 13: too many/, `batches of ${batchRecordsMax}`);
  }
});

//   record    0  1  2  3  …  9
//   first                    X        fails, and so would the other have done, on a record before it
//   second             X
//   at         0   10    1   11    2   12
//   window     a    b    a    b    a    b      a fails on its second record, b on its third: the job on that of a
Deno.test("of a batch that goes to and fro between windows the first record on which one fails is named", async () => {
  const fragile = Aggregate.sum((at: number) => {
    if (at === 1 || at === 12) throw new Error(`no ${at}`);
    return at;
  });
  for (const batchRecordsMax of [1, 4, 100]) {
    const flow = Flow.from(Source.array("numbers", [0, 10, 1, 11, 2, 12])).pipe(
      Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.boundedOutOfOrderness(100) }),
      Flow.keyBy(() => "all"),
      Flow.window("window", { assigner: Window.tumbling(10), aggregate: fragile, late: "drop" }),
      Flow.to(Sink.memory("out")),
    );
    const job = Job.make({ name: "batches", guarantee: "exactly-once", flows: [flow] });
    const error = await Effect.runPromise(Effect.flip(Job.run(job, { state: ":memory:", batchRecordsMax })));
    assert.match(error.message, /before position 3: no 1/, `batches of ${batchRecordsMax}`);
  }
});

Deno.test("of two flows that fail the one that fails on the earlier record ends the job, whatever the size of batches", async () => {
  const all = Array.from({ length: 20 }, (_, at) => at);
  for (const batchRecordsMax of [1, 4, 100]) {
    const source = Flow.from(Source.array("numbers", all));
    const failing = (name: string, last: number) =>
      source.pipe(
        Flow.map((at) => {
          if (at === last) throw new Error(`${name} fails`);
          return at;
        }),
        Flow.to(Sink.memory(name)),
      );
    const flows = [failing("first", 9), failing("second", 3), failing("third", 3)];
    const job = Job.make({ name: "batches", guarantee: "exactly-once", flows });
    const error = await Effect.runPromise(Effect.flip(Job.run(job, { state: ":memory:", batchRecordsMax })));
    assert.match(error.message, /before position 4: second fails/, `batches of ${batchRecordsMax}`);
  }
});

//   record      0  1  2  3  4  5
//   watermark   0  1  2  3  4  5     the window [0, 5) fires behind record 5, and fails there
Deno.test("a window that fails where a round ends names the last record of the round", async () => {
  const fails = Aggregate.make<number, number, number>({
    name: "fails",
    schema: Schema.Number,
    initial: () => 0,
    add: (count) => count + 1,
    merge: (a, b) => a + b,
    result: () => {
      throw new Error("no answer");
    },
  });
  const flow = Flow.from(Source.array("numbers", [0, 1, 2, 3, 4, 5, 6])).pipe(
    Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(() => "all"),
    Flow.window("window", { assigner: Window.tumbling(5), aggregate: { fails }, late: "drop" }),
    Flow.to(Sink.memory("out")),
  );
  const job = Job.make({ name: "batches", guarantee: "exactly-once", flows: [flow] });
  const error = await Effect.runPromise(Effect.flip(Job.run(job, { state: ":memory:", batchRecordsMax: 1 })));
  assert.match(error.message, /before position 6: no answer/);
});
