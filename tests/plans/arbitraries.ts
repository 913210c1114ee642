/** Drawing cases. */
import fc from "fast-check";
import type { CommitFate } from "../../src/testing/memory-kv.ts";
import * as Oracle from "../oracle.ts";
import {
  type AssignerPlan,
  type Item,
  otherStats,
  type Plan,
  type Setting,
  type StatName,
  type Step,
  usualStats,
  type WindowPlan,
} from "./plan.ts";

const items = (lengthMax: number): fc.Arbitrary<ReadonlyArray<Omit<Item, "id">>> =>
  fc.array(fc.tuple(fc.integer({ min: -12, max: 12 }), fc.nat(4), fc.integer({ min: -9, max: 9 })), {
    maxLength: lengthMax,
  })
    .map((steps) => {
      let at = 0;
      // Event time wanders forwards; now and then it jumps back further than any bound.
      return steps.map(([step, k, v]) => ({ at: at += step < -9 ? 4 * step : step + 2, k, v }));
    });

const oneForOneStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ step: fc.constant("map" as const), add: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ step: fc.constant("filter" as const), mod: fc.integer({ min: 2, max: 5 }) }),
);
const simpleStep: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: oneForOneStep, weight: 2 },
  {
    arbitrary: fc.record({ step: fc.constant("flatMap" as const), mod: fc.integer({ min: 2, max: 4 }) }),
    weight: 1,
  },
);
const effectStep = (millisMax: number): fc.Arbitrary<Step> =>
  fc.record({
    step: fc.constant("effect" as const),
    yields: fc.boolean(),
    concurrency: fc.constantFrom(1, 2, 16),
    ...(millisMax === 0 ? {} : { millis: fc.nat(millisMax) }),
  });
const refuseStep = (effects: boolean): fc.Arbitrary<Step> =>
  fc.record({
    step: fc.constant("refuse" as const),
    how: effects ? fc.constantFrom("throws" as const, "fails" as const) : fc.constant("throws" as const),
    mod: fc.integer({ min: 2, max: 5 }),
    // The sink's number is given later, so that no two are the same.
    dead: fc.constantFrom<"drop" | number>("drop", 0),
  });
const keyStep: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("keyBy" as const),
  mod: fc.integer({ min: 1, max: 5 }),
});
const branchStep = (step: fc.Arbitrary<Step>): fc.Arbitrary<Step> =>
  fc.record({
    step: fc.constant("branch" as const),
    mod: fc.integer({ min: 2, max: 3 }),
    some: fc.array(step, { maxLength: 2 }),
    rest: fc.array(step, { maxLength: 2 }),
  });

/** Stateless operators, some of which may wait for Effects, change the key or refuse records. */
const steps = (
  lengthMax: number,
  { effects, millisMax = 0 }: Pick<Shape, "effects" | "millisMax">,
  { keys, refuses }: { readonly keys: boolean; readonly refuses: boolean },
): fc.Arbitrary<ReadonlyArray<Step>> => {
  const simple = effects === "and branches" ? oneForOneStep : simpleStep;
  const effect = effectStep(millisMax);
  const kinds = [{ arbitrary: simple, weight: 3 }];
  if (refuses) kinds.push({ arbitrary: refuseStep(effects !== "none"), weight: 1 });
  if (keys) kinds.push({ arbitrary: keyStep, weight: 1 });
  if (effects !== "none") kinds.push({ arbitrary: effect, weight: 1 });
  if (effects === "none") kinds.push({ arbitrary: branchStep(simple), weight: 1 });
  if (effects === "and branches") kinds.push({ arbitrary: branchStep(fc.oneof(simple, effect)), weight: 1 });
  return fc.array(fc.oneof(...kinds), { maxLength: lengthMax });
};

const alignedAssigners: fc.Arbitrary<AssignerPlan> = fc.tuple(
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 0, max: 20 }),
  fc.boolean(),
).map(([one, other, offset, tumbles]) => {
  const slide = tumbles ? one : Math.min(one, other);
  return { kind: "sliding", size: tumbles ? one : Math.max(one, other), slide, offset: offset % slide };
});

const sessions: fc.Arbitrary<AssignerPlan> = fc.record({
  kind: fc.constant("session" as const),
  gaps: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
});

/** Sessions of anything: their gap does not look at the record. */
const sessionsOfOneGap: fc.Arbitrary<AssignerPlan> = fc.integer({ min: 1, max: 12 }).map((gap) => ({
  kind: "session",
  gaps: [gap],
}));

const spans: fc.Arbitrary<AssignerPlan> = fc.record({
  kind: fc.constant("spans" as const),
  sizes: fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 }),
});

export const counts: fc.Arbitrary<AssignerPlan> = fc.tuple(
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 5 }),
)
  .map(([one, other]) => ({ kind: "count", size: Math.max(one, other), slide: Math.min(one, other) }));

const assigners: fc.Arbitrary<AssignerPlan> = fc.oneof(
  { arbitrary: alignedAssigners, weight: 4 },
  { arbitrary: sessions, weight: 4 },
  { arbitrary: spans, weight: 2 },
  { arbitrary: fc.constant<AssignerPlan>({ kind: "global" }), weight: 1 },
  { arbitrary: counts, weight: 1 },
);

/** What may be met after so many records or so much event time. */
const conditions = (countMax: number, intervalMax: number): fc.Arbitrary<Oracle.Condition> => {
  const simple = fc.oneof(
    fc.integer({ min: 1, max: countMax }).map(Oracle.afterCount),
    fc.integer({ min: 1, max: intervalMax }).map(Oracle.afterEventTime),
  );
  const composed = (of: fc.Arbitrary<Oracle.Condition>): fc.Arbitrary<Oracle.Condition> =>
    fc.record({
      kind: fc.constantFrom("firstOf" as const, "allOf" as const),
      conditions: fc.array(of, { minLength: 1, maxLength: 3 }),
    });
  return fc.oneof(
    { arbitrary: simple, weight: 4 },
    { arbitrary: composed(simple), weight: 2 },
    { arbitrary: composed(fc.oneof(simple, composed(simple))), weight: 1 },
  );
};

export const triggers = (condition: fc.Arbitrary<Oracle.Condition>): fc.Arbitrary<Oracle.Trigger> =>
  fc.oneof(
    { withCrossShrink: true },
    { arbitrary: fc.constant(Oracle.atEnd), weight: 4 },
    {
      arbitrary: fc.record({
        kind: fc.constant("atWatermark" as const),
        early: fc.option(condition, { freq: 3 }),
        late: fc.oneof({ withCrossShrink: true }, fc.constant(Oracle.afterCount(1)), condition),
        onTime: fc.constantFrom("when-changed" as const, "always" as const),
      }),
      weight: 5,
    },
    { arbitrary: condition.map(Oracle.once), weight: 1 },
    { arbitrary: condition.map(Oracle.repeatedly), weight: 2 },
  );

const stats = fc.subarray([...otherStats]);

const panes = fc.constantFrom<Oracle.Panes>("accumulating", "discarding", "retracting");

const lateness = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 }), fc.constant(1_000));

/** De-duplication before a window. Most windows have none, as it leaves them fewer records. */
const once: fc.Arbitrary<NonNullable<WindowPlan["once"]>> = fc.record({
  keep: fc.constantFrom("first" as const, "last" as const),
  within: fc.integer({ min: 1, max: 20 }),
  late: fc.constantFrom("drop" as const, "sink" as const),
});

const ranking: fc.Arbitrary<NonNullable<Plan["ranking"]>> = fc.record({
  keys: fc.integer({ min: 1, max: 3 }),
  ids: fc.integer({ min: 1, max: 6 }),
  n: fc.integer({ min: 1, max: 4 }),
  spare: fc.constantFrom(Infinity, 0, 1, 2),
}).map(({ spare, ...ranking }) => ({ ...ranking, entriesMax: ranking.n + spare }));

export interface Shape {
  readonly sourcesMax: number;
  readonly splitsMax: number;
  readonly records: fc.Arbitrary<ReadonlyArray<Omit<Item, "id">>>;
  readonly assigners: fc.Arbitrary<AssignerPlan>;
  readonly triggers: fc.Arbitrary<Oracle.Trigger>;
  readonly windowsMax: number;
  /**
   * Whether there are Effects on the way, and what else: the records that one record is made into come in no certain order
   * when some of them wait for an Effect that others do not, so it is either of the two.
   */
  readonly effects: "none" | "and flatMap" | "and branches";
  /** How long an Effect may wait, in milliseconds. Default: no time. */
  readonly millisMax?: number;
  /** Whether records are refused on the way. Default: false. */
  readonly refuses?: boolean;
}

/** Gives every step that refuses records to a sink a number of its own. */
const numberRefusals = (plan: Plan): Plan => {
  let number = 0;
  const numbered = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> =>
    steps.map((step) => {
      if (step.step === "branch") return { ...step, some: numbered(step.some), rest: numbered(step.rest) };
      return step.step === "refuse" && step.dead !== "drop" ? { ...step, dead: number++ } : step;
    });
  return {
    ...plan,
    sources: plan.sources.map((source) => ({ ...source, before: numbered(source.before) })),
    steps: numbered(plan.steps),
  };
};

/** What is not allowed together is left out. */
const allowed = (window: WindowPlan): WindowPlan => {
  const { assigner, trigger, panes, preAggregate } = window;
  if (assigner.kind === "count") {
    return { ...window, trigger: Oracle.atEnd, panes: "accumulating", lateness: 0, preAggregate: false };
  }
  if (preAggregate && assigner.kind === "sliding") return { ...window, trigger: Oracle.atEnd, panes: "accumulating" };
  const unfolded = { ...window, lateness: assigner.kind === "global" ? 0 : window.lateness, preAggregate: false };
  return panes === "discarding" && trigger.kind === "atWatermark"
    ? { ...unfolded, trigger: { ...trigger, onTime: "when-changed" } }
    : unfolded;
};

export const plans = (
  { sourcesMax, splitsMax, records, assigners, triggers, windowsMax, effects, millisMax = 0, refuses = false }: Shape,
): fc.Arbitrary<Plan> => {
  const kinds = { effects, millisMax };
  return fc.record({
    sources: fc.array(
      fc.record({
        splits: fc.array(records, { minLength: 1, maxLength: splitsMax }),
        before: steps(2, kinds, { keys: false, refuses }),
        bound: fc.integer({ min: 0, max: 15 }),
        idles: fc.boolean(),
      }),
      { minLength: 1, maxLength: sourcesMax },
    ),
    joined: fc.constantFrom("before" as const, "after" as const),
    steps: steps(2, kinds, { keys: true, refuses }),
    windows: fc.array(
      fc.record({
        steps: steps(2, kinds, { keys: true, refuses: false }),
        keys: fc.integer({ min: 1, max: 5 }),
        keyed: steps(2, kinds, { keys: false, refuses: false }),
        once: fc.oneof({ arbitrary: fc.constant(null), weight: 2 }, { arbitrary: once, weight: 1 }),
        assigner: assigners,
        stats: stats.map((others): ReadonlyArray<StatName> => [...usualStats, ...others]),
        trigger: triggers,
        panes,
        lateness,
        late: fc.constantFrom("drop" as const, "sink" as const),
        preAggregate: fc.integer({ min: 0, max: 3 }).map((one) => one === 3),
      }).map(allowed),
      { minLength: 1, maxLength: windowsMax },
    ),
    second: fc.option(
      fc.record({
        keys: fc.integer({ min: 1, max: 3 }),
        assigner: fc.oneof(alignedAssigners, sessionsOfOneGap),
        lateness: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })),
        effect: fc.constant(effects !== "none"),
      }),
    ),
    third: fc.option(fc.integer({ min: 1, max: 30 })),
    ranking: fc.option(ranking, { freq: 1 }),
    copy: fc.boolean(),
  }).map((plan) => {
    let id = 0;
    const sources = plan.sources.map((source) => ({
      ...source,
      splits: source.splits.map((records) => records.map((record) => ({ id: id++, ...record }))),
    }));
    return numberRefusals({ ...plan, sources });
  });
};

/** Up to nine splits of up to twelve records: every rule of time, in cases small enough to be read. */
export const small: Shape = {
  sourcesMax: 3,
  splitsMax: 3,
  records: items(12),
  assigners,
  triggers: triggers(conditions(4, 25)),
  windowsMax: 3,
  effects: "none",
};

/** The same with Effects anywhere on the way. */
export const withEffects = (effects: Shape["effects"]): Shape => ({ ...small, effects });

/** Splits of several turns, so that the reader goes from one to another and comes back. */
export const long: Shape = {
  sourcesMax: 2,
  splitsMax: 2,
  records: fc.record({
    length: fc.constantFrom(1_000, 1_024, 1_025, 2_048, 2_500),
    gap: fc.integer({ min: 1, max: 3 }),
    jitter: fc.integer({ min: 0, max: 60 }),
    salt: fc.integer({ min: 1, max: 1_000 }),
  }).map(({ length, gap, jitter, salt }) =>
    Array.from({ length }, (_, i) => {
      const scattered = (i * 7_919 * salt) % 104_729;
      return { at: i * gap - scattered % (jitter + 1), k: scattered % 5, v: scattered % 19 - 9 };
    })
  ),
  assigners: fc.constantFrom<AssignerPlan>(
    { kind: "sliding", size: 100, slide: 100, offset: 0 },
    { kind: "sliding", size: 333, slide: 333, offset: 5 },
    { kind: "sliding", size: 300, slide: 200, offset: 7 },
    { kind: "sliding", size: 250, slide: 100, offset: 0 },
    { kind: "session", gaps: [4] },
    { kind: "session", gaps: [9, 2] },
    { kind: "spans", sizes: [90, 400] },
    { kind: "global" },
    { kind: "count", size: 100, slide: 30 },
  ),
  triggers: triggers(conditions(200, 500)),
  windowsMax: 1,
  effects: "none",
};

const calendars: fc.Arbitrary<AssignerPlan> = fc.record({
  kind: fc.constant("calendar" as const),
  unit: fc.constantFrom("day" as const, "week" as const, "month" as const),
  timeZone: fc.constantFrom<Oracle.TimeZone>(...Object.keys(Oracle.clockChanges) as ReadonlyArray<Oracle.TimeZone>),
});

const hour = 3_600_000;

/** Small cases around an instant at which clocks change, with hours for milliseconds. */
export const plansOnTheWall: fc.Arbitrary<Plan> = plans({
  ...small,
  assigners: fc.oneof({ arbitrary: calendars, weight: 4 }, { arbitrary: assigners, weight: 1 }),
}).map((plan) => {
  const zones = plan.windows.flatMap(({ assigner }) => assigner.kind === "calendar" ? [assigner.timeZone] : []);
  const timeZone = zones[0] ?? "Europe/Berlin";
  return inHours(plan, timeZone);
});

/** The same with an hour for every millisecond, from an instant at which the clocks of a zone change. */
const inHours = (plan: Plan, timeZone: Oracle.TimeZone): Plan => ({
  ...plan,
  sources: plan.sources.map((source) => ({
    ...source,
    splits: source.splits.map((records) =>
      records.map((record) => ({ ...record, at: Oracle.clockChanges[timeZone] + hour * record.at }))
    ),
    bound: hour * source.bound,
  })),
  windows: plan.windows.map((window) => ({
    ...window,
    assigner: assignerInHours(window.assigner, timeZone),
    trigger: triggerInHours(window.trigger),
    lateness: hour * window.lateness,
    once: window.once === null ? null : { ...window.once, within: hour * window.once.within },
  })),
  second: plan.second === null ? null : {
    ...plan.second,
    assigner: assignerInHours(plan.second.assigner, timeZone),
    lateness: hour * plan.second.lateness,
  },
  third: plan.third === null ? null : hour * plan.third,
});

const assignerInHours = (assigner: AssignerPlan, timeZone: Oracle.TimeZone): AssignerPlan => {
  switch (assigner.kind) {
    case "sliding": {
      const { kind, size, slide, offset } = assigner;
      return { kind, size: hour * size, slide: hour * slide, offset: hour * offset };
    }
    case "session":
      return { ...assigner, gaps: assigner.gaps.map((gap) => hour * gap) };
    case "spans":
      return { ...assigner, sizes: assigner.sizes.map((size) => hour * size) };
    case "calendar":
      return { ...assigner, timeZone };
    default:
      return assigner;
  }
};

const conditionInHours = (condition: Oracle.Condition): Oracle.Condition => {
  switch (condition.kind) {
    case "afterCount":
      return condition;
    case "afterEventTime":
      return Oracle.afterEventTime(hour * condition.interval);
    default:
      return { ...condition, conditions: condition.conditions.map(conditionInHours) };
  }
};

const triggerInHours = (trigger: Oracle.Trigger): Oracle.Trigger => {
  if (trigger.kind !== "atWatermark") return { ...trigger, condition: conditionInHours(trigger.condition) };
  const { early, late } = trigger;
  return { ...trigger, early: early === null ? null : conditionInHours(early), late: conditionInHours(late) };
};

export const settings: fc.Arbitrary<Setting> = fc.record({
  batchRecordsMax: fc.constantFrom(1, 2, 7, 1_024),
  queueRecordsMax: fc.constantFrom(1, 3, 8_192),
  keyedPartitions: fc.constantFrom(1, 3, 32),
  epochRecordsMax: fc.constantFrom(1, 5, 20, 1_000_000),
  faults: fc.array(
    fc.tuple(
      // Most jobs make few commits, and the first ones are of kinds of their own: claims and clean-ups.
      fc.oneof(fc.nat(9), fc.nat(60)),
      fc.constantFrom<CommitFate>("crash-before", "crash-after", "fail-before", "fail-after"),
    ),
    { minLength: 1, maxLength: 4 },
  ),
});
