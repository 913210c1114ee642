/**
 * The entry point of a program that runs one job: signals, a first and a closing line, an exit code.
 *
 * @module
 */
import { Cause, Context, Deferred, type Duration, Effect, Exit, Logger, Option, type Scope } from "effect";
import { atLeastOne, millisOf } from "../windows/millis-of.ts";
import { errorLine } from "../windows/error-words.ts";
import { failureText } from "./failure-text.ts";
import type { Job } from "./job.ts";
import type { JobMetrics } from "./metrics.ts";
import {
  type JobError,
  type JobSummary,
  type Restart,
  type RunningJob,
  type RunOptions,
  start,
  type Started,
} from "./run.ts";
import type { WithServices } from "./with-services.ts";

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
 * least half a second later, ends it at once (nothing committed is lost). Where standard output is not read any more the job
 * ends without another word, and with exit code 0.
 *
 * What it says goes to standard error, a line each time: where that is no terminal, that the job has started, from which
 * epoch on and with which state; each restart after an error that may pass; and last how the job ended, with the rows of
 * each sink and what was dropped, or why it failed, and then the exit code is 1. What is logged by Effect goes there, too.
 *
 * A job that needs services must be given them, in the option `services`.
 *
 * @throws {RangeError} If `progressInterval` is not finite and at least 1 millisecond.
 *
 * @example
 * ```ts ignore
 * if (import.meta.main) await Job.main(job, { state: "state/clicks.kv" });
 * ```
 *
 * @example A job whose functions ask a service for rates
 * ```ts ignore
 * class Rates extends Context.Service<Rates, { readonly of: (currency: string) => number }>()("Rates") {}
 *
 * if (import.meta.main) await Job.main(job, { services: Context.make(Rates, { of: () => 1.08 }) });
 * ```
 */
export const main = async <R>(job: Job<R>, ...optionsWithServices: WithServices<R, MainOptions>): Promise<void> => {
  const options: MainOptions & { readonly services?: Context.Context<R> } = optionsWithServices[0] ?? {};
  const services = options.services ?? (Context.empty() as Context.Context<R>);
  const { progressInterval = progressIntervalMillis } = options;
  const progressMillis = millisOf(`run job "${job.name}"`, "progressInterval", progressInterval, atLeastOne);
  const onProgress = options.onProgress ?? (Deno.stderr.isTerminal() ? showProgress : () => {});
  const program = Effect.scoped(Effect.gen(function* () {
    const onStart = Deno.stderr.isTerminal() ? () => {} : showStart;
    const running = yield* start(job, { onStart, onRestart: showRestart, ...options });
    yield* Effect.forkScoped(Effect.exit(stopAtSignal(running)));
    yield* running.metrics.pipe(
      Effect.map(onProgress),
      Effect.delay(progressMillis),
      Effect.forever,
      Effect.forkScoped,
    );
    return yield* running.await;
  })).pipe(
    Effect.provideContext(services),
    // Standard output may be the job's own.
    Effect.provideService(Logger.LogToStderr, true),
  );
  const exit = await Effect.runPromiseExit(program);
  if (Exit.isSuccess(exit)) {
    console.error(closingLine(exit.value));
    Deno.exit(0);
  }
  if (isUnread(exit.cause)) Deno.exit(0);
  console.error(failureText(job.name, exit.cause));
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

/** Where nobody sees the progress, a log should have when the job began, and where to look for its state. */
const showStart = ({ job, epoch, state }: Started): void =>
  console.error(`${job}: started at epoch ${epoch}, state ${state}`);

const showRestart = ({ job, error, restart, inMillis }: Restart): void =>
  console.error(`${job}: ${error._tag}: ${errorLine(error)}; restart ${restart} in ${Math.round(inMillis)} ms`);

/** What was dropped over the life of the job, by the counter that counts it. What went to a side output was not. */
const droppedCounters = { lateDropped: "late", dropped: "with errors", unrouted: "unrouted" } as const;

/** What was dropped, to stand behind the rows; nothing where all of it went somewhere. */
const droppedOf = ({ operators }: JobMetrics): string => {
  const counted = Object.entries(droppedCounters).flatMap(([counter, what]) => {
    const sum = Object.values(operators).reduce((sum, counters) => sum + (counters[counter] ?? 0), 0);
    return sum === 0 ? [] : [`${sum} ${what}`];
  });
  return counted.length === 0 ? "" : `; dropped: ${counted.join(", ")}`;
};

const closingLine = ({ job, outcome, metrics }: JobSummary): string => {
  const { epoch, committed } = metrics.epochs;
  const rows = metrics.sinks.map(({ sink, rows }) => `${sink} ${rows}`).join(", ") + droppedOf(metrics);
  const hadEnded = outcome === "ended" && epoch > 0 && committed === 0 && metrics.restarts === 0;
  return hadEnded
    ? `${job}: had ended before this start, so nothing was read (new state begins anew; in mode "available-now" sources ` +
      `stay open for what comes later); rows: ${rows}`
    : `${job}: ${outcome} at epoch ${epoch} after ${recordsOf(metrics)} records; rows: ${rows}`;
};
