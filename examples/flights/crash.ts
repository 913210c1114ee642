/**
 * Kills the job's process over and over, and shows that its output is that of a run that was left alone.
 *
 * @module
 */
import { fileNames, linesOf, type Outputs, readOutputs, startEmpty } from "./outputs.ts";
import { thousands } from "./progress.ts";

const kills = 6;
/** The kills are spread over the whole file. */
const records = 19_688;
/** A kill comes this long after an epoch was committed: less than an epoch lasts, so it hits the next one anywhere. */
const killDelayMillisMax = 200;
/** About 25 epochs while the process is killed; nothing is waited for when it is not. */
const rates = { killed: 4_000, leftAlone: 1_000_000 };

/** What the worker tells of itself. */
interface Told {
  readonly epoch: number;
  readonly records: number;
  readonly position: number;
}

/** Numbers from 0 to 1 that depend on the seed alone: the linear congruential generator of Numerical Recipes. */
const randomOf = (seed: number) => {
  let state = seed >>> 0;
  return (): number => (state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0) / 2 ** 32;
};

const startWorker = (folder: string, recordsPerSecond: number): Deno.ChildProcess =>
  new Deno.Command("deno", {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      `--allow-read=${import.meta.dirname},${folder}`,
      `--allow-write=${folder}`,
      `${import.meta.dirname}/worker.ts`,
      folder,
      String(recordsPerSecond),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

/** The lines that a worker has told; one that was cut short by its death is left out. */
async function* toldBy(worker: Deno.ChildProcess): AsyncGenerator<Told> {
  let rest = "";
  for await (const text of worker.stdout.pipeThrough(new TextDecoderStream())) {
    rest += text;
    const lines = linesOf(rest);
    rest = rest.slice(rest.lastIndexOf("\n") + 1);
    for (const line of lines) yield JSON.parse(line);
  }
}

/** Waits until a worker is gone. One that failed has said why. */
const ended = async (worker: Deno.ChildProcess, errors: Promise<string>): Promise<"ended" | "killed"> => {
  const { success, signal } = await worker.status;
  const text = await errors;
  if (signal === "SIGKILL") return "killed";
  if (success) return "ended";
  throw new Error(`The worker failed:\n${text}`);
};

const at = ({ epoch, records }: Told): string =>
  `epoch ${String(epoch).padStart(2)}, ${thousands(records).padStart(6)} records`;

/** What became of the work that a killed process had begun. */
const sinceKill = (killed: Told, resumed: Told): string =>
  resumed.epoch > killed.epoch ? "a commit went unheard" : `${thousands(killed.records - resumed.records)} read again`;

/** Runs the job in a process that is killed at seeded points and started again, until it gets to the end. */
const runKilled = async (folder: string, seed: number): Promise<void> => {
  const random = randomOf(seed);
  // The first record from which a kill may come, and how long after the commit of an epoch it does.
  const plan = Array.from({ length: kills }, (_, k) => ({
    fromRecord: (k + 0.4 + random() * 0.6) * records / (kills + 1),
    delayMillis: Math.floor(random() * killDelayMillisMax),
  }));
  let killed = 0;
  let last: Told = { epoch: 0, records: 0, position: 0 };
  for (let starts = 0;; starts++) {
    const worker = startWorker(folder, rates.killed);
    const errors = new Response(worker.stderr).text();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let first: Told | null = null;
    for await (const told of toldBy(worker)) {
      if (first === null) {
        first = told;
        const from = `${at(told)}, byte ${thousands(told.position)}`;
        console.log(starts === 0 ? `start     ${from}` : `  resume  ${from}; ${sinceKill(last, told)}`);
      }
      last = told;
      const next = plan[killed];
      // Never twice in one epoch: it must have got on since it was started.
      if (timer !== undefined || next === undefined || told.records < next.fromRecord || told.epoch <= first.epoch) {
        continue;
      }
      timer = setTimeout(() => worker.kill("SIGKILL"), next.delayMillis);
    }
    clearTimeout(timer);
    if (await ended(worker, errors) === "ended") break;
    console.log(`kill ${killed + 1}    ${at(last)}: SIGKILL`);
    killed++;
  }
  console.log(`end       after ${killed} kills`);
  if (killed < kills) throw new Error(`The process was to be killed ${kills} times, but it ended after ${killed}`);
};

/** Runs the job in a process that nobody disturbs. */
const runLeftAlone = async (folder: string): Promise<void> => {
  const worker = startWorker(folder, rates.leftAlone);
  const errors = new Response(worker.stderr).text();
  for await (const _ of toldBy(worker)); // It would wait for a reader otherwise.
  await ended(worker, errors);
};

const sorted = (lines: ReadonlyArray<string>): string => lines.toSorted().join("\n");

/** Compares the two runs output by output, prints what comes of it, and says whether all is the same. */
const compareRuns = (crashed: Outputs, leftAlone: Outputs): boolean => {
  let same = true;
  const compare = (name: string, unit: string, one: ReadonlyArray<string>, other: ReadonlyArray<string>): void => {
    const equal = sorted(one) === sorted(other);
    const inOrder = equal && one.every((line, k) => line === other[k]);
    same &&= equal;
    const verdict = !equal ? `DIFFERENT from the ${thousands(other.length)} of the other run` : "equal when sorted";
    console.log(
      `  ${name.padEnd(20)} ${thousands(one.length).padStart(6)} ${unit}: ${verdict}` +
        (inOrder && unit === "lines" ? ", and byte for byte" : ""),
    );
  };
  const rows = ({ hourly }: Outputs) => hourly.map((row) => JSON.stringify(row));
  compare("hourly.kv", "rows", rows(crashed), rows(leftAlone));
  for (const name of fileNames) compare(name, "lines", linesOf(crashed.files[name]), linesOf(leftAlone.files[name]));
  return same;
};

/** Runs the job with and without being killed. Says whether the outputs are the same. */
export const crash = async (folder: string, seed: number): Promise<boolean> => {
  const folders = { crashed: `${folder}/crashed`, leftAlone: `${folder}/left-alone` };
  await startEmpty(folders.crashed);
  await startEmpty(folders.leftAlone);
  console.log(`A process that is killed ${kills} times (seed ${seed}):`);
  await runKilled(folders.crashed, seed);
  console.log("Another one that is left alone, to compare with:");
  await runLeftAlone(folders.leftAlone);
  return compareRuns(await readOutputs(folders.crashed), await readOutputs(folders.leftAlone));
};
