/**
 * Kills the process of a job again and again, at random times, until the job has ended all the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Seeded } from "../../src/testing/simulation/seeded.ts";
import { startWorker, type Worker } from "./process.ts";
import { type InputFile, writeReadings } from "./readings.ts";
import { verifyEnded, verifyKilled } from "./verify.ts";

/** How long after its start a process may be killed: while it loads, claims the job, recovers, or works. */
const sinceStartMillis = 400;
/** How many epochs a process may have told of before it is killed. */
const epochsMax = 12;
/** How long after such an epoch it may be killed: about as long as the next two take. */
const sinceEpochMillis = 15;
/** One kill in so many comes at a time since the start, the others since an epoch. */
const sinceStartShare = 3;
/** How many readings each file has. */
const readingsCount = 3_000;

/** How many jobs are killed at the same time: while a process loads there is time to check what another one has left. */
const lanes = 3;

/** What was done to a job, and seen. */
export interface Killed {
  readonly kills: number;
  readonly jobs: number;
  /** Epochs that processes told of before they were killed, and that were looked for. */
  readonly epochs: number;
  /** Kills after which an epoch was there that nobody had been told of. */
  readonly unheard: number;
  /** Kills after which the state was taken on with its input cut, and recounted. */
  readonly restored: number;
}

const delay = (millis: number): Promise<void> => new Promise((wake) => setTimeout(wake, millis));

/** Kills a process at a time that the seed decides. */
const killSometime = async (worker: Worker, random: Seeded): Promise<void> => {
  if (random.below(sinceStartShare) === 0) {
    await delay(random.next() * sinceStartMillis);
  } else {
    await worker.hasTold(worker.told() + 1);
    await worker.hasTold(worker.told() + random.below(epochsMax));
    await delay(random.next() * sinceEpochMillis);
  }
  try {
    worker.kill("SIGKILL");
  } catch {
    // It was gone already.
  }
};

/** What does not change between the jobs of one run: the input, and what comes of it where nobody disturbs. */
export interface Undisturbed {
  readonly files: ReadonlyArray<InputFile>;
  readonly folder: string;
}

/** Writes the input to a folder, and runs the job over it once without a kill. */
export const runUndisturbed = async (folder: string, seed: number, readings = readingsCount): Promise<Undisturbed> => {
  const files = await writeReadings(`${folder}/input`, seed, readings);
  const undisturbed = { files, folder: `${folder}/undisturbed` };
  const { end } = startWorker(undisturbed.folder, files);
  assert.equal((await end)?.say, "ended");
  await verifyEnded({ ...undisturbed, undisturbed: undisturbed.folder });
  return undisturbed;
};

/** The sum of what was done in several places. */
const sumOf = (all: Iterable<Killed>): Killed => {
  const sum = { kills: 0, jobs: 0, epochs: 0, unheard: 0, restored: 0 };
  for (const one of all) for (const name of Object.keys(sum) as Array<keyof Killed>) sum[name] += one[name];
  return sum;
};

/** How the processes of a job are killed. */
interface Killing {
  readonly folder: string;
  readonly undisturbed: Undisturbed;
  readonly seed: number;
  readonly kills: number;
  /** One kill in so many is followed by a run with its input cut at the positions of the state. */
  readonly restoreShare: number;
  readonly onKill?: (killed: Killed) => void;
}

/** Kills processes until `kills` of them are dead, of several jobs at the same time, and checks what each has left. */
export const killInLanes = async (options: Killing): Promise<Killed> => {
  const { folder, seed, kills, onKill = () => {} } = options;
  const sofar = new Map<number, Killed>();
  await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
    const killed = await killUntil({
      ...options,
      folder: `${folder}/lane-${lane}`,
      seed: seed * lanes + lane,
      kills: Math.floor((kills + lane) / lanes),
      onKill: (killed) => onKill(sumOf(sofar.set(lane, killed).values())),
    });
    sofar.set(lane, killed);
  }));
  return sumOf(sofar.values());
};

/** Kills processes until `kills` of them are dead, one job after the other. */
const killUntil = async (options: Killing): Promise<Killed> => {
  const { undisturbed, seed, restoreShare, onKill = () => {} } = options;
  const { files } = undisturbed;
  const random = new Seeded(seed);
  let killed: Killed = { kills: 0, jobs: 0, epochs: 0, unheard: 0, restored: 0 };
  while (killed.kills < options.kills) {
    const folder = `${options.folder}/job-${killed.jobs}`;
    let told = 0;
    // A process may be killed before it has made it.
    await Deno.mkdir(folder, { recursive: true });
    for (;;) {
      const isEnough = killed.kills >= options.kills;
      const worker = startWorker(folder, files);
      if (!isEnough) void killSometime(worker, random);
      const end = await worker.end;
      const before = told;
      told = Math.max(told, worker.told());
      if (end !== null) {
        assert.equal(end.say, "ended", JSON.stringify(end));
        break;
      }
      const restores = killed.kills % restoreShare === 0;
      const epoch = await verifyKilled({ folder, files, told, restores });
      killed = {
        ...killed,
        kills: killed.kills + 1,
        epochs: killed.epochs + told - before,
        unheard: killed.unheard + (epoch > told ? 1 : 0),
        restored: killed.restored + (restores && epoch > 0 ? 1 : 0),
      };
      // What is there is there for good, whether its process could say so or not.
      told = epoch;
      onKill(killed);
    }
    await verifyEnded({ folder, undisturbed: undisturbed.folder, files });
    killed = { ...killed, jobs: killed.jobs + 1 };
    await Deno.remove(folder, { recursive: true });
  }
  return killed;
};
