/**
 * Runs everything at random until it is told to stop: the simulator, kills of real processes, and the fuzzer, each with
 * seeds that nobody chose. Then it says what it has seen.
 *
 * ```sh
 * deno task soak --minutes=60           # or Ctrl-C, whichever comes first
 * deno task soak --minutes=5 --seed=7   # the lanes begin at the same seeds again
 * ```
 *
 * A lane that fails says with which command it fails again.
 *
 * @module
 */
import { parseArgs } from "node:util";

/** How many lanes run at the same time. */
const lanesMax = 2;
/** How long a failing lane's output may be to be shown as a whole, in characters; of a longer one the end is. */
const outputCharactersMax = 20_000;
/** After how many failing portions it ends early, as something is wrong that more of it will not tell. */
const failedMax = 20;
/** The seeds that lanes are given are below this. */
const seedsMax = 1_000_000_000;

/** One of the programs, in portions that take about a minute or less. */
interface Lane {
  readonly name: string;
  readonly args: (seed: number) => ReadonlyArray<string>;
}

const lanes: ReadonlyArray<Lane> = [
  { name: "sim", args: (seed) => ["sim", `--from=${seed}`, "--seeds=200"] },
  { name: "kills", args: (seed) => ["kills", `--seed=${seed}`, "--kills=40"] },
  { name: "fuzz", args: (seed) => ["fuzz", `--seed=${seed}`, "--inputs=100000"] },
];

/** What a lane says of itself in the last line of its output. */
interface Report {
  readonly runs: number;
  readonly crashes: number;
  readonly records: number;
  readonly failures: number;
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(1 + Math.floor(Math.random() * seedsMax)) },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (!(minutes > 0) || !Number.isSafeInteger(seed) || seed < 1) {
  console.error("Cannot soak as --minutes must be above 0 and --seed a whole number above 0");
  Deno.exit(1);
}

const began = performance.now();
const minutesGone = (): number => (performance.now() - began) / 60_000;
const running = new Set<Deno.ChildProcess>();
let stopped = false;
const stop = (): void => {
  stopped = true;
  for (const child of running) child.kill("SIGTERM");
};
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGTERM", stop);
const timer = setTimeout(stop, minutes * 60_000);

const sums = new Map(lanes.map(({ name }) => [name, { portions: 0, runs: 0, crashes: 0, records: 0, failures: 0 }]));
const failed: Array<string> = [];

const inWords = (): string =>
  [...sums].map(([name, { runs, crashes, records, failures }]) =>
    `${name} ${runs} runs, ${crashes} crashes, ${records} records, ${failures} failures`
  ).join("; ");

const isReport = (value: unknown): value is Report =>
  typeof value === "object" && value !== null &&
  ["runs", "crashes", "records", "failures"].every((name) =>
    typeof (value as Record<string, unknown>)[name] === "number"
  );

const reportOf = (stdout: string): Report | null => {
  try {
    const value: unknown = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    return isReport(value) ? value : null;
  } catch {
    return null; // What is no report counts as a failure of the lane.
  }
};

/** Runs a portion of a lane to its end. */
const portion = async ({ name, args }: Lane, portionSeed: number): Promise<void> => {
  const command = args(portionSeed);
  const child = new Deno.Command("deno", {
    args: ["task", "--quiet", ...command, "--json"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  running.add(child);
  const { success, stdout, stderr } = await child.output();
  running.delete(child);
  if (stopped && !success) return; // It was ended before it was through.
  const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  const report = reportOf(text);
  const sum = sums.get(name)!;
  sum.portions++;
  sum.runs += report?.runs ?? 0;
  sum.crashes += report?.crashes ?? 0;
  sum.records += report?.records ?? 0;
  sum.failures += report?.failures ?? 0;
  if (!success || report === null || report.failures > 0) {
    if ((report?.failures ?? 0) === 0) sum.failures++;
    failed.push(`deno task ${command.join(" ")}`);
    console.log(`\nFAILED: deno task ${command.join(" ")}\n${`${text}\n${errors}`.slice(-outputCharactersMax)}`);
  }
  const line = `soak: ${minutesGone().toFixed(1)} of ${minutes} minutes: ${inWords()}`;
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[2K${line}`));
  else console.error(line);
};

console.log(`soak: seed ${seed}, ${minutes} minutes`);
let turn = 0;
await Promise.all(Array.from({ length: lanesMax }, async () => {
  while (!stopped && failed.length < failedMax) {
    const lane = lanes[turn % lanes.length];
    await portion(lane, 1 + (seed + turn++ * 7_919) % seedsMax);
  }
}));
clearTimeout(timer);
const total = [...sums.values()].reduce((sum, { failures }) => sum + failures, 0);
console.log(`\nsoak: ${minutesGone().toFixed(1)} minutes, seed ${seed}: ${inWords()}`);
for (const command of failed) console.log(`soak: failed: ${command}`);
Deno.exit(total === 0 ? 0 : 1);
