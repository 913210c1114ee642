/**
 * Run modes: whether a run goes on with its sources, or ends with what is there.
 *
 * @module
 */
import { type Duration, Effect } from "effect";
import { inWords } from "../windows/in-words.ts";
import { atLeastOne, readMillis } from "../windows/millis-of.ts";
import { InvalidJob } from "./errors.ts";
import type { Graph } from "./graph.ts";

/**
 * How far a run goes.
 *
 * - `"continuous"`: until every source has ended, for ever if one does not.
 * - `"available-now"`: through what the sources have when each first says that this is all. Splits have not ended then and
 *   windows stay open, so the next run goes on with what has come since.
 * - `{ every }`: the same again at each multiple of an interval (since the epoch, in UTC), in one process, and the first
 *   time at once.
 */
export type RunMode = "continuous" | "available-now" | { readonly every: Duration.Input };

/** What a run mode means. */
export interface Passes {
  /** Whether a pass ends with what is there. */
  readonly untilCaughtUp: boolean;
  /** After which multiple of milliseconds the next pass comes; null for one pass. */
  readonly everyMillis: number | null;
}

/** Works out a run mode, and whether every source can keep to it. */
export const passesOf = (job: string, graph: Graph, mode: RunMode): Effect.Effect<Passes, InvalidJob> => {
  if (mode === "continuous") return Effect.succeed({ untilCaughtUp: false, everyMillis: null });
  const refuse = (rule: string, current: string): Effect.Effect<never, InvalidJob> =>
    Effect.fail(
      new InvalidJob({ message: `Cannot run job "${job}" as ${rule}: current value is ${current}`, job, rule }),
    );
  if (mode !== "available-now" && (typeof mode !== "object" || mode === null || !("every" in mode))) {
    return refuse('mode must be "continuous", "available-now" or { every }', inWords(mode));
  }
  const silent = graph.sources.find(({ source }) =>
    !source.bounded && !(source.reportsLag ?? source.replayable === true)
  );
  if (silent !== undefined) {
    return refuse(
      "a run of what is available needs sources that end or that say when they have nothing more right now",
      `"${silent.source.name}"`,
    );
  }
  const everyMillis = mode === "available-now" ? null : readMillis("every", mode.every, atLeastOne);
  return typeof everyMillis === "object" && everyMillis !== null
    ? refuse(everyMillis.rule, everyMillis.current)
    : Effect.succeed({ untilCaughtUp: true, everyMillis });
};
