/**
 * Window assigners: which windows a record belongs to, from its event time alone.
 *
 * Tumbling and sliding windows are cut into *slices*, the longest spans that no window border divides. A record belongs
 * to exactly one slice, so it is aggregated once however many windows overlap; a window is the merge of its slices.
 *
 * @module
 */
import { Duration } from "effect";

/** Windows of one size, `slide` apart. When `slide` equals `size` they tumble: each record is in exactly one. */
export interface SlidingAssigner {
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
export interface SessionAssigner {
  /** Tells the kinds of assigners apart. */
  readonly _tag: "Session";
  /** How long a key must be silent before its session ends, in milliseconds. */
  readonly gap: number;
}

/** How records are assigned to windows. */
export type Assigner = SlidingAssigner | SessionAssigner;

/** A duration in whole milliseconds, greater than zero. */
const positiveMillis = (what: string, input: Duration.Input): number => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(input));
  if (!Number.isSafeInteger(millis) || millis <= 0) {
    throw new RangeError(
      `Cannot make a window as ${what} must be a whole number of milliseconds above 0: current value is ${millis}`,
    );
  }
  return millis;
};

const offsetMillis = (input: Duration.Input | undefined, period: number): number => {
  if (input === undefined) return 0;
  const millis = Duration.toMillis(Duration.fromInputUnsafe(input));
  if (!Number.isSafeInteger(millis)) {
    throw new RangeError(
      `Cannot make a window as offset must be a whole number of milliseconds: current value is ${millis}`,
    );
  }
  return ((millis % period) + period) % period;
};

const greatestCommonDivisor = (a: number, b: number): number => b === 0 ? a : greatestCommonDivisor(b, a % b);

/**
 * Windows of one size that follow each other without gap or overlap.
 *
 * They are aligned to the epoch (so hours start on the hour, in UTC) unless an `offset` moves them.
 *
 * @throws {RangeError} If the size is not a whole number of milliseconds above 0.
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
export const tumbling = (size: Duration.Input, options?: { readonly offset?: Duration.Input }): SlidingAssigner => {
  const millis = positiveMillis("size", size);
  return { _tag: "Sliding", size: millis, slide: millis, offset: offsetMillis(options?.offset, millis), slice: millis };
};

/**
 * Windows of one size that start every `slide`, so that each record is in `size / slide` of them.
 *
 * @throws {RangeError} If size or slide is not a whole number of milliseconds above 0, or slide exceeds size: records
 * between two windows would belong to none.
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
}): SlidingAssigner => {
  const size = positiveMillis("size", options.size);
  const slide = positiveMillis("slide", options.slide);
  if (slide > size) {
    throw new RangeError(
      `Cannot make a sliding window as slide must not exceed size (${size}): current value is ${slide}`,
    );
  }
  return {
    _tag: "Sliding",
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
 * both, makes them one.
 *
 * @throws {RangeError} If the gap is not a whole number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * assert.equal(Window.session({ gap: "30 minutes" }).gap, 1_800_000);
 * ```
 */
export const session = (options: { readonly gap: Duration.Input }): SessionAssigner => ({
  _tag: "Session",
  gap: positiveMillis("gap", options.gap),
});

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
