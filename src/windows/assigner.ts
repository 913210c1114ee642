/**
 * Window assigners: which windows a record belongs to, from its event time alone.
 *
 * Tumbling and sliding windows are cut into *slices*, the longest spans that no window border divides. A record belongs
 * to exactly one slice, so it is aggregated once however many windows overlap; a window is the merge of its slices.
 *
 * @module
 */
import type { Duration } from "effect";
import { millisOf, whole, wholeAboveZero } from "./millis-of.ts";
import type { Window } from "./window.ts";

/** A record is in exactly one window, which never grows together with another: any aggregate will do. */
export type OneWindow = "each record in one window";

/** A record may be in several windows, or windows grow together: accumulators must merge. */
export type SeveralWindows = "windows overlap or grow together: give them an aggregate that merges";

/** Windows are spans of event time. */
export type ByEventTime = "event time";

/** Windows follow the clock, or the number of records: event time is not needed. */
export type WithoutEventTime = "no event time";

/** What a pipeline must know of an assigner of records `A`: whether accumulators must merge, and whether it needs event time. */
export interface AssignerOf<
  in A,
  out W extends OneWindow | SeveralWindows,
  out T extends ByEventTime | WithoutEventTime,
> {
  /** Whether a record may be in several windows. */
  readonly windows: W;
  /** Whether windows are spans of event time. */
  readonly time: T;
  /** Exists for the compiler alone. */
  readonly "~weir/record"?: (value: A) => void;
}

/** Windows of one size, `slide` apart. When `slide` equals `size` they tumble: each record is in exactly one. */
export interface SlidingAssigner<
  out W extends OneWindow | SeveralWindows = OneWindow | SeveralWindows,
  out T extends ByEventTime | WithoutEventTime = ByEventTime | WithoutEventTime,
> extends AssignerOf<unknown, W, T> {
  /** Tells the kinds of assigners apart. */
  readonly _tag: "Sliding";
  /** How long a window is, in milliseconds. */
  readonly size: number;
  /** How far the starts of two neighbouring windows are apart, in milliseconds. */
  readonly slide: number;
  /** Where windows start, relative to the epoch, in milliseconds; from 0 up to `slide`. */
  readonly offset: number;
  /** How long a slice is: the greatest common divisor of size and slide, in milliseconds. */
  readonly slice: number;
}

/** Windows that grow with activity: a record opens one of length `gap`, and windows that touch become one. */
export interface SessionAssigner<in A = unknown> extends AssignerOf<A, SeveralWindows, ByEventTime> {
  /** Tells the kinds of assigners apart. */
  readonly _tag: "Session";
  /** How long a key must be silent before its session ends, in milliseconds; or how long after each record. */
  readonly gap: number | ((value: A) => number);
}

/** One window that holds everything, and is over when the input is. */
export interface GlobalAssigner extends AssignerOf<unknown, OneWindow, WithoutEventTime> {
  /** Tells the kinds of assigners apart. */
  readonly _tag: "Global";
}

/** Windows of a number of records of one key, in order of arrival. */
export interface CountAssigner<out W extends OneWindow | SeveralWindows = OneWindow | SeveralWindows>
  extends AssignerOf<unknown, W, WithoutEventTime> {
  /** Tells the kinds of assigners apart. */
  readonly _tag: "Count";
  /** How many records a window holds. */
  readonly size: number;
  /** After how many records the next window is full. */
  readonly slide: number;
}

/** Windows that a function gives. */
export interface SpansAssigner<in A = unknown, out W extends OneWindow | SeveralWindows = OneWindow | SeveralWindows>
  extends AssignerOf<A, W, ByEventTime> {
  /** Tells the kinds of assigners apart. */
  readonly _tag: "Spans";
  /** What they are, in words that two runs of the same code share: state kept under other words is not read. */
  readonly fingerprint: string;
  /** The windows of a record: at least one, each of which holds its timestamp. */
  readonly assign: (timestamp: number, value: A) => ReadonlyArray<Window>;
}

/** How records are assigned to windows. */
export type Assigner<A = unknown> =
  | SlidingAssigner
  | SessionAssigner<A>
  | GlobalAssigner
  | CountAssigner
  | SpansAssigner<A>;

/** A duration in whole milliseconds, greater than zero. */
const positiveMillis = (what: string, input: Duration.Input): number =>
  millisOf("make a window", what, input, wholeAboveZero);

const offsetMillis = (input: Duration.Input | undefined, period: number): number => {
  if (input === undefined) return 0;
  const millis = millisOf("make a window", "offset", input, whole);
  return ((millis % period) + period) % period;
};

/** The greatest whole number that divides both. */
export const greatestCommonDivisor = (a: number, b: number): number => b === 0 ? a : greatestCommonDivisor(b, a % b);

/**
 * Windows of one size that follow each other without gap or overlap.
 *
 * They are aligned to the epoch (so hours start on the hour, in UTC) unless an `offset` moves them.
 *
 * @throws {RangeError} If the size is not a whole number of milliseconds above 0, or the offset not a whole one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * const hourly = Window.tumbling("1 hour");
 * assert.equal(hourly.size, 3_600_000);
 * assert.equal(Window.tumbling("1 day", { offset: "-5 hours" }).offset, 19 * 3_600_000);
 * ```
 */
export const tumbling = (
  size: Duration.Input,
  options?: { readonly offset?: Duration.Input },
): SlidingAssigner<OneWindow, ByEventTime> => {
  const millis = positiveMillis("size", size);
  return {
    _tag: "Sliding",
    windows: "each record in one window",
    time: "event time",
    size: millis,
    slide: millis,
    offset: offsetMillis(options?.offset, millis),
    slice: millis,
  };
};

/** How many sliding windows a record may be in at most: it makes a result in each, for each key. */
export const slidesMax = 100_000;

/**
 * Windows of one size that start every `slide`, so that each record is in `size / slide` of them.
 *
 * A key says so many results for a record that is alone: 1 hour by 1 minute makes 60, 1 day by 1 second 86,400. More than
 * 100,000 are refused (1 hour by 1 millisecond would make 3.6 million for each key).
 *
 * @throws {RangeError} If size, slide or offset is not a whole number of milliseconds, size or slide is not above 0, slide
 * exceeds size, as records between two windows would belong to none, or size is more than 100,000 times slide.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * const lastHour = Window.sliding({ size: "1 hour", slide: "25 minutes" });
 * assert.equal(lastHour.slice, 5 * 60_000);
 * ```
 */
export const sliding = (options: {
  readonly size: Duration.Input;
  readonly slide: Duration.Input;
  readonly offset?: Duration.Input;
}): SlidingAssigner<SeveralWindows, ByEventTime> => {
  const size = positiveMillis("size", options.size);
  const slide = positiveMillis("slide", options.slide);
  if (slide > size) {
    throw new RangeError(
      `Cannot make a sliding window as slide must not exceed size (${size}): current value is ${slide}`,
    );
  }
  if (size / slide > slidesMax) {
    throw new RangeError(
      `Cannot make a sliding window as size must be at most ${slidesMax} times slide (${slide}): current value is ${size}`,
    );
  }
  return {
    _tag: "Sliding",
    windows: "windows overlap or grow together: give them an aggregate that merges",
    time: "event time",
    size,
    slide,
    offset: offsetMillis(options.offset, slide),
    slice: greatestCommonDivisor(size, slide),
  };
};

/**
 * Windows that follow a key's activity: one lasts until the key has been silent for `gap`.
 *
 * A session is `[first event, last event + gap)`. A record that falls between two sessions, and is within the gap of
 * both, makes them one. With a function each record has a gap of its own, and a session ends when the gaps of all its
 * records are over. A gap that is not a whole number of milliseconds above 0 is treated as if the function had thrown.
 *
 * @throws {RangeError} If the gap is not a whole number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * assert.equal(Window.session({ gap: "30 minutes" }).gap, 1_800_000);
 * const byDevice = Window.session({ gap: (click: { mobile: boolean }) => click.mobile ? "5 minutes" : "30 minutes" });
 * ```
 */
export const session = <A = unknown>(options: {
  readonly gap: Duration.Input | ((value: A) => Duration.Input);
}): SessionAssigner<A> => {
  const { gap } = options;
  return {
    _tag: "Session",
    windows: "windows overlap or grow together: give them an aggregate that merges",
    time: "event time",
    gap: typeof gap === "function" ? (value) => positiveMillis("gap", gap(value)) : positiveMillis("gap", gap),
  };
};

/** The window that holds everything: the range of dates. */
export const everything: Window = { start: -8.64e15, end: 8.64e15 };

/**
 * One window that holds everything: it fires when its trigger says so, and when the input ends. Nothing comes late for it,
 * so it takes no allowed lateness.
 *
 * @example
 * ```ts
 * import { Aggregate, Flow, Source, Trigger, Window } from "@weir/streams";
 *
 * const runningTotals = Flow.from(Source.array("payments", [{ user: "ada", cents: 250 }])).pipe(
 *   Flow.keyBy((payment) => payment.user),
 *   Flow.window("total", {
 *     assigner: Window.global,
 *     trigger: Trigger.repeatedly(Trigger.afterCount(1)),
 *     aggregate: Aggregate.sum((payment) => payment.cents),
 *     late: "drop",
 *   }),
 * );
 * ```
 */
export const global: GlobalAssigner = { _tag: "Global", windows: "each record in one window", time: "no event time" };

/** The windows that an instant belongs to, by ascending end. */
export const windowsAt = ({ size, slide, offset }: SlidingAssigner, timestamp: number): ReadonlyArray<Window> => {
  const windows: Array<Window> = [];
  let start = Math.floor((timestamp - offset) / slide) * slide + offset;
  for (; start > timestamp - size; start -= slide) windows.push({ start, end: start + size });
  return windows.reverse();
};

/** The start of the slice that an instant belongs to. */
export const sliceStart = (assigner: SlidingAssigner, timestamp: number): number =>
  Math.floor((timestamp - assigner.offset) / assigner.slice) * assigner.slice + assigner.offset;

/** The end of the earliest window that holds the slice and ends after `after`; `Infinity` if there is none. */
export const firstEndAfter = (assigner: SlidingAssigner, slice: number, after: number): number => {
  const { size, slide, offset } = assigner;
  // Window starts are offset + k * slide; the slice is in those with start <= slice and slice < start + size.
  const earliestStart = Math.ceil((slice + assigner.slice - size - offset) / slide) * slide + offset;
  const earliestEnd = earliestStart + size;
  const end = after < earliestEnd ? earliestEnd : earliestEnd + (Math.floor((after - earliestEnd) / slide) + 1) * slide;
  return end - size <= slice ? end : Infinity;
};

/** The end of the last window that holds the slice. */
export const lastEnd = (assigner: SlidingAssigner, slice: number): number =>
  Math.floor((slice - assigner.offset) / assigner.slide) * assigner.slide + assigner.offset + assigner.size;

/** What an assigner is, in words that two runs of the same code share. */
export const describeAssigner = (assigner: Assigner): string => {
  switch (assigner._tag) {
    case "Sliding":
      return `sliding(${assigner.time},size=${assigner.size},slide=${assigner.slide},offset=${assigner.offset})`;
    case "Session":
      return `session(gap=${typeof assigner.gap === "number" ? assigner.gap : "of each record"})`;
    case "Global":
      return "global";
    case "Count":
      return `count(size=${assigner.size},slide=${assigner.slide})`;
    case "Spans":
      return assigner.fingerprint;
  }
};
