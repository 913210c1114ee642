/**
 * What the rounds say together.
 *
 * @module
 */
import { type Spread, spread } from "../measure/spread.ts";
import { inPrefixes, table } from "../measure/table.ts";
import { type Contender, type Contest, nameOf } from "./contest.ts";
import type { Measured } from "./arrivals.ts";
import type { Client, Guarantee } from "./jobs.ts";

/** What everybody who takes part has measured, by name: a figure for each round. Who has failed is not among them. */
export type Rounds = ReadonlyMap<string, ReadonlyArray<Measured>>;

/** How fast somebody was. */
export interface Speed {
  readonly recordsPerSecond: Spread;
  readonly cpuMicrosPerRecord: Spread;
  readonly peakMemoryBytes: Spread;
}

/** Two of the same rounds, compared: more is better for the first. */
export interface Ratio {
  readonly bySeconds: Spread;
  /** By what processors have worked, which other load on the machine disturbs less. */
  readonly byCpu: Spread;
}

/** Weir under some conditions, and those that it is compared with; null where there is none. */
export interface Comparison {
  readonly partitions: number;
  readonly bytes: number;
  readonly client: Client;
  readonly guarantee: Guarantee;
  readonly weir: Speed;
  readonly loop: Speed | null;
  readonly weirToLoop: Ratio | null;
  readonly streams: Speed | null;
  readonly weirToStreams: Ratio | null;
}

/** What is said of the contests over inputs of one shape. */
export interface ContestReport {
  readonly partitions: number;
  readonly bytes: number;
  /** How many records the windows are made of. */
  readonly records: number;
  /** How many records are copied. */
  readonly copyRecords: number;
  readonly speeds: Readonly<Record<string, Speed>>;
  readonly windows: ReadonlyArray<Comparison>;
  readonly copies: ReadonlyArray<Comparison>;
}

const speedOf = (runs: ReadonlyArray<Measured>): Speed => ({
  recordsPerSecond: spread(runs.map((run) => run.recordsPerSecond)),
  cpuMicrosPerRecord: spread(runs.map((run) => run.cpuSeconds / run.records * 1e6)),
  peakMemoryBytes: spread(runs.map((run) => run.peakMemoryBytes)),
});

const ratioOf = (one: ReadonlyArray<Measured>, other: ReadonlyArray<Measured>): Ratio => ({
  bySeconds: spread(one.map(({ recordsPerSecond }, k) => recordsPerSecond / other[k].recordsPerSecond)),
  byCpu: spread(one.map(({ cpuSeconds }, k) => other[k].cpuSeconds / cpuSeconds)),
});

/** Puts the rounds of windows and of copies together. */
export const reportOf = (
  windows: Contest,
  copies: Contest,
  contenders: ReadonlyArray<Contender>,
  rounds: Rounds,
): ContestReport => {
  const { partitions, bytes, records } = windows;
  const runsOf = (contender: Contender): ReadonlyArray<Measured> | null => rounds.get(nameOf(contender)) ?? null;
  const comparisons = (system: "weir" | "weir-copy"): ReadonlyArray<Comparison> =>
    contenders.flatMap((contender) => {
      if (contender.system !== system) return [];
      const weir = runsOf(contender);
      if (weir === null) return [];
      const { client, guarantee } = contender;
      const loop = runsOf({ system: system === "weir" ? "loop" : "loop-copy", client });
      const streams = system === "weir" ? runsOf({ system: "streams", guarantee }) : null;
      return [{
        partitions,
        bytes,
        client,
        guarantee,
        weir: speedOf(weir),
        loop: loop === null ? null : speedOf(loop),
        weirToLoop: loop === null ? null : ratioOf(weir, loop),
        streams: streams === null ? null : speedOf(streams),
        weirToStreams: streams === null ? null : ratioOf(weir, streams),
      }];
    });
  return {
    partitions,
    bytes,
    records,
    copyRecords: copies.records,
    speeds: Object.fromEntries(Array.from(rounds, ([name, runs]) => [name, speedOf(runs)])),
    windows: comparisons("weir"),
    copies: comparisons("weir-copy"),
  };
};

const mebibyte = 1_024 * 1_024;

const rowName = ({ client, partitions, bytes, guarantee }: Comparison): string =>
  `${client}, ${partitions} × ${bytes} B, ${guarantee}`;

/** A line for each of Weir's jobs, beside one that it is compared with; those that have none are left out. */
export const comparisonTable = (comparisons: ReadonlyArray<Comparison>, peer: "loop" | "streams"): string => {
  const name = peer === "loop" ? "loop" : "Streams";
  const heads = [
    ["", "Weir/s", `${name}/s`, `Weir : ${name}`, "min to max", "by CPU"],
    ["Weir µs CPU", `${name} µs CPU`, "Weir MiB", `${name} MiB`],
  ];
  return table([
    heads.flat(),
    ...comparisons.flatMap((one) => {
      const { weir } = one;
      const other = one[peer];
      const ratio = peer === "loop" ? one.weirToLoop : one.weirToStreams;
      if (other === null || ratio === null) return [];
      const { median, min, max } = ratio.bySeconds;
      return [[
        rowName(one),
        inPrefixes(weir.recordsPerSecond.median),
        inPrefixes(other.recordsPerSecond.median),
        median.toFixed(2),
        `${min.toFixed(2)} to ${max.toFixed(2)}`,
        ratio.byCpu.median.toFixed(2),
        weir.cpuMicrosPerRecord.median.toFixed(2),
        other.cpuMicrosPerRecord.median.toFixed(2),
        (weir.peakMemoryBytes.median / mebibyte).toFixed(0),
        (other.peakMemoryBytes.median / mebibyte).toFixed(0),
      ]];
    }),
  ]);
};

/** A line for each who takes part: for those that are compared with nobody, too. */
export const speedTable = (reports: ReadonlyArray<ContestReport>): string =>
  table([
    ["", "records/s", "min to max", "µs CPU", "MiB"],
    ...reports.flatMap(({ partitions, bytes, speeds }) =>
      Object.entries(speeds).map(([name, { recordsPerSecond, cpuMicrosPerRecord, peakMemoryBytes }]) => [
        `${partitions} × ${bytes} B, ${name}`,
        inPrefixes(recordsPerSecond.median),
        `${inPrefixes(recordsPerSecond.min)} to ${inPrefixes(recordsPerSecond.max)}`,
        cpuMicrosPerRecord.median.toFixed(2),
        (peakMemoryBytes.median / mebibyte).toFixed(0),
      ])
    ),
  ]);
