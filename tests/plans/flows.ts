/** A case as flows for the engine. */
import { Effect, Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../../src/testing/memory-kv.ts";
import type * as Oracle from "../oracle.ts";
import { runToEnd } from "../support.ts";
import {
  type AssignerPlan,
  copies,
  deadSink,
  feedsSecond,
  isRefused,
  type Item,
  pick,
  type Plan,
  type Setting,
  type SourcePlan,
  spansOf,
  type StatName,
  type Step,
  told,
} from "./plan.ts";

export type Items<K, T> = Flow.Flow<Item, never, never, K, T, Flow.Append, Sink.Transactional>;
type Results = Flow.Flow<
  Window.WindowResult<number, Stats>,
  never,
  never,
  Flow.Keyed<number>,
  Flow.EventTime,
  Flow.Append,
  Sink.Transactional
>;

export const statsOf = {
  count: Aggregate.count,
  sum: Aggregate.sum<Item>(({ v }) => v),
  mean: Aggregate.mean<Item>(({ v }) => v),
  min: Aggregate.min<Item>(({ v }) => v),
  max: Aggregate.max<Item>(({ v }) => v),
  variance: Aggregate.variance<Item>(({ v }) => v),
  first: Aggregate.first<Item, number>(({ id }) => id, Schema.Number),
  last: Aggregate.last<Item, number>(({ id }) => id, Schema.Number),
  some: Aggregate.collect<Item, number>(({ id }) => id, Schema.Number, { atMost: 3 }),
  argMin: Aggregate.argMin<Item, number>(({ v }) => v, ({ id }) => id, Schema.Number),
  argMax: Aggregate.argMax<Item, number>(({ v }) => v, ({ id }) => id, Schema.Number),
  top: Aggregate.topN<Item, number>(({ v }) => v, ({ id }) => id, Schema.Number, { n: 3 }),
  bottom: Aggregate.bottomN<Item, number>(({ v }) => v, ({ id }) => id, Schema.Number, { n: 2 }),
  distinct: Aggregate.distinct<Item>(({ v }) => v, { atMost: 3 }),
  about: Aggregate.approxDistinct<Item>(({ v }) => v, { standardError: told.standardError }),
  quantiles: Aggregate.quantiles<Item>(({ v }) => v, told.quantiles, { relativeError: told.relativeError }),
  histogram: Aggregate.histogram<Item>(({ v }) => v, { boundaries: told.boundaries }),
  rate: Aggregate.rate<Item>({ per: told.perMillis, weight: ({ v }) => v }),
  decayed: Aggregate.decayed<Item>(({ v }) => v, { halfLife: told.halfLifeMillis }),
} satisfies Record<StatName, unknown>;
type Stats = Aggregate.AggregateResult<typeof statsOf>;

const ItemSchema = Schema.Struct({ id: Schema.Number, at: Schema.Number, k: Schema.Number, v: Schema.Number });

/** Some of the aggregates. The type is given up: what is sure to be there are the usual ones. */
const pickStats = (names: ReadonlyArray<StatName>): typeof statsOf =>
  Object.fromEntries(names.map((name) => [name, statsOf[name]])) as unknown as typeof statsOf;

/** Re-keyed results come from several partitions, so that only what does not depend on their order is asked of them. */
const secondStatsOf = {
  count: Aggregate.count,
  sum: Aggregate.sum<Window.WindowResult<number, Stats>>(({ value }) => value.sum),
};

const split = <K, T>(flow: Items<K, T>, { mod }: Step & { step: "branch" }) =>
  flow.pipe(Flow.branch({ some: ({ v }) => v % mod === 0 }));

/** How long a record waits in an Effect. */
const millisOf = ({ id }: Item, millis: number): number => id % 3 === 0 ? millis : 0;

/** Waits as a step says. */
const wait = (item: Item, { yields, millis = 0 }: Step & { step: "effect" }): Effect.Effect<Item> => {
  if (millisOf(item, millis) > 0) return Effect.as(Effect.sleep(millisOf(item, millis)), item);
  return yields && item.id % 2 === 0 ? Effect.as(Effect.yieldNow, item) : Effect.succeed(item);
};

/** What a record is refused with: words that name it. */
const refusal = ({ id }: Item): string => `refused #${id}`;

/** Which record some words name. */
const refusedId = (reason: string): number => Number(/refused #(\d+)/.exec(reason)?.[1]);

/** Refuses some records. */
const refuse = <K, T>(flow: Items<K, T>, { how, mod, dead }: Step & { step: "refuse" }, sinkOf: SinkOf): Items<K, T> =>
  (how === "fails"
    ? flow.pipe(
      Flow.mapEffect((item) => isRefused(item, mod) ? Effect.fail(refusal(item)) : Effect.succeed(item)),
    )
    : flow.pipe(Flow.map((item) => {
      if (isRefused(item, mod)) throw new Error(refusal(item));
      return item;
    }))).pipe(
      Flow.onError<string, never, Sink.Transactional>(
        dead === "drop" ? "drop" : (letters) =>
          letters.pipe(
            Flow.map(({ reason }) => ({ dead: refusedId(reason) })),
            Flow.to(sinkOf<{ readonly dead: number }>(deadSink(dead))),
          ),
        { defects: true },
      ),
    );

/** Gives the sink of a name. */
export type SinkOf = <A>(name: string) => Sink.Sink<A, Sink.Transactional>;

const noSinks: SinkOf = (name) => {
  throw new RangeError(`Cannot give a sink as none is expected here: current value is "${name}"`);
};

export const withSteps = <K, T>(
  flow: Items<K, T>,
  steps: ReadonlyArray<Step>,
  sinkOf: SinkOf = noSinks,
): Items<K, T> => {
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
          Flow.mapEffect((item) => wait(item, step), { concurrency: step.concurrency }),
        );
        break;
      case "refuse":
        flow = refuse(flow, step, sinkOf);
        break;
      case "keyBy":
        // The type of the key is given up: what matters is the last `keyBy` before a window.
        flow = flow.pipe(Flow.keyBy(({ k }) => k % step.mod)) as unknown as Items<K, T>;
        break;
      case "branch": {
        const { some, otherwise } = split(flow, step);
        flow = withSteps(some, step.some, sinkOf).pipe(Flow.merge(withSteps(otherwise, step.rest, sinkOf)));
      }
    }
  }
  return flow;
};

export const assignerOf = (assigner: AssignerPlan): Window.Assigner<Item> => {
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
    case "calendar":
      return Window.calendar(assigner);
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

export const triggerOf = (trigger: Oracle.Trigger): Trigger.Trigger => {
  if (trigger.kind !== "atWatermark") return Trigger[trigger.kind](conditionOf(trigger.condition));
  const { early, late, onTime } = trigger;
  const others = { late: conditionOf(late), onTime };
  return early === null ? Trigger.atWatermark(others) : Trigger.atWatermark({ early: conditionOf(early), ...others });
};

const stamp = <K>(
  flow: Items<K, Flow.NoEventTime>,
  { bound, idles }: Pick<SourcePlan, "bound" | "idles">,
): Items<K, Flow.EventTime> =>
  flow.pipe(Flow.eventTime({
    timestamp: ({ at }) => at,
    watermark: Watermark.boundedOutOfOrderness(bound),
    ...(idles ? { idleAfter: "1 milli" } : {}),
  }));

/** Where the records of a job come from, and where they go. */
export interface Ends {
  readonly guarantee: "exactly-once" | "at-least-once" | "at-most-once";
  readonly from: (
    name: string,
    splits: Readonly<Record<string, ReadonlyArray<Item>>>,
  ) => Items<Flow.NotKeyed, Flow.NoEventTime>;
  readonly sinkOf: SinkOf;
}

/** The job of a plan. */
export const jobOf = (plan: Plan, { guarantee, from, sinkOf }: Ends): Job.Job<never> => {
  const sources = plan.sources.map(({ splits, before, bound, idles }, s) => {
    const records = Object.fromEntries(splits.map((records, k) => [`split ${k}`, records]));
    const flow: Items<Flow.NotKeyed, Flow.NoEventTime> = withSteps(
      from(`source ${s}`, records),
      before,
      sinkOf,
    );
    return { flow, bound, idles };
  });
  const stamped = plan.joined === "before"
    ? stamp(sources.map(({ flow }) => flow).reduce((a, b) => a.pipe(Flow.merge(b))), sources[0])
    : sources.map(({ flow, ...others }) => stamp(flow, others)).reduce((a, b) => a.pipe(Flow.merge(b)));
  const shared = withSteps(stamped, plan.steps, sinkOf);
  const flows: Array<Flow.CompleteFlow<never, Sink.Transactional>> = [];
  const results: Array<Results> = [];
  if (plan.copy) flows.push(shared.pipe(Flow.to(sinkOf<Item>("copy"))));
  if (plan.ranking !== null) {
    const { keys, ids, n, entriesMax } = plan.ranking;
    flows.push(shared.pipe(
      Flow.keyBy(({ k }) => k % keys),
      Flow.topN("ranking", { n, entriesMax, by: ({ v }) => v, id: ({ id }) => id % ids, schema: ItemSchema }),
      Flow.to(sinkOf("ranks")),
    ));
  }
  plan.windows.forEach((window, w) => {
    const { steps, keys, keyed, once, assigner, stats, trigger, panes, lateness, late, preAggregate } = window;
    let input = withSteps(withSteps(shared, steps).pipe(Flow.keyBy(({ k }) => k % keys)), keyed);
    if (once !== null) {
      const { within } = once;
      const late: "drop" | Flow.SideOutput<Window.Late<Item, number>, never, Sink.Transactional> = once.late === "drop"
        ? "drop"
        : sinkOf<Window.Late<Item, number>>(`late once ${w}`);
      input = input.pipe(
        once.keep === "first"
          ? Flow.deduplicate<Item, number, never, Sink.Transactional>(`once ${w}`, { within, late })
          : Flow.deduplicate<Item, number, never, Sink.Transactional>(`once ${w}`, {
            within,
            keep: "last",
            schema: ItemSchema,
            late,
          }),
      );
      flows.push(input.pipe(Flow.map((item) => ({ key: item.k % keys, item })), Flow.to(sinkOf(`rows once ${w}`))));
    }
    const windowed = input.pipe(
      Flow.window(`window ${w}`, {
        assigner: assignerOf(assigner),
        aggregate: pickStats(stats),
        ...(assigner.kind === "count" ? {} : { trigger: triggerOf(trigger), panes, allowedLateness: lateness }),
        preAggregate,
        late: late === "drop"
          ? "drop"
          : (records) => records.pipe(Flow.to(sinkOf<Window.Late<Item, number>>(`late ${w}`))),
      }),
    );
    flows.push(windowed.pipe(Flow.to(sinkOf(`results ${w}`))));
    if (feedsSecond(plan, window)) results.push(Flow.changelog(windowed));
  });
  if (plan.second !== null && results.length > 0) {
    const { keys, assigner, lateness, effect } = plan.second;
    const merged = results.reduce((a, b) => a.pipe(Flow.merge(b)));
    const windowed = (effect ? merged.pipe(Flow.mapEffect((result) => Effect.as(Effect.yieldNow, result))) : merged)
      .pipe(
        Flow.keyBy(({ key }) => key % keys),
        Flow.window("second", {
          assigner: assignerOf(assigner) as Window.Assigner,
          aggregate: secondStatsOf,
          allowedLateness: lateness,
          late: "drop",
        }),
      );
    flows.push(windowed.pipe(Flow.to(sinkOf("second"))));
    if (plan.third !== null) {
      flows.push(windowed.pipe(
        Flow.changelog,
        Flow.keyBy(() => 0),
        Flow.window("third", {
          assigner: Window.tumbling(plan.third),
          aggregate: {
            count: Aggregate.count,
            sum: Aggregate.sum<Window.WindowResult<number, { readonly sum: number }>>(({ value }) => value.sum),
          },
          late: "drop",
        }),
        Flow.to(sinkOf("third")),
      ));
    }
  }
  return Job.make({ name: "case", guarantee, flows });
};

/** Arrays, and sinks that can be looked at. */
const memoryEnds = () => {
  const sinks: Record<string, Sink.MemorySink<unknown>> = {};
  const ends: Ends = {
    guarantee: "exactly-once",
    from: (name, splits) => Flow.from(Source.array<Item>(name, splits)),
    sinkOf: <A>(name: string) => {
      const sink = Sink.memory<A>(name);
      sinks[name] = sink as unknown as Sink.MemorySink<unknown>;
      return sink;
    },
  };
  return { ends, sinks };
};

export const runPlan = async (plan: Plan, { faults, ...options }: Setting) => {
  const { ends, sinks } = memoryEnds();
  const job = jobOf(plan, ends);
  const kv = memoryKv();
  const fates = new Map(faults);
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const { metrics } = await runToEnd(job, { kv, ...options });
  const rows = Object.fromEntries(Object.entries(sinks).map(([name, sink]) => [name, sink.values()]));
  return { rows, metrics };
};
