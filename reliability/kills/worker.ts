/**
 * A process that runs the job until it ends or is killed. It says, a line each, which epochs are committed and how it
 * has ended.
 *
 * ```sh
 * deno run -P=kills reliability/kills/worker.ts FOLDER INPUT
 * ```
 *
 * @module
 */
import { Job } from "@weir/streams";
import { Effect, Exit, Option, References } from "effect";
import { Cause } from "effect";
import { readingsJob, runOptions } from "./job.ts";

/** What a worker says. */
export type Said =
  | { readonly say: "committed"; readonly epoch: number }
  | { readonly say: "ended"; readonly epoch: number }
  | { readonly say: "failed"; readonly error: string; readonly message: string };

/** How many records an epoch has: few, so that a kill finds many of them. */
const epochRecords = 40;

const say = (said: Said): void => {
  // Synchronous: what was said is out before anything else happens.
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(said)}\n`));
};

const [folder, ...paths] = Deno.args;

const job = readingsJob({ paths, folder, onPublish: (epoch) => say({ say: "committed", epoch }) });
const running = Job.run(job, {
  ...runOptions,
  state: `${folder}/state.kv`,
  epochInterval: "1 hour",
  epochRecordsMax: epochRecords,
});
const exit = await Effect.runPromiseExit(Effect.provideService(running, References.MinimumLogLevel, "None"));
if (Exit.isSuccess(exit)) {
  say({ say: "ended", epoch: exit.value.metrics.epochs.epoch });
} else {
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
  const squashed = Cause.squash(exit.cause);
  const message = squashed instanceof Error ? squashed.message : String(squashed);
  say({ say: "failed", error: error?._tag ?? "defect", message });
}
