/**
 * A source of records that are already in memory.
 *
 * @module
 */
import { Effect, Stream } from "effect";
import type { Source } from "../source.ts";
import { indexPositions, numericPosition, pullPlaces, unknownSplit } from "./reading.ts";

/**
 * Yields the records of an array, or of several arrays as splits named by their properties.
 *
 * Positions are indexes, so a job goes on where it stopped as long as the arrays stay the same; a position behind the
 * end of an array is a `SourceError`.
 *
 * @param name A stable name, unique in the job.
 * @param records One split (named `"0"`), or one split per property.
 *
 * @example
 * ```ts
 * import { Source } from "@weir/streams";
 * import { Effect, Stream } from "effect";
 * import assert from "node:assert/strict";
 *
 * const words = Source.array("words", { morning: ["tea", "toast"], evening: ["soup"] });
 * assert.deepEqual(await Effect.runPromise(words.splits), ["morning", "evening"]);
 *
 * const batches = await Effect.runPromise(Stream.runCollect(words.read("morning", 1, 100)));
 * assert.deepEqual(batches.map((batch) => batch.records), [["toast"]]);
 * ```
 */
export function array<A>(
  name: string,
  records: ReadonlyArray<A> | Readonly<Record<string, ReadonlyArray<A>>>,
): Source<A, never, never, never> {
  const splits = new Map<string, ReadonlyArray<A>>(Object.entries(Array.isArray(records) ? { "0": records } : records));
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: true,
    replayable: true,
    lagUnit: "records",
    splits: Effect.succeed([...splits.keys()]),
    read: (split, from, batchRecordsMax) => {
      const all = splits.get(split);
      if (all === undefined) return Stream.fail(unknownSplit(name, split, [...splits.keys()]));
      const first = numericPosition(name, split, from, all.length);
      if (typeof first !== "number") return Stream.fail(first);
      return pullPlaces(first, all.length, batchRecordsMax, (start, end) => ({
        records: all.slice(start, end),
        positions: indexPositions(start, end - start),
      }));
    },
  };
}
