/**
 * A scenario: what is run, how, and what goes wrong. It is plain data, so that it can be made smaller and kept.
 */
import fc from "fast-check";
import type { RunOptions } from "../../src/streams/run.ts";
import { type Fault, type FaultKind, kindsOf, type Port, ports } from "../../src/testing/simulation/faults.ts";
import type { Guarantee } from "./guarantee.ts";
import type { Coarseness, Drawn } from "./pipeline.ts";
import { pipelines } from "./pipelines.ts";

/** What a scenario may vary without changing what must come of it. */
export interface Setting extends Coarseness {
  readonly guarantee: Guarantee;
  readonly queueRecordsMax: number;
  readonly keyedPartitions: number;
  /** How often the job goes through what is available before it is run to its end, where that is possible. */
  readonly passes: number;
}

/** Something that is to go wrong. Where, becomes an operation's number once it is known how many there are. */
export interface FaultPlan {
  readonly port: Port;
  /** A part of the operations of that port, in thousandths. */
  readonly at: number;
  /** Which of the kinds that the port knows. */
  readonly kind: number;
  readonly times: number;
}

export interface Scenario {
  readonly pipeline: string;
  readonly plan: unknown;
  readonly setting: Setting;
  readonly faults: ReadonlyArray<FaultPlan>;
  /** What the world is drawn from: the order of fibers, delays, and chance inside of the job. */
  readonly world: number;
  /** At which part of its commits, in thousandths, another world is stopped to look at what is stored; null for none. */
  readonly stop: number | null;
}

const faultPlans: fc.Arbitrary<FaultPlan> = fc.record({
  port: fc.oneof(
    { arbitrary: fc.constantFrom<Port>("commit", "step", "publish", "file-write"), weight: 3 },
    { arbitrary: fc.constantFrom<Port>(...ports), weight: 2 },
  ),
  at: fc.nat(999),
  kind: fc.nat(99),
  times: fc.oneof({ arbitrary: fc.constant(1), weight: 6 }, { arbitrary: fc.integer({ min: 2, max: 4 }), weight: 1 }),
});

/** What is at once hardest and rarest: something is on its way still when a process dies, or two own the job. */
const clusters: fc.Arbitrary<ReadonlyArray<FaultPlan>> = fc.tuple(
  fc.nat(999),
  fc.constantFrom<readonly [Port, FaultKind]>(
    ...[["commit", "fail-late"], ["commit", "crash-late"], ["commit", "fail-after"]] as const,
    ...[["step", "pause"], ["step", "rival"], ["file-write", "torn"], ["file-write", "power"]] as const,
  ),
  fc.constantFrom<readonly [Port, FaultKind]>(
    ...[["commit", "crash-before"], ["commit", "crash-after"], ["step", "crash"], ["step", "pause"]] as const,
    ...[["step", "rival"], ["publish", "crash-before"], ["commit", "fail-late"], ["commit", "slow"]] as const,
  ),
  fc.nat(60),
).map(([at, first, second, apart]) =>
  ([[at, first], [Math.min(999, at + apart), second]] as const).map(([at, [port, kind]]) => ({
    port,
    at,
    kind: kindsOf[port].indexOf(kind),
    times: 1,
  }))
);

const settings: fc.Arbitrary<Setting> = fc.record({
  guarantee: fc.oneof(
    { arbitrary: fc.constant<Guarantee>("exactly-once"), weight: 6 },
    { arbitrary: fc.constant<Guarantee>("at-least-once"), weight: 2 },
    { arbitrary: fc.constant<Guarantee>("at-most-once"), weight: 1 },
  ),
  batchRecordsMax: fc.constantFrom(1, 2, 7, 1_024),
  queueRecordsMax: fc.constantFrom(1, 3, 8_192),
  keyedPartitions: fc.constantFrom(1, 3, 8),
  epochRecordsMax: fc.constantFrom(1, 5, 20, 1_000_000),
  epochMillis: fc.constantFrom(10, 100, 1_000, 3_600_000),
  passes: fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, { arbitrary: fc.integer({ min: 1, max: 2 }), weight: 1 }),
});

/** A setting that goes below none of some numbers. */
const atLeast = (setting: Setting, least: Partial<Coarseness>): Setting => ({
  ...setting,
  batchRecordsMax: Math.max(setting.batchRecordsMax, least.batchRecordsMax ?? 0),
  epochRecordsMax: Math.max(setting.epochRecordsMax, least.epochRecordsMax ?? 0),
  epochMillis: Math.max(setting.epochMillis, least.epochMillis ?? 0),
});

/** Every scenario. */
export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  pipeline: fc.oneof(
    ...pipelines.map(({ name, weight, plans, settingsMin = {} }) => ({
      arbitrary: fc.tuple(plans as fc.Arbitrary<unknown>, settings).map(([plan, setting]) => ({
        name,
        plan,
        setting: atLeast(setting, settingsMin),
      })),
      weight: 10 * weight,
    })),
  ),
  faults: fc.tuple(
    fc.array(faultPlans, { maxLength: 7, size: "max" }),
    fc.array(clusters, { maxLength: 2 }).map((all) => all.flat()),
  ).map((all) => all.flat()),
  world: fc.nat(),
  stop: fc.option(fc.nat(999), { freq: 1 }),
}).map(({ pipeline: { name, ...pipeline }, ...others }) => ({ pipeline: name, ...pipeline, ...others }));

/** The pipeline of a scenario. */
export const drawnOf = ({ pipeline, plan }: Scenario): Drawn => {
  const found = pipelines.find(({ name }) => name === pipeline);
  if (found === undefined) {
    throw new RangeError(
      `Cannot run a scenario as there must be a pipeline of its name: current value is "${pipeline}"`,
    );
  }
  return found.draw(plan);
};

/** How the job of a scenario is run. */
export const optionsOf = (
  { batchRecordsMax, queueRecordsMax, keyedPartitions, epochRecordsMax, epochMillis }: Setting,
): Omit<RunOptions, "kv"> => ({
  batchRecordsMax,
  queueRecordsMax,
  keyedPartitions,
  epochRecordsMax,
  epochInterval: epochMillis,
});

/** The part of the operations of a calm run in which faults are placed. */
const placedIn = 0.7;

/** Whether a fault leaves the number of operations as it is, so that it uses one of them up. */
const isMild = (kind: string): boolean => kind === "slow" || kind.startsWith("clock");

/**
 * Faults at operations, given how many operations of each port a calm run has had. A port that is not there stands for
 * the world itself. Faults that would not find enough operations are left out.
 */
export const place = (
  faults: ReadonlyArray<FaultPlan>,
  operations: Readonly<Record<Port, number>>,
): ReadonlyArray<Fault> => {
  const placed: Array<Fault> = [];
  const left = { ...operations };
  for (const { port: wanted, at, kind: number, times } of faults) {
    const port = operations[wanted] === 0 ? "step" : wanted;
    const kinds = kindsOf[port];
    const kind = kinds[number % kinds.length];
    const isOnce = isMild(kind) || port === "step";
    left[port] -= isOnce ? 1 : times;
    if (left[port] < 0) continue;
    placed.push({
      port,
      kind,
      index: Math.floor(at / 1_000 * placedIn * operations[port]),
      ...(isOnce ? {} : { times }),
    });
  }
  return placed;
};

/** A scenario in words. */
export const write = (scenario: Scenario): string => {
  const { pipeline, setting, faults, world, stop } = scenario;
  return [
    `pipeline "${pipeline}"`,
    drawnOf(scenario).write(setting.guarantee),
    Object.entries(setting).map(([name, value]) => `${name} ${value}`).join(", "),
    ...faults.map(({ port, at, kind, times }) =>
      `fault: ${kindsOf[port][kind % kindsOf[port].length]} at ${at / 10} % of ${port}, ${times} times`
    ),
    `world ${world}${stop === null ? "" : `, stopped at ${stop / 10} % of the commits`}`,
  ].join("\n");
};
