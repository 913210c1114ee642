/**
 * Random pipelines in simulated worlds in which everything goes wrong: some hundred seeds of `deno task sim`, and every
 * scenario that came out wrong once.
 */
import assert from "node:assert/strict";
import { type Outcome, runRegression, runSeed } from "../reliability/sim/run-seed.ts";
import { regressions } from "../reliability/sim/regressions.ts";
import { write } from "../reliability/sim/scenario.ts";

/** How many seeds are run. */
const seeds = 150;

const assertRight = (outcome: Outcome): void => {
  if ("account" in outcome) return;
  const { seed, message, scenario } = outcome.failure;
  assert.fail(`seed ${seed}: ${message}\n${write(scenario)}`);
};

Deno.test("what came out wrong once comes out right", async () => {
  for (const regression of await regressions()) assertRight(runRegression(regression));
});

Deno.test("whatever goes wrong in a simulated world, its job answers what it must", () => {
  for (let seed = 1; seed <= seeds; seed++) assertRight(runSeed(seed));
});
