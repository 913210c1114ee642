/**
 * Runs without faults, under conditions that can be varied one at a time, to see whether a pipeline is deterministic.
 *
 * @module
 */
import { Cause, type Context, Effect, Exit, Random } from "effect";
import { type JobError, type JobSummary, run } from "../../streams/run.ts";
import { memoryKv } from "../memory-kv.ts";
import { Seeded } from "./seeded.ts";
import type { Subject } from "./subject.ts";
import { World, worldBegins } from "./world.ts";

/** How a run is cut into batches, queues and epochs. */
export interface Sizes {
  readonly batchRecordsMax: number;
  readonly queueRecordsMax: number;
  readonly epochRecordsMax: number;
}

/** Under which conditions a run takes place. */
export interface Conditions {
  /** What the order of fibers is drawn from. */
  readonly order: string;
  /** What Effect's `Random` draws from. */
  readonly chance: string;
  /** When the clock begins. */
  readonly begins: number;
  /** How likely a millisecond goes by while a fiber works. */
  readonly workMillisChance: number;
  readonly sizes: Sizes;
}

/** How long an epoch lasts on the clock of a simulated world, in milliseconds. */
export const epochMillis = 500;

/** What every job is compared with. */
export const usualConditions = (sizes: Sizes): Conditions => ({
  order: "usual",
  chance: "usual",
  begins: worldBegins,
  // Time goes by only where nothing else can happen, so that it does not depend on the order of fibers.
  workMillisChance: 0,
  sizes,
});

/** One condition that is varied, and what it means when the output varies with it. */
export interface Variation {
  readonly varies: (usual: Conditions) => Conditions;
  /** In what two runs differ. */
  readonly only: string;
  /** What that means. */
  readonly means: string;
}

/** How much later the clock begins where it is varied: 100 days, 7 hours, 13 minutes and 17.123 seconds. */
const laterMillis = 8_666_017_123;

/** The conditions that no output should depend on, in the order in which they are tried. */
export const variations: ReadonlyArray<Variation> = [
  {
    varies: (usual) => usual,
    only: "nothing",
    means:
      "a function keeps state of its own from one run to the next, or asks the world outside, such as for the real " +
      "time or for chance that is not Effect's Random",
  },
  {
    varies: (usual) => ({ ...usual, chance: "other" }),
    only: "the seed of Effect's Random",
    means: "the pipeline draws random numbers",
  },
  {
    varies: (usual) => ({ ...usual, order: "other" }),
    only: "the order in which fibers have their turn",
    means: "functions share state that is not the engine's, or an Effect answers by what others have done before",
  },
  {
    varies: (usual) => ({ ...usual, begins: usual.begins + laterMillis, workMillisChance: 0.5 }),
    only: "the clock, and how fast it goes",
    means: "the pipeline depends on processing time",
  },
];

/** Runs a job to its end, without any fault. Throws what it fails with. */
export const calmRun = (options: {
  readonly subject: Subject;
  readonly conditions: Conditions;
  readonly keyedPartitions: number;
  readonly services: Context.Context<unknown>;
  readonly stepsMax: number;
}): void => {
  const { subject, keyedPartitions, services, stepsMax } = options;
  const { order, chance, begins, workMillisChance, sizes } = options.conditions;
  const world = new World({ seed: order, shuffles: true, workMillisChance, begins });
  let ended: Exit.Exit<JobSummary, JobError> | null = null as Exit.Exit<JobSummary, JobError> | null;
  const main = run(subject.job, {
    kv: memoryKv(),
    state: "calm.kv",
    epochInterval: epochMillis,
    keyedPartitions,
    ...sizes,
  }).pipe(Effect.provideService(Random.Random, new Seeded(chance).service), Effect.provideContext(services));
  world.spawn("run").run(main as Effect.Effect<JobSummary, JobError>, (exit) => void (ended = exit));
  world.run(() => ended !== null, stepsMax);
  if (ended === null) throw new Error(`Cannot simulate job "${subject.job.name}" as ${mustEnd(stepsMax)}`);
  if (Exit.isFailure(ended)) throw Cause.squash(ended.cause);
};

/** What to say of a job that did not come to its end. */
export const mustEnd = (stepsMax: number): string =>
  "it must come to its end, and not wait for the world outside, such as for a promise or a file (give it services that " +
  `answer at once): current value is a job that has not ended in ${stepsMax} steps`;
