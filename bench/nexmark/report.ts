/**
 * What the rounds of a query say together.
 *
 * @module
 */
import { type Spread, spread } from "../measure/spread.ts";
import { inMillis, inPrefixes, table } from "../measure/table.ts";
import type { Latency } from "./latency.ts";
import type { Recovery } from "./recovery.ts";
import type { Throughput } from "./throughput.ts";

/** One query: the spread over its rounds, and one run each of what is measured once. */
export interface QueryReport {
  readonly query: string;
  readonly says: string;
  readonly events: number;
  readonly rounds: number;
  readonly seconds: Spread;
  readonly eventsPerSecond: Spread;
  readonly cpuSeconds: Spread;
  readonly results: Spread;
  readonly peakMemoryBytes: Spread;
  readonly bytesPerEpoch: Spread;
  /** The median of the rounds' medians, and the longest of all; null where no epoch was committed. */
  readonly epochMillis: { readonly p50: number; readonly max: number } | null;
  readonly recoveryMillis: Spread | null;
  readonly recovery: ReadonlyArray<Recovery>;
  /** The run whose 99th percentile inside the engine is the median; null where latency was not measured. */
  readonly latency: Latency | null;
  readonly latencyRounds: ReadonlyArray<Latency>;
}

/** What was measured of a query. */
export interface Rounds {
  readonly query: { readonly name: string; readonly says: string };
  readonly events: number;
  readonly throughput: ReadonlyArray<Throughput>;
  readonly recovery: ReadonlyArray<Recovery>;
  readonly latency: ReadonlyArray<Latency>;
}

/** Puts the rounds of a query together. */
export const reportOf = ({ query, events, throughput, recovery, latency }: Rounds): QueryReport => {
  const over = (of: (one: Throughput) => number): Spread => spread(throughput.map(of));
  const epochs = throughput.flatMap(({ epochMillis }) => epochMillis === null ? [] : [epochMillis]);
  const byLatency = latency.toSorted((a, b) => (a.inside?.p99 ?? 0) - (b.inside?.p99 ?? 0));
  return {
    query: query.name,
    says: query.says,
    events,
    rounds: throughput.length,
    seconds: over((one) => one.seconds),
    eventsPerSecond: over((one) => one.eventsPerSecond),
    cpuSeconds: over((one) => one.cpuSeconds),
    results: over((one) => one.results),
    peakMemoryBytes: over((one) => one.peakMemoryBytes),
    bytesPerEpoch: over((one) => one.bytesPerEpoch),
    epochMillis: epochs.length === 0
      ? null
      : { p50: spread(epochs.map(({ p50 }) => p50)).median, max: Math.max(...epochs.map(({ max }) => max)) },
    recoveryMillis: recovery.length === 0 ? null : spread(recovery.map(({ recoveryMillis }) => recoveryMillis)),
    recovery,
    latency: byLatency[byLatency.length >> 1] ?? null,
    latencyRounds: latency,
  };
};

const mebibyte = 1_024 * 1_024;

/** Events per second and what they cost, a line for each query. */
export const throughputTable = (reports: ReadonlyArray<QueryReport>): string =>
  table([
    [
      "query",
      "events/s",
      "min to max",
      "CPU s per M",
      "results",
      "peak MiB",
      "KiB per epoch",
      "epoch ms p50",
      "max",
      "recovery ms",
    ],
    ...reports.map((one) => [
      one.query,
      inPrefixes(one.eventsPerSecond.median),
      `${inPrefixes(one.eventsPerSecond.min)} to ${inPrefixes(one.eventsPerSecond.max)}`,
      (one.cpuSeconds.median / one.events * 1e6).toFixed(2),
      String(one.results.median),
      (one.peakMemoryBytes.median / mebibyte).toFixed(0),
      (one.bytesPerEpoch.median / 1_024).toFixed(1),
      one.epochMillis === null ? "" : inMillis(one.epochMillis.p50),
      one.epochMillis === null ? "" : inMillis(one.epochMillis.max),
      one.recoveryMillis === null ? "" : inMillis(one.recoveryMillis.median),
    ]),
  ]);

/** How long results take, a line for each query whose latency was measured. */
export const latencyTable = (reports: ReadonlyArray<QueryReport>): string => {
  const quantiles = (one: Latency["inside"]): ReadonlyArray<string> =>
    one === null ? ["", "", ""] : [inMillis(one.p50), inMillis(one.p99), inMillis(one.p999)];
  return table([
    [
      "query",
      "at events/s",
      "behind ms",
      "rows",
      "read ms p99",
      "inside ms p50",
      "p99",
      "p99.9",
      "published ms p50",
      "p99",
      "p99.9",
    ],
    ...reports.flatMap(({ query, latency }) =>
      latency === null ? [] : [[
        query,
        inPrefixes(latency.rate),
        inMillis(latency.behindMillis),
        String(latency.inside?.samples ?? 0),
        latency.handedOver === null ? "" : inMillis(latency.handedOver.p99),
        ...quantiles(latency.inside),
        ...quantiles(latency.published),
      ]]
    ),
  ]);
};
