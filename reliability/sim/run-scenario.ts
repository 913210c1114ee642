/**
 * Runs a scenario: calm, to see what there is to go wrong, and to hold it against the oracle; then with its faults; then
 * stopped somewhere, to hold what is stored against what was read.
 */
import assert from "node:assert/strict";
import type { Fault, FaultKind } from "../../src/testing/simulation/faults.ts";
import { simulateOnce, type SimulationReport } from "../../src/testing/simulation/simulation.ts";
import type { TraceEvent } from "../../src/testing/simulation/trace.ts";
import { type Outside, outside } from "./outside.ts";
import type { Drawn, Run } from "./pipeline.ts";
import { brokenQueue, watchQueues } from "./queues.ts";
import { drawnOf, optionsOf, place, type Scenario } from "./scenario.ts";
import { checkTidy, storedCounts } from "./stored.ts";

/** How it went. */
export interface Account {
  readonly records: number;
  readonly worlds: number;
  readonly processes: number;
  readonly killed: number;
  readonly zombies: number;
  readonly planned: Readonly<Record<string, number>>;
  readonly fired: Readonly<Record<string, number>>;
  /** Equal for equal scenarios. */
  readonly traceHash: string;
}

/** A scenario that came out wrong. */
export class Broken extends Error {
  override readonly name = "Broken";
  constructor(message: string, readonly timeline: ReadonlyArray<TraceEvent>) {
    super(message);
  }
}

/** How often faults that did not happen are placed anew, each time at half of the operation. */
const placingsMax = 16;

/**
 * Whether a fault could not happen: something else went wrong with each operation of its port, of which there may be fewer
 * than in calm. Under at-most-once, say, output that was lost is not published any more.
 */
const isCrowdedOut = ({ port }: Fault, { fired, operations }: SimulationReport): boolean =>
  operations[port] <= fired.filter((fault) => fault.port === port).reduce((sum, { times = 1 }) => sum + times, 0);

const zombieKinds: ReadonlyArray<FaultKind> = ["pause", "rival"];

/** One world or several, one after the other, that work on the same job. */
interface Lived {
  readonly outside: Outside;
  readonly reports: ReadonlyArray<SimulationReport>;
}

/** Hears of each world that was lived through, and for what. */
export type Listener = (what: string, report: SimulationReport) => void;

/** Runs a scenario. `again`: whether to run it twice, and to see that both runs are the same. */
export const runScenario = (scenario: Scenario, again: boolean, onWorld: Listener = () => {}): Account => {
  const { setting, world } = scenario;
  const drawn = drawnOf(scenario);
  const passes = drawn.inPasses ? setting.passes : 0;
  const options = optionsOf(setting);
  const all: Array<SimulationReport> = [];
  watchQueues(setting.batchRecordsMax);

  const within = <A>(what: string, report: SimulationReport | undefined, check: () => A): A => {
    try {
      return check();
    } catch (error) {
      if (error instanceof Broken) throw error;
      throw new Broken(`${what}: ${error instanceof Error ? error.message : error}`, report?.timeline ?? []);
    }
  };
  const simulate = (
    what: string,
    drawn: Drawn,
    outside: Outside,
    { run, faults, until }: {
      readonly run: string;
      readonly faults: ReadonlyArray<Fault>;
      readonly until?: () => boolean;
    },
  ): SimulationReport => {
    const isLast = run === `run ${passes}` || run === "rest";
    const report = simulateOnce({
      job: drawn.job(outside, setting.guarantee),
      seed: `${world} ${run}`,
      faults,
      disk: outside.kv,
      options: { ...options, mode: isLast ? "continuous" : "available-now" },
      services: outside.services,
      ...(until === undefined ? {} : { until }),
    });
    all.push(report);
    onWorld(what, report);
    const wrong = report.violation ?? brokenQueue();
    if (wrong !== null) throw new Broken(`${what}: ${wrong}`, report.timeline);
    return report;
  };
  const runOf = (...reports: ReadonlyArray<SimulationReport>): Run => {
    const summary = reports.at(-1)!.summary;
    assert.ok(summary !== null, "a process came to the end");
    const sourcesFailed = reports.some(({ fired }) => fired.some(({ port }) => port === "read"));
    const hadZombies = reports.some(({ fired }) => fired.some(({ kind }) => zombieKinds.includes(kind)));
    return { metrics: summary.metrics, sourcesFailed, inPasses: passes > 0, hadZombies };
  };
  /** Goes through all passes, and checks what is left of it. */
  const live = (what: string, faultsOf: ReadonlyArray<ReadonlyArray<Fault>>): Lived => {
    const made = outside();
    const reports = Array.from(
      { length: passes + 1 },
      (_, run) => simulate(what, drawn, made, { run: `run ${run}`, faults: faultsOf[run] ?? [] }),
    );
    const last = reports[passes];
    within(what, last, () => {
      assert.equal(last.summary?.outcome, "ended");
      const run = runOf(...reports);
      drawn.check(made, setting.guarantee, run);
      checkTidy(made, run.metrics.job);
    });
    return { outside: made, reports };
  };

  const calm = live("without faults", []);
  let faults = Array.from(
    { length: passes + 1 },
    (_, run) => place(scenario.faults.filter((_, k) => k % (passes + 1) === run), calm.reports[run].operations),
  );
  const plannedFaults = faults.flat();
  let stormy = plannedFaults.length === 0 ? calm : live("with faults", faults);
  for (let placings = 0; stormy.reports.some(({ unfired }) => unfired.length > 0); placings++) {
    if (placings === placingsMax) {
      const missing = stormy.reports.flatMap((report) =>
        report.unfired.filter((fault) => !isCrowdedOut(fault, report)).map(({ port, kind }) => `${kind} at ${port}`)
      );
      if (missing.length === 0) break;
      throw new Broken(`planned faults did not happen: ${missing.join(", ")}`, stormy.reports[passes].timeline);
    }
    const idle = new Set(stormy.reports.flatMap(({ unfired }) => unfired));
    faults = faults.map((some) =>
      some.map((fault) => idle.has(fault) ? { ...fault, index: Math.floor(fault.index / 2) } : fault)
    );
    stormy = live("with faults", faults);
  }
  if (drawn.inOrder && setting.guarantee !== "at-most-once") {
    within("with and without faults", stormy.reports[passes], () => {
      for (const [name, held] of stormy.outside.sinks) {
        assert.deepEqual(held.rows(), calm.outside.sinks.get(name)!.rows(), `the sequence of rows of "${name}"`);
      }
    });
  }
  const hashOf = ({ reports }: Lived): string => reports.map(({ traceHash }) => traceHash).join(" ");
  if (again) {
    const twin = live("again", faults);
    within(
      "again",
      twin.reports[passes],
      () => assert.equal(hashOf(twin), hashOf(stormy), "the same seed gives the same trace"),
    );
  }
  if (scenario.stop !== null && passes === 0 && drawn.cut !== undefined) {
    const stopAt = 1 + Math.floor(scenario.stop / 1_000 * stormy.outside.kv.commits());
    const made = outside();
    const stopped = simulate("stopped", drawn, made, {
      run: "run 0",
      faults: faults[0],
      until: () => made.kv.commits() >= stopAt,
    });
    if (stopped.summary === null) {
      const counts = storedCounts(made, drawn.job(made, setting.guarantee), setting.keyedPartitions);
      const cut = drawn.cut(counts);
      const what = "state is the fold of the input up to where it was read";
      const rest = simulate(what, cut, made, { run: "rest", faults: [] });
      within(what, rest, () => cut.check(made, setting.guarantee, runOf(stopped, rest)));
    }
  }
  const fired = stormy.reports.flatMap(({ fired }) => fired);
  return {
    records: drawn.records * all.length,
    worlds: all.length,
    processes: all.reduce((sum, { processes }) => sum + processes, 0),
    killed: all.reduce((sum, { killed }) => sum + killed, 0),
    zombies: fired.filter(({ kind }) => zombieKinds.includes(kind)).length,
    planned: countBy(plannedFaults, ({ kind }) => kind),
    fired: countBy(fired, ({ kind }) => kind),
    traceHash: hashOf(stormy),
  };
};

const countBy = <A>(values: ReadonlyArray<A>, by: (value: A) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[by(value)] = (counts[by(value)] ?? 0) + 1;
  return counts;
};
