/**
 * A job on a disk that is full, and then is not: `full-disk.ts SMALL LARGE WHAT`, where `SMALL` is a folder on a disk of a
 * few megabytes, `LARGE` one on another, and `WHAT` says what is kept on the small one: the state, the files or the tables.
 *
 * Says in one line how each run has ended.
 *
 * @module
 */
import { Job } from "@weir/streams";
import { Cause, Effect, Exit, Option, References, Schedule } from "effect";
import assert from "node:assert/strict";
import { readingsJob, runOptions } from "../../reliability/kills/job.ts";
import { answerOf } from "../../reliability/kills/outputs.ts";
import { writeReadings } from "../../reliability/kills/readings.ts";
import { recount } from "../../reliability/kills/recount.ts";

const [small, large, what] = Deno.args;

/** How much room there is besides what fills the disk up: enough to begin, and not to end. */
const roomBytes = { state: 500_000, files: 12_000, tables: 500_000 }[what]!;
/** How much is written to the disk at once to fill it up. */
const blockBytes = 4_096;

const files = await writeReadings(`${large}/input`, 1, 600);
const place = (kept: string): string => what === kept ? small : large;

const filler = `${small}/filler`;

/** Fills the disk up, but for the room that is left to the job. */
const fill = (): void => {
  using file = Deno.openSync(filler, { write: true, create: true });
  let size = 0;
  try {
    for (;;) size += file.writeSync(new Uint8Array(blockBytes));
  } catch {
    file.truncateSync(Math.max(0, size - roomBytes));
  }
};

const job = readingsJob({
  paths: files.map(({ path }) => path),
  folder: place("files"),
  tables: place("tables"),
});

const run = (restart: Schedule.Schedule<unknown, Job.JobError>): Promise<Exit.Exit<Job.JobSummary, Job.JobError>> =>
  Effect.runPromiseExit(
    Effect.provideService(
      Job.run(job, {
        ...runOptions,
        state: `${place("state")}/state.kv`,
        epochInterval: "1 hour",
        epochRecordsMax: 40,
        restart,
      }),
      References.MinimumLogLevel,
      "None",
    ),
  );

const say = (exit: Exit.Exit<Job.JobSummary, Job.JobError>): void => {
  if (Exit.isSuccess(exit)) {
    return console.log(JSON.stringify({ ended: exit.value.outcome, restarts: exit.value.metrics.restarts }));
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
  if (error === undefined) throw Cause.squash(exit.cause);
  console.log(
    JSON.stringify({ error: error._tag, message: error.message, retryable: "retryable" in error && error.retryable }),
  );
};

fill();
say(await run(Schedule.recurs(2)));
// Once more, and this time there is room again while it is being tried.
setTimeout(() => Deno.removeSync(filler), 300);
say(await run(Schedule.spaced("50 millis")));
assert.deepEqual(await answerOf(place("files"), place("tables")), recount(files.map(({ readings }) => readings)));
console.log(JSON.stringify({ ended: "exact" }));
