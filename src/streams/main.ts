/**
 * The entry point of a program that runs one job: signals, a closing line, an exit code.
 *
 * @module
 */
import { Cause, Effect, Exit, Fiber } from "effect";
import type { Job } from "./job.ts";
import type { JobMetrics } from "./metrics.ts";
import { type JobSummary, type RunOptions, start } from "./run.ts";

/** How a job's program runs. */
export interface MainOptions extends RunOptions {
  /** Is shown the job's metrics, every `progressInterval`. Default: a line on standard error, unless that is no terminal. */
  readonly onProgress?: (metrics: JobMetrics) => void;
  /** How often progress is shown, in milliseconds. Default: 1,000. */
  readonly progressIntervalMillis?: number;
}

/** How often progress is shown unless a program says otherwise. */
const progressMillis = 1_000;

/** The exit code of a job that failed. */
const failureCode = 1;

/**
 * Runs a job as a program, and exits.
 *
 * Ctrl-C and SIGTERM end it after a last epoch, with its windows left open, and the exit code is 0; a second one ends it
 * at once (nothing committed is lost). A job that fails says why on standard error, and the exit code is 1.
 *
 * @example
 * ```ts ignore
 * if (import.meta.main) await Job.main(job, { state: "state/clicks.kv" });
 * ```
 */
export const main = async (job: Job<never>, options: MainOptions = {}): Promise<void> => {
  const onProgress = options.onProgress ?? (Deno.stderr.isTerminal() ? showProgress : () => {});
  const program = Effect.scoped(Effect.gen(function* () {
    const running = yield* start(job, options);
    const stopping = yield* Effect.forkScoped(
      Effect.andThen(interrupted, running.stop).pipe(Effect.exit),
    );
    yield* running.metrics.pipe(
      Effect.map(onProgress),
      Effect.delay(options.progressIntervalMillis ?? progressMillis),
      Effect.forever,
      Effect.forkScoped,
    );
    const summary = yield* running.await;
    yield* Fiber.interrupt(stopping);
    return summary;
  }));
  const exit = await Effect.runPromiseExit(program);
  if (Exit.isSuccess(exit)) {
    console.error(closingLine(exit.value));
    Deno.exit(0);
  }
  console.error(`${job.name}: failed`);
  console.error(Cause.pretty(exit.cause));
  Deno.exit(failureCode);
};

/** Waits for the first Ctrl-C or SIGTERM; from then on the next one has its usual effect. */
const interrupted: Effect.Effect<void> = Effect.callback<void>((resume) => {
  const listener = (): void => {
    remove();
    resume(Effect.void);
  };
  const remove = (): void => {
    for (const signal of stopSignals) Deno.removeSignalListener(signal, listener);
  };
  for (const signal of stopSignals) Deno.addSignalListener(signal, listener);
  return Effect.sync(remove);
});

const stopSignals = ["SIGINT", "SIGTERM"] as const;

const recordsOf = (metrics: JobMetrics): number => metrics.splits.reduce((sum, { records }) => sum + records, 0);

const showProgress = (metrics: JobMetrics): void =>
  console.error(`${metrics.job}: ${recordsOf(metrics)} records, epoch ${metrics.epochs.epoch}`);

const closingLine = ({ job, outcome, metrics }: JobSummary): string => {
  const rows = metrics.sinks.map(({ sink, rows }) => `${sink} ${rows}`).join(", ");
  return `${job}: ${outcome} at epoch ${metrics.epochs.epoch} after ${recordsOf(metrics)} records; rows: ${rows}`;
};
