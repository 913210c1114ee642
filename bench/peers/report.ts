/**
 * What the rounds of a contest say together.
 *
 * @module
 */
import { type Spread, spread } from "../measure/spread.ts";
import { inPrefixes, table } from "../measure/table.ts";
import type { Contest, Measured } from "./systems.ts";

/** One round: every system ran once, one after the other. */
export interface Round {
  readonly weir: Measured;
  readonly flink: Measured;
  readonly loop: Measured | null;
}

/** How fast one system was. */
export interface SystemReport {
  readonly eventsPerSecond: Spread;
  readonly cpuSecondsPerMillion: Spread;
  readonly peakMemoryBytes: Spread;
  readonly results: Spread;
}

/** A contest, with the spread over its rounds. Each ratio is one of two runs of the same round. */
export interface ContestReport extends Contest {
  readonly rounds: number;
  readonly weir: SystemReport;
  readonly flink: SystemReport;
  readonly loop: SystemReport | null;
  /** Weir's events per second, divided by Flink's. */
  readonly weirToFlink: Spread;
  /** The same for events per second of a processor, which other load on the machine disturbs less. */
  readonly weirToFlinkByCpu: Spread;
  /** Weir's events per second, divided by the loop's. */
  readonly weirToLoop: Spread | null;
}

const systemReport = (runs: ReadonlyArray<Measured>, events: number): SystemReport => ({
  eventsPerSecond: spread(runs.map((run) => run.eventsPerSecond)),
  cpuSecondsPerMillion: spread(runs.map((run) => run.cpuSeconds / events * 1e6)),
  peakMemoryBytes: spread(runs.map((run) => run.peakMemoryBytes)),
  results: spread(runs.map((run) => run.results)),
});

/** Puts the rounds of a contest together. */
export const reportOf = (contest: Contest, rounds: ReadonlyArray<Round>): ContestReport => {
  const loops = rounds.flatMap(({ loop }) => loop === null ? [] : [loop]);
  return {
    ...contest,
    rounds: rounds.length,
    weir: systemReport(rounds.map(({ weir }) => weir), contest.events),
    flink: systemReport(rounds.map(({ flink }) => flink), contest.events),
    loop: loops.length === 0 ? null : systemReport(loops, contest.events),
    weirToFlink: spread(rounds.map(({ weir, flink }) => weir.eventsPerSecond / flink.eventsPerSecond)),
    weirToFlinkByCpu: spread(rounds.map(({ weir, flink }) => flink.cpuSeconds / weir.cpuSeconds)),
    weirToLoop: loops.length === 0
      ? null
      : spread(rounds.map(({ weir, loop }) => weir.eventsPerSecond / loop!.eventsPerSecond)),
  };
};

const mebibyte = 1_024 * 1_024;
const fromTo = ({ min, max }: Spread): string => `${min.toFixed(2)} to ${max.toFixed(2)}`;

/** A line for each contest. */
export const contestTable = (reports: ReadonlyArray<ContestReport>): string =>
  table([
    [
      "query",
      "Weir/s",
      "Flink/s",
      "Weir : Flink",
      "min to max",
      "by CPU",
      "loop/s",
      "Weir : loop",
      "Weir MiB",
      "Flink MiB",
    ],
    ...reports.map((one) => [
      one.query,
      inPrefixes(one.weir.eventsPerSecond.median),
      inPrefixes(one.flink.eventsPerSecond.median),
      one.weirToFlink.median.toFixed(2),
      fromTo(one.weirToFlink),
      one.weirToFlinkByCpu.median.toFixed(2),
      one.loop === null ? "" : inPrefixes(one.loop.eventsPerSecond.median),
      one.weirToLoop === null ? "" : one.weirToLoop.median.toFixed(2),
      (one.weir.peakMemoryBytes.median / mebibyte).toFixed(0),
      (one.flink.peakMemoryBytes.median / mebibyte).toFixed(0),
    ]),
  ]);
