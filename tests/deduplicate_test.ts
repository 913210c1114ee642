/**
 * What de-duplication does, one rule a test.
 *
 * Records are drawn where they lie in event time and named in order of arrival: `b` comes after `a` wherever it lies. All
 * have one key unless said otherwise, and duplicates are at most 10 apart.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { TaskContext } from "../src/actors/task-context.ts";
import type { Delta } from "../src/kv-state/delta.ts";
import { DeduplicateOperator } from "../src/streams/operators/deduplicate.ts";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import { run, runToEnd } from "./support.ts";

const Event = Schema.Struct({ name: Schema.String, at: Schema.Number, key: Schema.String });
type Event = typeof Event.Type;

/** Records of key `k`: their names, timestamps and keys, in order of arrival. */
const arrive = (...records: ReadonlyArray<readonly [name: string, at: number, key?: string]>): Array<Event> =>
  records.map(([name, at, key = "k"]) => ({ name, at, key }));

interface Case {
  readonly records: ReadonlyArray<Event>;
  readonly keep: "first" | "last";
  readonly within?: number;
  readonly bound?: number;
}

const deduplicate = ({ keep, within = 10 }: Case, late: Sink.MemorySink<Window.Late<Event, string>>) =>
  keep === "first"
    ? Flow.deduplicate<Event, string, never, Sink.Transactional>("once", { within, late })
    : Flow.deduplicate<Event, string, never, Sink.Transactional>("once", { within, keep, schema: Event, late });

const flowOf = (plan: Case, late: Sink.MemorySink<Window.Late<Event, string>>) =>
  Flow.from(Source.array("events", plan.records)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(plan.bound ?? 0) }),
    Flow.keyBy(({ key }) => key),
    deduplicate(plan, late),
  );

const jobOf = (plan: Case) => {
  const out = Sink.memory<Event>("out");
  const late = Sink.memory<Window.Late<Event, string>>("late");
  const flow = flowOf(plan, late).pipe(Flow.to(out));
  return { job: Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }), out, late };
};

const writeLate = ({ value, window, watermark, delay }: Window.Late<Event, string>): string => {
  assert.equal(delay, watermark - value.at);
  return `${value.name} [${window.start}, ${window.end}) at ${watermark}`;
};

const check = async (
  plan: Case,
  expected: { readonly out: string; readonly duplicates: number; readonly late?: ReadonlyArray<string> },
): Promise<void> => {
  const { job, out, late } = jobOf(plan);
  const { metrics } = await run(job, { keyedPartitions: 1 });
  assert.equal(out.values().map(({ name }) => name).join(""), expected.out);
  assert.deepEqual(late.values().map(writeLate), expected.late ?? []);
  assert.deepEqual(metrics.operators["once"], {
    records: plan.records.length,
    results: expected.out.length,
    duplicates: expected.duplicates,
    late: expected.late?.length ?? 0,
    lateDropped: 0,
  });
};

// ---------------------------------------------------------------------------------------------------------------------
// The first goes on

// event time  0         10   15
//             a    b    c|d  |
// in reach    [---------]            of a
Deno.test("the first record goes on; those that are within reach of it do not", () =>
  check({ records: arrive(["a", 0], ["b", 5], ["c", 10], ["d", 11]), keep: "first" }, { out: "ad", duplicates: 2 }));

// event time  0         10        20
//             b         a         |
// in reach    [-------------------]  of a, on both sides
// watermark             5 when b comes
Deno.test("a duplicate may be earlier than what came first", () =>
  check({ records: arrive(["a", 10], ["b", 0]), bound: 5, keep: "first" }, { out: "a", duplicates: 1 }));

// event time  0         10        20        30
//             a    b    |    d    |         |
//                       |c        |         |      c is 11 away from a, d 4 away from c
Deno.test("a duplicate does not make duplicates: what goes on is what others are held against", () =>
  check(
    { records: arrive(["a", 0], ["b", 8], ["c", 11], ["d", 15]), keep: "first" },
    { out: "ac", duplicates: 2 },
  ));

// event time  0         10        20
//             a         c    b    |        b is a first of its own; c is in reach of both
Deno.test("a key may have several firsts that are not forgotten yet", () =>
  check(
    { records: arrive(["a", 0], ["b", 15], ["c", 10], ["d", -1]), bound: 100, keep: "first" },
    { out: "ab", duplicates: 2 },
  ));

Deno.test("other keys are other records", () =>
  check(
    { records: arrive(["a", 0], ["b", 0, "m"], ["c", 1], ["d", 1, "m"]), keep: "first" },
    { out: "ab", duplicates: 2 },
  ));

// event time  0         10        20
//             a    c    |    b    |
// watermark                  15 when c comes, which is 10 after 5
Deno.test("a record that the watermark has passed by that much can no longer be judged", () =>
  check(
    { records: arrive(["a", 0], ["b", 15], ["c", 5]), keep: "first" },
    { out: "ab", duplicates: 0, late: ["c [5, 15) at 15"] },
  ));

// event time  0         10        20
//             a     c   |   b     |
// watermark                 15 when c comes, which is 9 after 6: a is still remembered
Deno.test("a record that comes a millisecond before that is still held against all that it may repeat", () =>
  check({ records: arrive(["a", 0], ["b", 15], ["c", 6]), keep: "first" }, { out: "ab", duplicates: 1 }));

Deno.test("late records can be dropped, and are counted", async () => {
  const out = Sink.memory<Event>("out");
  const flow = Flow.from(Source.array("events", arrive(["a", 0], ["b", 100], ["c", 0]))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
    Flow.deduplicate("once", { within: 10, late: "drop" }),
    Flow.to(out),
  );
  const { metrics } = await run(Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] }));
  assert.equal(out.values().length, 2);
  assert.equal(metrics.operators["once"].lateDropped, 1);
});

// ---------------------------------------------------------------------------------------------------------------------
// The last goes on

// event time  0         10        20         31
//             a    b   c|         d          e
// in reach    [---------]            of a
// watermark             20 when c goes on: it has passed a by 10
Deno.test("the last of a group goes on when the watermark has passed its first", () =>
  check(
    { records: arrive(["a", 0], ["b", 5], ["c", 9], ["d", 20], ["e", 31]), keep: "last" },
    { out: "cde", duplicates: 2 },
  ));

// event time  0         10        20
//             a    c    b         |      the watermark is 100 behind
Deno.test("the last is the one with the latest event time, and of equals the one that came last", () =>
  check(
    { records: arrive(["a", 0], ["b", 10], ["c", 5], ["d", 10]), bound: 100, keep: "last" },
    { out: "d", duplicates: 3 },
  ));

// event time  0         10        20
// key k       a   c     |         |
// key m       |          b        |
// watermark              11 when c comes: a's group is over, though c itself is not too late
Deno.test("what belongs to a group that is over is late", () =>
  check(
    { records: arrive(["a", 0], ["b", 11, "m"], ["c", 4]), keep: "last" },
    { out: "ab", duplicates: 0, late: ["c [0, 10) at 11"] },
  ));

// event time  0         10   15   20
//             a         | c  b    |
// watermark                 15 when c comes: a's group is over, b's is not
Deno.test("what is in reach of two groups belongs to the one that is not over", () =>
  check(
    { records: arrive(["a", 0], ["b", 15], ["c", 10]), keep: "last" },
    { out: "ab", duplicates: 1 },
  ));

// ---------------------------------------------------------------------------------------------------------------------
// What it takes

Deno.test("a while that makes no sense is refused", () => {
  const keyed = Flow.from(Source.array("events", arrive(["a", 0]))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
  );
  assert.throws(() => keyed.pipe(Flow.deduplicate("once", { within: 0, late: "drop" })), {
    name: "RangeError",
    message:
      'Cannot deduplicate in "once" as within must be a whole number of milliseconds above 0: current value is 0',
  });
});

Deno.test("a name is for one operator, of whatever kind", () => {
  const keyed = Flow.from(Source.array("events", arrive(["a", 0]))).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ key }) => key),
  );
  const twice = keyed.pipe(
    Flow.deduplicate("once", { within: 10, late: "drop" }),
    Flow.window("once", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
    Flow.to(Sink.memory("out")),
  );
  assert.throws(() => Job.make({ name: "case", guarantee: "exactly-once", flows: [twice] }), {
    message:
      'Cannot make job "case" as two keyed operators must not have one name: current value is "once" of a keyed operator',
  });
});

// ---------------------------------------------------------------------------------------------------------------------
// Any records

/** What must come out, worked out from the definition: all that ever came is held against each record. */
const oracle = ({ records, keep, within = 10, bound = 0 }: Case) => {
  const out: Array<Event> = [];
  const late: Array<string> = [];
  const groups: Array<{ readonly key: string; readonly first: number; last: Event; isOver: boolean }> = [];
  let greatest = -Infinity;
  const reach = (watermark: number): void => {
    const over = groups.filter((group) => !group.isOver && group.first + within <= watermark);
    for (const group of over.toSorted((one, other) => one.first - other.first)) {
      group.isOver = true;
      if (keep === "last") out.push(group.last);
    }
  };
  for (const record of records) {
    const watermark = greatest - bound;
    reach(watermark);
    const { at, key } = record;
    const near = groups.filter((group) => group.key === key && Math.abs(group.first - at) <= within)
      .toSorted((one, other) => one.first - other.first);
    const open = near.find((group) => !group.isOver);
    if (at + within <= watermark) {
      late.push(`${record.name} [${at}, ${at + within}) at ${watermark}`);
    } else if (near.length === 0) {
      groups.push({ key, first: at, last: record, isOver: false });
      if (keep === "first") out.push(record);
    } else if (keep === "last" && open === undefined) {
      late.push(`${record.name} [${near[0].first}, ${near[0].first + within}) at ${watermark}`);
    } else if (keep === "last" && open !== undefined && at >= open.last.at) {
      open.last = record;
    }
    greatest = Math.max(greatest, at);
  }
  reach(Infinity);
  return { out, late };
};

const plans: fc.Arbitrary<Case> = fc.record({
  records: fc.array(
    fc.tuple(fc.integer({ min: -25, max: 25 }), fc.constantFrom("x", "y", "z")),
    { maxLength: 60, size: "max" },
  ).map((records) =>
    // Event time wanders forwards, by less than what a record may be off.
    records.map(([off, key], k) => ({ name: `#${k}`, at: 3 * k + off, key }))
  ),
  keep: fc.constantFrom("first", "last"),
  within: fc.integer({ min: 1, max: 20 }),
  bound: fc.integer({ min: 0, max: 30 }),
});

const settings = fc.record({
  epochRecordsMax: fc.constantFrom(1, 3, 10, 1_000),
  batchRecordsMax: fc.constantFrom(1, 2, 7, 1_024),
  keyedPartitions: fc.constantFrom(1, 3),
});

const faults = fc.array(
  fc.tuple(fc.nat(30), fc.constantFrom<CommitFate>("crash-before", "crash-after", "fail-before", "fail-after")),
  { minLength: 1, maxLength: 4 },
);

Deno.test("any records go on as the definition says, whatever crashes", async () => {
  await fc.assert(
    fc.asyncProperty(plans, settings, faults, async (plan, setting, faults) => {
      const { job, out, late } = jobOf(plan);
      const kv = memoryKv();
      const fates = new Map(faults);
      kv.onCommit((commit) => fates.get(commit) ?? "ok");
      const { metrics } = await runToEnd(job, { kv, ...setting });
      const expected = oracle(plan);
      const keyOf = (text: string): string => plan.records[Number(text.match(/^#(\d+)/)![1])].key;
      for (const key of ["x", "y", "z"]) {
        assert.deepEqual(
          out.values().filter((event) => event.key === key),
          expected.out.filter((event) => event.key === key),
        );
        assert.deepEqual(
          late.values().map(writeLate).filter((text) => keyOf(text) === key),
          expected.late.filter((text) => keyOf(text) === key),
        );
      }
      const { records, results, duplicates, late: lateCount } = metrics.operators["once"];
      assert.deepEqual({ records, results, lateCount }, {
        records: plan.records.length,
        results: expected.out.length,
        lateCount: expected.late.length,
      });
      assert.equal(results + duplicates + lateCount, records);
    }),
    { numRuns: 300 },
  );
});

/** A window behind a de-duplication: what it answers, and how many records were late for it. */
const runWindowBehind = async (
  plan: Case,
  allowedLateness: number,
  setting: Omit<Job.RunOptions, "kv">,
  faults: ReadonlyArray<readonly [number, CommitFate]>,
) => {
  const late = Sink.memory<Window.Late<Event, string>>("late");
  const out = Sink.memory<Window.WindowResult<string, Aggregate.Collected<string>>>("out");
  const flow = flowOf(plan, late).pipe(
    Flow.keyBy(() => "all"),
    Flow.window("behind", {
      assigner: Window.tumbling(7),
      aggregate: Aggregate.collect(({ name }) => name, Schema.String, { atMost: 100 }),
      allowedLateness,
      late: "drop",
    }),
    Flow.to(out),
  );
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const job = Job.make({ name: "case", guarantee: "exactly-once", flows: [flow] });
  const { metrics } = await runToEnd(job, { kv, ...setting });
  const rows = out.values().map(({ window, value, pane }) => [window, value.values.toSorted(), pane]);
  return { rows, late: metrics.operators["behind"].late };
};

Deno.test("a window behind the last of each group misses none of them if it allows for the wait", async () => {
  await fc.assert(
    fc.asyncProperty(plans, settings, faults, async (plan, setting, faults) => {
      const { late } = await runWindowBehind({ ...plan, keep: "last" }, plan.within!, setting, faults);
      assert.equal(late, 0);
    }),
    { numRuns: 200 },
  );
});

Deno.test("what a window behind it answers does not depend on batches, epochs, partitions or crashes", async () => {
  await fc.assert(
    fc.asyncProperty(plans, settings, faults, async (plan, setting, faults) => {
      const usual = { epochRecordsMax: 1_000, batchRecordsMax: 1_024, keyedPartitions: 1 };
      assert.deepEqual(await runWindowBehind(plan, 0, setting, faults), await runWindowBehind(plan, 0, usual, []));
    }),
    { numRuns: 200 },
  );
});

Deno.test("a key is forgotten when the watermark has passed its record by three times that long", () => {
  const within = 10;
  const nowhere = { record: () => {}, watermark: () => {}, letter: () => {} };
  for (const stored of [null, { encode: (value: unknown) => value, decode: (value: unknown) => value }]) {
    const context = new TaskContext("case", [{ source: "events", split: "0" }], 1);
    const operator = new DeduplicateOperator({ name: "once", within, stored, context, next: nowhere, late: null });
    /** The rows that the state holds, by namespace. */
    const state = new Map<number, number>();
    for (let at = 0; at < 1_000; at += 7) {
      operator.record("value", `key ${at}`, at, at - 3);
      const deltas: Array<Delta> = [];
      operator.takeDeltas(0, deltas);
      for (const { namespace, dropped, newKeys } of deltas) {
        if (dropped) state.delete(namespace);
        else state.set(namespace, (state.get(namespace) ?? 0) + newKeys.length);
      }
      const kept = [...state.values()].reduce((sum, rows) => sum + rows, 0);
      assert.ok(kept <= Math.ceil((3 * within + 3) / 7) + 1, `${kept} keys are remembered`);
    }
    operator.watermark(Infinity);
    const deltas: Array<Delta> = [];
    operator.takeDeltas(0, deltas);
    for (const { namespace, dropped } of deltas) if (dropped) state.delete(namespace);
    assert.equal(state.size, 0);
  }
});
