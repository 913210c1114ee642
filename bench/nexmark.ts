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
 *   less; `--latency-rounds=1 --latency-warmup-seconds=2 --latency-seconds=10`: how often and for how long. 0 rounds: not at
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
import { canPin, ChildFailure } from "./measure/child.ts";
import { numberOption, refuse, wordOption } from "./measure/options.ts";
import { latencyPanel, picture, ratePanel } from "./measure/pictures.ts";
import { queries } from "./nexmark/queries.ts";
import { latencyTable, type QueryReport, reportOf, throughputTable } from "./nexmark/report.ts";
import { QueryRuns } from "./nexmark/query-runs.ts";
import { sinkKinds } from "./nexmark/throughput.ts";

const { values } = parseArgs({
  options: {
    queries: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    events: { type: "string" },
    "latency-rounds": { type: "string", default: "1" },
    "latency-seconds": { type: "string", default: "10" },
    "latency-warmup-seconds": { type: "string", default: "2" },
    rate: { type: "string" },
    seed: { type: "string", default: "1" },
    sink: { type: "string", default: "none" },
    plot: { type: "string", default: "bench/nexmark/results.svg" },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});

const numberOf = (option: keyof typeof values, min: number): number => numberOption(values, option, min);

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
const known = values.events === undefined ? null : numberOf("events", 1);
const rate = values.rate === undefined ? null : numberOf("rate", 1);
const sink = wordOption(values, "sink", sinkKinds);

/** How much is checked, unless `--events` says otherwise. */
const checkEvents = 20_000;

const sayProgress = (what: string): void => {
  if (Deno.stderr.isTerminal()) console.error(what);
};
const pinned = await canPin();
const all = chosen.map((query) => new QueryRuns(query, { seed, sink, pinned }));

/** Does one thing for each query. One that cannot be measured is said to be so, and left out from then on. */
const forEach = async (what: string, measure: (runs: QueryRuns) => Promise<void>): Promise<void> => {
  for (const runs of all) {
    if (runs.hasFailed) continue;
    sayProgress(`${runs.query.name}: ${what}`);
    try {
      await measure(runs);
    } catch (error) {
      if (!(error instanceof ChildFailure)) throw error;
      runs.hasFailed = true;
      console.error(`${runs.query.name}: ${error.message}`);
    }
  }
};

if (values.check) {
  await forEach("is checked", async (runs) => {
    const { ok, results, digest, expectedResults, expectedDigest, crashedAt } = await runs.check(known ?? checkEvents);
    console.log(
      `${runs.query.name}: ` +
        (ok
          ? `${results} rows, as the oracle says`
          : `${results} rows of digest ${digest}; the oracle: ${expectedResults} of ${expectedDigest}`) +
        (crashedAt === null ? "" : `, after a crash at event ${crashedAt}`),
    );
  });
  if (values.json) {
    console.log(JSON.stringify({ check: all.flatMap(({ verdict }) => verdict === null ? [] : [verdict]) }));
  }
  Deno.exit(all.every(({ verdict }) => verdict?.ok === true) ? 0 : 1);
}

await forEach("how many events it takes", (runs) => runs.chooseEvents(known ?? { seconds }));
const expectedSeconds = all.reduce(
  (sum, runs) =>
    sum + rounds * runs.roundSeconds + latencyRounds * runs.latencySeconds(latencyWarmUpSeconds + latencySeconds),
  0,
);
if (known === null) {
  console.error(`${all.length} queries, ${rounds} rounds: about ${(expectedSeconds / 60).toFixed(1)} minutes`);
}
for (let round = 1; round <= rounds; round++) await forEach(`round ${round} of ${rounds}`, (runs) => runs.round());
for (let round = 1; round <= latencyRounds; round++) {
  await forEach(
    `latency, round ${round} of ${latencyRounds}`,
    (runs) => runs.latencyRound({ rate, warmUpSeconds: latencyWarmUpSeconds, seconds: latencySeconds }),
  );
}

const measured = all.filter(({ hasFailed }) => !hasFailed);
const reports: ReadonlyArray<QueryReport> = measured.map((runs) => reportOf(runs));
console.log(throughputTable(reports));
if (latencyRounds > 0) console.log(`\n${latencyTable(reports)}`);

if (values.plot !== "none" && reports.length > 0) {
  const labels = reports.map(({ query }) => query);
  const rates = ratePanel(`Events per second${pinned ? ", on one core" : ""}`, labels, [
    { name: "Weir", rates: reports.map(({ eventsPerSecond }) => eventsPerSecond) },
  ]);
  const latencies = latencyPanel("From the instant an event is due", labels, [
    { name: "to its result inside the engine", quantiles: reports.map(({ latency }) => latency?.inside ?? null) },
    { name: "to the row in its file", quantiles: reports.map(({ latency }) => latency?.published ?? null) },
  ]);
  const panels = latencyRounds > 0 ? [rates, latencies] : [rates];
  const words = `${throughputTable(reports)}\n\n${latencyTable(reports)}`;
  await Deno.writeTextFile(values.plot, picture("Nexmark on Weir", words, panels));
  sayProgress(`drawn in ${values.plot}`);
}
if (values.json) {
  const machine = { cores: navigator.hardwareConcurrency, pinned, deno: Deno.version.deno };
  const settings = { rounds, seed, sink, epochMillis: 1_000, latencyWarmUpSeconds, latencySeconds };
  console.log(JSON.stringify({ machine, settings, queries: reports }));
}
Deno.exit(measured.length === all.length ? 0 : 1);
