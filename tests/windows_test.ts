/**
 * What windows do, one rule a test.
 *
 * Records are drawn where they lie in event time and named in order of arrival: `b` comes after `a` wherever it lies.
 * A result is written `[0, 10) ac pane 1 final`: the window, the names of its records, how many results came before, and
 * whether it is the last one. Every test is also put to the oracle, so that a slip of the pen in either shows.
 */
import assert from "node:assert/strict";
import { Effect, Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import * as Oracle from "./oracle.ts";
import { assertSameBag, run, runToEnd } from "./support.ts";

interface Reading {
  readonly name: string;
  readonly at: number;
  readonly key: string;
}

/** Records of key `k`: their names and timestamps, in order of arrival. */
const arrive = (...records: ReadonlyArray<readonly [name: string, at: number, key?: string]>): Array<Reading> =>
  records.map(([name, at, key = "k"]) => ({ name, at, key }));

interface Case {
  /** One split, or several. */
  readonly records: ReadonlyArray<Reading> | { readonly [split: string]: ReadonlyArray<Reading> };
  readonly bound?: number;
  readonly assigner: Window.SlidingAssigner | Window.SessionAssigner;
  readonly lateness?: number;
  /** The results of each key, in order. Key `k` is left out of the text. */
  readonly results: ReadonlyArray<string>;
  /** Late records: `name, window, watermark`. */
  readonly late?: ReadonlyArray<string>;
}

const names = Aggregate.collect<Reading, string>(({ name }) => name, Schema.String, { atMost: 100 });

const writeResult = (
  { key, window, value, pane, final }: Window.WindowResult<string, Aggregate.Collected<string>>,
): string =>
  `${key === "k" ? "" : `${key} `}[${window.start}, ${window.end}) ${value.values.toSorted().join("")} pane ${pane}` +
  (final ? " final" : "");

const writeLate = ({ value, window, watermark }: Window.Late<Reading, string>): string =>
  `${value.name} [${window.start}, ${window.end}) at ${watermark}`;

const asOracle = (assigner: Window.SlidingAssigner | Window.SessionAssigner): Oracle.Assigner =>
  assigner._tag === "Session"
    ? Oracle.session(assigner.gap as number)
    : Oracle.sliding(assigner.size, assigner.slide, assigner.offset);

/** Runs a job with one window, and gives back what it wrote. */
const runWindow = async ({ records, bound = 0, assigner, lateness = 0 }: Omit<Case, "results" | "late">) => {
  const out = Sink.memory<Window.WindowResult<string, Aggregate.Collected<string>>>("out");
  const late = Sink.memory<Window.Late<Reading, string>>("late");
  const flow = Flow.from(Source.array("readings", records)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(bound) }),
    Flow.keyBy(({ key }) => key),
    Flow.window("window", {
      assigner,
      aggregate: names,
      allowedLateness: lateness,
      late: (records) => records.pipe(Flow.to(late)),
    }),
    Flow.to(out),
  );
  const { metrics } = await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  return { results: out.values(), late: late.values(), counters: metrics.operators["window"] };
};

/** Checks a case against what is written down, and what is written down against the oracle. */
const check = async (expected: Case): Promise<void> => {
  const { results, late, counters } = await runWindow(expected);
  const written = results.map(writeResult);
  const answer = Oracle.aggregate({
    splits: Array.isArray(expected.records) ? [expected.records] : Object.values(expected.records),
    timestamp: ({ at }: Reading) => at,
    bound: expected.bound ?? 0,
    key: ({ key }) => key,
    assigner: asOracle(expected.assigner),
    lateness: expected.lateness ?? 0,
    summary: Oracle.collect(({ name }) => name, 100),
  });
  assertSameBag(expected.results, answer.results.map(writeResult), "what is written and what the oracle says");
  assertSameBag(written, expected.results, "results");
  for (const key of new Set(results.map(({ key }) => key))) {
    const of = (texts: ReadonlyArray<string>) =>
      texts.filter((text) => key === "k" ? /^\[/.test(text) : text.startsWith(`${key} `));
    assert.deepEqual(of(written), of(expected.results), `the order of the results of key ${key}`);
  }
  assert.deepEqual(late.map(writeLate), expected.late ?? [], "late records");
  assertSameBag(late, answer.late, "late records and what the oracle says");
  assert.equal(counters.results + counters.corrections, results.length, "how many results are counted");
  assert.equal(counters.late, late.length, "how many late records are counted");
};

// ---------------------------------------------------------------------------------------------------------------------
// Tumbling windows

// event time  0         10        20        30
//             a    b   c|         |d        |
// windows     [---------)         [---------)
Deno.test("tumbling windows include their start, exclude their end, and are not reported when empty", () =>
  check({
    records: arrive(["a", 0], ["b", 5], ["c", 9], ["d", 20]),
    assigner: Window.tumbling(10),
    results: ["[0, 10) abc pane 0 final", "[20, 30) d pane 0 final"],
  }));

// event time  -20       -10       0         10
//             |        a|b       c|d        |
// windows     [---------)[--------)[--------)
Deno.test("tumbling windows are aligned to the epoch on both sides of it", () =>
  check({
    records: arrive(["a", -11], ["b", -10], ["c", -1], ["d", 0]),
    assigner: Window.tumbling(10),
    results: ["[-20, -10) a pane 0 final", "[-10, 0) bc pane 0 final", "[0, 10) d pane 0 final"],
  }));

// event time  -17       -7  0     3         13
//             |         a   b    c|d        |
// windows     [---------[---------)[--------)
Deno.test("an offset moves windows, also where timestamps are negative", () =>
  check({
    records: arrive(["z", -8], ["a", -7], ["b", 0], ["c", 2], ["d", 3]),
    assigner: Window.tumbling(10, { offset: 3 }),
    results: ["[-17, -7) z pane 0 final", "[-7, 3) abc pane 0 final", "[3, 13) d pane 0 final"],
  }));

// event time  -2        8         18
//             a        b|c        |
// windows     [---------[---------)
Deno.test("a negative offset is the same as its complement", () =>
  check({
    records: arrive(["a", -2], ["b", 7], ["c", 8]),
    assigner: Window.tumbling(10, { offset: -2 }),
    results: ["[-2, 8) ab pane 0 final", "[8, 18) c pane 0 final"],
  }));

// event time  0         10        20
// key k       a     b   |  d      |
// key m       |   c     |         |
// windows     [---------[---------)
Deno.test("each key has windows of its own, and all of them follow one watermark", () =>
  check({
    records: arrive(["a", 0], ["b", 6], ["c", 4, "m"], ["d", 13]),
    assigner: Window.tumbling(10),
    results: ["[0, 10) ab pane 0 final", "m [0, 10) c pane 0 final", "[10, 20) d pane 0 final"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Sliding windows

// event time  -5   0    5    10   15   20
//             |    a    |  b |    |    |
// windows     [---------)    |    |    |
//                  [---------)    |    |
//                       [---------)    |
Deno.test("a record is in every sliding window that covers it", () =>
  check({
    records: arrive(["a", 0], ["b", 7]),
    assigner: Window.sliding({ size: 10, slide: 5 }),
    results: ["[-5, 5) a pane 0 final", "[0, 10) ab pane 0 final", "[5, 15) b pane 0 final"],
  }));

// event time  -8  -4   0   4   8   12  16       (size 10, slide 4)
//             |   |    | a |  b|   |   |        a = 1, b = 7
// windows     [---------)                       [-8, 2)
//                 [---------)                   [-4, 6)
//                      [---------)              [0, 10)
//                          [---------)          [4, 14)
Deno.test("sliding windows need not be a multiple of their slide", () =>
  check({
    records: arrive(["a", 1], ["b", 7]),
    assigner: Window.sliding({ size: 10, slide: 4 }),
    results: ["[-8, 2) a pane 0 final", "[-4, 6) a pane 0 final", "[0, 10) ab pane 0 final", "[4, 14) b pane 0 final"],
  }));

// event time  -6   -1    4    9              (size 10, slide 5, offset 4)
//             |    |a    |    |
// windows     [---------)                    [-6, 4)
//                  [---------)               [-1, 9)
Deno.test("sliding windows can be moved by an offset", () =>
  check({
    records: arrive(["a", -1]),
    assigner: Window.sliding({ size: 10, slide: 5, offset: 4 }),
    results: ["[-6, 4) a pane 0 final", "[-1, 9) a pane 0 final"],
  }));

// event time  0    5    10   15   20
//             |    |  c |    |    |
// arrival          a=1, b=12, c=7             (no lateness)
// watermark                 12 when c comes: [0, 10) is over, [5, 15) is not
Deno.test("a record that is too late for one sliding window still counts in the next", () =>
  check({
    records: arrive(["a", 1], ["b", 12], ["c", 7]),
    assigner: Window.sliding({ size: 10, slide: 5 }),
    results: [
      "[-5, 5) a pane 0 final",
      "[0, 10) a pane 0 final",
      "[5, 15) bc pane 0 final",
      "[10, 20) b pane 0 final",
    ],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Firing, lateness, corrections

// event time  0         10        20
//             a        c|b        |
// watermark             10 when c comes: [0, 10) has fired
Deno.test("a window fires exactly when the watermark reaches its end", () =>
  check({
    records: arrive(["a", 0], ["b", 10], ["c", 9]),
    assigner: Window.tumbling(10),
    results: ["[0, 10) a pane 0 final", "[10, 20) b pane 0 final"],
    late: ["c [0, 10) at 10"],
  }));

// event time  0         10        20
//             a        cb         |
// watermark            9 when c comes: [0, 10) is still open
Deno.test("a window is still open one millisecond before the watermark reaches its end", () =>
  check({
    records: arrive(["a", 0], ["b", 9], ["c", 9]),
    assigner: Window.tumbling(10),
    results: ["[0, 10) abc pane 0 final"],
  }));

// event time  0         10        20        30
//             a        c|    b    |d        |
// watermark             13 - 5 = 8 when c comes
Deno.test("records out of order within the bound are not late", () =>
  check({
    records: arrive(["a", 0], ["b", 14], ["c", 9], ["d", 20]),
    bound: 5,
    assigner: Window.tumbling(10),
    results: ["[0, 10) ac pane 0 final", "[10, 20) b pane 0 final", "[20, 30) d pane 0 final"],
  }));

// event time  0         10        20
//             a    c    |    b  d |
// watermark             16 - 5 = 11 when c comes
Deno.test("the bound is counted from the greatest timestamp, not from the last", () =>
  check({
    records: arrive(["a", 0], ["b", 16], ["d", 12], ["c", 5]),
    bound: 5,
    assigner: Window.tumbling(10),
    results: ["[0, 10) a pane 0 final", "[10, 20) bd pane 0 final"],
    late: ["c [0, 10) at 11"],
  }));

// event time  0         10        20
//             a  c d    |b        |
// watermark             10 when c and d come; 10 < 10 + 5
Deno.test("within the allowed lateness each record corrects its window at once, with the next pane", () =>
  check({
    records: arrive(["a", 0], ["b", 10], ["c", 3], ["d", 5]),
    assigner: Window.tumbling(10),
    lateness: 5,
    results: [
      "[0, 10) a pane 0",
      "[0, 10) ac pane 1",
      "[0, 10) acd pane 2",
      "[10, 20) b pane 0 final",
    ],
  }));

// event time  0         10   15   20
//             a   c     |   b|    |
// watermark                 14 when c comes: 14 < 10 + 5
Deno.test("a record counts as long as the watermark is below end + lateness", () =>
  check({
    records: arrive(["a", 0], ["b", 14], ["c", 4]),
    assigner: Window.tumbling(10),
    lateness: 5,
    results: ["[0, 10) a pane 0", "[0, 10) ac pane 1", "[10, 20) b pane 0 final"],
  }));

// event time  0         10   15   20
//             a   c     |    b    |
// watermark                  15 when c comes: 15 = 10 + 5
Deno.test("a record is late as soon as the watermark is at end + lateness", () =>
  check({
    records: arrive(["a", 0], ["b", 15], ["c", 4]),
    assigner: Window.tumbling(10),
    lateness: 5,
    results: ["[0, 10) a pane 0", "[10, 20) b pane 0 final"],
    late: ["c [0, 10) at 15"],
  }));

// event time  0         10        20
//             |   b     |  a      |
// watermark                13 when b comes; key k has no record in [0, 10) yet
Deno.test("a late record that is the first of its window makes pane 0", () =>
  check({
    records: arrive(["a", 13], ["b", 4]),
    assigner: Window.tumbling(10),
    lateness: 5,
    results: ["[0, 10) b pane 0", "[10, 20) a pane 0 final"],
  }));

// event time  0         10        20        30
//             a         |      b  |   c     |
// last finite watermark           23: [0, 10) and [10, 20) fired before the end, [20, 30) at it
Deno.test("with lateness only what the end of input brings about is final", () =>
  check({
    records: arrive(["a", 0], ["b", 16], ["c", 24]),
    bound: 1,
    assigner: Window.tumbling(10),
    lateness: 100,
    results: ["[0, 10) a pane 0", "[10, 20) b pane 0", "[20, 30) c pane 0 final"],
  }));

// event time  0         10        20
//             a  c      |b        |
// watermark             10 when c comes
Deno.test("a late record goes to the side output with the window and the watermark that it missed", async () => {
  const records = arrive(["a", 0], ["b", 10], ["c", 3]);
  const { late } = await runWindow({ records, assigner: Window.tumbling(10) });
  assert.deepEqual(late, [
    {
      value: { name: "c", at: 3, key: "k" },
      key: "k",
      timestamp: 3,
      window: { start: 0, end: 10 },
      watermark: 10,
      delay: 7,
    },
  ]);
});

// event time  0    5    10   15   20
//             a  c |    |    |    b
// watermark                       20 when c comes: [-5, 5) and [0, 10) are over
Deno.test("a record late for all its sliding windows names the last of them", () =>
  check({
    records: arrive(["a", 0], ["b", 20], ["c", 3]),
    assigner: Window.sliding({ size: 10, slide: 5 }),
    results: [
      "[-5, 5) a pane 0 final",
      "[0, 10) a pane 0 final",
      "[15, 25) b pane 0 final",
      "[20, 30) b pane 0 final",
    ],
    late: ["c [0, 10) at 20"],
  }));

// event time  0    5    10   15   20
//             a  c |    |    b    |
// watermark                  15 when c comes: [-5, 5) is 10 past its end, [0, 10) only 5 (lateness 8)
Deno.test("a late record corrects the sliding windows that are not over, and only those", () =>
  check({
    records: arrive(["a", 0], ["b", 15], ["c", 3]),
    assigner: Window.sliding({ size: 10, slide: 5 }),
    lateness: 8,
    results: [
      "[-5, 5) a pane 0",
      "[0, 10) a pane 0",
      "[0, 10) ac pane 1",
      "[10, 20) b pane 0 final",
      "[15, 25) b pane 0 final",
    ],
  }));

Deno.test('late: "drop" drops late records and counts them', async () => {
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const flow = Flow.from(Source.array("readings", arrive(["a", 0], ["b", 10], ["c", 3], ["d", 4], ["e", 11]))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
    Flow.window("window", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(out),
  );
  const { metrics } = await run(Job.make({ name: "dropping", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(({ value }) => value), [1, 2]);
  assert.equal(metrics.operators["window"].late, 2);
  assert.equal(metrics.operators["window"].lateDropped, 2);
});

// ---------------------------------------------------------------------------------------------------------------------
// Sessions (gap 10)

// event time  0    5    10   15   20   25   30
//             a    b    |    |    |c   |    |
// sessions    [--------------)     [---------)
Deno.test("a session lasts until its key has been silent for the gap", () =>
  check({
    records: arrive(["a", 0], ["b", 5], ["c", 21]),
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 15) ab pane 0 final", "[21, 31) c pane 0 final"],
  }));

// event time  0         10        20
//             a         b         |
// sessions    [---------+---------)
Deno.test("a record exactly one gap after the last still touches the session", () =>
  check({
    records: arrive(["a", 0], ["b", 10]),
    bound: 1,
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 20) ab pane 0 final"],
  }));

// event time  0         10        20
//             a         b         |
// watermark             10 when b comes?  No: b meets the watermark of before, 0.
Deno.test("a record meets the watermark of before, so it extends the session that it would end", () =>
  check({
    records: arrive(["a", 0], ["b", 10], ["c", 31]),
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 20) ab pane 0 final", "[31, 41) c pane 0 final"],
  }));

// event time  0         10        20        30
// key k       a         |         b         |
// key m       |         c         |         |
Deno.test("sessions of different keys do not touch", () =>
  check({
    records: arrive(["a", 0], ["c", 9, "m"], ["b", 18]),
    bound: 50,
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 10) a pane 0 final", "m [9, 19) c pane 0 final", "[18, 28) b pane 0 final"],
  }));

// event time  0         10        20        30
//             a        c|       b |         |        bound 20
// before c    [---------)       [---------)
// after c     [--------[---------)--------)
Deno.test("a session that is bridged by a record out of order merges its two neighbours", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["c", 9]),
    bound: 20,
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 28) abc pane 0 final"],
  }));

// event time  0         10        20        30
//             c         b         a         |        bound 20
// before c              [---------|---------)
// after c     [---------|---------|---------)        each touches the next, and none is within another
Deno.test("sessions that touch are one, whichever of them came first", () =>
  check({
    records: arrive(["a", 20], ["b", 10], ["c", 0]),
    bound: 20,
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 30) abc pane 0 final"],
  }));

// event time  0         10        20        30
//             a        c|       b |         |        lateness 20
// watermark                     18 when c comes: [0, 10) has fired, [18, 28) is open
// after c     [--------[---------)--------)          28 > 18: it fires again when the watermark gets there
Deno.test("a session that is bridged by a late record merges its two neighbours, and counts their panes on", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["c", 9]),
    assigner: Window.session({ gap: 10 }),
    lateness: 20,
    results: ["[0, 10) a pane 0", "[0, 28) abc pane 1 final"],
  }));

// event time  0         10        20        30        40
//             a        c|       b |         |  d
// watermark                                    33 when c comes: both neighbours have fired
// after c     [--------[---------)--------)           28 <= 33: a correction at once
Deno.test("a late record between two sessions that have fired makes one correction of both", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["d", 33, "m"], ["c", 9]),
    assigner: Window.session({ gap: 10 }),
    lateness: 30,
    results: ["[0, 10) a pane 0", "[18, 28) b pane 0", "[0, 28) abc pane 1", "m [33, 43) d pane 0 final"],
  }));

// event time  0         10        20        30
//             a  c      |    b    |         |        lateness 5
// watermark                  15 when c comes: [0, 10) is over,
//                            c's own span [3, 13) is not: 13 + 5 > 15
Deno.test("a record beyond the lateness of its session begins one of its own while its own span is not over", () =>
  check({
    records: arrive(["a", 0], ["b", 15, "m"], ["c", 3]),
    assigner: Window.session({ gap: 10 }),
    lateness: 5,
    results: ["[0, 10) a pane 0", "[3, 13) c pane 0", "m [15, 25) b pane 0 final"],
  }));

// event time  0         10        20        30
//             a  c      |       b |         |        lateness 5
// watermark                     18 when c comes: 10 + 5 <= 18 and 13 + 5 <= 18
Deno.test("a record beyond the lateness of a closed session is late", () =>
  check({
    records: arrive(["a", 0], ["b", 18, "m"], ["c", 3]),
    assigner: Window.session({ gap: 10 }),
    lateness: 5,
    results: ["[0, 10) a pane 0", "m [18, 28) b pane 0 final"],
    late: ["c [3, 13) at 18"],
  }));

// event time  0         10        20        30
//             a    |  b  |  c  |     d                no lateness, bound 12
// watermark        d - 12 = 18 when e (= 3) comes; the session [0, 26) is kept, though e's own span ended at 13
Deno.test("a record whose own span is over still joins a session that is kept", () =>
  check({
    records: arrive(["a", 0], ["b", 8], ["c", 16], ["d", 30, "m"], ["e", 3]),
    bound: 12,
    assigner: Window.session({ gap: 10 }),
    results: ["[0, 26) abce pane 0 final", "m [30, 40) d pane 0 final"],
  }));

// event time  0         10        20        30
//             a   b     |  |      c
// watermark             10 fires [0, 10); b is late by event time but within lateness: [0, 14) is open again
Deno.test("a session that has fired fires again at its new end when a record moves it on", () =>
  check({
    records: arrive(["a", 0], ["x", 10, "m"], ["b", 4], ["y", 20, "m"]),
    assigner: Window.session({ gap: 10 }),
    lateness: 10,
    results: ["[0, 10) a pane 0", "[0, 14) ab pane 1", "m [10, 30) xy pane 0 final"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Several splits

// left        a = 1, d = 30
// right       b = 2, c = 15, e = 7
// turns       left, right (no watermark of its own yet), right's end, left's end: each is shorter than a turn
// watermark   right's own, as left is ahead: 15 when e comes
Deno.test("the watermark of several splits is the least of theirs", () =>
  check({
    records: { left: arrive(["a", 1], ["d", 30]), right: arrive(["b", 2], ["c", 15], ["e", 7]) },
    assigner: Window.tumbling(10),
    results: ["[0, 10) ab pane 0 final", "[10, 20) c pane 0 final", "[30, 40) d pane 0 final"],
    late: ["e [0, 10) at 15"],
  }));

// The left split is ahead by far; only the right one's progress closes windows.
Deno.test("a split that is ahead does not make the other one late", () =>
  check({
    records: { left: arrive(["a", 1], ["b", 1_000]), right: arrive(["c", 2], ["d", 9], ["e", 5]) },
    assigner: Window.tumbling(10),
    results: ["[0, 10) acde pane 0 final", "[1000, 1010) b pane 0 final"],
  }));

// left        1,024 records of key m, timestamps 0 to 1,023, then z = 3
// right       a = 2, and no more
// turns       left (1,024), right (a), right (end: watermark = left's 1,023), left (z meets 1,023)
Deno.test("a split that has ended no longer holds the watermark back", async () => {
  const left = [...Array.from({ length: 1_024 }, (_, at) => ({ name: "m", at, key: "m" })), ...arrive(["z", 3])];
  const { late } = await runWindow({
    records: { left, right: arrive(["a", 2]) },
    assigner: Window.tumbling(10),
  });
  assert.deepEqual(late.map(writeLate), ["z [0, 10) at 1023"]);
});

Deno.test("a split without records does not hold the watermark back for ever", () =>
  check({
    records: { left: arrive(["a", 1], ["b", 12]), right: [] },
    assigner: Window.tumbling(10),
    results: ["[0, 10) a pane 0 final", "[10, 20) b pane 0 final"],
  }));

Deno.test("a source without records makes no windows", () =>
  check({ records: [], assigner: Window.tumbling(10), results: [] }));

Deno.test("the watermark of two flows joined after their event time is the lesser of both", async () => {
  // left: 0, 30; right: 5, 12, 8 (bound 0). Right alone is at 12 when 8 comes, so 8 is late for [0, 10), and left's 30
  // does not make 5 and 12 late.
  const flowOf = (name: string, records: ReadonlyArray<Reading>) =>
    Flow.from(Source.array(name, records)).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    );
  const out = Sink.memory<Window.WindowResult<string, Aggregate.Collected<string>>>("out");
  const late = Sink.memory<Window.Late<Reading, string>>("late");
  const flow = flowOf("left", arrive(["a", 0], ["b", 30])).pipe(
    Flow.merge(flowOf("right", arrive(["c", 5], ["d", 12], ["e", 8]))),
    Flow.keyBy(({ key }) => key),
    Flow.window("window", {
      assigner: Window.tumbling(10),
      aggregate: names,
      late: (records) => records.pipe(Flow.to(late)),
    }),
    Flow.to(out),
  );
  await run(Job.make({ name: "merged", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(writeResult), [
    "[0, 10) ac pane 0 final",
    "[10, 20) d pane 0 final",
    "[30, 40) b pane 0 final",
  ]);
  assert.deepEqual(late.values().map(writeLate), ["e [0, 10) at 12"]);
});

// ---------------------------------------------------------------------------------------------------------------------
// Keys and aggregates

Deno.test("keys are told apart by type and content", async () => {
  const keys: ReadonlyArray<Flow.Key> = [
    "1",
    1,
    1n,
    true,
    "true",
    false,
    "",
    0,
    NaN,
    "NaN",
    Infinity,
    "__proto__",
    "constructor",
    "\u0000",
    "\u0000s",
    new Uint8Array([1]),
    new Uint8Array([1, 0]),
    new Uint8Array(0),
    [],
    ["1"],
    [1],
    [1n],
    ["a", "b"],
    ["ab"],
    ["a", ["b"]],
    [["a"], "b"],
    ["a,b"],
    [""],
    ["", ""],
    [NaN],
    [new Uint8Array([1])],
    "é",
    "e\u0301",
    2 ** 53,
    10n ** 30n,
    -1,
    -1n,
    0.1,
  ];
  // Each key as often as its place in the list says, so that a mix-up of two cannot cancel out.
  const records = keys.flatMap((key, place) => Array.from({ length: place + 1 }, () => ({ key, at: 1 })));
  for (const keyedPartitions of [1, 3, 32]) {
    const out = Sink.memory<Window.WindowResult<Flow.Key, number>>("out");
    const flow = Flow.from(Source.array("records", records)).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
      Flow.keyBy(({ key }) => key),
      Flow.window("window", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
      Flow.to(out),
    );
    // Small epochs, so that keys also go through the state and the outbox.
    await runToEnd(Job.make({ name: "keys", guarantee: "exactly-once", flows: [flow] }), {
      kv: memoryKv(),
      keyedPartitions,
      batchRecordsMax: 7,
      epochRecordsMax: 20,
    });
    const expected = keys.map((key, place) => ({ key, value: place + 1 }));
    assertSameBag(
      out.values().map(({ key, value }) => ({ key, value })),
      expected,
      `counts in ${keyedPartitions} partitions`,
    );
  }
});

Deno.test("the two zeros are one key", async () => {
  const out = Sink.memory<Window.WindowResult<number, number>>("out");
  const flow = Flow.from(Source.array("zeros", [0, -0, 0])).pipe(
    Flow.eventTime({ timestamp: () => 1, watermark: Watermark.monotonic }),
    Flow.keyBy((zero) => zero),
    Flow.window("window", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "zeros", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(({ value }) => value), [3]);
});

Deno.test("bytes that change after they served as a key do not change the key", async () => {
  const shared = new Uint8Array([0]);
  const out = Sink.memory<Window.WindowResult<Uint8Array, number>>("out");
  const flow = Flow.from(Source.array("bytes", [1, 2, 1])).pipe(
    Flow.eventTime({ timestamp: () => 1, watermark: Watermark.monotonic }),
    Flow.keyBy((byte): Uint8Array => {
      shared[0] = byte;
      return shared.slice();
    }),
    Flow.window("window", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "bytes", guarantee: "exactly-once", flows: [flow] }));
  assertSameBag(out.values().map(({ key, value }) => ({ key, value })), [
    { key: new Uint8Array([1]), value: 2 },
    { key: new Uint8Array([2]), value: 1 },
  ], "counts");
});

const all = {
  count: Aggregate.count,
  sum: Aggregate.sum<Measure>(({ x }) => x),
  mean: Aggregate.mean<Measure>(({ x }) => x),
  min: Aggregate.min<Measure>(({ x }) => x),
  max: Aggregate.max<Measure>(({ x }) => x),
  variance: Aggregate.variance<Measure>(({ x }) => x),
  first: Aggregate.first<Measure, string>(({ id }) => id, Schema.String),
  last: Aggregate.last<Measure, string>(({ id }) => id, Schema.String),
  some: Aggregate.collect<Measure, string>(({ id }) => id, Schema.String, { atMost: 3 }),
};

interface Measure {
  readonly id: string;
  readonly at: number;
  readonly x: number;
}

const measures = (...rows: ReadonlyArray<readonly [id: string, at: number, x: number]>): Array<Measure> =>
  rows.map(([id, at, x]) => ({ id, at, x }));

const summarize = async (records: ReadonlyArray<Measure>, assigner: Window.Assigner) => {
  const out = Sink.memory<Window.WindowResult<string, Aggregate.AggregateResult<typeof all>>>("out");
  const flow = Flow.from(Source.array("measures", records)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(100) }),
    Flow.keyBy(() => "k"),
    Flow.window("window", { assigner, aggregate: all, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "aggregates", guarantee: "exactly-once", flows: [flow] }));
  return out.values().map(({ window, value }) => [window.start, value] as const);
};

// event time  0  1  2  3  4  5  6  7  8  9  10
//             |  c  |  a     |  |  b,d         |     ids in order of arrival: a, b, c, d
Deno.test("every aggregate answers about the records of its window", async () => {
  const records = measures(["a", 3, 4], ["b", 7, -2], ["c", 1, 10], ["d", 7, 4], ["e", 12, 1]);
  assert.deepEqual(await summarize(records, Window.tumbling(10)), [
    [0, {
      count: 4,
      sum: 16,
      mean: 4,
      min: -2,
      max: 10,
      variance: 18,
      first: "c",
      last: "d",
      some: { values: ["a", "b", "c"], total: 4 },
    }],
    [10, {
      count: 1,
      sum: 1,
      mean: 1,
      min: 1,
      max: 1,
      variance: 0,
      first: "e",
      last: "e",
      some: { values: ["e"], total: 1 },
    }],
  ]);
});

// event time  0    5    10   15        (size 10, slide 5, so slices of 5)
//             | c a|b   |  d |
// [0, 10)     by slice c and a come before b, though b arrived first
Deno.test("in sliding windows values are collected by slice, then by arrival", async () => {
  const records = measures(["b", 5, 1], ["a", 4, 2], ["c", 2, 3], ["d", 13, 6]);
  const bySlice = (await summarize(records, Window.sliding({ size: 10, slide: 5 }))).map((
    [start, { some }],
  ) => [start, some]);
  assert.deepEqual(bySlice, [
    [-5, { values: ["a", "c"], total: 2 }],
    [0, { values: ["a", "c", "b"], total: 3 }],
    [5, { values: ["b", "d"], total: 2 }],
    [10, { values: ["d"], total: 1 }],
  ]);
});

Deno.test("records of one instant: the first that came is first, the last that came is last", async () => {
  const records = measures(["a", 5, 1], ["b", 5, 2], ["c", 5, 3]);
  for (const assigner of [Window.tumbling(10), Window.session({ gap: 10 })]) {
    const [[, { first, last }]] = await summarize(records, assigner);
    assert.deepEqual([first, last], ["a", "c"]);
  }
});

// ---------------------------------------------------------------------------------------------------------------------
// Restarts

// event time  0         10        20
//             a  d      |b c      |
// first run   a, b: a crash after the epoch that holds them
// second run  c, d: the watermark is still 10, so d is late
Deno.test("the watermark survives a crash: what was late stays late", async () => {
  const records = arrive(["a", 0], ["b", 10], ["c", 11], ["d", 3]);
  for (const crashAt of [1, 2, 3, 4, 5, 6]) {
    const kv = memoryKv();
    kv.onCommit((commit) => commit === crashAt ? "crash-after" : "ok");
    const out = Sink.memory<Window.WindowResult<string, number>>("out");
    const late = Sink.memory<Window.Late<Reading, string>>("late");
    const flow = Flow.from(Source.array("readings", records)).pipe(
      Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
      Flow.keyBy(({ key }) => key),
      Flow.window("window", {
        assigner: Window.tumbling(10),
        aggregate: Aggregate.count,
        late: (records) => records.pipe(Flow.to(late)),
      }),
      Flow.to(out),
    );
    const { starts, metrics } = await runToEnd(
      Job.make({ name: "crashing", guarantee: "exactly-once", flows: [flow] }),
      {
        kv,
        batchRecordsMax: 1,
        epochRecordsMax: 1,
      },
    );
    assert.equal(starts, 2, `commit ${crashAt} crashed the job once`);
    assert.deepEqual(late.values().map(writeLate), ["d [0, 10) at 11"]);
    assert.deepEqual(out.values().map(({ value }) => value), [1, 2]);
    assert.equal(metrics.operators["window"].late, 1);
    assert.equal(metrics.splits[0].records, 4);
  }
});

Deno.test("a stopped job leaves its windows open, and the next run goes on with them", async () => {
  const kv = memoryKv();
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  // Record i is at event time i; windows of 1,000 fire as the unbounded source goes on.
  const job = Job.make({
    name: "stopping",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.generate("ticks", { seed: 1, rate: 20_000, make: (index) => index })).pipe(
        Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.boundedOutOfOrderness(10) }),
        Flow.keyBy(() => "k"),
        Flow.window("window", { assigner: Window.tumbling(1_000), aggregate: Aggregate.count, late: "drop" }),
        Flow.to(out),
      ),
    ],
  });
  let read = 0;
  for (let runs = 0; runs < 3; runs++) {
    const summary = await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const running = yield* Job.start(job, { state: "test.kv", kv });
      const recordsOf = Effect.map(running.metrics, ({ splits }) => splits[0]?.records ?? 0);
      // Wait for some progress, but not for the end of a window.
      while ((yield* recordsOf) < read + 1_500) yield* Effect.sleep(5);
      return yield* running.stop;
    })));
    assert.equal(summary.outcome, "stopped");
    const records = summary.metrics.splits[0].records;
    assert.ok(records >= read + 1_500);
    read = records;
    // The greatest timestamp is read - 1, and the watermark stays 10 behind it: only windows that it has reached fired.
    const fired = Math.floor((read - 1 - 10) / 1_000);
    assert.equal(out.values().length, fired);
    out.values().forEach(({ window, value, pane }, k) => {
      assert.deepEqual({ start: window.start, value, pane }, { start: k * 1_000, value: 1_000, pane: 0 });
    });
  }
});
