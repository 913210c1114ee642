/**
 * When windows say what they know, and what they say then: triggers, panes, and the windows that live by them. One rule a
 * test.
 *
 * Records are drawn where they lie in event time and named in order of arrival. Those of key `m` are there to move the
 * watermark; a record meets the watermark that those before it have made. A result is written `[0, 10) ab pane 0 early`:
 * the window, the names of its records, how many results came before, and when it was said, unless that was on time.
 * `retract` is put before what is taken back, and `all` stands for the window of everything.
 *
 * Every test is also put to the oracle, and run with crashes, which change nothing.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
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

interface Setup {
  readonly records: ReadonlyArray<Reading>;
  readonly bound?: number;
  readonly assigner: Window.Assigner<Reading>;
  readonly trigger?: Trigger.Trigger;
  readonly panes?: Flow.Panes;
  readonly lateness?: number;
}

interface Case extends Setup {
  /** The results, in order. Key `k` is left out of the text. */
  readonly results: ReadonlyArray<string>;
  /** Late records: `name, window, watermark`. */
  readonly late?: ReadonlyArray<string>;
  /** What the window counts, as far as it is above 0. It follows from the results where it is left out. */
  readonly counters?: Partial<Oracle.Counters>;
}

type Said = Window.WindowResult<string, Aggregate.Collected<string>> & { readonly change?: "add" | "retract" };

const names = Aggregate.collect<Reading, string>(({ name }) => name, Schema.String, { atMost: 100 });

const writeWindow = ({ start, end }: Window.Window): string =>
  start === Window.everything.start && end === Window.everything.end ? "all" : `[${start}, ${end})`;

const writeResult = ({ key, window, value, pane, timing, final, change }: Said): string =>
  [
    ...(key === "k" ? [] : [key]),
    ...(change === "retract" ? ["retract"] : []),
    writeWindow(window),
    value.values.toSorted().join(""),
    `pane ${pane}`,
    ...(timing === "on-time" ? [] : [timing]),
    ...(final ? ["final"] : []),
  ].join(" ");

const writeLate = ({ value, window, watermark }: Window.Late<Reading, string>): string =>
  `${value.name} ${writeWindow(window)} at ${watermark}`;

// ---------------------------------------------------------------------------------------------------------------------
// A case as a flow, and for the oracle

/** What a window is told of a case. Windows of records are told nothing more than that. */
const optionsOf = ({ assigner, trigger, panes, lateness }: Setup) => ({
  assigner,
  aggregate: names,
  ...(trigger === undefined ? {} : { trigger }),
  ...(panes === undefined ? {} : { panes }),
  ...(lateness === undefined ? {} : { allowedLateness: lateness }),
});

const jobOf = (setup: Setup) => {
  const out = Sink.memory<Said>("out");
  const late = Sink.memory<Window.Late<Reading, string>>("late");
  const flow = Flow.from(Source.array("readings", setup.records)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(setup.bound ?? 0) }),
    Flow.keyBy(({ key }) => key),
    Flow.window("window", { ...optionsOf(setup), late: (records) => records.pipe(Flow.to(late)) }),
    Flow.to(out),
  );
  return { job: Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }), out, late };
};

/** One partition, so that results come in one order whatever their keys are. */
const keyedPartitions = 1;

const runWindow = async (setup: Setup) => {
  const { job, out, late } = jobOf(setup);
  const { metrics } = await run(job, { keyedPartitions });
  const { lateDropped, ...counters } = metrics.operators["window"];
  assert.equal(lateDropped, 0);
  return { results: out.values(), late: late.values(), counters };
};

/** The same, with an epoch for every record, and crashes around every third commit. */
const runWithCrashes = async (setup: Setup) => {
  const { job, out, late } = jobOf(setup);
  const kv = memoryKv();
  kv.onCommit((commit) => commit % 3 === 1 ? (commit % 2 === 0 ? "crash-before" : "crash-after") : "ok");
  const { metrics, starts } = await runToEnd(job, { kv, keyedPartitions, batchRecordsMax: 1, epochRecordsMax: 1 });
  assert.ok(setup.records.length === 0 || starts > 1, "it has crashed");
  const { lateDropped: _, ...counters } = metrics.operators["window"];
  return { results: out.values(), late: late.values(), counters };
};

const oracleAssigner = (assigner: Window.Assigner<Reading>): Oracle.Assigner<Reading> => {
  switch (assigner._tag) {
    case "Sliding":
      return Oracle.sliding(assigner.size, assigner.slide, assigner.offset);
    case "Session":
      return Oracle.session(assigner.gap);
    case "Global":
      return Oracle.global;
    case "Count":
      return Oracle.countOf(assigner.size, assigner.slide);
    case "Spans":
      return Oracle.spans(assigner.assign);
  }
};

const oracleCondition = (rule: Trigger.ConditionRule): Oracle.Condition => {
  switch (rule._tag) {
    case "AfterCount":
      return Oracle.afterCount(rule.count);
    case "AfterEventTime":
      return Oracle.afterEventTime(rule.interval);
    case "AfterProcessingTime":
      throw new Error("The oracle has no clock");
    case "FirstOf":
      return Oracle.firstOf(...rule.conditions.map(oracleCondition));
    case "AllOf":
      return Oracle.allOf(...rule.conditions.map(oracleCondition));
  }
};

const oracleTrigger = ({ rule }: Trigger.Trigger): Oracle.Trigger => {
  switch (rule._tag) {
    case "AtWatermark":
      return Oracle.atWatermark({
        early: rule.early === null ? null : oracleCondition(rule.early),
        late: oracleCondition(rule.late),
        onTime: rule.onTimeAlways ? "always" : "when-changed",
      });
    case "Once":
      return Oracle.once(oracleCondition(rule.condition));
    case "Repeatedly":
      return Oracle.repeatedly(oracleCondition(rule.condition));
  }
};

const oracleOf = ({ records, bound = 0, assigner, trigger, panes, lateness = 0 }: Setup) =>
  Oracle.aggregate({
    splits: [records],
    timestamp: ({ at }: Reading) => at,
    bound,
    key: ({ key }) => key,
    assigner: oracleAssigner(assigner),
    ...(trigger === undefined ? {} : { trigger: oracleTrigger(trigger) }),
    ...(panes === undefined ? {} : { panes }),
    lateness,
    summary: Oracle.collect(({ name }) => name, 100),
  });

const noneCounted: Oracle.Counters = {
  records: 0,
  results: 0,
  early: 0,
  corrections: 0,
  retractions: 0,
  late: 0,
  lateAdmitted: 0,
};

/** Aligned windows that only fire at their end are made of slices: of one instant, their keys come in any order. */
const keysHaveAnOrder = ({ assigner, trigger, panes }: Setup): boolean =>
  assigner._tag !== "Sliding" || trigger !== undefined || panes !== undefined;

/** Checks a case against what is written down, with and without crashes, and what is written down against the oracle. */
const check = async (expected: Case): Promise<void> => {
  const answer = oracleOf(expected);
  assertSameBag(expected.results, answer.results.map(writeResult), "what is written and what the oracle says");
  assert.deepEqual(expected.late ?? [], answer.late.map(writeLate), "what is written to be late, and the oracle");
  if (expected.counters !== undefined) {
    assert.deepEqual({ ...noneCounted, ...expected.counters }, answer.counters, "what is written to be counted");
  }
  const keys = new Set(expected.records.map(({ key }) => key));
  for (const said of [await runWindow(expected), await runWithCrashes(expected)]) {
    if (keysHaveAnOrder(expected)) assert.deepEqual(said.results.map(writeResult), expected.results, "results");
    assertSameBag(said.results, answer.results, "results and what the oracle says");
    for (const key of keys) {
      const of = (results: ReadonlyArray<Said>) => results.filter((result) => result.key === key).map(writeResult);
      assert.deepEqual(of(said.results), of(answer.results), `the order of the results of key ${key}, and the oracle`);
    }
    assertSameBag(said.late, answer.late, "late records and what the oracle says");
    assert.deepEqual(said.counters, answer.counters, "counters and what the oracle says");
  }
};

// ---------------------------------------------------------------------------------------------------------------------
// Early panes

// event time  0         10
//             a  b c d e|
// panes           ab  cd e
Deno.test("an early pane is said each time that enough records have come, and the rest on time", () =>
  check({
    records: arrive(["a", 0], ["b", 3], ["c", 5], ["d", 7], ["e", 9]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    results: ["[0, 10) ab pane 0 early", "[0, 10) abcd pane 1 early", "[0, 10) abcde pane 2 final"],
  }));

// event time  0         10        20
//             a  b      |x        |
// watermark             10 after x: nothing has come since the early pane
Deno.test("nothing is said on time where nothing has come since the last early pane", () =>
  check({
    records: arrive(["a", 0], ["b", 3], ["x", 10, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    results: ["[0, 10) ab pane 0 early", "m [10, 20) x pane 0 final"],
  }));

// event time  0         10        20
//             a  b      |x        |
// watermark             10 after x
Deno.test('onTime: "always" says the same again on time, and so closes the window with a last word', () =>
  check({
    records: arrive(["a", 0], ["b", 3], ["x", 10, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2), onTime: "always" }),
    results: ["[0, 10) ab pane 0 early", "[0, 10) ab pane 1 final", "m [10, 20) x pane 0 final"],
  }));

// event time  0         10        20
//             a  b      |         |
Deno.test('onTime: "always" holds at the end of input too', () =>
  check({
    records: arrive(["a", 0], ["b", 3]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2), onTime: "always" }),
    results: ["[0, 10) ab pane 0 early", "[0, 10) ab pane 1 final"],
  }));

// event time  0         10        20
//             |   b     |  x      |              lateness 5
// watermark                13 when b comes: the time at which its window could have been on time is over
Deno.test('onTime: "always" is not made up for in a window that a late record opens', () =>
  check({
    records: arrive(["x", 13, "m"], ["b", 4]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ onTime: "always" }),
    lateness: 5,
    results: ["[0, 10) b pane 0 late", "m [10, 20) x pane 0 final"],
  }));

// event time  0    5    10   15   20
//             |a b | xc |y d |    |              every 5
// watermark                                      6 after x: past 5; 11 after y: past 10
Deno.test("an early pane is said when the watermark passes the next multiple of an interval", () =>
  check({
    records: arrive(["a", 1], ["b", 3], ["x", 6, "m"], ["c", 8], ["y", 11, "m"], ["d", 12]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5) }),
    results: [
      "[0, 20) ab pane 0 early",
      "[0, 20) abc pane 1 early",
      "m [0, 20) xy pane 0 early",
      "[0, 20) abcd pane 2 final",
    ],
  }));

// event time  -10  -5   0
//             | a  |  x |                        every 5
// watermark                                      -3 after x: past -5
Deno.test("multiples of an interval count from the epoch, also before it", () =>
  check({
    records: arrive(["a", -8], ["x", -3, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5) }),
    results: ["[-10, 0) a pane 0 early", "m [-10, 0) x pane 0 final"],
  }));

// event time  0    5    10   15   20
//             |  ab|    | x  |y   |              every 5
// watermark                12 when a and b come: 5 and 10 are over, 15 is next
Deno.test("a record out of order waits for the next multiple above the watermark that it met", () =>
  check({
    records: arrive(["x", 12, "m"], ["a", 3], ["b", 4], ["y", 16, "m"]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5) }),
    results: ["m [0, 20) xy pane 0 early", "[0, 20) ab pane 0 early"],
  }));

// event time  0    5    10        20
//             |    | a  | x       |              every 5, lateness 5
// watermark               12 after x: past 10, which is the end of the window
Deno.test("an interval that ends with the window does not bring its pane forward: it is on time", () =>
  check({
    records: arrive(["a", 7], ["x", 12, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5) }),
    lateness: 5,
    results: ["[0, 10) a pane 0", "m [10, 20) x pane 0 final"],
  }));

// event time  0    5    10   15   20   ...  100
//             |a   |    |    |    |         x
// watermark                                 100 at once: past 5, then past the end
Deno.test("a watermark that jumps ahead brings about what it would have brought about in steps", () =>
  check({
    records: arrive(["a", 1], ["x", 100, "m"]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5), onTime: "always" }),
    results: ["[0, 20) a pane 0 early", "[0, 20) a pane 1 final", "m [100, 120) x pane 0 final"],
  }));

// event time  0    5    10   15   20
//             |a   |    |    |    |              every 5
Deno.test("the end of input says everything on time, and nothing early", () =>
  check({
    records: arrive(["a", 1]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5) }),
    results: ["[0, 20) a pane 0 final"],
  }));

// event time  0    5    10   15   20  ...  40
// key k       |a   |    |    |    |        |
// key l       | b  |    |    |    |        |     every 5
// windows     [---)                              due at 4
//             [-------------------)              due at 5, early, and at 20
// watermark                                40 after x
Deno.test("what is due is said in the order of time, and of one instant by the oldest window first", () =>
  check({
    records: arrive(["a", 1], ["b", 2, "l"], ["x", 40, "m"]),
    assigner: Window.custom({
      name: "four and twenty",
      assign: (at) => [{ start: Math.floor(at / 20) * 20, end: Math.floor(at / 20) * 20 + 20 }, {
        start: Math.floor(at / 4) * 4,
        end: Math.floor(at / 4) * 4 + 4,
      }],
      overlapping: true,
    }),
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(5), onTime: "always" }),
    results: [
      "[0, 4) a pane 0 final",
      "l [0, 4) b pane 0 final",
      "[0, 20) a pane 0 early",
      "l [0, 20) b pane 0 early",
      "[0, 20) a pane 1 final",
      "l [0, 20) b pane 1 final",
      "m [40, 44) x pane 0 final",
      "m [40, 60) x pane 0 final",
    ],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Conditions of conditions

// event time  0    5    10   15   20
//             abc d| x  |    |    |              three records, or every 5
// watermark          7 after x: past 5, with d alone
Deno.test("the first of several conditions to be met makes a pane", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 2], ["d", 4], ["x", 7, "m"]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.firstOf(Trigger.afterCount(3), Trigger.afterEventTime(5)) }),
    results: ["[0, 20) abc pane 0 early", "[0, 20) abcd pane 1 early", "m [0, 20) x pane 0 final"],
  }));

// event time  0    5    10   15   20
//             |a   | xb |    |    |              two records, and every 5
// watermark          6 when b comes: past 5, but a was alone
Deno.test("where all conditions are asked for, the last to be met makes a pane: here the count", () =>
  check({
    records: arrive(["a", 1], ["x", 6, "m"], ["b", 7], ["c", 8]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.allOf(Trigger.afterCount(2), Trigger.afterEventTime(5)) }),
    results: ["[0, 20) ab pane 0 early", "[0, 20) abc pane 1 final", "m [0, 20) x pane 0 final"],
  }));

// event time  0    5    10   15   20
//             |a b | x  |    |    |              two records, and every 5
// watermark          6 after x: past 5
Deno.test("where all conditions are asked for, the last to be met makes a pane: here the time", () =>
  check({
    records: arrive(["a", 1], ["b", 2], ["x", 6, "m"], ["c", 7]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.allOf(Trigger.afterCount(2), Trigger.afterEventTime(5)) }),
    results: ["[0, 20) ab pane 0 early", "[0, 20) abc pane 1 final", "m [0, 20) x pane 0 final"],
  }));

// event time  0  3    6    9  ...  20
//             |a |x   |y   |       |             every 3, and every 6
// watermark       4 after x: past 3, not yet past 6; 7 after y
Deno.test("of several intervals that are all asked for, the longest makes a pane", () =>
  check({
    records: arrive(["a", 1], ["x", 4, "m"], ["b", 5], ["y", 7, "m"]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({ early: Trigger.allOf(Trigger.afterEventTime(3), Trigger.afterEventTime(6)) }),
    results: ["[0, 20) ab pane 0 early", "m [0, 20) xy pane 0 early"],
  }));

// event time  0    5    10   15   20
//             ab cd e   |    |    |              (two records and every 5) or four records
Deno.test("conditions may be made of conditions", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 3], ["d", 4], ["e", 6]),
    assigner: Window.tumbling(20),
    trigger: Trigger.atWatermark({
      early: Trigger.firstOf(
        Trigger.allOf(Trigger.afterCount(2), Trigger.afterEventTime(5)),
        Trigger.afterCount(4),
      ),
    }),
    results: ["[0, 20) abcd pane 0 early", "[0, 20) abcde pane 1 final"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Late panes

// event time  0         10        20        30
//             a  bcd    | x       |         |y       lateness 20
// watermark               12 when b, c and d come; 31 after y: [0, 10) closes at 30
Deno.test("late records can wait for each other, and are said at the latest when their window closes", () =>
  check({
    records: arrive(["a", 0], ["x", 12, "m"], ["b", 3], ["c", 4], ["d", 5], ["y", 31, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ late: Trigger.afterCount(2) }),
    lateness: 20,
    results: [
      "[0, 10) a pane 0",
      "[0, 10) abc pane 1 late",
      "m [10, 20) x pane 0",
      "[0, 10) abcd pane 2 late final",
      "m [30, 40) y pane 0 final",
    ],
  }));

// event time  0         10        20
//             a  b      | x       |              lateness 20
// watermark               12 when b comes, and at the end of input
Deno.test("late records that still wait at the end of input are said then, and are final", () =>
  check({
    records: arrive(["a", 0], ["x", 12, "m"], ["b", 3]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ late: Trigger.afterCount(2) }),
    lateness: 20,
    results: ["[0, 10) a pane 0", "m [10, 20) x pane 0 final", "[0, 10) ab pane 1 late final"],
  }));

// event time  0         10   15   20   25   30
//             a  bc     | x  |y   |    |    |    every 5 when late, lateness 20
// watermark               12 when b and c come; 16 after y: past 15
Deno.test("late panes can be said by intervals of event time", () =>
  check({
    records: arrive(["a", 0], ["x", 12, "m"], ["b", 3], ["c", 4], ["y", 16, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ late: Trigger.afterEventTime(5) }),
    lateness: 20,
    results: ["[0, 10) a pane 0", "[0, 10) abc pane 1 late", "m [10, 20) xy pane 0 final"],
  }));

// event time  0         10        20
//             a  b      | x       |    y         lateness 5
// watermark               12 when b comes; 25 after y: [0, 10) closes at 15, [10, 20) at 25
Deno.test("a window that closes says nothing where it has said everything", () =>
  check({
    records: arrive(["a", 0], ["x", 12, "m"], ["b", 3], ["y", 25, "m"], ["c", 4]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ late: Trigger.afterCount(1) }),
    lateness: 5,
    results: ["[0, 10) a pane 0", "[0, 10) ab pane 1 late", "m [10, 20) x pane 0", "m [20, 30) y pane 0 final"],
    late: ["c [0, 10) at 25"],
  }));

// event time  0         10        20
//             ab        | x  c    |              lateness 20
// early: two records; late: each
Deno.test("early and late panes have conditions of their own", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 2], ["x", 12, "m"], ["d", 3], ["e", 4]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2), late: Trigger.afterCount(1) }),
    lateness: 20,
    results: [
      "[0, 10) ab pane 0 early",
      "[0, 10) abc pane 1",
      "[0, 10) abcd pane 2 late",
      "[0, 10) abcde pane 3 late",
      "m [10, 20) x pane 0 final",
    ],
  }));

// event time  0         10        20
//             a  b      x         |              lateness 20; early: two records
// watermark             10 when b comes: exactly the end
Deno.test("a record that meets the end of its window is late, though the window has only just been on time", () =>
  check({
    records: arrive(["a", 0], ["x", 10, "m"], ["b", 3]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    lateness: 20,
    results: ["[0, 10) a pane 0", "[0, 10) ab pane 1 late", "m [10, 20) x pane 0 final"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Once and repeatedly

// event time  0         10
//             a b c d e |
Deno.test("once: a condition fires one pane, and what comes later is said when the window closes", () =>
  check({
    records: arrive(["a", 0], ["b", 2], ["c", 4], ["d", 6], ["e", 8]),
    assigner: Window.tumbling(10),
    trigger: Trigger.once(Trigger.afterCount(2)),
    results: ["[0, 10) ab pane 0 early", "[0, 10) abcde pane 1 final"],
  }));

// event time  0         10   15   20
//             ab c      | x  |y   |              lateness 5
// watermark               12 after x: past the end; 16 after y: [0, 10) closes at 15
Deno.test("once: nothing is said at the end of a window that is still kept, but when it closes", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 3], ["x", 12, "m"], ["y", 16, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.once(Trigger.afterCount(2)),
    lateness: 5,
    results: ["[0, 10) ab pane 0 early", "m [10, 20) xy pane 0 early", "[0, 10) abc pane 1 late final"],
  }));

// event time  0         10   15   20
//             a  b      | x  |    |              lateness 20
// watermark               12 when b comes
Deno.test("once: a pane that a late record fires is late", () =>
  check({
    records: arrive(["a", 0], ["x", 12, "m"], ["b", 3], ["c", 4]),
    assigner: Window.tumbling(10),
    trigger: Trigger.once(Trigger.afterCount(2)),
    lateness: 20,
    results: ["[0, 10) ab pane 0 late", "[0, 10) abc pane 1 late final", "m [10, 20) x pane 0 final"],
  }));

// event time  0         10
//             a b c d e |
Deno.test("repeatedly: a condition fires a pane each time, and what is left is said when the window closes", () =>
  check({
    records: arrive(["a", 0], ["b", 2], ["c", 4], ["d", 6], ["e", 8]),
    assigner: Window.tumbling(10),
    trigger: Trigger.repeatedly(Trigger.afterCount(2)),
    results: ["[0, 10) ab pane 0 early", "[0, 10) abcd pane 1 early", "[0, 10) abcde pane 2 final"],
  }));

// event time  0         10   15   20
//             ab c d    | x  |    |              lateness 20
// watermark               12 when d comes: c has waited beyond the end
Deno.test("repeatedly: the end of a window is no reason to say anything while it is kept", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 3], ["x", 12, "m"], ["d", 4]),
    assigner: Window.tumbling(10),
    trigger: Trigger.repeatedly(Trigger.afterCount(2)),
    lateness: 20,
    results: ["[0, 10) ab pane 0 early", "[0, 10) abcd pane 1 late", "m [10, 20) x pane 0 final"],
  }));

// event time  0       8 10      16        24
//             |a   x  | |y   b  |  z      |      every 8, lateness 20
// watermark                                      9: past 8, early; 17: past 16, late
Deno.test("repeatedly: intervals of event time go on after the end of a window", () =>
  check({
    records: arrive(["a", 1], ["x", 9, "m"], ["b", 2], ["y", 17, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.repeatedly(Trigger.afterEventTime(8)),
    lateness: 20,
    results: [
      "[0, 10) a pane 0 early",
      "[0, 10) ab pane 1 late",
      "m [0, 10) x pane 0 late",
      "m [10, 20) y pane 0 final",
    ],
  }));

// event time  0    5    10
//             |    | a  | x                      every 5, lateness 20
// watermark               12 after x: past 10, at which the window ends too
Deno.test("repeatedly: a pane that is due as the window ends is on time", () =>
  check({
    records: arrive(["a", 7], ["x", 12, "m"]),
    assigner: Window.tumbling(10),
    trigger: Trigger.repeatedly(Trigger.afterEventTime(5)),
    lateness: 20,
    results: ["[0, 10) a pane 0", "m [10, 20) x pane 0 final"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// The clock

/** Runs a job that counts what it reads, so many records a second. */
const countByClock = async (trigger: Trigger.Trigger, options: { readonly count: number; readonly rate: number }) => {
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const flow = Flow.from(Source.generate("ticks", { seed: 1, make: (index) => index, ...options })).pipe(
    Flow.eventTime({ timestamp: (index) => index, watermark: Watermark.monotonic }),
    Flow.keyBy(() => "k"),
    Flow.window("window", { assigner: Window.tumbling("1 day"), aggregate: Aggregate.count, trigger, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "clock", guarantee: "exactly-once", flows: [flow] }));
  return out.values();
};

// clock       0         100       200 ms
//             a         |         b              after 20 ms
Deno.test("an early pane is said when so much time has gone by since its first record came", async () => {
  const trigger = Trigger.atWatermark({ early: Trigger.afterProcessingTime("20 millis") });
  const results = await countByClock(trigger, { count: 2, rate: 5 });
  assert.deepEqual(results.map(({ value, pane, timing, final }) => [value, pane, timing, final]), [
    [1, 0, "early", false],
    [2, 1, "on-time", true],
  ]);
});

Deno.test("an early pane is not said before so much time has gone by", async () => {
  const trigger = Trigger.atWatermark({ early: Trigger.afterProcessingTime("1 hour") });
  const results = await countByClock(trigger, { count: 2, rate: 50 });
  assert.deepEqual(results.map(({ value, pane, timing, final }) => [value, pane, timing, final]), [
    [2, 0, "on-time", true],
  ]);
});

Deno.test("panes by the clock follow each other, and the last one says everything", async () => {
  const trigger = Trigger.repeatedly(
    Trigger.firstOf(Trigger.afterCount(10_000), Trigger.afterProcessingTime("30 millis")),
  );
  const results = await countByClock(trigger, { count: 300, rate: 1_000 });
  assert.ok(results.length >= 2, `${results.length} panes`);
  assert.equal(results.at(-1)!.value, 300);
  results.slice(1).forEach(({ value, pane }, place) => {
    assert.ok(value > results[place].value);
    assert.equal(pane, place + 1);
  });
});

// ---------------------------------------------------------------------------------------------------------------------
// What panes say

// event time  0         10        20
//             ab cd e   | x       |              lateness 10
//             f  g                               late
Deno.test("discarding panes say what is new", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 3], ["d", 4], ["e", 6], ["x", 12, "m"], ["f", 0], ["g", 3]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    panes: "discarding",
    lateness: 10,
    results: [
      "[0, 10) ab pane 0 early",
      "[0, 10) cd pane 1 early",
      "[0, 10) e pane 2",
      "[0, 10) f pane 3 late",
      "[0, 10) g pane 4 late",
      "m [10, 20) x pane 0 final",
    ],
  }));

// event time  0         10
//             ab c      |
Deno.test("a retracting pane takes back the one before it, and says everything", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 3]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    panes: "retracting",
    results: ["[0, 10) ab pane 0 early", "retract [0, 10) ab pane 0 early", "[0, 10) abc pane 1 final"],
  }));

// event time  0         10
//             ab        |
Deno.test("a retracting pane takes back the one before it, also where it says the same", () =>
  check({
    records: arrive(["a", 0], ["b", 1]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2), onTime: "always" }),
    panes: "retracting",
    results: ["[0, 10) ab pane 0 early", "retract [0, 10) ab pane 0 early", "[0, 10) ab pane 1 final"],
  }));

// event time  0         10        20
//             a  b c    | x       |              lateness 10
// watermark               12 when b and c come
Deno.test("what is taken back is what was said, with its pane and its timing", () =>
  check({
    records: arrive(["a", 0], ["x", 12, "m"], ["b", 3], ["c", 5]),
    assigner: Window.tumbling(10),
    panes: "retracting",
    lateness: 10,
    results: [
      "[0, 10) a pane 0",
      "retract [0, 10) a pane 0",
      "[0, 10) ab pane 1 late",
      "retract [0, 10) ab pane 1 late",
      "[0, 10) abc pane 2 late",
      "m [10, 20) x pane 0 final",
    ],
  }));

Deno.test("only rows of retracting panes say whether they are added or taken back", async () => {
  const setup = {
    records: arrive(["a", 0], ["b", 1]),
    assigner: Window.tumbling(10),
    trigger: Trigger.repeatedly(Trigger.afterCount(1)),
  };
  const row = { key: "k", window: { start: 0, end: 10 }, timing: "early", final: false };
  const a = { ...row, value: { values: ["a"], total: 1 }, pane: 0 };
  const ab = { ...row, value: { values: ["a", "b"], total: 2 }, pane: 1 };
  assert.deepEqual((await runWindow(setup)).results, [a, ab]);
  assert.deepEqual((await runWindow({ ...setup, panes: "retracting" })).results, [
    { ...a, change: "add" },
    { ...a, change: "retract" },
    { ...ab, change: "add" },
  ]);
});

Deno.test("discarding panes cannot promise a pane at the end: there may be nothing to say", () => {
  const flow = Flow.from(Source.array("readings", arrive(["a", 0]))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
  );
  assert.throws(
    () =>
      flow.pipe(Flow.window("window", {
        assigner: Window.tumbling(10),
        aggregate: names,
        trigger: Trigger.atWatermark({ onTime: "always" }),
        panes: "discarding",
        late: "drop",
      })),
    (error) => error instanceof RangeError && /onTime: "always"/.test(error.message),
  );
});

// ---------------------------------------------------------------------------------------------------------------------
// Sessions (gap 10 unless a record says otherwise)

// event time  0    5    10   15   20
//             a    b    |    |    |
// sessions    [---------)
//             [--------------)
Deno.test("an early pane of a session says how far it reaches by then", () =>
  check({
    records: arrive(["a", 0], ["b", 5]),
    assigner: Window.session({ gap: 10 }),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(1) }),
    results: ["[0, 10) a pane 0 early", "[0, 15) ab pane 1 early"],
  }));

// event time  0    5    10   15   20
//             a  b | c  | x  |    |
// sessions    [-----------)                      said with a and b
//             [----------------)                 after c
// The old span is taken back as c comes, before x.
Deno.test("a session that grows takes back at once what it has said of its old span", () =>
  check({
    records: arrive(["a", 0], ["b", 3], ["c", 7], ["x", 9, "m"], ["y", 9, "m"]),
    assigner: Window.session({ gap: 10 }),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    panes: "retracting",
    results: [
      "[0, 13) ab pane 0 early",
      "retract [0, 13) ab pane 0 early",
      "m [9, 19) xy pane 0 early",
      "[0, 17) abc pane 1 final",
    ],
  }));

// event time  0    5    10   15   20
//             a cb |    | x  |    |
// sessions    [-----------)                      c lies inside
Deno.test("a session that does not grow takes back what it has said only when it says something else", () =>
  check({
    records: arrive(["a", 0], ["b", 3], ["c", 2], ["x", 9, "m"], ["y", 9, "m"]),
    assigner: Window.session({ gap: 10 }),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    panes: "retracting",
    results: [
      "[0, 13) ab pane 0 early",
      "m [9, 19) xy pane 0 early",
      "retract [0, 13) ab pane 0 early",
      "[0, 13) abc pane 1 final",
    ],
  }));

// event time  0         10        20        30        40
//             a        c|       b |         |  d         lateness 30
// watermark                                    33 when c comes: both neighbours have fired
// after c     [--------[---------)--------)
Deno.test("a late record between two sessions that have fired takes back both, then speaks of all", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["d", 33, "m"], ["c", 9]),
    assigner: Window.session({ gap: 10 }),
    panes: "retracting",
    lateness: 30,
    results: [
      "[0, 10) a pane 0",
      "[18, 28) b pane 0",
      "retract [0, 10) a pane 0",
      "retract [18, 28) b pane 0",
      "[0, 28) abc pane 1 late",
      "m [33, 43) d pane 0 final",
    ],
  }));

// The same without taking anything back: what a session said that is now part of another stays as it was said.
Deno.test("sessions that become one leave what they have said where nothing is taken back", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["d", 33, "m"], ["c", 9]),
    assigner: Window.session({ gap: 10 }),
    lateness: 30,
    results: [
      "[0, 10) a pane 0",
      "[18, 28) b pane 0",
      "[0, 28) abc pane 1 late",
      "m [33, 43) d pane 0 final",
    ],
  }));

// The same with a pane of what is new: a and b have been said.
Deno.test("sessions that become one put together what they have not said yet", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["d", 33, "m"], ["e", 1], ["c", 9]),
    assigner: Window.session({ gap: 10 }),
    trigger: Trigger.atWatermark({ late: Trigger.afterCount(2) }),
    panes: "discarding",
    lateness: 30,
    results: [
      "[0, 10) a pane 0",
      "[18, 28) b pane 0",
      "[0, 28) ce pane 1 late",
      "m [33, 43) d pane 0 final",
    ],
  }));

// event time  0    5    10   15   20   25   30
//             a   b|    x    |    y    |    |          lateness 10
// watermark             10 when b comes: [0, 10) has fired, [0, 14) is not over; 20 after y
Deno.test("a session that a late record moves on is on time again at its new end", () =>
  check({
    records: arrive(["a", 0], ["x", 10, "m"], ["b", 4], ["y", 20, "m"]),
    assigner: Window.session({ gap: 10 }),
    panes: "retracting",
    lateness: 10,
    results: [
      "[0, 10) a pane 0",
      "retract [0, 10) a pane 0",
      "[0, 14) ab pane 1",
      "m [10, 30) xy pane 0 final",
    ],
  }));

// event time  0         10        20        30
//             a        c|       b |         |        bound 20; two records
// a and b wait alone, c makes them one session with three
Deno.test("sessions that become one count the records of both panes", () =>
  check({
    records: arrive(["a", 0], ["b", 18], ["c", 9]),
    bound: 20,
    assigner: Window.session({ gap: 10 }),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(3) }),
    results: ["[0, 28) abc pane 0 early"],
  }));

// event time  0         10        20        30
//             ab       d|       c |         |        bound 20; once
Deno.test("a session has fired once if a part of it has", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 18], ["d", 9], ["e", 10]),
    bound: 20,
    assigner: Window.session({ gap: 10 }),
    trigger: Trigger.once(Trigger.afterCount(2)),
    results: ["[0, 11) ab pane 0 early", "[0, 28) abcde pane 1 final"],
  }));

/** Long breaks after upper-case names, short ones after others. */
const gapOf = ({ name }: Reading): number => name === name.toUpperCase() ? 20 : 5;

// event time  0    5    10   15   20   25   30
//             A         b    |    | c  |    |
// sessions    [-------------------)              b ends at 15, A at 20
//                                   [----)
Deno.test("with a gap for each record a session ends when the gaps of all its records are over", () =>
  check({
    records: arrive(["A", 0], ["b", 10], ["c", 22]),
    assigner: Window.session({ gap: gapOf }),
    results: ["[0, 20) Ab pane 0 final", "[22, 27) c pane 0 final"],
  }));

// event time  0    5    10   15   20   25   30
//             |  cC|    |    |    |    |    x
// watermark                                 30 when c and C come: [3, 8) and [4, 24)
Deno.test("a late record of a session is named by its own gap", () =>
  check({
    records: arrive(["x", 30, "m"], ["c", 3], ["C", 4]),
    assigner: Window.session({ gap: gapOf }),
    lateness: 10,
    results: ["[4, 24) C pane 0 late", "m [30, 35) x pane 0 final"],
    late: ["c [3, 8) at 30"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// The window of everything

// event time  0         10        20  ...  1000
//             a   c     |   b     |        x
Deno.test("the window of everything is over when the input is, and nothing is late for it", () =>
  check({
    records: arrive(["a", 0], ["b", 13], ["x", 1_000, "m"], ["c", 4]),
    assigner: Window.global,
    results: ["all abc pane 0 final", "m all x pane 0 final"],
  }));

// event time  0         10        20
//             a   cd    |   b     |    e
Deno.test("the window of everything speaks early by a trigger", () =>
  check({
    records: arrive(["a", 0], ["b", 13], ["c", 4], ["d", 5], ["e", 25]),
    assigner: Window.global,
    trigger: Trigger.repeatedly(Trigger.afterCount(2)),
    results: ["all ab pane 0 early", "all abcd pane 1 early", "all abcde pane 2 final"],
  }));

// event time  0         10        20
//             a   b     |x        |y             every 10
Deno.test("the window of everything can speak by intervals of event time", () =>
  check({
    records: arrive(["a", 0], ["b", 4], ["x", 11, "m"], ["c", 6], ["y", 21, "m"]),
    assigner: Window.global,
    trigger: Trigger.atWatermark({ early: Trigger.afterEventTime(10) }),
    panes: "discarding",
    results: ["all ab pane 0 early", "all c pane 1 early", "m all xy pane 0 early"],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Windows of a number of records

// event time  0 1 2 3     9
//             a b c d     e                      two by two
Deno.test("windows of a number of records are full by count, and the last one says what it has", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 2], ["d", 3], ["e", 9]),
    assigner: Window.count(2),
    results: ["[0, 2) ab pane 0 final", "[2, 4) cd pane 0 final", "[9, 10) e pane 0 final"],
  }));

// event time  0 1     5     9
//             b d     c     a                    two by two
Deno.test("windows of a number of records follow the order of arrival, and no record is late for them", () =>
  check({
    records: arrive(["a", 9], ["b", 0], ["c", 5], ["d", 1]),
    assigner: Window.count(2),
    results: ["[0, 10) ab pane 0 final", "[1, 6) cd pane 0 final"],
  }));

// event time  0 1 2 3 4
//             a b c d e                          the last three, after every two
// windows     ----
//               ------
//                   ------                       not full when the input ends
Deno.test("sliding windows of a number of records look back, and the last one says what it has", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 2], ["d", 3], ["e", 4]),
    assigner: Window.count({ size: 3, slide: 2 }),
    results: ["[0, 2) ab pane 0 final", "[1, 4) bcd pane 0 final", "[3, 5) de pane 0 final"],
  }));

// event time  0 1 2 3
//             a b c d                            the last three, after every two
Deno.test("sliding windows of a number of records have said everything when the last record filled one", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 2], ["d", 3]),
    assigner: Window.count({ size: 3, slide: 2 }),
    results: ["[0, 2) ab pane 0 final", "[1, 4) bcd pane 0 final"],
  }));

// event time  0 1 2 3 4
// key k       a   c   e
// key m         b   d                            two by two
Deno.test("each key has a count of its own", () =>
  check({
    records: arrive(["a", 0], ["b", 1, "m"], ["c", 2], ["d", 3, "m"], ["e", 4]),
    assigner: Window.count(2),
    results: ["[0, 3) ac pane 0 final", "m [1, 4) bd pane 0 final", "[4, 5) e pane 0 final"],
  }));

Deno.test("windows of a number of records have no trigger, no lateness and no panes", () => {
  const flow = Flow.from(Source.array("readings", arrive(["a", 0]))).pipe(Flow.keyBy(({ key }) => key));
  const common = { assigner: Window.count(2), aggregate: names, late: "drop" } as const;
  const refused = (error: unknown): boolean => error instanceof RangeError && /"window"/.test(error.message);
  assert.throws(() => flow.pipe(Flow.window("window", { ...common, trigger: Trigger.atWatermark() })), refused);
  assert.throws(() => flow.pipe(Flow.window("window", { ...common, panes: "retracting" })), refused);
  assert.throws(() => flow.pipe(Flow.window("window", { ...common, allowedLateness: 5 })), refused);
  flow.pipe(Flow.window("window", common));
});

// ---------------------------------------------------------------------------------------------------------------------
// Without event time

/** Checks what a window says in a flow that has no event time, but for the times themselves. */
const checkUntimed = async (
  expected: {
    readonly records: ReadonlyArray<Reading>;
    readonly assigner: Window.GlobalAssigner | Window.CountAssigner;
    readonly trigger?: Trigger.Trigger<Trigger.FiresRepeatedly, Window.WithoutEventTime>;
    readonly panes?: Flow.Panes;
    readonly results: ReadonlyArray<string>;
  },
): Promise<void> => {
  const { records, assigner, trigger, panes } = expected;
  const texts = (results: ReadonlyArray<Said>) =>
    results.map((result) => writeResult({ ...result, window: Window.everything }));
  const answer = Oracle.aggregate({
    splits: [records],
    key: ({ key }: Reading) => key,
    assigner: oracleAssigner(assigner),
    ...(trigger === undefined ? {} : { trigger: oracleTrigger(trigger) }),
    ...(panes === undefined ? {} : { panes }),
    lateness: 0,
    summary: Oracle.collect(({ name }) => name, 100),
  });
  assertSameBag(expected.results, texts(answer.results), "what is written and what the oracle says");
  const out = Sink.memory<Said>("out");
  const flow = Flow.from(Source.array("readings", records)).pipe(
    Flow.keyBy(({ key }) => key),
    Flow.window("window", {
      assigner,
      aggregate: names,
      ...(trigger === undefined ? {} : { trigger }),
      ...(panes === undefined ? {} : { panes }),
      late: "drop",
    }),
    Flow.to(out),
  );
  const job = Job.make({ name: "untimed", guarantee: "exactly-once", flows: [flow] });
  const kv = memoryKv();
  kv.onCommit((commit) => commit % 3 === 1 ? "crash-after" : "ok");
  const { metrics, starts } = await runToEnd(job, { kv, keyedPartitions, batchRecordsMax: 1, epochRecordsMax: 1 });
  assert.ok(starts > 1, "it has crashed");
  assert.deepEqual(texts(out.values()), expected.results);
  assert.deepEqual(metrics.operators["window"], { ...answer.counters, lateDropped: 0 });
};

Deno.test("the window of everything needs no event time", () =>
  checkUntimed({
    records: arrive(["a", 9], ["x", 0, "m"], ["b", 3]),
    assigner: Window.global,
    results: ["all ab pane 0 final", "m all x pane 0 final"],
  }));

Deno.test("the window of everything can take back what it has said early, without event time", () =>
  checkUntimed({
    records: arrive(["a", 9], ["b", 3], ["c", 3]),
    assigner: Window.global,
    trigger: Trigger.repeatedly(Trigger.afterCount(2)),
    panes: "retracting",
    results: ["all ab pane 0 early", "retract all ab pane 0 early", "all abc pane 1 final"],
  }));

Deno.test("windows of a number of records need no event time", () =>
  checkUntimed({
    records: arrive(["a", 9], ["b", 3], ["x", 0, "m"], ["c", 3]),
    assigner: Window.count(2),
    results: ["all ab pane 0 final", "all c pane 0 final", "m all x pane 0 final"],
  }));

Deno.test("windows of a number of records are called by the time at which the records came, without event time", async () => {
  const before = Date.now();
  const out = Sink.memory<Said>("out");
  const flow = Flow.from(Source.array("readings", arrive(["a", 9], ["b", 3]))).pipe(
    Flow.keyBy(({ key }) => key),
    Flow.window("window", { assigner: Window.count(2), aggregate: names, late: "drop" }),
    Flow.to(out),
  );
  await run(Job.make({ name: "clock", guarantee: "exactly-once", flows: [flow] }));
  const [{ window: { start, end } }] = out.values();
  assert.ok(before <= start && start < end && end <= Date.now() + 1, `${before} <= ${start} < ${end}`);
});

// ---------------------------------------------------------------------------------------------------------------------
// Windows that a function gives

// event time  0         10        20
//             |   a     |   b     |     x
// windows     [---------)                        the tens
//             [-------------------)              the twenties: those of an odd ten end together with one
//                       [---------)
Deno.test("a record may be in several windows of a function, which speak by their ends and then by their age", () =>
  check({
    records: arrive(["a", 4], ["b", 13], ["x", 27, "m"], ["c", 14]),
    assigner: Window.custom({
      name: "tens and twenties",
      assign: (at) =>
        [10, 20].map((size) => ({ start: Math.floor(at / size) * size, end: Math.floor(at / size) * size + size })),
      overlapping: true,
    }),
    lateness: 10,
    panes: "retracting",
    results: [
      "[0, 10) a pane 0",
      "[0, 20) ab pane 0",
      "[10, 20) b pane 0",
      "retract [0, 20) ab pane 0",
      "[0, 20) abc pane 1 late",
      "retract [10, 20) b pane 0",
      "[10, 20) bc pane 1 late",
      "m [20, 30) x pane 0 final",
      "m [20, 40) x pane 0 final",
    ],
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Counters

// event time  0         10        20
//             ab c   de | x   z   |              lateness 5
// watermark               12 when d comes, 17 when e comes
Deno.test("a window counts what comes and what it says, by its timing", () =>
  check({
    records: arrive(["a", 0], ["b", 1], ["c", 3], ["x", 12, "m"], ["d", 8], ["z", 17, "m"], ["e", 9]),
    assigner: Window.tumbling(10),
    trigger: Trigger.atWatermark({ early: Trigger.afterCount(2) }),
    panes: "retracting",
    lateness: 5,
    results: [
      "[0, 10) ab pane 0 early",
      "retract [0, 10) ab pane 0 early",
      "[0, 10) abc pane 1",
      "retract [0, 10) abc pane 1",
      "[0, 10) abcd pane 2 late",
      "m [10, 20) xz pane 0 early",
    ],
    late: ["e [0, 10) at 17"],
    counters: { records: 7, early: 2, results: 1, corrections: 1, retractions: 2, late: 1, lateAdmitted: 1 },
  }));

// event time  0    5    10   15
//             |  b | x  |    |                   lateness 5
// windows   --)         |                        [-5, 5) is over but kept: it admits b
//             [---------)                        [0, 10) is not over
// watermark         7 when b comes
Deno.test("a record that a window admits after its end is counted once, whatever its other windows are", () =>
  check({
    records: arrive(["x", 7, "m"], ["b", 3]),
    assigner: Window.sliding({ size: 10, slide: 5 }),
    lateness: 5,
    results: [
      "[-5, 5) b pane 0 late",
      "m [0, 10) x pane 0 final",
      "[0, 10) b pane 0 final",
      "m [5, 15) x pane 0 final",
    ],
    counters: { records: 2, results: 3, corrections: 1, lateAdmitted: 1 },
  }));

// event time  0    5    10   15
//             |  b | x  |    |
// windows     [---------)                        b is late for [-5, 5), which is closed, and not for [0, 10)
// watermark         7 when b comes
Deno.test("a record that comes after the end of one of its windows only is not counted as admitted late", () =>
  check({
    records: arrive(["x", 7, "m"], ["b", 3]),
    assigner: Window.sliding({ size: 10, slide: 5 }),
    results: ["[0, 10) b pane 0 final", "m [0, 10) x pane 0 final", "m [5, 15) x pane 0 final"],
    counters: { records: 2, results: 3 },
  }));

// ---------------------------------------------------------------------------------------------------------------------
// What holds of all panes

const setups = fc.record({
  records: fc.array(fc.tuple(fc.integer({ min: -8, max: 12 }), fc.constantFrom("k", "m")), { maxLength: 30 }).map(
    (steps) => {
      let at = 0;
      return steps.map(([step, key], place) => ({ name: `${place},`, at: at += step, key }));
    },
  ),
  bound: fc.nat(10),
  assigner: fc.constantFrom<Window.Assigner<Reading>>(
    Window.tumbling(10),
    Window.session({ gap: 6 }),
    Window.session({ gap: ({ at }) => at % 2 === 0 ? 3 : 12 }),
    Window.global,
  ),
  condition: fc.constantFrom(
    Trigger.afterCount(1),
    Trigger.afterCount(3),
    Trigger.afterEventTime(4),
    Trigger.firstOf(Trigger.afterCount(3), Trigger.afterEventTime(7)),
    Trigger.allOf(Trigger.afterCount(2), Trigger.afterEventTime(3)),
  ),
  lateness: fc.constantFrom(0, 5, 40),
  kind: fc.constantFrom("early", "late", "once", "repeatedly"),
}).map((drawn) => drawn.assigner._tag === "Global" ? { ...drawn, lateness: 0 } : drawn);

/** The seed of every property. It is fixed, so that two runs of the tests do the same. */
const seed = Number(Deno.env.get("WEIR_SEED") ?? 20_260_101);

type Drawn = typeof setups extends fc.Arbitrary<infer A> ? A : never;

const triggerOf = ({ condition, kind }: Drawn): Trigger.Trigger => {
  switch (kind) {
    case "early":
      return Trigger.atWatermark({ early: condition });
    case "late":
      return Trigger.atWatermark({ early: Trigger.afterCount(4), late: condition });
    case "once":
      return Trigger.once(condition);
    default:
      return Trigger.repeatedly(condition);
  }
};

const namesIn = (results: ReadonlyArray<Said>): Array<string> =>
  results.flatMap(({ value }) => value.values).toSorted();

Deno.test("discarding panes share the records out: each is in one pane, or late", () =>
  fc.assert(
    fc.asyncProperty(setups, async (drawn) => {
      const { results, late } = await runWindow({ ...drawn, trigger: triggerOf(drawn), panes: "discarding" });
      const said = [...namesIn(results), ...late.map(({ value }) => value.name)];
      assert.deepEqual(said.toSorted(), drawn.records.map(({ name }) => name).toSorted());
    }),
    { numRuns: 100, seed },
  ));

Deno.test("what retracting panes have said and not taken back holds each record once, unless it is late", () =>
  fc.assert(
    fc.asyncProperty(setups, async (drawn) => {
      const { results, late } = await runWindow({ ...drawn, trigger: triggerOf(drawn), panes: "retracting" });
      const standing: Array<Said> = [];
      for (const result of results) {
        if (result.change === "add") {
          standing.push(result);
          continue;
        }
        const place = standing.findIndex((one) =>
          writeResult({ ...one, final: false, change: "retract" }) === writeResult(result)
        );
        assert.ok(place !== -1, `${writeResult(result)} was said`);
        assert.ok(!standing[place].final, `${writeResult(result)} was not final`);
        standing.splice(place, 1);
      }
      const said = [...namesIn(standing), ...late.map(({ value }) => value.name)];
      assert.deepEqual(said.toSorted(), drawn.records.map(({ name }) => name).toSorted());
    }),
    { numRuns: 100, seed },
  ));

Deno.test("panes of a window are numbered as they come, and nothing follows a final one", () =>
  fc.assert(
    fc.asyncProperty(setups, async (drawn) => {
      if (drawn.assigner._tag === "Session") return; // The windows of sessions change.
      const { results } = await runWindow({ ...drawn, trigger: triggerOf(drawn) });
      for (const ofWindow of Map.groupBy(results, ({ key, window }) => `${key} ${window.start}`).values()) {
        assert.deepEqual(ofWindow.map(({ pane }) => pane), [...ofWindow.keys()]);
        assert.ok(ofWindow.slice(0, -1).every(({ final }) => !final), "nothing follows a final pane");
        const order = ofWindow.map(({ timing }) => ["early", "on-time", "late"].indexOf(timing));
        assert.deepEqual(order, order.toSorted(), "early panes come first, late ones last");
      }
    }),
    { numRuns: 100, seed },
  ));

Deno.test("a window without lateness that is sure to speak on time ends with its one final pane", () =>
  fc.assert(
    fc.asyncProperty(setups, fc.constantFrom("accumulating" as const, "retracting" as const), async (drawn, panes) => {
      const trigger = Trigger.atWatermark({ early: drawn.condition, onTime: "always" });
      const assigner = drawn.assigner._tag === "Session" ? Window.tumbling(7) : drawn.assigner;
      const { results } = await runWindow({ ...drawn, assigner, trigger, panes, lateness: 0 });
      for (const ofWindow of Map.groupBy(results, ({ key, window }) => `${key} ${window.start}`).values()) {
        assert.deepEqual(ofWindow.map(({ final }) => final), ofWindow.map((_, place) => place === ofWindow.length - 1));
        assert.equal(ofWindow.at(-1)!.timing, "on-time");
      }
    }),
    { numRuns: 100, seed },
  ));

/** The same records, where those of key `m` take the watermark up step by step instead of at once. */
const inSteps = (records: ReadonlyArray<Reading>): Array<Reading> => {
  let greatest = -Infinity;
  return records.flatMap((record) => {
    const steps: Array<Reading> = [];
    if (record.key === "m" && greatest !== -Infinity) {
      for (let at = greatest + 1; at < record.at; at++) steps.push({ ...record, at });
    }
    greatest = Math.max(greatest, record.at);
    return [...steps, record];
  });
};

Deno.test("what a key says does not depend on whether the watermark jumps or comes in steps", () =>
  fc.assert(
    fc.asyncProperty(
      setups,
      fc.constantFrom("accumulating" as const, "discarding" as const, "retracting" as const),
      async (drawn, panes) => {
        const setup = { ...drawn, trigger: triggerOf(drawn), panes };
        const ofKey = async (records: ReadonlyArray<Reading>) =>
          (await runWindow({ ...setup, records })).results.filter(({ key }) => key === "k").map(writeResult);
        assert.deepEqual(await ofKey(inSteps(drawn.records)), await ofKey(drawn.records));
      },
    ),
    { numRuns: 100, seed },
  ));
