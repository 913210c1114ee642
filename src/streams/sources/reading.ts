/**
 * What the sources of this folder share: batches pulled from a plain function, and the check of a recorded position.
 *
 * @module
 */
import { Cause, Effect, Stream } from "effect";
import { inWords } from "../../windows/in-words.ts";
import { SourceError } from "../errors.ts";
import type { Position, SourceBatch } from "../source.ts";

/** A stream of the batches that a plain function returns, until it returns `null`. `start` runs once per reader. */
export const pullBatches = <A>(start: () => () => SourceBatch<A> | null): Stream.Stream<SourceBatch<A>> =>
  Stream.fromPull(Effect.sync(() => {
    const next = start();
    return Effect.suspend(() => {
      const batch = next();
      return batch === null ? Cause.done() : Effect.succeed([batch] as const);
    });
  }));

/** A stream of the batches of something that is all there: its places from `first` up to `total`, some at a time. */
export const pullPlaces = <A>(
  first: number,
  total: number,
  batchRecordsMax: number,
  batchOf: (start: number, end: number) => SourceBatch<A>,
): Stream.Stream<SourceBatch<A>> =>
  pullBatches(() => {
    let start = first;
    return () => {
      if (start >= total) return null;
      const end = Math.min(total, start + batchRecordsMax);
      const batch = { ...batchOf(start, end), lag: total - end };
      start = end;
      return batch;
    };
  });

/** A {@link SourceError} that a retry cannot heal. */
export const lastingError = (
  source: string,
  split: string,
  position: Position | null,
  message: string,
): SourceError => new SourceError({ message, source, split, position, retryable: false, cause: null });

/** The recorded position as a whole number between 0 and `max`, or why it is none. */
export const numericPosition = (
  source: string,
  split: string,
  from: Position | null,
  max: number,
): number | SourceError => {
  if (from === null) return 0;
  if (typeof from === "number" && Number.isInteger(from) && from >= 0 && from <= max) return from;
  return lastingError(
    source,
    split,
    from,
    `Cannot read split "${split}" of source "${source}" as its position must be a whole number from 0 to ${max}: ` +
      `current value is ${inWords(from)}`,
  );
};

/** What a source answers when it is asked for a split that it does not have. */
export const unknownSplit = (source: string, split: string, splits: ReadonlyArray<string>): SourceError =>
  lastingError(
    source,
    split,
    null,
    `Cannot read source "${source}" as it has no split of that name: current value is "${split}", its splits are ` +
      splits.map((name) => `"${name}"`).join(", "),
  );

/** `from + 1, from + 2, …`: the positions of `count` consecutive records whose positions are indexes. */
export const indexPositions = (from: number, count: number): Float64Array => {
  const positions = new Float64Array(count);
  for (let i = 0; i < count; i++) positions[i] = from + i + 1;
  return positions;
};
