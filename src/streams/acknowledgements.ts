/**
 * Acknowledgements: sources that want to know it are told how far they are stored.
 *
 * @module
 */
import { Effect } from "effect";
import type { SourceError } from "./errors.ts";
import type { Position, Source } from "./source.ts";
import type { SplitProgress } from "./split-reader.ts";

type AnySource = Source<unknown, unknown, unknown, unknown>;

/** Where splits stand in the stored state. Splits that are missing have not been read yet. */
type StoredSplits = ReadonlyArray<readonly [source: string, split: string, progress: SplitProgress]>;

/** What tells the sources, all at once, where their splits stand; `null` when none of them wants to know. */
export const acknowledgements = (
  splits: ReadonlyArray<{ readonly source: AnySource; readonly split: string }>,
): ((stored: StoredSplits) => Effect.Effect<void, SourceError>) | null => {
  const bySource = Map.groupBy(splits.filter(({ source }) => source.committed !== undefined), ({ source }) => source);
  if (bySource.size === 0) return null;
  return (stored) => {
    const acknowledge = [...bySource].map(([source, its]) => {
      const positions = new Map<string, Position | null>(its.map(({ split }) => [split, null]));
      for (const [name, split, { position }] of stored) {
        if (name === source.name && positions.has(split)) positions.set(split, position);
      }
      return source.committed!(positions) as Effect.Effect<void, SourceError>;
    });
    return Effect.all(acknowledge, { concurrency: "unbounded", discard: true });
  };
};
