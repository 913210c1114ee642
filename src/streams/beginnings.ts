/**
 * Beginnings: sources that decide where splits begin are asked at a start, of all splits at once.
 *
 * @module
 */
import { Effect } from "effect";
import type { SourceError } from "./errors.ts";
import type { Position, Source } from "./source.ts";

type AnySource = Source<unknown, unknown, unknown, unknown>;

/** Where the splits begin of which nothing is recorded and whose source has a say in it. */
export const beginnings = (
  splits: ReadonlyArray<{ readonly source: AnySource; readonly split: string }>,
  isRecorded: (source: string, split: string) => boolean,
): Effect.Effect<(source: string, split: string) => Position | undefined, SourceError> =>
  Effect.gen(function* () {
    const begun = new Map<string, ReadonlyMap<string, Position>>();
    for (const [source, its] of Map.groupBy(splits, ({ source }) => source)) {
      if (source.begin === undefined) continue;
      const names = its.map(({ split }) => split);
      const fresh = names.filter((split) => !isRecorded(source.name, split));
      if (fresh.length === 0) continue;
      const begin = source.begin(fresh, fresh.length === names.length);
      begun.set(source.name, yield* begin as Effect.Effect<ReadonlyMap<string, Position>, SourceError>);
    }
    return (source, split) => begun.get(source)?.get(split);
  });
