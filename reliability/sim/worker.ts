/**
 * Runs seeds and scenarios in a thread of its own, one after the other.
 */
/// <reference lib="deno.worker" />
import { type Outcome, runRegression, runSeed } from "./run-seed.ts";
import type { Regression } from "./regressions.ts";

/** What is asked of a thread: a seed, or a scenario that came out wrong once. */
export type Asked = { readonly seed: number } | { readonly regression: Regression };

self.onmessage = ({ data }: MessageEvent<Asked>) => {
  const outcome: Outcome = "seed" in data ? runSeed(data.seed) : runRegression(data.regression);
  self.postMessage(outcome);
};
