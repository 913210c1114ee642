/**
 * Weir beside Apache Flink: the same queries of Nexmark on the same events under the same guarantee, on the same machine in
 * the same run, and beside the loop that a person would write by hand.
 *
 * ```sh
 * deno task bench:peers                              # every query on one core: about twelve minutes on two quiet cores
 * deno task bench:peers --queries=q5,q7 --rounds=5
 * deno task bench:peers --parallelism=1,2 --state=heap,rocksdb --sink=none,file
 * deno task bench:peers --check                      # whether both give the same rows, at small scale
 * ```
 *
 * - `--queries=q0,q5`: which queries, else all
 * - `--rounds=3`: how often each system runs a query; they take turns
 * - `--parallelism=1`: into how many tasks Flink divides each step, and over how many cores. Weir has one thread
 * - `--state=heap`: where Flink keeps its state: `heap`, objects in memory, or `rocksdb`
 * - `--sink=none`: whether rows are counted and dropped, or written to a `file` exactly once
 * - `--events=N`: over how many events, else as many as take some seconds
 * - `--epoch-millis=1000`: how often both take a checkpoint
 * - `--seed=1`: which events
 * - `--no-pin`: do not hold what has a parallelism of 1 to one core
 * - `--no-loop`: without the loop
 * - `--json`: a last line with everything in JSON
 *
 * Each run is a process of its own and warms up in a job of its own before it counts. The clock runs from the instant at
 * which a source is first asked for events, so neither the start of a process nor that of a job counts. Weir's stops when the
 * job has ended and its last epoch is published; Flink's when the last row has come to its sink, as Flink waits for its last
 * checkpoint for up to an interval.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { canPin, ChildFailure, measureInChild } from "./measure/child.ts";
import { queries } from "./nexmark/queries.ts";
import { checkPeers } from "./peers/check.ts";
import { eventsOf } from "./peers/events.ts";
import { buildFlink, FlinkUnavailable, javaSettings } from "./peers/flink.ts";
import { type ContestReport, contestTable, reportOf, type Round } from "./peers/report.ts";
import {
  commandOf,
  type Contest,
  type FlinkState,
  type Measured,
  type MeasuredFlink,
  type SinkKind,
  type System,
} from "./peers/systems.ts";

const { values } = parseArgs({
  options: {
    queries: { type: "string" },
    rounds: { type: "string", default: "3" },
    parallelism: { type: "string", default: "1" },
    state: { type: "string", default: "heap" },
    sink: { type: "string", default: "none" },
    events: { type: "string" },
    "epoch-millis": { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    "no-pin": { type: "boolean", default: false },
    "no-loop": { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const refuse = (message: string): never => {
  console.error(message);
  Deno.exit(2);
};

const numberOf = (option: "rounds" | "events" | "epoch-millis" | "seed", min: number): number => {
  const value = Number(values[option]);
  return Number.isInteger(value) && value >= min
    ? value
    : refuse(`--${option} takes a whole number from ${min} on: current value is ${values[option]}`);
};

/** The words of an option that takes some of a few. */
const someOf = <Word extends string>(option: string, text: string, words: ReadonlyArray<Word>): ReadonlyArray<Word> =>
  text.split(",").map((wanted) =>
    words.find((word) => word === wanted) ??
      refuse(`--${option} takes some of ${words.join(",")}: current value is ${text}`)
  );

const names = queries.map(({ name }) => name);
const chosen = values.queries === undefined ? names : someOf("queries", values.queries, names);
const parallelisms = someOf("parallelism", values.parallelism, ["1", "2"]).map(Number);
const states: ReadonlyArray<FlinkState> = someOf("state", values.state, ["heap", "rocksdb"]);
const sinks: ReadonlyArray<SinkKind> = someOf("sink", values.sink, ["none", "file"]);
const rounds = numberOf("rounds", 1);
const seed = numberOf("seed", 0);
const epochMillis = numberOf("epoch-millis", 1);
const events = values.events === undefined ? null : numberOf("events", 1);

/** After how long a run is given up. */
const timeoutMillis = 180_000;

try {
  await buildFlink();
} catch (error) {
  if (!(error instanceof FlinkUnavailable)) throw error;
  console.error(error.message);
  Deno.exit(1);
}

if (values.check) {
  const verdicts = await checkPeers(chosen);
  for (const { query, weir, flink } of verdicts) {
    const same = weir.digest === flink.digest;
    console.log(
      `${query}: ` +
        (same
          ? `${weir.results} rows of digest ${weir.digest}, on Weir and on Flink`
          : `${weir.results} rows of digest ${weir.digest} on Weir, ${flink.results} of ${flink.digest} on Flink`),
    );
  }
  if (values.json) console.log(JSON.stringify({ check: verdicts }));
  Deno.exit(verdicts.every(({ weir, flink }) => weir.digest === flink.digest) ? 0 : 1);
}

const isPinned = !values["no-pin"] && await canPin();
const systems: ReadonlyArray<System> = values["no-loop"] ? ["weir", "flink"] : ["weir", "flink", "loop"];
const sayProgress = (what: string): void => {
  if (Deno.stderr.isTerminal()) console.error(what);
};

const measure = async (system: System, contest: Contest): Promise<Measured> => {
  const pinned = isPinned && contest.parallelism === 1;
  return await measureInChild(await commandOf(system, contest), { pinned, timeoutMillis }) as Measured;
};

const versions = new Set<string>();

/** Each system once. Who is first changes from round to round, so that none always runs behind the same one. */
const roundOf = async (contest: Contest, number: number): Promise<Round> => {
  const order = systems.map((_, k) => systems[(k + number) % systems.length]);
  const measured: { [name in System]?: Measured } = {};
  for (const system of order) measured[system] = await measure(system, contest);
  const { flink, java, collectors } = measured.flink as MeasuredFlink;
  versions.add(`Flink ${flink}, Java ${java} (${collectors})`);
  return { weir: measured.weir!, flink: measured.flink!, loop: measured.loop ?? null };
};

/** One line about the conditions of some contests, and a table of them. */
const say = (conditions: string, reports: ReadonlyArray<ContestReport>): void => {
  console.log(`\n${conditions}\n\n${contestTable(reports)}`);
};

const reports: Array<ContestReport> = [];
let hasFailed = false;
for (const parallelism of parallelisms) {
  for (const state of states) {
    for (const sink of sinks) {
      const of: Array<ContestReport> = [];
      for (const query of chosen) {
        const contest: Contest = {
          query,
          events: events ?? eventsOf(query, state, sink),
          seed,
          parallelism,
          state,
          sink,
          epochMillis,
        };
        try {
          const done: Array<Round> = [];
          for (let round = 0; round < rounds; round++) {
            sayProgress(`${query}: round ${round + 1} of ${rounds}`);
            done.push(await roundOf(contest, round));
          }
          const report = reportOf(contest, done);
          of.push(report);
          const { median, min, max } = report.weirToFlink;
          console.error(`${query}: ${median.toFixed(2)} times Flink (${min.toFixed(2)} to ${max.toFixed(2)})`);
        } catch (error) {
          if (!(error instanceof ChildFailure)) throw error;
          hasFailed = true;
          console.error(`${query}: ${error.message}`);
        }
      }
      reports.push(...of);
      if (of.length === 0) continue;
      const cores = parallelism === 1
        ? isPinned ? "one core" : "cores not held"
        : `${navigator.hardwareConcurrency} cores`;
      say(`Parallelism ${parallelism} on ${cores}, Flink's state: ${state}, sink: ${sink}`, of);
    }
  }
}
console.log(
  `\nDeno ${Deno.version.deno} (V8 ${Deno.version.v8}), ${[...versions].join("; ")}\n` +
    `Java: ${javaSettings.join(" ")}\n` +
    `Exactly once, a checkpoint each ${epochMillis} ms, median of ${rounds} rounds`,
);
if (values.json) {
  const machine = { cores: navigator.hardwareConcurrency, pinned: isPinned, deno: Deno.version, peers: [...versions] };
  console.log(JSON.stringify({ machine, settings: { rounds, seed, epochMillis, javaSettings }, contests: reports }));
}
Deno.exit(hasFailed ? 1 : 0);
