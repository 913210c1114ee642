/**
 * One measurement of one Nexmark query, in a process of its own. It prints one line of JSON.
 *
 * ```sh
 * deno run -P=nexmark --no-prompt --quiet bench/nexmark/run-query.ts --query=q5 --events=4000000
 * ```
 *
 * - `--query=q5`: which query
 * - `--mode=throughput`: how many events a second it takes (the default); `latency`: how long results take at `--rate`;
 *   `recovery`: how long it takes to go on after a crash; `check`: whether its rows are those of the oracle
 * - `--events=N`: how many events it reads
 * - `--warmup=N`: how many events it reads before, in a job of its own
 * - `--seed=1 --events-per-second=10000`: which events, and how many there are in a second of event time
 * - `--sink=none|file`: whether rows are counted and dropped, or written to a file exactly once
 * - `--epoch-millis=1000`: how long an epoch lasts
 * - `--rate=50000 --warmup-seconds=3`: for latency: events per second, and for how long results do not count
 * - `--folder=.weir`: where the folder for its state is made
 *
 * @module
 */
import { parseArgs } from "node:util";
import { numberOption, refuse, wordOption } from "../measure/options.ts";
import { checkRows } from "./check.ts";
import { defaultEventsPerSecond } from "./generator.ts";
import { measureLatency } from "./latency.ts";
import type { Measurement } from "./measured.ts";
import { queries } from "./queries.ts";
import { measureRecovery } from "./recovery.ts";
import { measureThroughput, sinkKinds } from "./throughput.ts";

const { values } = parseArgs({
  options: {
    query: { type: "string" },
    mode: { type: "string", default: "throughput" },
    events: { type: "string", default: "1000000" },
    warmup: { type: "string", default: "300000" },
    seed: { type: "string", default: "1" },
    "events-per-second": { type: "string", default: String(defaultEventsPerSecond) },
    sink: { type: "string", default: "none" },
    "epoch-millis": { type: "string", default: "1000" },
    rate: { type: "string", default: "50000" },
    "warmup-seconds": { type: "string", default: "3" },
    folder: { type: "string", default: ".weir" },
    // The only form of output; drivers say so all the same.
    json: { type: "boolean" },
  },
});

const numberOf = (option: keyof typeof values, min: number): number => numberOption(values, option, min);

const query = queries.find(({ name }) => name === values.query) ??
  refuse(`--query takes one of ${queries.map(({ name }) => name).join(", ")}: current value is ${values.query}`);
const sink = wordOption(values, "sink", sinkKinds);
const events = numberOf("events", 1);
const seed = numberOf("seed", 0);
const eventsPerSecond = numberOf("events-per-second", 1);
const warmUpEvents = numberOf("warmup", 0);
const epochMillis = numberOf("epoch-millis", 1);

/** Does something with an empty folder, and removes it. */
const inFolder = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  await Deno.mkdir(values.folder, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: values.folder, prefix: "nexmark-" });
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

const measurement = (folder: string): Measurement => ({
  query,
  events,
  seed,
  eventsPerSecond,
  epochMillis,
  folder,
});

const modes: Readonly<Record<string, () => Promise<object>>> = {
  throughput: async () => {
    if (warmUpEvents > 0) {
      await inFolder((folder) => measureThroughput({ ...measurement(folder), events: warmUpEvents }, sink));
    }
    return { warmupEvents: warmUpEvents, ...await inFolder((folder) => measureThroughput(measurement(folder), sink)) };
  },
  latency: () =>
    inFolder((folder) =>
      measureLatency(measurement(folder), {
        rate: numberOf("rate", 1),
        warmUpSeconds: numberOf("warmup-seconds", 0),
      })
    ),
  recovery: async () => ({ recovery: await inFolder((folder) => measureRecovery(measurement(folder))) }),
  check: () => inFolder((folder) => checkRows(measurement(folder))),
};

const mode = wordOption(values, "mode", Object.keys(modes));
const measured = await modes[mode]();
const what = { query: query.name, mode, events, seed, eventTimeRate: eventsPerSecond, sink };
console.log(JSON.stringify({ ...what, ...measured }));
