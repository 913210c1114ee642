/**
 * One run of the loop of one query, in a process of its own. It prints one line of JSON.
 *
 * ```sh
 * deno run -P=nexmark --no-prompt --quiet bench/peers/loop.ts --query=q5 --events=4000000 --warmup=300000
 * ```
 *
 * @module
 */
import { parseArgs } from "node:util";
import { cpuSeconds, peakMemoryBytes } from "../measure/process.ts";
import { runLoop } from "./run-loop.ts";

const { values: { query, events, warmup, seed } } = parseArgs({
  options: {
    query: { type: "string", default: "q0" },
    events: { type: "string", default: "1000000" },
    warmup: { type: "string", default: "300000" },
    seed: { type: "string", default: "1" },
  },
});

const options = { seed: Number(seed) };
let results = 0;
/** Kept so that the compiler cannot leave out the making of rows, which no sink but one that drops them could do without. */
let last: object | null = null;
const count = (row: object): void => {
  results++;
  last = row;
};
runLoop(query, Number(warmup), options, count);
results = 0;
const cpuBefore = cpuSeconds();
const began = performance.now();
runLoop(query, Number(events), options, count);
const seconds = (performance.now() - began) / 1_000;
if (last === null && results > 0) throw new Error("there is a last row where there are any");
console.log(JSON.stringify({
  query,
  events: Number(events),
  seed: options.seed,
  warmupEvents: Number(warmup),
  seconds,
  eventsPerSecond: Number(events) / seconds,
  cpuSeconds: cpuSeconds() - cpuBefore,
  results,
  peakMemoryBytes: peakMemoryBytes(),
}));
