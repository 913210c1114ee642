/**
 * Positions in a partition, as the manifest holds them: the offset to read on from; of a bounded source with the offset at
 * which it ends, `"<offset>/<end>"`, so that a job that is started again ends where it would have ended.
 *
 * @module
 */
import { Effect } from "effect";
import type { SourceError } from "../streams/errors.ts";
import type { Position } from "../streams/source.ts";
import { lastingError } from "../streams/sources/reading.ts";
import { inWords } from "../windows/in-words.ts";

/** Where to read, and where to stop. */
export interface Range {
  readonly offset: number;
  /** The offset at which a bounded source ends; `null` where none is recorded. */
  readonly end: number | null;
}

/** A range as a position. */
export const positionOf = (offset: number, end: number | null): Position => end === null ? offset : `${offset}/${end}`;

/** What a position says; `null` where it is none of ours. */
const parsed = (position: Position | null): Range | null => {
  if (typeof position === "number" && Number.isSafeInteger(position) && position >= 0) {
    return { offset: position, end: null };
  }
  const [, offset, end] = typeof position === "string" ? /^(\d{1,16})\/(\d{1,16})$/.exec(position) ?? [] : [];
  return offset === undefined ? null : { offset: Number(offset), end: Number(end) };
};

/** How many offsets lie between a position and the end that it says; `null` where it says none. */
export const offsetsAhead = (position: Position | null): number | null => {
  const range = parsed(position);
  return range === null || range.end === null ? null : Math.max(0, range.end - range.offset);
};

/** A position as a range. */
export const rangeOf = (source: string, split: string, position: Position): Effect.Effect<Range, SourceError> => {
  const range = parsed(position);
  if (range !== null) return Effect.succeed(range);
  return Effect.fail(lastingError(
    source,
    split,
    position,
    `Cannot read split "${split}" of source "${source}" as its position must be an offset: current value is ` +
      inWords(position),
  ));
};
