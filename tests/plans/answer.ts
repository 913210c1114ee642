/** A case as ticks for the oracle. */
import * as Oracle from "../oracle.ts";
import {
  type Answer,
  type AssignerPlan,
  copies,
  deadSink,
  feedsSecond,
  isRefused,
  type Item,
  pick,
  type Plan,
  type SourcePlan,
  spansOf,
  type StatName,
  type Step,
  told,
} from "./plan.ts";

/** What a step has refused. */
type Refuse = (item: Item, dead: "drop" | number) => void;

export const applySteps = (item: Item, steps: ReadonlyArray<Step>, refuse: Refuse = () => {}): Array<Item> => {
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
        return applySteps(item, item.v % step.mod === 0 ? step.some : step.rest, refuse);
      case "refuse":
        if (!isRefused(item, step.mod)) return [item];
        refuse(item, step.dead);
        return [];
      default:
        return [item];
    }
  };
  return after().flatMap((next) => applySteps(next, others, refuse));
};

/** Whether records wait for an Effect on the way, so that what comes behind it no longer steers the reading. */
const waits = (steps: ReadonlyArray<Step>): boolean =>
  steps.some((step) =>
    step.step === "effect" || (step.step === "refuse" && step.how === "fails") ||
    (step.step === "branch" && (waits(step.some) || waits(step.rest)))
  );

/** The numbers of the sinks for what is refused. */
const deadOf = (steps: ReadonlyArray<Step>): Array<number> =>
  steps.flatMap((step) => {
    if (step.step === "branch") return deadOf([...step.some, ...step.rest]);
    return step.step === "refuse" && step.dead !== "drop" ? [step.dead] : [];
  });

const v = ({ v }: Item): number => v;
const id = ({ id }: Item): number => id;

const statsBy: Readonly<Record<StatName, Oracle.Summary<Item, unknown>>> = {
  count: Oracle.count(),
  sum: Oracle.sum(v),
  mean: Oracle.mean(v),
  min: Oracle.min(v),
  max: Oracle.max(v),
  variance: Oracle.variance(v),
  first: Oracle.first(id),
  last: Oracle.last(id),
  some: Oracle.collect(id, 3),
  argMin: Oracle.argMin(v, id),
  argMax: Oracle.argMax(v, id),
  top: Oracle.descending(v, id, 3),
  bottom: Oracle.ascending(v, id, 2),
  distinct: Oracle.distinct(v, 3),
  about: Oracle.different(v),
  quantiles: Oracle.quantiles(v, told.quantiles),
  histogram: Oracle.histogram(v, told.boundaries),
  rate: Oracle.rate(v, told.perMillis),
  decayed: Oracle.decayed(v, told.halfLifeMillis),
};

export const oracleAssignerOf = (assigner: AssignerPlan): Oracle.Assigner<Item> => {
  switch (assigner.kind) {
    case "session":
      return Oracle.session((item) => pick(assigner.gaps, item));
    case "spans":
      return Oracle.spans(spansOf(assigner.sizes));
    case "calendar":
      return Oracle.spans((time) => [Oracle.calendarWindowOf(assigner.timeZone, assigner.unit, time)]);
    default:
      return assigner;
  }
};

type AnyResult = Oracle.Result<number, Record<string, unknown>>;

export const rowsOf = <A>(ticks: ReadonlyArray<Oracle.Tick<A>>): Array<A> =>
  ticks.flatMap((tick) => tick.tick === "record" ? [tick.value] : []);

export const answer = (plan: Plan): Answer => {
  const rows: Record<string, ReadonlyArray<unknown>> = {};
  const counters: Record<string, Readonly<Record<string, number>>> = {};
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
  const dead: Record<string, Array<unknown>> = {};
  for (const steps of [...plan.sources.map(({ before }) => before), plan.steps]) {
    for (const number of deadOf(steps)) rows[deadSink(number)] = dead[deadSink(number)] = [];
  }
  let refused = 0;
  const refuse: Refuse = ({ id }, to) => {
    refused++;
    if (to !== "drop") dead[deadSink(to)].push({ dead: id });
  };
  const raw = Oracle.records(reading).flatMap((record) =>
    applySteps(record.value, splits[record.split].source.before, refuse).map((value) => ({ ...record, value }))
  );
  const stampedBy = (sources: ReadonlyArray<number>) => {
    const reaching = [...splits.keys()].filter((split) => sources.includes(splits[split].s));
    const ofThem = raw.filter(({ split }) => reaching.includes(split));
    return Oracle.eventTime(ofThem, reaching, reading, ({ at }) => at, boundOf(plan.sources[sources[0]]));
  };
  const numbers = [...plan.sources.keys()];
  const stamped = plan.joined === "before" ? stampedBy(numbers) : Oracle.merge(...numbers.map((s) => stampedBy([s])));
  const shared = Oracle.flatMap(stamped, (item) => applySteps(item, plan.steps, refuse));
  let certainRanks: ReadonlyArray<unknown> = [];
  if (plan.copy) rows["copy"] = rowsOf(shared);
  /** A late record is dropped unless there is a sink for it. */
  const dropped = ({ late }: { readonly late: number }, to: "drop" | "sink") => ({
    lateDropped: to === "drop" ? late : 0,
  });
  if (plan.ranking !== null) {
    const { keys, ids, ...ranking } = plan.ranking;
    const what = { key: ({ k }: Item): number => k % keys, by: v, id: ({ id }: Item): number => id % ids };
    const ranked = Oracle.topN(shared, { ...ranking, ...what });
    certainRanks = Oracle.topN(shared, { ...ranking, entriesMax: Infinity, ...what }).said;
    rows["ranks"] = ranked.said;
    counters["ranking"] = ranked.counters;
  }
  const flows: Array<Array<Oracle.Tick<AnyResult>>> = [];
  plan.windows.forEach((window, w) => {
    const { once } = window;
    const key = ({ k }: Item): number => k % window.keys;
    let input = Oracle.flatMap(shared, (item) => applySteps(item, [...window.steps, ...window.keyed]));
    if (once !== null) {
      const deduplicated = Oracle.deduplicate(input, { ...once, key });
      input = deduplicated.out;
      rows[`rows once ${w}`] = rowsOf(input).map((item) => ({ key: key(item), item }));
      if (once.late === "sink") rows[`late once ${w}`] = deduplicated.late;
      counters[`once ${w}`] = { ...deduplicated.counters, ...dropped(deduplicated.counters, once.late) };
    }
    const windowed = Oracle.window(input, {
      key,
      assigner: oracleAssignerOf(window.assigner),
      trigger: window.trigger,
      panes: window.panes,
      lateness: window.lateness,
      summary: Oracle.struct(Object.fromEntries(window.stats.map((name) => [name, statsBy[name]]))),
    });
    rows[`results ${w}`] = rowsOf(windowed.results);
    if (window.late === "sink") rows[`late ${w}`] = windowed.late;
    counters[`window ${w}`] = { ...windowed.counters, ...dropped(windowed.counters, window.late) };
    if (feedsSecond(plan, window)) flows.push(windowed.results);
  });
  if (plan.second !== null && flows.length > 0) {
    const { keys, assigner, lateness } = plan.second;
    const totals = Oracle.struct<AnyResult>({
      count: Oracle.count(),
      sum: Oracle.sum(({ value }) => value["sum"] as number),
    });
    const windowed = Oracle.window(Oracle.merge(...flows), {
      key: ({ key }) => key % keys,
      assigner: oracleAssignerOf(assigner) as Oracle.Assigner,
      lateness,
      summary: totals,
    });
    rows["second"] = rowsOf(windowed.results);
    counters["second"] = { ...windowed.counters, ...dropped(windowed.counters, "drop") };
    if (plan.third !== null) {
      const options = { key: () => 0, assigner: Oracle.tumbling(plan.third), lateness: 0, summary: totals };
      const third = Oracle.window(windowed.results, options);
      rows["third"] = rowsOf(third.results);
      counters["third"] = { ...third.counters, ...dropped(third.counters, "drop") };
    }
  }
  return { rows, counters, certainRanks, refused };
};
