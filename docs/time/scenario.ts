/**
 * What a picture is made from: records in the order in which they come, and the pipeline that they go through.
 *
 * @module
 */
import type { Flow, Source, Window } from "@weir/streams";

/** A record. Its value is what windows add up. */
export interface Reading {
  /** Its event time, in milliseconds. */
  readonly at: number;
  readonly value: number;
  readonly key: string;
  /** What the pipeline of the picture looks at besides. */
  readonly kind: string;
}

/** What happens next: a record comes, only the clock goes on, or a split ends. */
export type Step =
  | {
    readonly _tag: "Record";
    readonly reading: Reading;
    readonly split: string;
    /** When it comes, in milliseconds of processing time. */
    readonly clock: number;
  }
  | { readonly _tag: "Clock"; readonly clock: number };

/** A result of a window of any kind, or what takes one back. */
export type Row =
  & Window.WindowResult<string, number>
  & { readonly change?: "add" | "retract" };

/** The records of a picture, as a source whose clock the picture moves. */
export type Readings = Source.Source<Reading, never, never, never>;

/** What a scenario hands to the picture: results of windows, or records that go on as they are. */
export type Output = Flow.Flow<
  Row | Reading,
  never,
  never,
  Flow.Keyed<string>,
  Flow.EventTime | Flow.NoEventTime,
  Flow.Append | Flow.Update,
  never
>;

/** One picture. */
export interface Scenario {
  /** The name of the picture's file, and of its lines of code. */
  readonly name: string;
  readonly title: string;
  /** What it shows. Markdown. */
  readonly text: string;
  readonly steps: ReadonlyArray<Step>;
  /** The splits, in order. Default: one. */
  readonly splits?: ReadonlyArray<string>;
  readonly pipeline: (readings: Readings) => Output;
  readonly draw: DrawOptions;
}

/** How a scenario is drawn. */
export interface DrawOptions {
  /** The part of time that is drawn, in milliseconds. */
  readonly from: number;
  readonly to: number;
  /** The distance between two marks on the axis, in milliseconds. */
  readonly every: number;
  /** The marks on the axis, in milliseconds, where they are not equally far from each other. */
  readonly ticks?: ReadonlyArray<number>;
  /** How an instant is written. Default: in seconds. */
  readonly write?: (time: number) => string;
  /** What is written at the axis. Default: `"event time, in seconds"`. */
  readonly axis?: string;
  /** Whether the clock lies across, in place of event time. Default: false. */
  readonly byClock?: boolean;
  /** Whether to write when records came. Default: false. */
  readonly clock?: boolean;
  /** Whether windows are spans that are there before their records, to be drawn as bands. Default: true. */
  readonly bands?: boolean;
  /** How long a record keeps its session open, in milliseconds. */
  readonly gap?: (reading: Reading) => number;
  /** How far a record's duplicates are from it in event time at most, in milliseconds. */
  readonly reach?: number;
}

const second = 1_000;

/** What may be said of a record besides its time and its value. */
export interface Details {
  readonly key?: string;
  readonly kind?: string;
  readonly split?: string;
  /** When it comes, in seconds. Default: a second after the one before. */
  readonly clock?: number;
}

/** A record, by its event time in seconds. */
export const record = (at: number, value: number, details: Details = {}): Details & {
  readonly at: number;
  readonly value: number;
} => ({ at, value, ...details });

/** The clock goes on to an instant in seconds, and nothing comes. */
export const quiet = (clock: number): { readonly clock: number } => ({ clock });

/** Steps, one after the other. */
export const steps = (
  ...all: ReadonlyArray<ReturnType<typeof record> | ReturnType<typeof quiet>>
): ReadonlyArray<Step> => {
  let now = 0;
  return all.map((one): Step => {
    now = one.clock === undefined ? now + second : one.clock * second;
    if (!("at" in one)) return { _tag: "Clock", clock: now };
    const { at, value, key = "k", kind = "", split = "0" } = one;
    return { _tag: "Record", reading: { at: at * second, value, key, kind }, split, clock: now };
  });
};
