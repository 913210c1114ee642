/**
 * Windows of every kind, de-duplication, rankings, merges, branches and windows of windows, over bounded sources: what
 * these answer is known row by row.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { answer } from "../../../tests/plans/answer.ts";
import { long, plans, plansOnTheWall, small, withEffects } from "../../../tests/plans/arbitraries.ts";
import { compareCounters } from "../../../tests/plans/compare.ts";
import { jobOf } from "../../../tests/plans/flows.ts";
import type { Answer, Plan } from "../../../tests/plans/plan.ts";
import { writePlan } from "../../../tests/plans/write.ts";
import type { Drawn, Pipeline } from "../pipeline.ts";
import { sinkKinds, sinksOf, writeSinks } from "../sinks.ts";
import { rejectedRows, rejectedSink, type SourceKind, sourceKinds } from "../sources.ts";

/** A plan, with the kinds of its sources and sinks by number. */
interface Planned {
  readonly plan: Plan;
  readonly sources: ReadonlyArray<number>;
  readonly sinks: ReadonlyArray<number>;
}

/** How long an Effect waits at most, in virtual milliseconds. */
const effectMillisMax = 400;

const hazards = { millisMax: effectMillisMax, refuses: true };

const kindOf = ({ sources }: Planned, source: number): SourceKind =>
  sourceKinds[(sources[source % sources.length] ?? 0) % sourceKinds.length];

/** Splits that are paced may be idle in earnest, so none of them is told to be. */
const settled = (planned: Planned): Planned => ({
  ...planned,
  plan: {
    ...planned.plan,
    sources: planned.plan.sources.map((source) => ({ ...source, idles: false })),
  },
});

const itemsOf = (plan: Plan) => plan.sources.flatMap(({ splits }) => splits.flat());

const draw = (drawn: Planned): Drawn => {
  const planned = settled(drawn);
  const { plan, sinks } = planned;
  let known: Answer | null = null;
  const expected = (): Answer => known ??= withRejected(planned, answer(plan));
  return {
    write: (guarantee) =>
      [
        writePlan(plan),
        `sources: ${plan.sources.map((_, s) => kindOf(planned, s).name).join(", ")}`,
        writeSinks(guarantee, sinks),
      ].join("\n"),
    records: itemsOf(plan).length,
    // A split that is caught up with and has not ended holds the others back.
    inOrder: plan.sources.every((_, s) => !kindOf(planned, s).paced),
    inPasses: plan.sources.length === 1 && plan.sources[0].splits.length === 1,
    job: (outside, guarantee) => {
      const sinkOf = sinksOf(outside, guarantee, sinks);
      return jobOf(plan, {
        guarantee,
        from: (name, splits) => kindOf(planned, Number(name.split(" ")[1])).from(name, splits, outside, sinkOf),
        sinkOf,
      });
    },
    check: (outside, guarantee, { metrics }) => {
      const { rows, refused, ...others } = expected();
      assert.deepEqual(Array.from(outside.sinks.keys()).sort(), Object.keys(rows).sort(), "the sinks");
      const got: Record<string, ReadonlyArray<unknown>> = {};
      for (const [name, wanted] of Object.entries(rows)) {
        const sink = metrics.sinks.find(({ sink }) => sink === name);
        assert.equal(sink?.rows, wanted.length, `the count of rows of "${name}"`);
        if (guarantee !== "at-most-once") assert.equal(sink?.lostRows, 0, `lost rows of "${name}"`);
        const held = outside.sinks.get(name)!;
        held.check(wanted, guarantee, sink!.lostRows);
        got[name] = (guarantee === "at-most-once" ? null : held.rows()) ?? wanted;
      }
      compareCounters({ rows: got, metrics }, { rows, refused, ...others });
      const handled = Object.entries(metrics.operators).filter(([name]) => name.startsWith("onError#"));
      const count = handled.reduce((sum, [, { deadLetters, dropped }]) => sum + deadLetters + dropped, 0);
      assert.equal(count, refused, "the count of records that were refused");
    },
    cut: (countOf) =>
      draw({
        ...planned,
        plan: {
          ...plan,
          sources: plan.sources.map((source, s) => ({
            ...source,
            splits: source.splits.map((items, k) => {
              let left = countOf(`source ${s}`, k);
              const kind = kindOf(planned, s);
              return items.filter((item) => {
                const isRead = left > 0;
                left -= kind.countOf(item);
                return isRead;
              });
            }),
          })),
        },
      }),
  };
};

/** The answer, with what the sources could not decode. */
const withRejected = (planned: Planned, { rows, refused, ...others }: Answer): Answer => {
  const rejected = planned.plan.sources.flatMap(({ splits }, s) => {
    const kind = kindOf(planned, s);
    return !kind.rejects ? [] : [[rejectedSink(`source ${s}`), rejectedRows(kind, splits.flat())] as const];
  });
  const count = rejected.reduce((sum, [, rows]) => sum + rows.length, 0);
  return { rows: { ...rows, ...Object.fromEntries(rejected) }, refused: refused + count, ...others };
};

/** Has records come again, and out of their order, as from a sender that got no answer. */
const repeated = (plan: Plan, every: number): Plan => ({
  ...plan,
  sources: plan.sources.map((source) => ({
    ...source,
    splits: source.splits.map((items) =>
      items.flatMap((item, k) => (k % every === every - 1 ? [item, items[k - every + 1]] : [item]))
    ),
  })),
});

const planned = (of: fc.Arbitrary<Plan>, sources: ReadonlyArray<number>): fc.Arbitrary<Planned> =>
  fc.record({
    plan: of,
    sources: fc.array(fc.constantFrom(...sources), { minLength: 1, maxLength: 3 }),
    sinks: fc.array(fc.nat(sinkKinds.length * 2 - 1), { maxLength: 4 }),
  });

const anySource = Array.from(sourceKinds.keys());

/** Small plans. */
export const plannedPipeline: Pipeline<Planned> = {
  name: "planned",
  weight: 10,
  plans: planned(
    fc.oneof(
      { arbitrary: plans({ ...small, ...hazards }), weight: 4 },
      { arbitrary: plans({ ...withEffects("and flatMap"), ...hazards }), weight: 2 },
      { arbitrary: plans({ ...withEffects("and branches"), ...hazards }), weight: 2 },
      { arbitrary: plansOnTheWall, weight: 1 },
      {
        arbitrary: fc.tuple(plans({ ...small, ...hazards }), fc.integer({ min: 1, max: 3 })).map(([plan, every]) =>
          repeated(plan, every)
        ),
        weight: 2,
      },
    ),
    anySource,
  ),
  draw,
};

/** Plans of thousands of records. What is counted of a split must be its records alone, as turns are of so many. */
export const longPipeline: Pipeline<Planned> = {
  name: "long",
  weight: 0.3,
  plans: planned(plans(long), [0]),
  // A record each would make thousands of commits; and a turn of 1,024 records is no multiple of a batch.
  settingsMin: { batchRecordsMax: 100, epochRecordsMax: 400, epochMillis: 1_000 },
  draw,
};
