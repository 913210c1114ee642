/**
 * The entry point of a program that runs one job: signals, a closing line, an exit code.
 *
 * @module
 */
import { Cause, Deferred, type Duration, Effect, Exit, Option, type Scope } from "effect";
import { atLeastOne, millisOf } from "../windows/millis-of.ts";
import type { Job } from "./job.ts";
import type { JobMetrics } from "./metrics.ts";
import { type JobError, type JobSummary, type RunningJob, type RunOptions, start } from "./run.ts";

/** How a job's program runs. */
export interface MainOptions extends RunOptions {
  /** Is shown the job's metrics, every `progressInterval`. Default: a line on standard error, unless that is no terminal. */
  readonly onProgress?: (metrics: JobMetrics) => void;
  /** How often progress is shown. Default: 1 second. */
  readonly progressInterval?: Duration.Input;
}

/** How often progress is shown unless a program says otherwise. */
const progressIntervalMillis = 1_000;

/**
 * For how long a further signal counts as the same one, in milliseconds. A terminal sends Ctrl-C to every process, and
 * `deno task` passes on what it gets, so the job's process hears of it twice.
 */
const echoMillisMax = 500;

/** The exit code of a job that failed. */
const failureCode = 1;

/**
 * Runs a job as a program, and exits.
 *
 * Ctrl-C and SIGTERM end it after a last epoch, with its windows left open, and the exit code is 0; a second one, at
 * least half a second later, ends it at once (nothing committed is lost). A job that fails says why on standard error, and
 * the exit code is 1. Where standard output is not read any more the job ends without a word, and with exit code 0.
 *
 * @throws {RangeError} If `progressInterval` is not finite and at least 1 millisecond.
 *
 * @example
 * ```ts ignore
 * if (import.meta.main) await Job.main(job, { state: "state/clicks.kv" });
 * ```
 */
export const main = async (job: Job<never>, options: MainOptions = {}): Promise<void> => {
  const { progressInterval = progressIntervalMillis } = options;
  const progressMillis = millisOf(`run job "${job.name}"`, "progressInterval", progressInterval, atLeastOne);
  const onProgress = options.onProgress ?? (Deno.stderr.isTerminal() ? showProgress : () => {});
  const program = Effect.scoped(Effect.gen(function* () {
    const running = yield* start(job, options);
    yield* Effect.forkScoped(Effect.exit(stopAtSignal(running)));
    yield* running.metrics.pipe(
      Effect.map(onProgress),
      Effect.delay(progressMillis),
      Effect.forever,
      Effect.forkScoped,
    );
    return yield* running.await;
  }));
  const exit = await Effect.runPromiseExit(program);
  if (Exit.isSuccess(exit)) {
    console.error(closingLine(exit.value));
    Deno.exit(0);
  }
  if (isUnread(exit.cause)) Deno.exit(0);
  console.error(`${job.name}: failed`);
  console.error(Cause.pretty(exit.cause));
  Deno.exit(failureCode);
};

/** Whether nobody reads the output any more, as behind `| head -1`: that is no failure, and there is nobody to tell. */
const isUnread = (cause: Cause.Cause<JobError>): boolean => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause));
  return error?._tag === "SinkError" && error.cause instanceof Deno.errors.BrokenPipe && !error.retryable;
};

/** Asks the job to stop at the first Ctrl-C or SIGTERM. A later one has its usual effect. */
const stopAtSignal = (running: RunningJob): Effect.Effect<void, JobError, Scope.Scope> =>
  Effect.gen(function* () {
    const heard = yield* Deferred.make<void>();
    const listener = (): void => void Deferred.doneUnsafe(heard, Effect.void);
    for (const signal of stopSignals) Deno.addSignalListener(signal, listener);
    yield* Deferred.await(heard);
    const stopListening = Effect.sync(() => {
      for (const signal of stopSignals) Deno.removeSignalListener(signal, listener);
    });
    yield* Effect.forkScoped(Effect.andThen(Effect.sleep(echoMillisMax), stopListening));
    yield* running.stop;
  });

const stopSignals = ["SIGINT", "SIGTERM"] as const;

const recordsOf = (metrics: JobMetrics): number => metrics.splits.reduce((sum, { records }) => sum + records, 0);

const showProgress = (metrics: JobMetrics): void =>
  console.error(`${metrics.job}: ${recordsOf(metrics)} records, epoch ${metrics.epochs.epoch}`);

const closingLine = ({ job, outcome, metrics }: JobSummary): string => {
  const rows = metrics.sinks.map(({ sink, rows }) => `${sink} ${rows}`).join(", ");
  return `${job}: ${outcome} at epoch ${metrics.epochs.epoch} after ${recordsOf(metrics)} records; rows: ${rows}`;
};
