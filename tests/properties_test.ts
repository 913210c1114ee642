/**
 * Random pipelines over random disorder, with crashes at random commits, against the oracle.
 *
 * A case is plain data. It is built twice, as flows for the engine and as ticks for the oracle, and both must say the same:
 * see `plans/`.
 *
 * `WEIR_SEED` tries other cases than the usual ones.
 */
import assert from "node:assert/strict";
import { Effect } from "effect";
import fc from "fast-check";
import { Flow, Job, Sink, Source, type Trigger, type Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import * as Oracle from "./oracle.ts";
import { answer, applySteps, oracleAssignerOf, rowsOf } from "./plans/answer.ts";
import { counts, long, plans, plansOnTheWall, settings, small, triggers, withEffects } from "./plans/arbitraries.ts";
import { compare, compareCounters, rounded, snap } from "./plans/compare.ts";
import { assignerOf, runPlan, statsOf, triggerOf, withSteps } from "./plans/flows.ts";
import type { AssignerPlan, Item, Plan, Setting } from "./plans/plan.ts";
import { writePlan, writeSetting } from "./plans/write.ts";
import { assertSameBag, canonical, runToEnd } from "./support.ts";

/** The seed of every property. It is fixed, so that two runs of the tests do the same. */
const seed = Number(Deno.env.get("WEIR_SEED") ?? 20_260_101);

/** Checks a property of many plans and settings, and writes down the smallest that breaks it. */
const forAll = async (
  plans: fc.Arbitrary<Plan>,
  numRuns: number,
  property: (plan: Plan, setting: Setting) => Promise<void>,
): Promise<void> => {
  const details = await fc.check(fc.asyncProperty(plans, settings, property), { numRuns, seed });
  if (!details.failed) return;
  const [plan, setting] = details.counterexample!;
  const cause = details.errorInstance;
  throw new Error(
    [
      `Found a counterexample (WEIR_SEED=${details.seed}, path ${details.counterexamplePath}, ${details.numShrinks} shrinks):`,
      writePlan(plan),
      writeSetting(setting),
      cause instanceof Error ? cause.message : String(cause),
    ].join("\n"),
    { cause },
  );
};

// ---------------------------------------------------------------------------------------------------------------------
// Properties

/** Checks a run without faults against the oracle, and a run with faults against that one. */
const withAndWithoutFaults = async (plan: Plan, setting: Setting): Promise<void> => {
  const expected = answer(plan);
  const calm = await runPlan(plan, { ...setting, faults: [] });
  compare(calm, expected);
  compareCounters(calm, expected);
  const stormy = await runPlan(plan, setting);
  compare(stormy, expected);
  compareCounters(stormy, expected);
  for (const [name, rows] of Object.entries(calm.rows)) {
    assert.deepEqual(stormy.rows[name], rows, `the sequence of rows of "${name}" with and without faults`);
  }
};

Deno.test("any pipeline over any disorder answers what the oracle says, whatever crashes", () =>
  forAll(plans(small), 1_300, withAndWithoutFaults));

Deno.test("a pipeline over the days of a time zone whose clocks change answers what the oracle says, whatever crashes", () =>
  forAll(plansOnTheWall, 300, withAndWithoutFaults));

Deno.test("a pipeline that waits for Effects answers what the oracle says, whatever crashes", () =>
  forAll(plans(withEffects("and flatMap")), 300, withAndWithoutFaults));

Deno.test("arms of which some wait for Effects are joined in the order of the records, whatever crashes", () =>
  forAll(plans(withEffects("and branches")), 300, withAndWithoutFaults));

Deno.test("long splits are read in turns, and a crash in the middle of a turn goes on with it", () =>
  forAll(plans(long), 36, (plan, setting) =>
    // An epoch and a batch of one record each would make thousands of commits.
    withAndWithoutFaults(plan, {
      ...setting,
      batchRecordsMax: Math.max(7, setting.batchRecordsMax),
      epochRecordsMax: Math.max(200, setting.epochRecordsMax * 20),
    })));

Deno.test("batches, queues and epochs change nothing; neither do partitions but for the order of keys", () =>
  forAll(plans(small), 250, async (plan, setting) => {
    const { keyedPartitions } = setting;
    const one = await runPlan(plan, { ...setting, faults: [] });
    const other = await runPlan(plan, {
      batchRecordsMax: 1_024,
      queueRecordsMax: 8_192,
      keyedPartitions: keyedPartitions === 3 ? 32 : 3,
      epochRecordsMax: 1_000_000,
      faults: [],
    });
    for (const [name, rows] of Object.entries(one.rows)) {
      assertSameBag(snap(rows, other.rows[name], rounded), other.rows[name], `the rows of "${name}"`);
    }
    assert.deepEqual(one.metrics.operators, other.metrics.operators);
  }));

/** Runs a plan's records without event time, each window to a sink. */
const runUntimed = async (plan: Plan, { faults, ...options }: Setting) => {
  const joined = plan.sources
    .map(({ splits, before }, s) =>
      withSteps<Flow.NotKeyed, Flow.NoEventTime>(
        Flow.from(Source.array<Item>(`source ${s}`, Object.fromEntries(splits.map((all, k) => [`split ${k}`, all])))),
        before,
      )
    )
    .reduce((a, b) => a.pipe(Flow.merge(b)));
  const windows = plan.windows.map(({ keys, assigner, trigger, panes }, w) => {
    const sink = Sink.memory<Window.WindowResult<number, unknown>>(`results ${w}`);
    const flow = joined.pipe(
      Flow.keyBy(({ k }) => k % keys),
      Flow.window(`window ${w}`, {
        assigner: assignerOf(assigner) as Window.GlobalAssigner | Window.CountAssigner,
        aggregate: { count: statsOf.count, sum: statsOf.sum, some: statsOf.some },
        ...(assigner.kind === "count" ? {} : {
          trigger: triggerOf(trigger) as Trigger.Trigger<Trigger.FiresRepeatedly, Window.WithoutEventTime>,
          panes,
        }),
        late: "drop",
      }),
      Flow.to(sink),
    );
    return { sink, flow };
  });
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const job = Job.make({ name: "untimed", guarantee: "exactly-once", flows: windows.map(({ flow }) => flow) });
  await runToEnd(job, { kv, ...options });
  return windows.map(({ sink }) => sink.values());
};

const answerUntimed = (plan: Plan) => {
  const splits = plan.sources.flatMap(({ splits, before }) => splits.map((records) => ({ before, records })));
  const reading = Oracle.readingOrder(splits.map(({ records }) => records), () => [], splits.map(() => []));
  const raw = Oracle.records(reading).flatMap((record) =>
    applySteps(record.value, splits[record.split].before).map((value) => ({ ...record, value }))
  );
  return plan.windows.map(({ keys, assigner, trigger, panes }) =>
    rowsOf(
      Oracle.window(Oracle.untimed(raw, reading), {
        key: ({ k }) => k % keys,
        assigner: oracleAssignerOf(assigner),
        trigger,
        panes,
        lateness: 0,
        summary: Oracle.struct({
          count: Oracle.count(),
          sum: Oracle.sum(({ v }) => v),
          some: Oracle.collect(({ id }) => id, 3),
        }),
      }).results,
    )
  );
};

const afterCounts = fc.integer({ min: 1, max: 4 }).map(Oracle.afterCount);

Deno.test("windows that need no event time answer what the oracle says without it, whatever crashes", () =>
  forAll(
    plans({
      ...small,
      assigners: fc.oneof(counts, fc.constant<AssignerPlan>({ kind: "global" })),
      triggers: triggers(afterCounts),
    }),
    200,
    async (plan, setting) => {
      // A window of records is called by the time at which these came, which nobody foresees.
      const ofKeys = (rows: ReadonlyArray<Window.WindowResult<number, unknown>>) =>
        Object.fromEntries(
          [...Map.groupBy(rows, ({ key }) => key)].map((
            [key, rows],
          ) => [key, rows.map(({ window: _, ...row }) => row)]),
        );
      const got = await runUntimed(plan, setting);
      answerUntimed(plan).forEach((rows, w) => assert.deepEqual(ofKeys(got[w]), ofKeys(rows), `window ${w}`));
    },
  ));

/** Where rows show at once and for ever, and so may repeat. */
const appending = (name: string) => {
  const rows: Array<unknown> = [];
  const sink = Sink.appendOnly(name, {
    encode: (row: unknown) => row,
    byteLength: () => 1,
    open: () =>
      Effect.succeed({
        marker: null,
        publish: (publication) => Effect.sync(() => void rows.push(...publication.rows)),
      }),
  });
  return { sink, rows };
};

/** How often each value is in a list. */
const tally = (rows: ReadonlyArray<unknown>): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(canonical(row), (counts.get(canonical(row)) ?? 0) + 1);
  return counts;
};

/** Runs a plan's first source, its records numbered, to one sink of each kind, and gives back what they hold. */
const copyTo = async (plan: Plan, { faults, ...options }: Setting, guarantee: "at-least-once" | "at-most-once") => {
  const { splits } = plan.sources[0];
  const flow = Flow.from(Source.array<Item>("source", Object.fromEntries(splits.map((all, k) => [`split ${k}`, all]))));
  const memory = Sink.memory<Item>("memory");
  const appended = appending("appended");
  const job = Job.make({
    name: "copy",
    guarantee,
    flows: [flow.pipe(Flow.to(memory)), flow.pipe(Flow.to(appended.sink))],
  });
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const { metrics } = await runToEnd(job, { kv, ...options });
  const lost = (sink: string): number => metrics.sinks.find((one) => one.sink === sink)!.lostRows;
  return { expected: splits.flat(), memory: memory.values(), appended: appended.rows, lost };
};

Deno.test("at least once: no row is lost, and only a sink that cannot tell holds one twice", () =>
  forAll(plans(small), 300, async (plan, setting) => {
    const { expected, memory, appended, lost } = await copyTo(plan, setting, "at-least-once");
    assertSameBag(memory, expected, "the rows of the transactional sink");
    const held = tally(appended);
    for (const item of expected) assert.ok(held.has(canonical(item)), `#${item.id} is not lost`);
    assert.equal(held.size, expected.length, "nothing is made up");
    assert.deepEqual([lost("memory"), lost("appended")], [0, 0]);
    const calm = await copyTo(plan, { ...setting, faults: [] }, "at-least-once");
    assertSameBag(calm.appended, expected, "without faults, the rows of the sink that cannot tell");
  }));

Deno.test("at most once: no row is there twice, and those that are missing are counted", () =>
  forAll(plans(small), 300, async (plan, setting) => {
    const { expected, memory, appended, lost } = await copyTo(plan, setting, "at-most-once");
    for (const [name, rows] of [["memory", memory], ["appended", appended]] as const) {
      const held = tally(rows);
      for (const [text, times] of held) assert.equal(times, 1, `${text} is there once in ${name}`);
      for (const row of rows) assert.ok(expected.some(({ id }) => id === (row as Item).id), `${name} makes nothing up`);
      // A crash between writing rows and recording that they are written counts them as lost though they are there.
      assert.ok(
        expected.length - rows.length <= lost(name),
        `${expected.length - rows.length} rows are missing in ${name}, ${lost(name)} are counted`,
      );
    }
    const calm = await copyTo(plan, { ...setting, faults: [] }, "at-most-once");
    assertSameBag(calm.appended, expected, "without faults, the rows");
    assert.equal(calm.lost("appended"), 0);
  }));
