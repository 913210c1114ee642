/**
 * Puts random pipelines through simulated worlds in which everything goes wrong, one world a seed.
 *
 * `deno task sim --seeds=1000` runs that many, `--from=N` starts elsewhere, and `--seed=N --trace` runs one and tells what
 * happened in it. A seed that comes out wrong is made smaller, told of, and put on the list of scenarios that always run.
 *
 * @module
 */
import type { TraceEvent } from "../src/testing/simulation/trace.ts";
import { addRegressions, type Regression, regressions } from "./sim/regressions.ts";
import type { Account } from "./sim/run-scenario.ts";
import { Broken, runScenario } from "./sim/run-scenario.ts";
import { type Failure, type Outcome, scenarioOf } from "./sim/run-seed.ts";
import { write } from "./sim/scenario.ts";
import type { Asked } from "./sim/worker.ts";

/** How many seeds are run unless something else is asked for. */
const defaultSeeds = 1_000;

/** How many of the last events of a scenario that came out wrong are shown. */
const shownEventsMax = 60;

const options = new Map(Deno.args.map((arg): [string, string] => {
  const [, name, value = ""] = arg.match(/^--(seeds|from|seed|trace|json)(?:=(\d+))?$/) ?? [];
  if (name === undefined || (value === "") !== (name === "trace" || name === "json")) {
    console.error(
      `Cannot simulate as an option must be --seeds=N, --from=N, --seed=N, --trace or --json: current value is ${arg}`,
    );
    Deno.exit(2);
  }
  return [name, value];
}));

const eventLine = ({ at, process, what }: TraceEvent): string =>
  `  ${String(at).padStart(8)} ms  ${process.padEnd(12)} ${what}`;

const shown = ({ seed, message, scenario, timeline }: Failure): string =>
  [
    `seed ${seed}: ${message}`,
    write(scenario),
    ...timeline.slice(-shownEventsMax).map(eventLine),
    `again: deno task sim --seed=${seed} --trace`,
  ].join("\n");

/** Runs one seed, and tells what happens in each of its worlds. */
const trace = (seed: number): never => {
  const scenario = scenarioOf(seed);
  console.log(write(scenario));
  try {
    const { traceHash, ...account } = runScenario(scenario, true, (what, report) => {
      console.log(`\n${what}: ${report.processes} processes, ${report.killed} killed`);
      for (const { port, kind, index } of report.fired) console.log(`  planned: ${kind} from ${port} ${index} on`);
      for (const event of report.timeline) console.log(eventLine(event));
    });
    console.log(`\n${JSON.stringify(account)}\nseed ${seed}: as it must be, trace ${traceHash}`);
    return Deno.exit(0);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    console.log(`\nseed ${seed}: ${error.message}`);
    return Deno.exit(1);
  }
};

/** Has threads, one for each core, run everything that is asked, and hands over what comes of it. */
const inThreads = (all: ReadonlyArray<Asked>, onOutcome: (outcome: Outcome) => void): Promise<void> => {
  let next = 0;
  const thread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./sim/worker.ts", import.meta.url), { type: "module" });
      const ask = (): void => {
        if (next < all.length) return worker.postMessage(all[next++]);
        worker.terminate();
        resolve();
      };
      worker.onmessage = ({ data }: MessageEvent<Outcome>) => {
        onOutcome(data);
        ask();
      };
      worker.onerror = (event) => {
        worker.terminate();
        reject(new Error(event.message));
      };
      ask();
    });
  const threads = Math.min(all.length, navigator.hardwareConcurrency);
  return Promise.all(Array.from({ length: threads }, thread)).then(() => {});
};

const addUp = (into: Map<string, number>, counts: Readonly<Record<string, number>>): void => {
  for (const [name, count] of Object.entries(counts)) into.set(name, (into.get(name) ?? 0) + count);
};

const sum = (counts: Map<string, number>): number => Array.from(counts.values()).reduce((a, b) => a + b, 0);

const only = options.get("seed");
if (only !== undefined && options.has("trace")) trace(Number(only));
const from = Number(only ?? options.get("from") ?? 1);
const seeds = only === undefined ? Number(options.get("seeds") ?? defaultSeeds) : 1;

const began = performance.now();
const secondsSince = (): number => Math.round((performance.now() - began) / 1_000);
const known: ReadonlyArray<Regression> = await regressions();
const asked: ReadonlyArray<Asked> = [
  ...known.map((regression) => ({ regression })),
  ...Array.from({ length: seeds }, (_, k) => ({ seed: from + k })),
];
const planned = new Map<string, number>();
const fired = new Map<string, number>();
const totals = { records: 0, worlds: 0, processes: 0, killed: 0, zombies: 0 };
const failures: Array<Failure> = [];
let done = 0;
const count = (account: Account): void => {
  for (const name of Object.keys(totals) as Array<keyof typeof totals>) totals[name] += account[name];
  addUp(planned, account.planned);
  addUp(fired, account.fired);
};
await inThreads(asked, (outcome) => {
  done++;
  if ("account" in outcome) {
    count(outcome.account);
  } else {
    failures.push(outcome.failure);
    console.log(`${Deno.stderr.isTerminal() ? "\n" : ""}${shown(outcome.failure)}\n`);
  }
  if (Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(
      new TextEncoder().encode(`\r\x1b[K${done} of ${asked.length}, ${failures.length} failures, ${secondsSince()} s`),
    );
  }
});
if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));

const isKnown = ({ seed }: Failure): boolean => known.some((regression) => regression.seed === seed);
const added = failures.filter((failure) => !isKnown(failure));
if (added.length > 0) {
  await addRegressions(added.map(({ seed, message, scenario }) => ({ seed, note: message.split("\n")[0], scenario })));
}
const kinds = Array.from(planned, ([kind, count]) => `${kind} ${fired.get(kind) ?? 0} of ${count}`).sort();
console.log(`faults that happened, of those planned: ${kinds.join(", ")}`);
console.log(
  `sim: ${seeds} seeds and ${known.length} known scenarios, ${totals.worlds} worlds, ${totals.processes} processes, ` +
    `${totals.killed} killed, ${totals.zombies} zombies, ${sum(fired)} faults fired of ${sum(planned)} planned, ` +
    `${totals.records} records, ${failures.length} failures, ${secondsSince()} s`,
);
if (options.has("json")) {
  const { killed: crashes, records } = totals;
  const result = {
    lane: "sim",
    seed: from,
    runs: seeds,
    crashes,
    records,
    failures: failures.length,
    seconds: secondsSince(),
  };
  console.log(JSON.stringify(result));
}
Deno.exit(failures.length > 0 ? 1 : 0);
