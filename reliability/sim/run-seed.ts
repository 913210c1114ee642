/**
 * Runs the scenario of a seed and, where it comes out wrong, looks for a smaller one that does too.
 */
import fc from "fast-check";
import type { TraceEvent } from "../../src/testing/simulation/trace.ts";
import { type Account, Broken, runScenario } from "./run-scenario.ts";
import type { Regression } from "./regressions.ts";
import { type Scenario, scenarios } from "./scenario.ts";

/** A seed that came out wrong. */
export interface Failure {
  readonly seed: number;
  readonly message: string;
  /** The smallest scenario that was found. */
  readonly scenario: Scenario;
  /** What happened in it last. */
  readonly timeline: ReadonlyArray<TraceEvent>;
}

export type Outcome = { readonly seed: number } & ({ readonly account: Account } | { readonly failure: Failure });

/** Of how many seeds one is run twice. */
const againEvery = 10;

/** How long smaller scenarios are looked for, in milliseconds. */
const shrinkMillisMax = 40_000;

/** Numbers that are next to each other must not draw alike. */
const mix = (seed: number): number => {
  let h = Math.imul(seed + 1, 0x9e3779b1) | 0;
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return h ^ h >>> 16;
};

const parameters = (seed: number) => ({ seed: mix(seed), numRuns: 1, unbiased: true }) as const;

/** The scenario of a seed. */
export const scenarioOf = (seed: number): Scenario => fc.sample(scenarios, parameters(seed))[0];

/** Runs a scenario, and gives back what is wrong with it if something is. */
const tryScenario = (scenario: Scenario, again: boolean): Account | Broken => {
  try {
    return runScenario(scenario, again);
  } catch (error) {
    return error instanceof Broken ? error : new Broken(error instanceof Error ? error.stack! : String(error), []);
  }
};

/** Runs the scenario of a seed. */
export const runSeed = (seed: number): Outcome => {
  const again = seed % againEvery === 0;
  let account: Account | null = null;
  const details = fc.check(
    fc.property(scenarios, (scenario) => {
      const ran = runScenario(scenario, again);
      account ??= ran;
    }),
    { ...parameters(seed), interruptAfterTimeLimit: shrinkMillisMax, markInterruptAsFailure: false },
  );
  if (!details.failed) return { seed, account: account! };
  const scenario = details.counterexample?.[0] ?? scenarioOf(seed);
  const ran = tryScenario(scenario, again);
  const { message, timeline } = ran instanceof Broken ? ran : new Broken(String(details.errorInstance), []);
  return { seed, failure: { seed, message, scenario, timeline } };
};

/** Runs a scenario that came out wrong once. */
export const runRegression = ({ seed, scenario }: Regression): Outcome => {
  const ran = tryScenario(scenario, true);
  if (!(ran instanceof Broken)) return { seed, account: ran };
  return { seed, failure: { seed, message: ran.message, scenario, timeline: ran.timeline } };
};
