/**
 * What windows of a number of records do, one rule a test.
 *
 * Records are drawn in order of arrival, which is all that matters to them. A result is written `abc [0, 8)`: the names of
 * its records, in order, and the window, which reaches from the earliest of them to just after the latest.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import { assertSameBag, run, runToEnd } from "./support.ts";

interface Reading {
  readonly name: string;
  readonly at: number;
  readonly key: string;
}

/** Records of key `k`: their names, timestamps and keys, in order of arrival. */
const arrive = (...records: ReadonlyArray<readonly [name: string, at: number, key?: string]>): Array<Reading> =>
  records.map(([name, at, key = "k"]) => ({ name, at, key }));

const names = {
  names: Aggregate.collect<Reading, string>(({ name }) => name, Schema.String, { atMost: 100 }),
  sum: Aggregate.sum<Reading>(({ at }) => at),
};

type Result = Window.WindowResult<string, Aggregate.AggregateResult<typeof names>>;

const write = ({ key, window, value, pane, timing, final }: Result): string => {
  assert.deepEqual({ pane, timing, final }, { pane: 0, timing: "on-time", final: true });
  return `${key === "k" ? "" : `${key} `}${value.names.values.join("")} [${window.start}, ${window.end})`;
};

const jobOf = (records: ReadonlyArray<Reading>, assigner: Window.CountAssigner, out: Sink.MemorySink<Result>) =>
  Job.make({
    name: "case",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("readings", records)).pipe(
        Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
        Flow.keyBy(({ key }) => key),
        Flow.window("window", { assigner, aggregate: names, late: "drop" }),
        Flow.to(out),
      ),
    ],
  });

const check = async (
  records: ReadonlyArray<Reading>,
  assigner: Window.CountAssigner,
  expected: ReadonlyArray<string>,
): Promise<void> => {
  const out = Sink.memory<Result>("out");
  const { metrics } = await run(jobOf(records, assigner, out));
  const byKey = (one: Result, other: Result): number => one.key < other.key ? -1 : Number(one.key > other.key);
  assert.deepEqual(out.values().toSorted(byKey).map(write), expected);
  const { records: came, results, late, lateDropped, corrections } = metrics.operators["window"];
  assert.deepEqual({ came, results, late, lateDropped, corrections }, {
    came: records.length,
    results: expected.length,
    late: 0,
    lateDropped: 0,
    corrections: 0,
  });
};

// arrival     a    b    c    d    e    f  | end
// event time  5    1    7    8    2    9
// windows     [---------)    |         |
//                            [---------)
Deno.test("a window is full when it has its number of records, whatever their event time", () =>
  check(
    arrive(["a", 5], ["b", 1], ["c", 7], ["d", 8], ["e", 2], ["f", 9]),
    Window.count(3),
    ["abc [1, 8)", "def [2, 10)"],
  ));

// arrival     a    b    c    d    e  | end
// windows     [---------)    |       |
//                            [-------)
Deno.test("at the end of the input a window that is not full says what it has, and nothing twice", () =>
  check(
    arrive(["a", 0], ["b", 1], ["c", 2], ["d", 3], ["e", 4]),
    Window.count(3),
    ["abc [0, 3)", "de [3, 5)"],
  ));

// arrival     a    b    c    d  | end
// key k       a         c       |
// key m            b         d  |
Deno.test("each key counts for itself", () =>
  check(
    arrive(["a", 0], ["b", 1, "m"], ["c", 2], ["d", 3, "m"]),
    Window.count(2),
    ["ac [0, 3)", "m bd [1, 4)"],
  ));

// arrival     a    b    c    d    e    f    g  | end
// windows     ]----)    |    |    |    |    |     of four, after every two; the first is not full yet
//             [--------------)    |    |    |
//                       [--------------)    |
//                                 [---------|     not full, at the end
Deno.test("sliding windows are about the last records, after every so many", () =>
  check(
    arrive(["a", 0], ["b", 1], ["c", 2], ["d", 3], ["e", 4], ["f", 5], ["g", 6]),
    Window.count({ size: 4, slide: 2 }),
    ["ab [0, 2)", "abcd [0, 4)", "cdef [2, 6)", "efg [4, 7)"],
  ));

// arrival     a    b    c    d    e    f    g    h  | end
// windows     ]---------)    |    |    |    |    |     of five, after every three
//                  [-------------------)    |    |
//                                 [--------------|     not full, at the end
Deno.test("a window need not hold a multiple of its slide", () =>
  check(
    arrive(["a", 0], ["b", 1], ["c", 2], ["d", 3], ["e", 4], ["f", 5], ["g", 6], ["h", 7]),
    Window.count({ size: 5, slide: 3 }),
    ["abc [0, 3)", "bcdef [1, 6)", "efgh [4, 8)"],
  ));

// arrival     a         b         c  | end
// event time  100       200       3      the watermark is 200 when c comes
Deno.test("no record is late", () =>
  check(
    arrive(["a", 100], ["b", 200], ["c", 3]),
    Window.count(3),
    ["abc [3, 201)"],
  ));

// arrival     a    b    c  | end
// records     [----)    [--|      of two
// results     ab        c         in one window of event time
Deno.test("results are records for a window behind, the last one too", async () => {
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const flow = Flow.from(Source.array("readings", arrive(["a", 0], ["b", 1], ["c", 2]))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
    Flow.window("pairs", { assigner: Window.count(2), aggregate: names, late: "drop" }),
    Flow.window("behind", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(({ window, value }) => [window, value]), [[{ start: 0, end: 10 }, 2]]);
});

// flow        a    b    c                 | end of the flow
// other flow  1,024 records in one turn   | the rest, in 4 epochs or so
// records     [----)    [--|
Deno.test("a flow that ends before another says the rest once, whenever the job crashes", async () => {
  const others = Array.from({ length: 1_150 }, (_, at) => ({ name: "o", at, key: "k" }));
  for (let crash = 32; crash < 38; crash++) {
    const out = Sink.memory<Result>("out");
    const flow = Flow.from(Source.array("readings", arrive(["a", 0], ["b", 1], ["c", 2]))).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
      Flow.keyBy(({ key }) => key),
      Flow.window("window", { assigner: Window.count(2), aggregate: names, late: "drop" }),
      Flow.to(out),
    );
    const other = Flow.from(Source.array("others", others)).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
      Flow.to(Sink.memory("others")),
    );
    const kv = memoryKv();
    kv.onCommit((commit) => commit === crash ? "crash-after" : "ok");
    const job = Job.make({ name: "case", guarantee: "exactly-once", flows: [flow, other] });
    const { starts } = await runToEnd(job, { kv, epochRecordsMax: 32, batchRecordsMax: 32 });
    assert.equal(starts, 2);
    assert.deepEqual(out.values().map(write), ["ab [0, 2)", "c [2, 3)"]);
  }
});

Deno.test("an aggregate that cannot merge will do where windows tumble", async () => {
  const cannotMerge: Aggregate.Aggregate<Reading, number, Aggregate.CannotMerge> = {
    ...Aggregate.count,
    merging: "cannot merge: it needs windows that neither overlap nor grow together",
    merge: () => assert.fail("two accumulators were merged"),
  };
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const flow = Flow.from(Source.array("readings", arrive(["a", 0], ["b", 1], ["c", 2]))).pipe(
    Flow.keyBy(({ key }) => key),
    Flow.window("window", { assigner: Window.count(2), aggregate: cannotMerge, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  assert.equal(out.values()[0].value, 2);
});

Deno.test("a flow without event time has windows of records too, called by the time at which they came", async () => {
  const out = Sink.memory<Result>("out");
  const flow = Flow.from(Source.array("readings", arrive(["a", 5], ["b", 1]))).pipe(
    Flow.keyBy(({ key }) => key),
    Flow.window("window", { assigner: Window.count(2), aggregate: names, late: "drop" }),
    Flow.to(out),
  );
  const before = Temporal.Now.instant().epochMilliseconds;
  await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  const [{ window, value }] = out.values();
  assert.deepEqual(value.names.values, ["a", "b"]);
  assert.ok(window.start >= before && window.end <= Temporal.Now.instant().epochMilliseconds + 1);
});

Deno.test("a flow without event time says the rest at its end", async () => {
  const out = Sink.memory<Result>("out");
  const flow = Flow.from(Source.array("readings", arrive(["a", 0], ["b", 1], ["c", 2]))).pipe(
    Flow.keyBy(({ key }) => key),
    Flow.window("window", { assigner: Window.count(2), aggregate: names, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(({ value }) => value.names.values.join("")), ["ab", "c"]);
});

Deno.test("a window of records has no trigger, no panes and no lateness", () => {
  const keyed = Flow.from(Source.array("readings", arrive(["a", 0]))).pipe(Flow.keyBy(({ key }) => key));
  const refused = (option: string, current: string, options: object): void =>
    assert.throws(
      () => keyed.pipe(Flow.window("w", { assigner: Window.count(2), aggregate: names, late: "drop", ...options })),
      {
        name: "RangeError",
        message: `Cannot make window "w" as a window of records fires when it is full, and takes no ${option}: ` +
          `current value is ${current}`,
      },
    );
  refused("trigger", "AtWatermark(late=count(1))", { trigger: Trigger.atWatermark() });
  refused("panes", '"discarding"', { panes: "discarding" });
  refused("allowedLateness", '"1 hour"', { allowedLateness: "1 hour" });
});

/** What must come out for one key, from the definition alone. */
const expectedOf = (records: ReadonlyArray<Reading>, size: number, slide: number): Array<string> => {
  const expected: Array<string> = [];
  for (let full = slide; full < records.length + slide; full += slide) {
    const inside = records.slice(Math.max(0, full - size), full);
    const times = inside.map(({ at }) => at);
    expected.push(
      `${inside[0].key} ${inside.map(({ name }) => name).join("")} [${Math.min(...times)}, ${Math.max(...times) + 1})`,
    );
  }
  return expected;
};

Deno.test("whatever crashes, windows of records hold each record as often as they should", async () => {
  const cases = fc.record({
    records: fc.array(
      fc.record({
        name: fc.constantFrom(..."abcdefgh"),
        at: fc.integer({ min: -50, max: 50 }),
        key: fc.constantFrom("x", "y", "z"),
      }),
      { maxLength: 60, size: "max" },
    ),
    size: fc.integer({ min: 1, max: 9 }),
    slide: fc.integer({ min: 1, max: 9 }),
    tumbles: fc.boolean(),
    epochRecordsMax: fc.constantFrom(1, 3, 10, 1_000),
    batchRecordsMax: fc.constantFrom(1, 2, 7, 1_024),
    keyedPartitions: fc.constantFrom(1, 3),
    faults: fc.array(
      fc.tuple(fc.nat(30), fc.constantFrom<CommitFate>("crash-before", "crash-after", "fail-before", "fail-after")),
      { minLength: 1, maxLength: 4 },
    ),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ records, size, slide, tumbles, faults, ...options }) => {
      const assigner = tumbles
        ? Window.count(size)
        : Window.count({ size: Math.max(size, slide), slide: Math.min(size, slide) });
      const out = Sink.memory<Result>("out");
      const kv = memoryKv();
      const fates = new Map(faults);
      kv.onCommit((commit) => fates.get(commit) ?? "ok");
      const { metrics } = await runToEnd(jobOf(records, assigner, out), { kv, ...options });
      const written = out.values().map((result) => {
        const { names: { values }, sum } = result.value;
        assert.ok(Number.isFinite(sum) && values.length <= assigner.size);
        return write(result);
      });
      const of = (key: string): Array<Reading> => records.filter((record) => record.key === key);
      for (const key of ["x", "y", "z"]) {
        assert.deepEqual(
          written.filter((text) => text.startsWith(key)),
          expectedOf(of(key), assigner.size, assigner.slide),
        );
      }
      assertSameBag(
        out.values().map(({ value }) => value.names.total),
        out.values().map(({ value }) => value.names.values.length),
        "how many records there are",
      );
      assert.equal(metrics.operators["window"]?.records ?? 0, records.length);
    }),
    { numRuns: 200 },
  );
});
