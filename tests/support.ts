/** What several tests need: running a job whatever happens to it, and comparing answers. */
import assert from "node:assert/strict";
import { Cause, Effect, Exit, Option, References, Schedule } from "effect";
import { Job } from "@weir/streams";
import { type MemoryKv, memoryKv } from "../src/testing/memory-kv.ts";
import { identify } from "./oracle.ts";

/** How often a job may be started before a test gives up on it. */
const startsMax = 200;

/** Runs a job, and starts it again whenever its store has crashed, until it ends. */
export const runToEnd = async (
  job: Job.Job<never>,
  options: Job.RunOptions & { readonly kv: MemoryKv },
): Promise<Job.JobSummary & { readonly starts: number }> => {
  for (let starts = 1; starts <= startsMax; starts++) {
    const running = Job.run(job, {
      state: "test.kv",
      // Epochs end by records alone, so that one input always gives the same epochs.
      epochInterval: "1 hour",
      restart: Schedule.recurs(startsMax),
      ...options,
    });
    // A job warns of the crashes that are injected here.
    const exit = await Effect.runPromiseExit(Effect.provideService(running, References.MinimumLogLevel, "None"));
    if (Exit.isSuccess(exit)) return { ...exit.value, starts };
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
    if (error?._tag !== "KvError" || !/crash/.test(error.message)) throw Cause.squash(exit.cause);
  }
  throw new Error(`The job did not end in ${startsMax} starts`);
};

/** Runs a job to its end on a store of its own, without any fault. */
export const run = (job: Job.Job<never>, options: Job.RunOptions = {}): Promise<Job.JobSummary> =>
  runToEnd(job, { ...options, kv: memoryKv() });

/** A text for any value, equal for equal values whatever the order of their properties. */
export const canonical = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return identify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(", ")}]`;
  if (value instanceof Uint8Array) return identify(value);
  const properties = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `{ ${properties.map(([name, property]) => `${name}: ${canonical(property)}`).join(", ")} }`;
};

/** Checks that two lists hold the same values, equally often, in whatever order. */
export const assertSameBag = (got: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>, what: string): void => {
  const counts = new Map<string, number>();
  for (const value of expected) counts.set(canonical(value), (counts.get(canonical(value)) ?? 0) + 1);
  for (const value of got) counts.set(canonical(value), (counts.get(canonical(value)) ?? 0) - 1);
  const missing = [...counts].filter(([, n]) => n > 0).map(([text, n]) => `  missing ${n} x ${text}`);
  const extra = [...counts].filter(([, n]) => n < 0).map(([text, n]) => `  extra   ${-n} x ${text}`);
  if (missing.length + extra.length > 0) assert.fail(`${what} differ:\n${[...missing, ...extra].sort().join("\n")}`);
};
