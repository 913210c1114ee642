/**
 * Weir between topics of Apache Kafka: beside a loop that a person would write by hand around the same library, and beside Kafka
 * Streams.
 *
 * ```sh
 * deno task bench:kafka                                    # throughput of everything: about three quarters of an hour
 * deno task bench:kafka --latency --idle                   # and latencies, and what an idle job takes: a quarter more
 * deno task bench:kafka --partitions=1 --bytes=100 --clients=kafkajs --systems=weir,loop --rounds=5
 * deno task bench:kafka --rounds=0 --latency --rate=20000  # latencies alone
 * ```
 *
 * - `--rounds=3`: how often each runs; they take turns. With 0 there is no throughput
 * - `--records=N`: how many records the input has, and a copy's a quarter of it; else as many as take some seconds. The first
 *   quarter of them warms up
 * - `--partitions=1,8`: how many partitions topics have
 * - `--bytes=100,1024`: how many bytes a value has
 * - `--clients=kafkajs,platformatic`: which libraries Weir and the loops use
 * - `--guarantees=exactly-once,at-least-once`: what is promised of the output
 * - `--systems=weir,loop,copy,streams`: who takes part. `copy` is a copy by a loop and, with `weir`, by Weir
 * - `--epoch-millis=1000`: how often Weir ends an epoch, and the others commit, for throughput
 * - `--no-pin`: do not hold runs for throughput to one core
 * - `--latency`: how long results take at a rate, for the first of the sizes
 * - `--rate=N`: at how many records a second, else half of what the slowest of those who are timed takes
 * - `--epochs=1000,100`: with which epochs, in milliseconds
 * - `--seconds=30`: for how long, behind five that do not count. A second has about one window, whose rows come together
 * - `--idle`: what an idle job takes of a core, and how many requests it sends; `--idle-seconds=10`: over how long
 * - `--plot=PATH`: draws rates and latencies
 * - `--json`: a last line with everything in JSON
 *
 * A broker is started (Java 17 and Maven), unless the variable `KAFKA_BROKERS` names some. What is the same for all who take part
 * and what is not is in bench/kafka/README.md.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { externalBrokers, testBroker } from "../tests/kafka/broker/test-broker.ts";
import { BrokerUnavailable } from "../tests/kafka/broker/broker.ts";
import type { Measured } from "./kafka/arrivals.ts";
import { contendersOf, type Contest, isCopy, nameOf, type System, systems, type Timed } from "./kafka/contest.ts";
import { type IdleJob, idleTable, measureIdle } from "./kafka/idle.ts";
import { type Client, clients, type Guarantee, guarantees } from "./kafka/jobs.ts";
import { type Latency, latencyTable, measureLatency } from "./kafka/latency.ts";
import { drawn } from "./kafka/drawing.ts";
import { type Comparison, comparisonTable, type ContestReport, reportOf, speedTable } from "./kafka/report.ts";
import { buildStreams, StreamsUnavailable } from "./kafka/streams.ts";
import { compete, type Conditions } from "./kafka/throughput.ts";
import { rateMin } from "./kafka/timetable.ts";
import { canPin, ChildFailure } from "./measure/child.ts";
import { numberOption, refuse } from "./measure/options.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    records: { type: "string" },
    partitions: { type: "string", default: "1,8" },
    bytes: { type: "string", default: "100,1024" },
    clients: { type: "string", default: clients.join(",") },
    guarantees: { type: "string", default: guarantees.join(",") },
    systems: { type: "string", default: systems.join(",") },
    "epoch-millis": { type: "string", default: "1000" },
    "no-pin": { type: "boolean", default: false },
    latency: { type: "boolean", default: false },
    rate: { type: "string" },
    epochs: { type: "string", default: "1000,100" },
    seconds: { type: "string", default: "30" },
    idle: { type: "boolean", default: false },
    "idle-seconds": { type: "string", default: "10" },
    plot: { type: "string", default: "none" },
    json: { type: "boolean", default: false },
  },
});

/** The words of an option that takes some of a few. */
const wordsOption = <Word extends string>(
  option: "clients" | "guarantees" | "systems",
  words: ReadonlyArray<Word>,
): ReadonlyArray<Word> =>
  `${values[option]}`.split(",").map((wanted) =>
    words.find((word) => word === wanted) ??
      refuse(`--${option} takes some of ${words.join(",")}: current value is ${values[option]}`)
  );

/** The numbers of an option that takes several. */
const numbersOption = (option: "partitions" | "bytes" | "epochs"): ReadonlyArray<number> =>
  `${values[option]}`.split(",").map((text) => {
    const value = Number(text);
    return Number.isInteger(value) && value >= 1
      ? value
      : refuse(`--${option} takes whole numbers from 1 on: current value is ${values[option]}`);
  });

const rounds = numberOption(values, "rounds", 0);
const partitions = numbersOption("partitions");
const sizes = numbersOption("bytes");
const epochs = numbersOption("epochs");
const chosenClients: ReadonlyArray<Client> = wordsOption("clients", clients);
const chosenGuarantees: ReadonlyArray<Guarantee> = wordsOption("guarantees", guarantees);
const chosenSystems: ReadonlyArray<System> = wordsOption("systems", systems);
const epochMillis = numberOption(values, "epoch-millis", 1);
const seconds = numberOption(values, "seconds", 1);
const idleSeconds = numberOption(values, "idle-seconds", 1);
const rate = values.rate === undefined ? null : numberOption(values, "rate", rateMin);
if (values.latency && rounds === 0 && rate === null) refuse("--rate is needed where there are no rounds");

/** For how long results do not count, in seconds. */
const latencyWarmUpSeconds = 5;

/** How many records an input has, unless `--records` says otherwise: some seconds' worth, and no more than disks can bear. */
const recordsOf = (bytes: number): number =>
  values.records === undefined
    ? Math.min(2_000_000, Math.ceil(1_000_000_000 / bytes / 100_000) * 100_000)
    : numberOption(values, "records", 1_000);

/** How many of these are copied, which takes several times as long. */
const copyShare = 1 / 4;

/** The part of an input that warms up. */
const warmUpShare = 1 / 4;

const contenders = contendersOf(chosenSystems, chosenClients, chosenGuarantees);
const windowing = contenders.filter((one) => !isCopy(one));
const copying = contenders.filter(isCopy);
if (chosenSystems.includes("streams")) {
  try {
    await buildStreams();
  } catch (error) {
    if (!(error instanceof StreamsUnavailable)) throw error;
    console.error(`${error.message}. Without it: --systems=weir,loop,copy`);
    Deno.exit(1);
  }
}

const startBroker = async () => {
  try {
    return await testBroker({ profile: "bench" });
  } catch (error) {
    if (!(error instanceof BrokerUnavailable)) throw error;
    console.error(`${error.message}. KAFKA_BROKERS names brokers that are there`);
    Deno.exit(1);
  }
};

const pinned = !values["no-pin"] && await canPin();
const reports: Array<ContestReport> = [];
const latencies: Array<Latency> = [];
const idle: Array<IdleJob> = [];
const versions = new Set<string>();
let hasFailed = false;

/** Does what may fail for one who takes part, and goes on with the others. */
const attempt = async (what: string, act: () => Promise<void>): Promise<void> => {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof ChildFailure)) throw error;
    hasFailed = true;
    console.error(`${what}: ${error.message}`);
  }
};

{
  await using broker = await startBroker();
  const conditions: Conditions = {
    brokers: broker.brokers,
    beginning: `bench-${crypto.randomUUID().slice(0, 8)}`,
    rounds,
    epochMillis,
    pinned,
    say: console.error,
  };

  if (rounds > 0) {
    for (const bytes of sizes) {
      for (const count of partitions) {
        const contestOf = (records: number): Contest => (
          { partitions: count, bytes, records, warmUp: Math.floor(records * warmUpShare) }
        );
        const windows = contestOf(recordsOf(bytes));
        const copies = contestOf(Math.ceil(recordsOf(bytes) * copyShare));
        const all = new Map<string, ReadonlyArray<Measured>>();
        for (const [contest, who] of [[windows, windowing], [copies, copying]] as const) {
          if (who.length === 0) continue;
          await attempt(`${count} × ${bytes} B`, async () => {
            const outcome = await compete(contest, who, conditions);
            hasFailed ||= outcome.hasFailed;
            for (const version of outcome.versions) versions.add(version);
            for (const [name, runs] of outcome.rounds) all.set(name, runs);
          });
        }
        reports.push(reportOf(windows, copies, contenders, all));
      }
    }
  }

  if (values.latency) {
    const timed = contenders.filter((one): one is Timed => one.system === "weir" || one.system === "streams");
    for (const count of partitions) {
      const [bytes] = sizes;
      const speeds = reports.find((one) => one.partitions === count && one.bytes === bytes)?.speeds ?? {};
      const able = timed.flatMap((one) => speeds[nameOf(one)]?.recordsPerSecond.median ?? []);
      const chosen = rate ?? Math.floor(Math.min(...able) / 2);
      for (const epoch of epochs) {
        for (const contender of timed) {
          const what = `${count} × ${bytes} B, at ${chosen} a second, epochs of ${epoch} ms: ${nameOf(contender)}`;
          await attempt(what, async () => {
            const latency = await measureLatency(contender, {
              brokers: conditions.brokers,
              beginning: conditions.beginning,
              partitions: count,
              bytes,
              rate: chosen,
              seconds,
              warmUpSeconds: latencyWarmUpSeconds,
              epochMillis: epoch,
            });
            latencies.push(latency);
            console.error(`${what}: p50 ${latency.seen.p50.toFixed(0)} ms, p99 ${latency.seen.p99.toFixed(0)} ms`);
          });
        }
      }
    }
  }

  if (values.idle) {
    for (const count of partitions) {
      for (const client of chosenClients) {
        await attempt(`idle, ${count} partitions, ${client}`, async () => {
          const { brokers, beginning } = conditions;
          idle.push(await measureIdle({ brokers, beginning, client, partitions: count, seconds: idleSeconds }));
        });
      }
    }
  }
}

/** Says a table below a line, unless it has nothing but its head. */
const say = (title: string, text: string): void => {
  if (text.includes("\n")) console.log(`\n${title}\n\n${text}`);
};

/** Whether Weir was compared with nobody. */
const isAlone = ({ loop, streams }: Comparison): boolean => loop === null && streams === null;

const cores = pinned ? "on one core" : "on cores that are not held";
const windows = reports.flatMap((report) => report.windows);
say(`Windows, beside a loop around the same library, ${cores}`, comparisonTable(windows, "loop"));
say(`Windows, beside Kafka Streams with one thread, ${cores}`, comparisonTable(windows, "streams"));
say(
  `Copies, beside a loop around the same library, ${cores}`,
  comparisonTable(reports.flatMap((report) => report.copies), "loop"),
);
if (reports.every(({ windows, copies }) => [...windows, ...copies].every(isAlone))) {
  say(`Everybody alone, ${cores}`, speedTable(reports));
}
say("From the record that lets a window close to the row that a reader sees, in milliseconds", latencyTable(latencies));
say("Jobs without news", idleTable(idle));
console.log(
  `\nDeno ${Deno.version.deno} (V8 ${Deno.version.v8})${[...versions].map((one) => `; ${one}`).join("")}\n` +
    `${externalBrokers() === null ? "One broker on this machine" : "Brokers of somebody else"}, ` +
    `${navigator.hardwareConcurrency} cores` +
    (rounds === 0 ? "" : `; epochs and commits each ${epochMillis} ms, medians of ${rounds} rounds`),
);
if (values.plot !== "none") await Deno.writeTextFile(values.plot, drawn(reports, latencies, cores));
if (values.json) {
  const machine = { cores: navigator.hardwareConcurrency, pinned, deno: Deno.version, peers: [...versions] };
  const settings = { rounds, epochMillis, seconds, latencyWarmUpSeconds, isOwnBroker: externalBrokers() === null };
  console.log(JSON.stringify({ machine, settings, contests: reports, latencies, idle }));
}
Deno.exit(hasFailed ? 1 : 0);
