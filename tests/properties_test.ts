/**
 * Random pipelines over random disorder, with crashes at random commits, against the oracle.
 *
 * A case is plain data: what the records are, which operators stand where, and how the job is run. It is built twice,
 * as flows for the engine and as ticks for the oracle, and both must say the same. What a case may vary without changing
 * the answer (batches, queues, partitions, epochs, crashes) is its *setting*.
 *
 * `WEIR_SEED` tries other cases than the usual ones.
 */
import assert from "node:assert/strict";
import { Effect, Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import * as Oracle from "./oracle.ts";
import { assertSameBag, canonical, runToEnd } from "./support.ts";

// ---------------------------------------------------------------------------------------------------------------------
// Cases as data

/** A record. */
interface Item {
  readonly id: number;
  readonly at: number;
  /** What it is keyed by, after a modulus. */
  readonly k: number;
  readonly v: number;
}

/** A stateless operator. */
type Step =
  | { readonly step: "map"; readonly add: number }
  | { readonly step: "filter"; readonly mod: number }
  | { readonly step: "flatMap"; readonly mod: number }
  | { readonly step: "effect"; readonly yields: boolean; readonly concurrency: number }
  | { readonly step: "keyBy"; readonly mod: number }
  | {
    readonly step: "branch";
    readonly mod: number;
    readonly some: ReadonlyArray<Step>;
    readonly rest: ReadonlyArray<Step>;
  };

/** How records are assigned to windows, as data. */
type AssignerPlan =
  | { readonly kind: "sliding"; readonly size: number; readonly slide: number; readonly offset: number }
  /** The gap of a record is one of these, by its value. */
  | { readonly kind: "session"; readonly gaps: ReadonlyArray<number> }
  /** Windows of each of these sizes, none of which is there twice. A record with an odd value is only in those of the first. */
  | { readonly kind: "spans"; readonly sizes: ReadonlyArray<number> }
  | { readonly kind: "global" }
  | { readonly kind: "count"; readonly size: number; readonly slide: number };

interface SourcePlan {
  readonly splits: ReadonlyArray<ReadonlyArray<Item>>;
  /** Operators before event time. */
  readonly before: ReadonlyArray<Step>;
  readonly bound: number;
}

interface WindowPlan {
  /** Operators after the flow was shared out and before the window. */
  readonly steps: ReadonlyArray<Step>;
  readonly keys: number;
  /** Operators after `keyBy`. */
  readonly keyed: ReadonlyArray<Step>;
  readonly assigner: AssignerPlan;
  readonly trigger: Oracle.Trigger;
  readonly panes: Oracle.Panes;
  readonly lateness: number;
  readonly late: "drop" | "sink";
  /** Whether records are aggregated before they are routed, which changes nothing. */
  readonly preAggregate: boolean;
}

/** A window over the results of others. */
interface SecondPlan {
  readonly keys: number;
  readonly assigner: AssignerPlan;
  readonly lateness: number;
  readonly effect: boolean;
}

interface Plan {
  readonly sources: ReadonlyArray<SourcePlan>;
  /** Whether sources are joined before their event time (the first one's bound then goes for all) or after it. */
  readonly joined: "before" | "after";
  /** Operators after event time. */
  readonly steps: ReadonlyArray<Step>;
  readonly windows: ReadonlyArray<WindowPlan>;
  /** A window over the results of others: see {@link feedsSecond}. */
  readonly second: SecondPlan | null;
  /** Whether the records themselves also go to a sink. */
  readonly copy: boolean;
}

interface Setting {
  readonly batchRecordsMax: number;
  readonly queueRecordsMax: number;
  readonly keyedPartitions: number;
  readonly epochRecordsMax: number;
  readonly faults: ReadonlyArray<readonly [commit: number, fate: CommitFate]>;
}

/** What a case writes: rows by sink, and what each window has counted. */
interface Answer {
  readonly rows: Readonly<Record<string, ReadonlyArray<unknown>>>;
  readonly counters: Readonly<Record<string, Oracle.Counters>>;
}

/**
 * Whether the results of a window go to the second one: it says one thing about each key, when the watermark reaches its
 * end, and how late that is does not depend on what is said of other keys. The window of everything says what is long over,
 * so that a session takes it or not by what came before it.
 */
const feedsSecond = ({ second }: Plan, { assigner, trigger, lateness }: WindowPlan): boolean => {
  if (second === null || lateness > 0 || !Oracle.isDefault(trigger) || assigner.kind === "count") return false;
  return assigner.kind !== "global" || second.assigner.kind === "sliding";
};

/** Which of a plan's numbers belongs to a record. */
const pick = (numbers: ReadonlyArray<number>, item: Item): number =>
  numbers.length === 1 ? numbers[0] : numbers[Math.abs(item.v) % numbers.length];

/** The windows of a record, where a function gives them. */
const spansOf = (sizes: ReadonlyArray<number>) => (time: number, { v }: Item): Array<Window.Window> =>
  (v % 2 === 0 ? sizes : sizes.slice(0, 1)).map((size) => {
    const start = Math.floor(time / size) * size;
    return { start, end: start + size };
  });

// ---------------------------------------------------------------------------------------------------------------------
// A case as flows

type Items<K, T> = Flow.Flow<Item, never, never, K, T, Flow.Append, Sink.Transactional>;
type Results = Flow.Flow<
  Window.WindowResult<number, Stats>,
  never,
  never,
  Flow.Keyed<number>,
  Flow.EventTime,
  Flow.Append,
  Sink.Transactional
>;

const statsOf = {
  count: Aggregate.count,
  sum: Aggregate.sum<Item>(({ v }) => v),
  mean: Aggregate.mean<Item>(({ v }) => v),
  min: Aggregate.min<Item>(({ v }) => v),
  max: Aggregate.max<Item>(({ v }) => v),
  variance: Aggregate.variance<Item>(({ v }) => v),
  first: Aggregate.first<Item, number>(({ id }) => id, Schema.Number),
  last: Aggregate.last<Item, number>(({ id }) => id, Schema.Number),
  some: Aggregate.collect<Item, number>(({ id }) => id, Schema.Number, { atMost: 3 }),
};
type Stats = Aggregate.AggregateResult<typeof statsOf>;

/** Re-keyed results come from several partitions, so that only what does not depend on their order is asked of them. */
const secondStatsOf = {
  count: Aggregate.count,
  sum: Aggregate.sum<Window.WindowResult<number, Stats>>(({ value }) => value.sum),
};

const split = <K, T>(flow: Items<K, T>, { mod }: Step & { step: "branch" }) =>
  flow.pipe(Flow.branch({ some: ({ v }) => v % mod === 0 }));

const withSteps = <K, T>(flow: Items<K, T>, steps: ReadonlyArray<Step>): Items<K, T> => {
  for (const step of steps) {
    switch (step.step) {
      case "map":
        flow = flow.pipe(Flow.map((item) => ({ ...item, v: item.v + step.add })));
        break;
      case "filter":
        flow = flow.pipe(Flow.filter(({ v }) => v % step.mod !== 0));
        break;
      case "flatMap":
        flow = flow.pipe(Flow.flatMap((item) => copies(item, step.mod)));
        break;
      case "effect":
        flow = flow.pipe(
          Flow.mapEffect(
            (item) => step.yields && item.id % 2 === 0 ? Effect.as(Effect.yieldNow, item) : Effect.succeed(item),
            {
              concurrency: step.concurrency,
            },
          ),
        );
        break;
      case "keyBy":
        // The type of the key is given up: what matters is the last `keyBy` before a window.
        flow = flow.pipe(Flow.keyBy(({ k }) => k % step.mod)) as unknown as Items<K, T>;
        break;
      case "branch": {
        const { some, otherwise } = split(flow, step);
        flow = withSteps(some, step.some).pipe(Flow.merge(withSteps(otherwise, step.rest)));
      }
    }
  }
  return flow;
};

const copies = (item: Item, mod: number): Array<Item> =>
  Array.from({ length: item.id % mod }, (_, copy) => ({ ...item, id: item.id * 10 + copy, v: item.v + copy }));

const assignerOf = (assigner: AssignerPlan): Window.Assigner<Item> => {
  switch (assigner.kind) {
    case "sliding":
      return Window.sliding(assigner);
    case "session": {
      const { gaps } = assigner;
      return gaps.length === 1 ? Window.session({ gap: gaps[0] }) : Window.session({ gap: (item) => pick(gaps, item) });
    }
    case "spans":
      return Window.custom({
        name: `sizes ${assigner.sizes}`,
        assign: spansOf(assigner.sizes),
        overlapping: assigner.sizes.length > 1,
      });
    case "global":
      return Window.global;
    case "count":
      return Window.count(assigner.size === assigner.slide ? assigner.size : assigner);
  }
};

const conditionOf = (condition: Oracle.Condition): Trigger.Condition => {
  switch (condition.kind) {
    case "afterCount":
      return Trigger.afterCount(condition.count);
    case "afterEventTime":
      return Trigger.afterEventTime(condition.interval);
    default:
      return Trigger[condition.kind](...condition.conditions.map(conditionOf));
  }
};

const triggerOf = (trigger: Oracle.Trigger): Trigger.Trigger => {
  if (trigger.kind !== "atWatermark") return Trigger[trigger.kind](conditionOf(trigger.condition));
  const { early, late, onTime } = trigger;
  const others = { late: conditionOf(late), onTime };
  return early === null ? Trigger.atWatermark(others) : Trigger.atWatermark({ early: conditionOf(early), ...others });
};

const stamp = <K>(flow: Items<K, Flow.NoEventTime>, bound: number): Items<K, Flow.EventTime> =>
  flow.pipe(Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(bound) }));

/** The job of a plan, and its sinks. */
const jobOf = (plan: Plan) => {
  const sinks: Record<string, Sink.MemorySink<unknown>> = {};
  const memory = <A>(name: string): Sink.MemorySink<A> => {
    const sink = Sink.memory<A>(name);
    sinks[name] = sink as unknown as Sink.MemorySink<unknown>;
    return sink;
  };
  const sources = plan.sources.map(({ splits, before, bound }, s) => {
    const records = Object.fromEntries(splits.map((records, k) => [`split ${k}`, records]));
    const flow: Items<Flow.NotKeyed, Flow.NoEventTime> = withSteps(
      Flow.from(Source.array<Item>(`source ${s}`, records)),
      before,
    );
    return { flow, bound };
  });
  const stamped = plan.joined === "before"
    ? stamp(sources.map(({ flow }) => flow).reduce((a, b) => a.pipe(Flow.merge(b))), sources[0].bound)
    : sources.map(({ flow, bound }) => stamp(flow, bound)).reduce((a, b) => a.pipe(Flow.merge(b)));
  const shared = withSteps(stamped, plan.steps);
  const flows: Array<Flow.CompleteFlow<never, Sink.Transactional>> = [];
  const results: Array<Results> = [];
  if (plan.copy) flows.push(shared.pipe(Flow.to(memory<Item>("copy"))));
  plan.windows.forEach((window, w) => {
    const { steps, keys, keyed, assigner, trigger, panes, lateness, late, preAggregate } = window;
    const windowed = withSteps(withSteps(shared, steps).pipe(Flow.keyBy(({ k }) => k % keys)), keyed).pipe(
      Flow.window(`window ${w}`, {
        assigner: assignerOf(assigner),
        aggregate: statsOf,
        ...(assigner.kind === "count" ? {} : { trigger: triggerOf(trigger), panes, allowedLateness: lateness }),
        preAggregate,
        late: late === "drop"
          ? "drop"
          : (records) => records.pipe(Flow.to(memory<Window.Late<Item, number>>(`late ${w}`))),
      }),
    );
    flows.push(windowed.pipe(Flow.to(memory(`results ${w}`))));
    if (feedsSecond(plan, window)) results.push(Flow.changelog(windowed));
  });
  if (plan.second !== null && results.length > 0) {
    const { keys, assigner, lateness, effect } = plan.second;
    const merged = results.reduce((a, b) => a.pipe(Flow.merge(b)));
    flows.push(
      (effect ? merged.pipe(Flow.mapEffect((result) => Effect.as(Effect.yieldNow, result))) : merged).pipe(
        Flow.keyBy(({ key }) => key % keys),
        Flow.window("second", {
          assigner: assignerOf(assigner) as Window.Assigner,
          aggregate: secondStatsOf,
          allowedLateness: lateness,
          late: "drop",
        }),
        Flow.to(memory("second")),
      ),
    );
  }
  return { job: Job.make({ name: "case", guarantee: "exactly-once", flows }), sinks };
};

const runPlan = async (plan: Plan, { faults, ...options }: Setting) => {
  const { job, sinks } = jobOf(plan);
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const { metrics } = await runToEnd(job, { kv, ...options });
  const rows = Object.fromEntries(Object.entries(sinks).map(([name, sink]) => [name, sink.values()]));
  return { rows, metrics };
};

// ---------------------------------------------------------------------------------------------------------------------
// A case as ticks

const applySteps = (item: Item, steps: ReadonlyArray<Step>): Array<Item> => {
  if (steps.length === 0) return [item];
  const [step, ...others] = steps;
  const after = (): Array<Item> => {
    switch (step.step) {
      case "map":
        return [{ ...item, v: item.v + step.add }];
      case "filter":
        return item.v % step.mod !== 0 ? [item] : [];
      case "flatMap":
        return copies(item, step.mod);
      case "branch":
        return applySteps(item, item.v % step.mod === 0 ? step.some : step.rest);
      default:
        return [item];
    }
  };
  return after().flatMap((next) => applySteps(next, others));
};

/** Whether records wait for an Effect on the way, so that what comes behind it no longer steers the reading. */
const waits = (steps: ReadonlyArray<Step>): boolean =>
  steps.some((step) => step.step === "effect" || (step.step === "branch" && (waits(step.some) || waits(step.rest))));

const statsBy = Oracle.struct<Item>({
  count: Oracle.count(),
  sum: Oracle.sum(({ v }) => v),
  mean: Oracle.mean(({ v }) => v),
  min: Oracle.min(({ v }) => v),
  max: Oracle.max(({ v }) => v),
  variance: Oracle.variance(({ v }) => v),
  first: Oracle.first(({ id }) => id),
  last: Oracle.last(({ id }) => id),
  some: Oracle.collect(({ id }) => id, 3),
});

const oracleAssignerOf = (assigner: AssignerPlan): Oracle.Assigner<Item> => {
  switch (assigner.kind) {
    case "session":
      return Oracle.session((item) => pick(assigner.gaps, item));
    case "spans":
      return Oracle.spans(spansOf(assigner.sizes));
    default:
      return assigner;
  }
};

const rowsOf = <A>(ticks: ReadonlyArray<Oracle.Tick<A>>): Array<A> =>
  ticks.flatMap((tick) => tick.tick === "record" ? [tick.value] : []);

const answer = (plan: Plan): Answer => {
  const rows: Record<string, ReadonlyArray<unknown>> = {};
  const counters: Record<string, Oracle.Counters> = {};
  const splits = plan.sources.flatMap((source, s) => source.splits.map((records) => ({ source, s, records })));
  const anyWaits = plan.sources.some(({ before }) => waits(before));
  const steers = ({ before }: SourcePlan): boolean => plan.joined === "before" ? !anyWaits : !waits(before);
  const boundOf = (source: SourcePlan): number => plan.joined === "before" ? plan.sources[0].bound : source.bound;
  const reading = Oracle.readingOrder(
    splits.map(({ records }) => records),
    (item, split) => {
      const { source } = splits[split];
      return steers(source) ? [applySteps(item, source.before).map(({ at }) => at)] : [];
    },
    splits.map(({ source }) => steers(source) ? [boundOf(source)] : []),
  );
  const raw = Oracle.records(reading).flatMap((record) =>
    applySteps(record.value, splits[record.split].source.before).map((value) => ({ ...record, value }))
  );
  const stampedBy = (sources: ReadonlyArray<number>) => {
    const reaching = [...splits.keys()].filter((split) => sources.includes(splits[split].s));
    const ofThem = raw.filter(({ split }) => reaching.includes(split));
    return Oracle.eventTime(ofThem, reaching, reading, ({ at }) => at, boundOf(plan.sources[sources[0]]));
  };
  const numbers = [...plan.sources.keys()];
  const stamped = plan.joined === "before" ? stampedBy(numbers) : Oracle.merge(...numbers.map((s) => stampedBy([s])));
  const shared = Oracle.flatMap(stamped, (item) => applySteps(item, plan.steps));
  if (plan.copy) rows["copy"] = rowsOf(shared);
  const flows: Array<Array<Oracle.Tick<Oracle.Result<number, Record<string, unknown>>>>> = [];
  plan.windows.forEach((window, w) => {
    const input = Oracle.flatMap(shared, (item) => applySteps(item, [...window.steps, ...window.keyed]));
    const windowed = Oracle.window(input, {
      key: ({ k }) => k % window.keys,
      assigner: oracleAssignerOf(window.assigner),
      trigger: window.trigger,
      panes: window.panes,
      lateness: window.lateness,
      summary: statsBy,
    });
    rows[`results ${w}`] = rowsOf(windowed.results);
    if (window.late === "sink") rows[`late ${w}`] = windowed.late;
    counters[`window ${w}`] = windowed.counters;
    if (feedsSecond(plan, window)) flows.push(windowed.results);
  });
  if (plan.second !== null && flows.length > 0) {
    const { keys, assigner, lateness } = plan.second;
    const windowed = Oracle.window(Oracle.merge(...flows), {
      key: ({ key }) => key % keys,
      assigner: oracleAssignerOf(assigner) as Oracle.Assigner,
      lateness,
      summary: Oracle.struct({ count: Oracle.count(), sum: Oracle.sum(({ value }) => value["sum"] as number) }),
    });
    rows["second"] = rowsOf(windowed.results);
    counters["second"] = windowed.counters;
  }
  return { rows, counters };
};

// ---------------------------------------------------------------------------------------------------------------------
// Comparing

type AnyResult = Oracle.Result<number, Record<string, unknown>>;

const isResult = (row: unknown): row is AnyResult => typeof row === "object" && row !== null && "pane" in row;

/** How far a variance may be from another that was added up in another order. */
const tolerance = 1e-9;

/** Gives rows the expected variance where theirs is as good as equal to it. The rows of one key come in one order. */
const snap = (rows: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>): Array<unknown> => {
  const ofKeys = Map.groupBy(expected.filter(isResult), ({ key }) => key);
  const places = new Map<number, number>();
  return rows.map((row) => {
    if (!isResult(row) || !("variance" in row.value)) return row;
    const place = places.get(row.key) ?? 0;
    places.set(row.key, place + 1);
    const variance = ofKeys.get(row.key)?.[place]?.value["variance"] as number | undefined;
    const own = row.value["variance"] as number;
    if (variance === undefined || Math.abs(own - variance) > tolerance * Math.max(1, variance)) return row;
    return { ...row, value: { ...row.value, variance } };
  });
};

/** Checks what a job wrote against what the oracle says. */
const compare = (got: Awaited<ReturnType<typeof runPlan>>, expected: Answer): void => {
  assert.deepEqual(Object.keys(got.rows).sort(), Object.keys(expected.rows).sort());
  for (const [name, rows] of Object.entries(expected.rows)) {
    const snapped = snap(got.rows[name], rows);
    assertSameBag(snapped, rows, `the rows of "${name}" (engine and oracle)`);
    // The results of one key come in one order: as time goes on, then by the age of its windows.
    const byKey = (all: ReadonlyArray<unknown>) =>
      Object.groupBy(all.filter(isResult), ({ key }) => key) as Record<number, ReadonlyArray<AnyResult>>;
    const ofEngine = byKey(snapped);
    for (const [key, ofKey] of Object.entries(byKey(rows))) {
      assert.deepEqual(
        ofEngine[Number(key)].map(canonical),
        ofKey.map(canonical),
        `the order of key ${key} in "${name}"`,
      );
    }
    const sink = got.metrics.sinks.find(({ sink }) => sink === name);
    assert.equal(sink?.rows, rows.length, `the count of rows of "${name}"`);
    assert.equal(sink?.lostRows, 0);
  }
};

/** Checks what a job counted. */
const compareCounters = (got: Awaited<ReturnType<typeof runPlan>>, expected: Answer): void => {
  for (const [name, counters] of Object.entries(expected.counters)) {
    const drops = expected.rows[name.replace("window", "late")] === undefined || name === "second";
    const lateDropped = drops ? counters.late : 0;
    assert.deepEqual(got.metrics.operators[name], { ...counters, lateDropped }, `what "${name}" counts`);
  }
};

// ---------------------------------------------------------------------------------------------------------------------
// Drawing cases

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
const effectStep: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("effect" as const),
  yields: fc.boolean(),
  concurrency: fc.constantFrom(1, 2, 16),
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

/** Stateless operators, some of which may wait for Effects or change the key. */
const steps = (lengthMax: number, effects: Shape["effects"], keys: boolean): fc.Arbitrary<ReadonlyArray<Step>> => {
  const simple = effects === "and branches" ? oneForOneStep : simpleStep;
  const kinds = [{ arbitrary: simple, weight: 3 }];
  if (keys) kinds.push({ arbitrary: keyStep, weight: 1 });
  if (effects !== "none") kinds.push({ arbitrary: effectStep, weight: 1 });
  if (effects === "none") kinds.push({ arbitrary: branchStep(simple), weight: 1 });
  if (effects === "and branches") kinds.push({ arbitrary: branchStep(fc.oneof(simple, effectStep)), weight: 1 });
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

const counts: fc.Arbitrary<AssignerPlan> = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
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

const triggers = (condition: fc.Arbitrary<Oracle.Condition>): fc.Arbitrary<Oracle.Trigger> =>
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

const panes = fc.constantFrom<Oracle.Panes>("accumulating", "discarding", "retracting");

const lateness = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 }), fc.constant(1_000));

interface Shape {
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
}

/** What is not allowed together is left out. */
const allowed = (window: WindowPlan): WindowPlan => {
  const { assigner, trigger, panes, preAggregate } = window;
  if (assigner.kind === "count") {
    return { ...window, trigger: Oracle.atEnd, panes: "accumulating", lateness: 0, preAggregate: false };
  }
  if (preAggregate && assigner.kind === "sliding") return { ...window, trigger: Oracle.atEnd, panes: "accumulating" };
  const unfolded = { ...window, preAggregate: false };
  return panes === "discarding" && trigger.kind === "atWatermark"
    ? { ...unfolded, trigger: { ...trigger, onTime: "when-changed" } }
    : unfolded;
};

const plans = (
  { sourcesMax, splitsMax, records, assigners, triggers, windowsMax, effects }: Shape,
): fc.Arbitrary<Plan> =>
  fc.record({
    sources: fc.array(
      fc.record({
        splits: fc.array(records, { minLength: 1, maxLength: splitsMax }),
        before: steps(2, effects, false),
        bound: fc.integer({ min: 0, max: 15 }),
      }),
      { minLength: 1, maxLength: sourcesMax },
    ),
    joined: fc.constantFrom("before" as const, "after" as const),
    steps: steps(2, effects, true),
    windows: fc.array(
      fc.record({
        steps: steps(2, effects, true),
        keys: fc.integer({ min: 1, max: 5 }),
        keyed: steps(2, effects, false),
        assigner: assigners,
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
        lateness: fc.constant(0),
        effect: fc.constant(effects !== "none"),
      }),
    ),
    copy: fc.boolean(),
  }).map((plan) => {
    let id = 0;
    const sources = plan.sources.map((source) => ({
      ...source,
      splits: source.splits.map((records) => records.map((record) => ({ id: id++, ...record }))),
    }));
    return { ...plan, sources };
  });

/** Up to nine splits of up to twelve records: every rule of time, in cases small enough to be read. */
const small: Shape = {
  sourcesMax: 3,
  splitsMax: 3,
  records: items(12),
  assigners,
  triggers: triggers(conditions(4, 25)),
  windowsMax: 3,
  effects: "none",
};

/** The same with Effects anywhere on the way. */
const withEffects = (effects: Shape["effects"]): Shape => ({ ...small, effects });

/** Splits of several turns, so that the reader goes from one to another and comes back. */
const long: Shape = {
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

const settings: fc.Arbitrary<Setting> = fc.record({
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

// ---------------------------------------------------------------------------------------------------------------------
// Writing cases

const writeSteps = (steps: ReadonlyArray<Step>): string => steps.map(writeStep).join(" ");

const writeStep = (step: Step): string => {
  switch (step.step) {
    case "map":
      return `map(v + ${step.add})`;
    case "filter":
      return `filter(v % ${step.mod} != 0)`;
    case "flatMap":
      return `flatMap(id % ${step.mod} copies)`;
    case "effect":
      return `mapEffect(${step.yields ? "yields" : "at once"}, ${step.concurrency} at a time)`;
    case "keyBy":
      return `keyBy(k % ${step.mod})`;
    case "branch":
      return `branch(v % ${step.mod} == 0 ? ${writeSteps(step.some) || "-"} : ${writeSteps(step.rest) || "-"})`;
  }
};

const writeAssigner = ({ kind, ...options }: AssignerPlan): string =>
  `${kind}(${Object.entries(options).map(([name, value]) => `${name} ${value}`).join(", ")})`;

const writeCondition = (condition: Oracle.Condition): string => {
  switch (condition.kind) {
    case "afterCount":
      return `afterCount(${condition.count})`;
    case "afterEventTime":
      return `afterEventTime(${condition.interval})`;
    default:
      return `${condition.kind}(${condition.conditions.map(writeCondition).join(", ")})`;
  }
};

const writeTrigger = (trigger: Oracle.Trigger): string => {
  if (trigger.kind !== "atWatermark") return `${trigger.kind}(${writeCondition(trigger.condition)})`;
  const { early, late, onTime } = trigger;
  return `atWatermark(early: ${early === null ? "none" : writeCondition(early)}, late: ${
    writeCondition(late)
  }, onTime: ${onTime})`;
};

/** How many records of a split are written down. */
const writtenMax = 50;

const writePlan = (plan: Plan): string => {
  const lines = plan.sources.flatMap(({ splits, before, bound }, s) => [
    `source ${s}: ${writeSteps(before)} eventTime(bound ${bound})`,
    ...splits.map((records, k) =>
      `  split ${k} (${records.length} records): ${
        records.slice(0, writtenMax).map(({ id, at, k, v }) => `#${id} at ${at} k=${k} v=${v}`).join(", ")
      }${records.length > writtenMax ? " ..." : ""}`
    ),
  ]);
  if (plan.sources.length > 1) lines.push(`joined ${plan.joined} event time`);
  lines.push(`then: ${writeSteps(plan.steps)}${plan.copy ? " (also to a sink)" : ""}`);
  plan.windows.forEach(({ steps, keys, keyed, assigner, trigger, panes, lateness, late, preAggregate }, w) =>
    lines.push(
      `window ${w}: ${writeSteps(steps)} keyBy(k % ${keys}) ${writeSteps(keyed)} ${writeAssigner(assigner)} ${
        writeTrigger(trigger)
      } ${panes} lateness ${lateness} late: ${late}${preAggregate ? " preAggregate" : ""}`,
    )
  );
  if (plan.second !== null) {
    const { effect, keys, assigner, lateness } = plan.second;
    lines.push(
      `second: ${effect ? "mapEffect " : ""}keyBy(key % ${keys}) ${writeAssigner(assigner)} lateness ${lateness}`,
    );
  }
  return lines.join("\n");
};

const writeSetting = ({ faults, ...options }: Setting): string =>
  [
    ...Object.entries(options).map(([name, value]) => `${name} ${value}`),
    ...faults.map(([n, fate]) => `${fate} commit ${n}`),
  ]
    .join(", ");

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
  forAll(plans(small), 1_500, withAndWithoutFaults));

Deno.test("a pipeline that waits for Effects answers what the oracle says, whatever crashes", () =>
  forAll(plans(withEffects("and flatMap")), 300, withAndWithoutFaults));

Deno.test("arms of which some wait for Effects are joined in the order of the records, whatever crashes", () =>
  forAll(plans(withEffects("and branches")), 300, withAndWithoutFaults));

Deno.test("long splits are read in turns, and a crash in the middle of a turn goes on with it", () =>
  forAll(plans(long), 40, (plan, setting) =>
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
      assertSameBag(snap(rows, other.rows[name]), other.rows[name], `the rows of "${name}"`);
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
