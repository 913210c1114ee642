/**
 * Windows of a number of records.
 *
 * @module
 */
import { inWords } from "./in-words.ts";
import { type CountAssigner, greatestCommonDivisor, type OneWindow, type SeveralWindows } from "./assigner.ts";

/**
 * How many slices a sliding window of records is cut into at most: each key keeps an accumulator of each.
 */
export const countSlicesMax = 4_096;

const positiveCount = (what: string, count: number): number => {
  if (!Number.isSafeInteger(count) || count <= 0) {
    throw new RangeError(
      `Cannot make a window of records as ${what} must be a whole number above 0: current value is ${inWords(count)}`,
    );
  }
  return count;
};

/**
 * Windows of a number of records of one key, in the order in which they come. Event time plays no part: no record is late.
 *
 * With a number windows tumble: each record is in one. With `{ size, slide }` the result after every `slide` records is
 * about the last `size` of them, or about as many as there have been. At the end of the input a window that is not full
 * says what it has.
 *
 * The `window` of a result reaches from the earliest to just after the latest of its records, by event time; in a flow
 * without event time, by the time at which they came. A window of records has no trigger, no allowed lateness and no panes.
 *
 * A key keeps its place, and an accumulator for every `gcd(size, slide)` records, for ever.
 *
 * @throws {RangeError} If size or slide is not a whole number above 0, slide exceeds size, or size holds more than 4,096
 * times what divides both.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * assert.equal(Window.count(100).slide, 100);
 * assert.equal(Window.count({ size: 100, slide: 20 }).slide, 20);
 * ```
 */
export const count = <const N extends number | { readonly size: number; readonly slide: number }>(
  records: N,
): CountAssigner<N extends number ? OneWindow : SeveralWindows> => {
  // Types do not see everything: what is no object is a wrong number.
  const tumbles = typeof records !== "object" || records === null;
  const size = positiveCount("size", tumbles ? records as number : records.size);
  const slide = tumbles ? size : positiveCount("slide", records.slide);
  if (slide > size) {
    throw new RangeError(
      `Cannot make a window of records as slide must not exceed size (${size}): current value is ${slide}`,
    );
  }
  const slices = size / greatestCommonDivisor(size, slide);
  if (slices > countSlicesMax) {
    throw new RangeError(
      `Cannot make a window of records as size divided by what divides size and slide must be at most ` +
        `${countSlicesMax}: current value is ${slices} (size ${size}, slide ${slide})`,
    );
  }
  const windows: OneWindow | SeveralWindows = tumbles
    ? "each record in one window"
    : "windows overlap or grow together: give them an aggregate that merges";
  return {
    _tag: "Count",
    windows: windows as N extends number ? OneWindow : SeveralWindows,
    time: "no event time",
    size,
    slide,
  };
};
