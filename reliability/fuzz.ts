/**
 * Gives every decoder and every stored format a great many inputs that nobody would give it on purpose.
 *
 * `deno task fuzz --inputs=1000000 --seed=1 --target=manifest` shares the inputs out to the targets, and says how each of
 * them fared; with `--json` the last line is a summary for programs. An input that breaks a promise is made small, and
 * written as what `--target=… --input=…` takes to run it again. Each target runs in a thread of its own, so that one that
 * hangs is found, too.
 *
 * @module
 */
import { type Failure, type Outcome, replay } from "./fuzz/run.ts";
import { targets } from "./fuzz/targets.ts";
import type { Wanted } from "./fuzz/worker.ts";

/** How many inputs there are unless something else is asked for. */
const defaultInputs = 1_000_000;

/** How long a thread may be busy with one input before it counts as hung, in milliseconds. */
const hangMillisMax = 60_000;

/** How often it is looked at, in milliseconds. */
const lookMillis = 1_000;

const usage = "an option must be --inputs=, --seed=, --target=, --input= or --json";

const options = new Map(Deno.args.map((arg) => {
  if (arg === "--json") return ["json", ""];
  const [, name, value] = arg.match(/^--(inputs|seed|target|input)=(.*)$/s) ?? [];
  if (name === undefined) {
    console.error(`Cannot fuzz as ${usage}: current value is ${arg}`);
    Deno.exit(2);
  }
  return [name, value];
}));

/** The number that an option gives. */
const numberOf = (name: string, otherwise: number): number => {
  const value = options.get(name);
  if (value === undefined) return otherwise;
  if (/^\d+$/.test(value)) return Number(value);
  console.error(`Cannot fuzz as --${name} must be a whole number: current value is ${value}`);
  Deno.exit(2);
};

const chosen = targets.filter(({ name }) => name === (options.get("target") ?? name));
if (chosen.length === 0) {
  console.error(
    `Cannot fuzz as --target must be one of ${targets.map(({ name }) => name).join(", ")}: current value is ` +
      options.get("target"),
  );
  Deno.exit(2);
}

const shown = ({ target, seed, index, message, input, notes }: Failure): string =>
  [
    `FAILED ${target}: input ${index} of seed ${seed}`,
    ...message.split("\n").map((line) => `  ${line}`),
    ...notes.map(([name, noted]) => `  ${name}: ${noted.length > 400 ? `${noted.slice(0, 400)}…` : noted}`),
    input === null ? "" : `  again: deno task fuzz --target=${target} --input=${input}`,
  ].filter((line) => line !== "").join("\n");

/** Runs a target in a thread of its own. */
const inThread = (target: string, seed: number, inputs: number, onLook: (done: number) => void): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const progress = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL("./fuzz/worker.ts", import.meta.url), { type: "module" });
    let seen = -1;
    let since = performance.now();
    const end = (): void => {
      clearInterval(timer);
      worker.terminate();
    };
    const timer = setInterval(() => {
      const index = Atomics.load(progress, 0);
      onLook(index);
      if (index !== seen) {
        seen = index;
        since = performance.now();
      } else if (performance.now() - since > hangMillisMax) {
        end();
        const message = `It has not ended within ${hangMillisMax / 1_000} seconds`;
        const failure: Failure = { target, seed, index, message, input: null, notes: [] };
        const nothing = { millis: NaN, kinds: new Map(), slowestMillis: NaN, memoryBytes: NaN };
        resolve({ target, inputs: index, ...nothing, failure });
      }
    }, lookMillis);
    worker.onmessage = ({ data }) => {
      end();
      resolve(data);
    };
    worker.onerror = (event) => {
      end();
      reject(event.error ?? new Error(event.message));
    };
    worker.postMessage({ target, seed, inputs, progress } satisfies Wanted);
  });

const input = options.get("input");
if (input !== undefined) {
  const ran = await replay(chosen[0], input);
  console.log(typeof ran === "string" ? `${chosen[0].name}: ${ran}` : shown(ran));
  Deno.exit(typeof ran === "string" ? 0 : 1);
}

const inputs = numberOf("inputs", defaultInputs);
const seed = numberOf("seed", Math.floor(Math.random() * 2 ** 31));
const shares = chosen.reduce((sum, { share = 1 }) => sum + share, 0);
const all = chosen.map((target) => ({ ...target, inputs: Math.ceil(inputs / shares * (target.share ?? 1)) }));
const total = all.reduce((sum, target) => sum + target.inputs, 0);
console.log(`${total} inputs, seed ${seed}`);

const began = performance.now();
let done = 0;
let memoryBytes = 0;
let failures = 0;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
for (const { name, inputs } of all) {
  const outcome = await inThread(name, seed, inputs, (index) => {
    if (!Deno.stderr.isTerminal()) return;
    const perSecond = Math.round((done + index) / (performance.now() - began) * 1_000);
    Deno.stderr.writeSync(new TextEncoder().encode(
      `\r\x1b[K${name}: ${index} of ${inputs}, ${done + index} of ${total} in all, ${perSecond} inputs/s`,
    ));
  });
  done += outcome.inputs;
  memoryBytes = Math.max(memoryBytes, outcome.memoryBytes);
  const kinds = [...outcome.kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`).join(", ");
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));
  console.log(
    `${name.padEnd(16)}${String(outcome.inputs).padStart(8)} inputs ` +
      `${String(Math.round(outcome.inputs / outcome.millis * 1_000)).padStart(7)}/s, slowest ` +
      `${outcome.slowestMillis.toFixed(0)} ms, ${megabytes(outcome.memoryBytes)}: ${kinds}`,
  );
  if (outcome.failure === null) continue;
  failures++;
  console.log(shown(outcome.failure));
}
const perSecond = Math.round(done / (performance.now() - began) * 1_000);
console.log(
  `${done} inputs, ${perSecond}/s, at most ${megabytes(memoryBytes)} of memory, ` +
    (failures === 0 ? "nothing failed" : `${failures} of ${chosen.length} targets FAILED`),
);
if (options.has("json")) {
  const seconds = (performance.now() - began) / 1_000;
  console.log(JSON.stringify({ lane: "fuzz", seed, runs: done, crashes: 0, records: done, failures, seconds }));
}
Deno.exit(failures === 0 ? 0 : 1);
