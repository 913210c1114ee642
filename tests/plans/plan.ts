/**
 * Cases as data: what the records are, which operators stand where, and how the job is run.
 *
 * What a case may vary without changing the answer (batches, queues, partitions, epochs, crashes) is its *setting*.
 */
import type { Window } from "@weir/streams";
import type { CommitFate } from "../../src/testing/memory-kv.ts";
import * as Oracle from "../oracle.ts";

/** A record. */
export interface Item {
  readonly id: number;
  readonly at: number;
  /** What it is keyed by, after a modulus. */
  readonly k: number;
  readonly v: number;
}

/** A stateless operator. */
export type Step =
  | { readonly step: "map"; readonly add: number }
  | { readonly step: "filter"; readonly mod: number }
  | { readonly step: "flatMap"; readonly mod: number }
  /** An Effect that waits: for others, or so many milliseconds for some of the records. */
  | { readonly step: "effect"; readonly yields: boolean; readonly concurrency: number; readonly millis?: number }
  /** Refuses some records: it throws, or is an Effect that fails. They are dropped, or go to the sink of that number. */
  | {
    readonly step: "refuse";
    readonly how: "throws" | "fails";
    readonly mod: number;
    readonly dead: "drop" | number;
  }
  | { readonly step: "keyBy"; readonly mod: number }
  | {
    readonly step: "branch";
    readonly mod: number;
    readonly some: ReadonlyArray<Step>;
    readonly rest: ReadonlyArray<Step>;
  };

/** How records are assigned to windows, as data. */
export type AssignerPlan =
  | { readonly kind: "sliding"; readonly size: number; readonly slide: number; readonly offset: number }
  /** The gap of a record is one of these, by its value. */
  | { readonly kind: "session"; readonly gaps: ReadonlyArray<number> }
  /** Windows of each of these sizes, none of which is there twice. A record with an odd value is only in those of the first. */
  | { readonly kind: "spans"; readonly sizes: ReadonlyArray<number> }
  /** Days, weeks or months of a time zone. */
  | { readonly kind: "calendar"; readonly unit: Oracle.CalendarUnit; readonly timeZone: Oracle.TimeZone }
  | { readonly kind: "global" }
  | { readonly kind: "count"; readonly size: number; readonly slide: number };

export interface SourcePlan {
  readonly splits: ReadonlyArray<ReadonlyArray<Item>>;
  /** Operators before event time. */
  readonly before: ReadonlyArray<Step>;
  readonly bound: number;
  /** Whether a split may become idle, which one that is bounded never does. */
  readonly idles: boolean;
}

export interface WindowPlan {
  /** Operators after the flow was shared out and before the window. */
  readonly steps: ReadonlyArray<Step>;
  readonly keys: number;
  /** Operators after `keyBy`. */
  readonly keyed: ReadonlyArray<Step>;
  /** De-duplication by that key before the window, which also goes to a sink. */
  readonly once: OncePlan | null;
  readonly assigner: AssignerPlan;
  /** What is aggregated. */
  readonly stats: ReadonlyArray<StatName>;
  readonly trigger: Oracle.Trigger;
  readonly panes: Oracle.Panes;
  readonly lateness: number;
  readonly late: "drop" | "sink";
  /** Whether records are aggregated before they are routed, which changes nothing. */
  readonly preAggregate: boolean;
}

interface OncePlan extends Oracle.DeduplicatePlan {
  readonly late: "drop" | "sink";
}

/** A ranking of the records themselves. */
interface RankingPlan extends Oracle.TopNPlan {
  readonly keys: number;
  /** How many ids there are. */
  readonly ids: number;
}

/** A window over the results of others. */
export interface SecondPlan {
  readonly keys: number;
  readonly assigner: AssignerPlan;
  readonly lateness: number;
  readonly effect: boolean;
}

export interface Plan {
  readonly sources: ReadonlyArray<SourcePlan>;
  /** Whether sources are joined before their event time (the first one's bound then goes for all) or after it. */
  readonly joined: "before" | "after";
  /** Operators after event time. */
  readonly steps: ReadonlyArray<Step>;
  readonly windows: ReadonlyArray<WindowPlan>;
  /** A window over the results of others: see {@link feedsSecond}. */
  readonly second: SecondPlan | null;
  /** A tumbling window of this size over the results of the second. */
  readonly third: number | null;
  readonly ranking: RankingPlan | null;
  /** Whether the records themselves also go to a sink. */
  readonly copy: boolean;
}

export interface Setting {
  readonly batchRecordsMax: number;
  readonly queueRecordsMax: number;
  readonly keyedPartitions: number;
  readonly epochRecordsMax: number;
  readonly faults: ReadonlyArray<readonly [commit: number, fate: CommitFate]>;
}

/** What a case writes: rows by sink, and what each operator has counted, of which late records may be in a sink. */
export interface Answer {
  readonly rows: Readonly<Record<string, ReadonlyArray<unknown>>>;
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the ranking writes as long as it is certain, however many entries it keeps. */
  readonly certainRanks: ReadonlyArray<unknown>;
  /** How many records are refused, wherever they go. */
  readonly refused: number;
}

/**
 * Whether the results of a window go to the second one. Windows of a fixed size that allow for no lateness take whatever is
 * in time, each correction and each retraction as a record. Others would say things on the way that depend on what comes
 * first of different keys, of which nothing is promised. They are given what is never behind the watermark: one thing about
 * each key when the watermark reaches its end, but not the window of everything, which says what is long over.
 */
export const feedsSecond = ({ second }: Plan, { assigner, trigger, lateness }: WindowPlan): boolean => {
  if (second === null) return false;
  if (second.assigner.kind === "sliding" && second.lateness === 0) return true;
  return lateness === 0 && Oracle.isDefault(trigger) && assigner.kind !== "count" && assigner.kind !== "global";
};

/** What all windows aggregate, so that others can go on with it. */
export const usualStats = ["count", "sum"] as const;

/** What a window may aggregate besides. */
export const otherStats = [
  ...["mean", "min", "max", "variance", "first", "last", "some", "argMin", "argMax", "top", "bottom"] as const,
  ...["distinct", "about", "quantiles", "histogram", "rate", "decayed"] as const,
];

export type StatName = (typeof usualStats)[number] | (typeof otherStats)[number];

/** The numbers that aggregates are told, which are small enough to be met. */
export const told = {
  boundaries: [-3, 0, 2.5, 6],
  quantiles: [0.5, 0, 0.9, 1],
  relativeError: 0.01,
  perMillis: 5,
  halfLifeMillis: 7,
  /** A count is exact up to eight values then. */
  standardError: 0.1,
} as const;

/** Which of a plan's numbers belongs to a record. */
export const pick = (numbers: ReadonlyArray<number>, item: Item): number =>
  numbers.length === 1 ? numbers[0] : numbers[Math.abs(item.v) % numbers.length];

/** The windows of a record, where a function gives them. */
export const spansOf = (sizes: ReadonlyArray<number>) => (time: number, { v }: Item): Array<Window.Window> =>
  (v % 2 === 0 ? sizes : sizes.slice(0, 1)).map((size) => {
    const start = Math.floor(time / size) * size;
    return { start, end: start + size };
  });

/** What a record becomes: as many as its number says. */
export const copies = (item: Item, mod: number): Array<Item> =>
  Array.from({ length: item.id % mod }, (_, copy) => ({ ...item, id: item.id * 10 + copy, v: item.v + copy }));

/** Whether a step that refuses every so many records refuses this one. */
export const isRefused = ({ id }: Item, mod: number): boolean => id % mod === 0;

/** The name of the sink for what a step refuses. */
export const deadSink = (dead: number): string => `dead ${dead}`;
