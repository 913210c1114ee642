/**
 * Nexmark on Weir: each query in processes of its own, at full speed, after a crash, and at a fixed rate.
 *
 * ```sh
 * deno task bench:nexmark                            # every query: under ten minutes on two quiet cores
 * deno task bench:nexmark --queries=q5,q7 --rounds=5
 * deno task bench:nexmark --check                    # whether the rows are those of the oracle, at small scale
 * ```
 *
 * - `--queries=q0,q5`: which queries, else all
 * - `--rounds=3`: how often each is run at full speed, in alternation with the others
 * - `--seconds=4`: for about how long; or `--events=N`: over how many events
 * - `--rate=N`: at how many events a second results are timed: else 50,000, or half of what the query can take where that is
 *   less; `--latency-rounds=1 --latency-warmup-seconds=2 --latency-seconds=5`: how often and for how long. 0 rounds: not at
 *   all
 * - `--seed=1`: which events
 * - `--sink=none|file`: at full speed, whether rows are counted and dropped, or written to a file exactly once
 * - `--plot=bench/nexmark/results.svg`: where the picture goes, or `none`
 * - `--json`: a last line with everything in JSON
 *
 * A run at full speed is held to one core where there is `taskset`, with a warm-up before it counts. State is in a file,
 * exactly once, with epochs of a second.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { canPin, measureInChild } from "./measure/child.ts";
import { latencyPanel, picture, ratePanel } from "./measure/pictures.ts";
import type { Verdict } from "./nexmark/check.ts";
import { defaultEventsPerSecond } from "./nexmark/generator.ts";
import type { Latency } from "./nexmark/latency.ts";
import { queries } from "./nexmark/queries.ts";
import type { Recovery } from "./nexmark/recovery.ts";
import { latencyTable, type QueryReport, reportOf, throughputTable } from "./nexmark/report.ts";
import type { Throughput } from "./nexmark/throughput.ts";

const { values } = parseArgs({
  options: {
    queries: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    events: { type: "string" },
    "latency-rounds": { type: "string", default: "1" },
    "latency-seconds": { type: "string", default: "5" },
    "latency-warmup-seconds": { type: "string", default: "2" },
    rate: { type: "string" },
    seed: { type: "string", default: "1" },
    sink: { type: "string", default: "none" },
    plot: { type: "string", default: "bench/nexmark/results.svg" },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});

const refuse = (message: string): never => {
  console.error(message);
  Deno.exit(2);
};

const numberOf = (option: keyof typeof values, min: number): number => {
  const value = Number(values[option]);
  return value >= min ? value : refuse(`--${option} takes a number from ${min} on: current value is ${values[option]}`);
};

const chosen = values.queries === undefined
  ? queries
  : values.queries.split(",").map((wanted) =>
    queries.find(({ name }) => name === wanted) ??
      refuse(`--queries takes some of ${queries.map(({ name }) => name).join(",")}: current value is ${wanted}`)
  );
const rounds = numberOf("rounds", 1);
const latencyRounds = numberOf("latency-rounds", 0);
const latencySeconds = numberOf("latency-seconds", 0.1);
const latencyWarmUpSeconds = numberOf("latency-warmup-seconds", 0);
const seconds = numberOf("seconds", 0.1);
const seed = numberOf("seed", 0);
if (values.sink !== "none" && values.sink !== "file") {
  refuse(`--sink takes none or file: current value is ${values.sink}`);
}

/** How many events tell about how fast a query is. */
const trialEvents = 300_000;
/** How many events warm a process up. */
const warmUpEvents = 300_000;
/** The rate at which results are timed, where the query can take twice as much. */
const rateDefault = 50_000;
/** How much is checked: a thousand seconds of event time, so that even the windows of ten minutes end. */
const checkEvents = 20_000;
const checkEventsPerSecond = 20;
/**
 * How many events there are in a second of event time while results are timed, where it is not as many as usual: windows of
 * ten minutes would not end within a run.
 */
const latencyEventsPerSecond: Readonly<Record<string, number>> = { q15: 100, q16: 100, q17: 100 };
/** What starting a process, and taking state down, adds to a measurement. */
const startSeconds = 0.8;
/** After how many times the expected duration a process is given up. */
const patience = 10;
const timeoutMillisMin = 60_000;

const program = ["deno", "run", "-P=nexmark", "--no-prompt", "--quiet", "bench/nexmark/run-query.ts"];
const sayProgress = (what: string): void => {
  if (Deno.stderr.isTerminal()) console.error(what);
};
const isPinnable = await canPin();

const child = async <A>(
  query: string,
  mode: "throughput" | "latency" | "recovery" | "check",
  options: Readonly<Record<string, string | number>>,
  expectedSeconds: number,
): Promise<A> => {
  const args = Object.entries({ query, mode, seed, ...options }).map(([name, value]) => `--${name}=${value}`);
  return await measureInChild([...program, ...args], {
    pinned: isPinnable && mode === "throughput",
    timeoutMillis: Math.max(timeoutMillisMin, expectedSeconds * patience * 1_000),
  }) as A;
};

if (values.check) {
  const events = values.events === undefined ? checkEvents : numberOf("events", 1);
  const checked: Array<Verdict & { readonly query: string }> = [];
  for (const { name } of chosen) {
    const one = await child<Verdict & { readonly query: string }>(name, "check", {
      events,
      "events-per-second": checkEventsPerSecond,
    }, 1);
    checked.push(one);
    const { ok, results, expectedResults, digest, expectedDigest, crashedAt } = one;
    console.log(
      `${name}: ` + (ok ? `${results} rows, as the oracle says` : `${results} rows with digest ${digest}, where the ` +
        `oracle has ${expectedResults} with ${expectedDigest}`) +
        (crashedAt === null ? "" : `, after a crash at event ${crashedAt}`),
    );
  }
  if (values.json) console.log(JSON.stringify({ check: checked }));
  Deno.exit(checked.every(({ ok }) => ok) ? 0 : 1);
}

/** What is known of a query before it is measured. */
interface Plan {
  readonly query: typeof queries[number];
  readonly events: number;
  readonly expectedSeconds: number;
  readonly throughput: Array<Throughput>;
  readonly recovery: Array<Recovery>;
  readonly latency: Array<Latency>;
}

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

const plans: Array<Plan> = [];
for (const query of chosen) {
  const known = values.events === undefined ? null : numberOf("events", 1);
  sayProgress(`${query.name}: how fast it is, about`);
  const trial = known ?? trialEvents;
  const warmup = Math.min(trial, warmUpEvents);
  const { eventsPerSecond } = known === null
    ? await child<Throughput>(query.name, "throughput", { events: trial, warmup }, 2)
    : { eventsPerSecond: rateDefault };
  const events = known ?? roundUp(eventsPerSecond * seconds, 100_000);
  plans.push({
    query,
    events,
    expectedSeconds: events / eventsPerSecond,
    throughput: [],
    recovery: [],
    latency: [],
  });
}

const estimateSeconds = plans.reduce(
  (sum, { expectedSeconds }) =>
    sum + rounds * (1.6 * expectedSeconds + 2 * startSeconds) +
    latencyRounds * (latencyWarmUpSeconds + latencySeconds + 2 * startSeconds),
  0,
);
if (values.events === undefined) {
  console.error(`${plans.length} queries, ${rounds} rounds: about ${Math.ceil(estimateSeconds / 60)} minutes`);
}

for (let round = 1; round <= rounds; round++) {
  for (const { query: { name }, events, expectedSeconds, throughput, recovery } of plans) {
    sayProgress(`${name}: round ${round} of ${rounds}, ${events} events`);
    const warmup = Math.min(events, warmUpEvents);
    throughput.push(
      await child<Throughput>(name, "throughput", { events, warmup, sink: values.sink }, expectedSeconds),
    );
    const recovered = await child<{ recovery: Recovery | null }>(name, "recovery", { events }, expectedSeconds);
    if (recovered.recovery !== null) recovery.push(recovered.recovery);
  }
}
for (let round = 1; round <= latencyRounds; round++) {
  for (const { query: { name }, throughput, latency } of plans) {
    const able = Math.min(...throughput.map(({ eventsPerSecond }) => eventsPerSecond));
    const rate = values.rate === undefined ? Math.min(rateDefault, Math.floor(able / 2)) : numberOf("rate", 1);
    sayProgress(`${name}: results at ${rate} events a second, round ${round} of ${latencyRounds}`);
    const allSeconds = latencyWarmUpSeconds + latencySeconds;
    latency.push(
      await child<Latency>(name, "latency", {
        events: Math.ceil(rate * allSeconds),
        rate,
        "warmup-seconds": latencyWarmUpSeconds,
        "events-per-second": latencyEventsPerSecond[name] ?? defaultEventsPerSecond,
      }, allSeconds),
    );
  }
}

const reports: ReadonlyArray<QueryReport> = plans.map((plan) => reportOf(plan.query, plan.events, plan));
console.log(throughputTable(reports));
if (latencyRounds > 0) console.log(`\n${latencyTable(reports)}`);

if (values.plot !== "none") {
  const labels = reports.map(({ query }) => query);
  const rates = ratePanel(`Events per second${isPinnable ? ", on one core" : ""}`, labels, [
    { name: "Weir", rates: reports.map(({ eventsPerSecond }) => eventsPerSecond) },
  ]);
  const latencies = latencyPanel("From the instant an event is due", labels, [
    { name: "to its result inside the engine", quantiles: reports.map(({ latency }) => latency?.inside ?? null) },
    { name: "to the row in its file", quantiles: reports.map(({ latency }) => latency?.published ?? null) },
  ]);
  const title = "Nexmark on Weir";
  const panels = latencyRounds > 0 ? [rates, latencies] : [rates];
  const words = `${throughputTable(reports)}\n\n${latencyTable(reports)}`;
  await Deno.writeTextFile(values.plot, picture(title, words, panels));
  sayProgress(`drawn in ${values.plot}`);
}
if (values.json) {
  const machine = { cores: navigator.hardwareConcurrency, pinned: isPinnable, deno: Deno.version.deno };
  const settings = { rounds, seed, sink: values.sink, epochMillis: 1_000, latencyWarmUpSeconds, latencySeconds };
  console.log(JSON.stringify({ machine, settings, queries: reports }));
}
