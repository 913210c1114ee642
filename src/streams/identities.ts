/**
 * Identities: a recorded position is of the split that was read then, not of another that has its name now.
 *
 * @module
 */
import { Effect } from "effect";
import { IncompatibleState } from "../kv-state/errors.ts";
import type { SourceError } from "./errors.ts";
import type { Source } from "./source.ts";
import type { SplitProgress } from "./split-reader.ts";

type AnySource = Source<unknown, unknown, unknown, unknown>;

/** What each split is, where its source says so. Fails if one that has not ended is another than the recorded one. */
export const identities = (
  job: string,
  splits: ReadonlyArray<{ readonly source: AnySource; readonly split: string }>,
  recordedOf: (source: string, split: string) => SplitProgress | undefined,
): Effect.Effect<(source: string, split: string) => string | null, SourceError | IncompatibleState> =>
  Effect.gen(function* () {
    const known = new Map<string, ReadonlyMap<string, string>>();
    for (const [source, its] of Map.groupBy(splits, ({ source }) => source)) {
      if (source.identities === undefined) continue;
      const asked = source.identities(its.map(({ split }) => split));
      const found = yield* asked as Effect.Effect<ReadonlyMap<string, string>, SourceError>;
      known.set(source.name, found);
      for (const [split, identity] of found) {
        const recorded = recordedOf(source.name, split);
        const before = recorded?.identity ?? null;
        if (before === null || before === identity || recorded?.ended) continue;
        return yield* new IncompatibleState({
          message:
            `Cannot go on with job "${job}" as split "${split}" of source "${source.name}" must be the one that was ` +
            `read up to ${recorded?.position}: current value is ${identity}, where it was ${before}; so it was deleted and made anew`,
          job,
          rule: "a split must be the one that was read",
          stored: before,
          current: identity,
        });
      }
    }
    return (source, split) => known.get(source)?.get(split) ?? null;
  });
