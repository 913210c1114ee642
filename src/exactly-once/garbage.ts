/**
 * Garbage: keys that the manifest does not name, left by attempts and owners that never came to their flip.
 *
 * @module
 */
import { Effect } from "effect";
import type { KvError } from "../kv-state/errors.ts";
import type { Kv, KvKey } from "../kv-state/kv.ts";
import { namedSegments } from "../kv-state/manifest.ts";
import { type SegmentName, segmentPrefix, segmentsPrefix } from "../kv-state/segment.ts";
import { AtomicBatch } from "./atomic-batch.ts";
import type { Ledger } from "./commit.ts";
import type { Fenced } from "./errors.ts";

/** How many keys are listed, and deleted in one atomic, at a time. Their values are read along with them. */
export const garbageBatchKeysMax = 100;

const compareNames = (a: SegmentName, b: SegmentName): number =>
  a.epoch - b.epoch || (a.claim < b.claim ? -1 : a.claim > b.claim ? 1 : 0) || a.attempt - b.attempt ||
  a.part - b.part;

/**
 * Deletes everything that no manifest will ever name. Only between a claim and its first flip: no older owner can write
 * any more, and this one has not begun.
 *
 * Named segments are never listed, only the gaps between them, so the cost is that of the garbage.
 */
export const collectGarbage = (kv: Kv, ledger: Ledger): Effect.Effect<void, KvError | Fenced> =>
  Effect.gen(function* () {
    const { job, manifest } = ledger;
    const prefix = segmentsPrefix(job);
    let start: KvKey | undefined;
    for (const name of [...namedSegments(manifest).sort(compareNames), null]) {
      const range = {
        prefix,
        ...(start === undefined ? {} : { start }),
        ...(name === null ? {} : { end: segmentPrefix(job, name) }),
      };
      while (true) {
        const entries = yield* kv.list(range, garbageBatchKeysMax);
        if (entries.length === 0) break;
        const batch = new AtomicBatch();
        for (const { key } of entries) if (!batch.delete(key)) break;
        yield* ledger.write(batch.take(), "delete what is left of unfinished epochs");
      }
      // Parts are whole numbers, so nothing lies between the end of this one and the next.
      if (name !== null) start = segmentPrefix(job, { ...name, part: name.part + 1 });
    }
  });
