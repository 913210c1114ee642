/**
 * Compaction: old segments are merged into one, so that recovery reads a bounded number of them.
 *
 * It works like sorting the post of many days into one pile: of each letter only the last version is kept. Segments of
 * about the same size are merged once there are enough of them (size-tiered), so a row is rewritten a logarithmic number
 * of times and a checkpoint costs what changed. Deltas are sorted by table and keyed partition within a segment, so a
 * merge holds one of these at a time, never the whole state.
 *
 * @module
 */
import { Effect } from "effect";
import { type Delta, inRowOrder } from "./delta.ts";
import { compareDeltas, DeltaPacker, unpackDeltas, weightOf } from "./delta-codec.ts";
import { DeltaMerge } from "./delta-merge.ts";
import type { KvError, StateCorrupted } from "./errors.ts";
import type { Kv } from "./kv.ts";
import {
  type Chunk,
  type SegmentName,
  SegmentPacker,
  type SegmentReader,
  segmentReader,
  type SegmentRef,
} from "./segment.ts";

/** How many segments of one tier are merged into one; also the ratio of sizes from one tier to the next. */
export const compactionFanIn = 8;
/** The most segments that are merged at once. Each holds one block in memory meanwhile. */
export const compactionSegmentsMax = 64;
/** How many of them are read at the same time when a merge begins. */
export const compactionReadsMax = 8;
/** Segments up to this size are of tier 0. */
export const smallestTierBytes = 65_536;
/** The newer segments may hold this many times the bytes of the oldest one before all are merged into it. */
export const newerBytesRatioMax = 2;

/** How many entries are merged, or chunks packed, before other fibers get their turn: a millisecond's worth, or less. */
export const mergeTurnEntries = 16_384;
const packTurnChunks = 4;

/** Which segments to merge: `from` to `to` (exclusive) of the list. */
export interface CompactionPlan {
  readonly from: number;
  readonly to: number;
}

const tierOf = (bytes: number): number =>
  bytes <= smallestTierBytes ? 0 : Math.ceil(Math.log(bytes / smallestTierBytes) / Math.log(compactionFanIn));

/** Chooses what to merge of a list of segments from the oldest to the newest; `null` when all is well. */
export const planCompaction = (segments: ReadonlyArray<SegmentRef>): CompactionPlan | null => {
  if (segments.length < compactionFanIn) return null;
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const oldest = segments[0].bytes;
  if (bytes - oldest > newerBytesRatioMax * oldest && segments.length <= compactionSegmentsMax) {
    return { from: 0, to: segments.length };
  }
  // A segment counts as big as the biggest newer one: what lies between two big ones is merged with them. Tiers then
  // never rise from old to new, and the number of segments is bounded by the fan-in times the number of tiers.
  let tier = 0;
  let to = segments.length;
  for (let at = segments.length - 1; at >= 0; at--) {
    const own = tierOf(segments[at].bytes);
    if (own <= tier) continue;
    if (to - (at + 1) >= compactionFanIn) return bounded(at + 1, to);
    tier = own;
    to = at + 1;
  }
  return to >= compactionFanIn ? bounded(0, to) : null;
};

const bounded = (from: number, to: number): CompactionPlan => ({
  from,
  to: Math.min(to, from + compactionSegmentsMax),
});

/**
 * Merges deltas, given from the oldest to the newest, so that applying the result gives the same state, the order of
 * rows and namespaces included: the last version of each row wins, removed rows are gone, and so are the rows of dropped
 * namespaces.
 *
 * A dropped namespace leaves a tombstone (a delta with `dropped`), because an older segment may hold rows of it; with
 * `oldest` there is none older, so there is no tombstone either. Tombstones come first. Keys of removed rows stay, since
 * ids of rows count up without gaps; rows that bring their keys with them leave nothing behind.
 *
 * @throws {RangeError} If the new rows of a namespace leave a gap: the deltas are not consecutive.
 */
export const mergeDeltas = (deltas: Iterable<Delta>, oldest: boolean): Array<Delta> => {
  const steps = mergeInSteps(deltas, oldest);
  for (let step = steps.next();; step = steps.next()) if (step.done) return step.value;
};

/** Merges deltas as {@link mergeDeltas} does, and pauses wherever some thousand entries have been merged. */
function* mergeInSteps(deltas: Iterable<Delta>, oldest: boolean): Generator<void, Array<Delta>> {
  const tombstones = new Map<string, Delta>();
  const namespaces = new Map<string, Array<Delta>>();
  for (const delta of deltas) {
    const id = `${delta.partition}/${delta.namespace}/${delta.table}`;
    if (delta.dropped) {
      namespaces.delete(id);
      if (!oldest) tombstones.set(id, delta);
      continue;
    }
    const versions = namespaces.get(id);
    if (versions === undefined) namespaces.set(id, [inRowOrder(delta)]);
    else versions.push(inRowOrder(delta));
  }
  const merged = [...tombstones.values()];
  for (const versions of namespaces.values()) {
    const one = yield* mergeVersions(versions);
    merged.push(oldest ? withoutRemoved(one) : one);
  }
  return merged;
}

/** Merges the deltas of one namespace into one. Always two neighbours, the smallest first: so most is copied once. */
function* mergeVersions(versions: Array<Delta>): Generator<void, Delta> {
  while (versions.length > 1) {
    let least = 0;
    for (let k = 1; k < versions.length - 1; k++) {
      if (weightOfTwo(versions, k) < weightOfTwo(versions, least)) least = k;
    }
    const [older, newer] = versions.slice(least, least + 2);
    const merge = new DeltaMerge(older, newer);
    while (!merge.advance(mergeTurnEntries)) yield;
    versions.splice(least, 2, merge.result());
    yield;
  }
  return versions[0];
}

const weightOfTwo = (versions: ReadonlyArray<Delta>, k: number): number =>
  weightOf(versions[k]) + weightOf(versions[k + 1]);

/** Where there is no older segment, a removed row is gone, unless its key brings it back. */
const withoutRemoved = (delta: Delta): Delta => {
  const { firstNewRow, newKeys, removed } = delta;
  return removed.length === 0
    ? delta
    : { ...delta, removed: removed.filter((row) => row >= firstNewRow && row < firstNewRow + newKeys.length) };
};

/** Where one of the merged segments has come to. */
interface Cursor {
  readonly reader: SegmentReader<Array<Delta>>;
  deltas: Array<Delta>;
  at: number;
}

/**
 * Merges segments, from the oldest to the newest, into one new segment, and hands its chunks to `put`. Returns the new
 * segment's reference, or `null` when nothing is left. Other fibers get their turn between any two tables.
 */
export const compactSegments = <E>(
  kv: Kv,
  job: string,
  segments: ReadonlyArray<SegmentRef>,
  options: {
    /** Whether there is no older segment than these. */
    readonly oldest: boolean;
    readonly name: SegmentName;
    readonly put: (chunk: Chunk) => Effect.Effect<void, E>;
  },
): Effect.Effect<SegmentRef | null, E | KvError | StateCorrupted> =>
  Effect.gen(function* () {
    const packer = new SegmentPacker(job, options.name);
    const packed = new DeltaPacker(packer);
    const cursors: Array<Cursor> = segments.map((ref) => ({
      reader: segmentReader(kv, job, ref, unpackDeltas),
      deltas: [],
      at: 0,
    }));
    /** Reads on where a cursor is at the end of its block. */
    const fill = Effect.fnUntraced(function* (cursor: Cursor) {
      while (cursor.at === cursor.deltas.length) {
        const block = yield* cursor.reader.next;
        if (block === null) return false;
        cursor.deltas = block.value;
        cursor.at = 0;
      }
      return true;
    });
    yield* Effect.forEach(cursors, fill, { concurrency: compactionReadsMax });
    let entries = 0;
    let chunks = 0;
    const put = Effect.fnUntraced(function* (packing: Iterable<Chunk>) {
      for (const chunk of packing) {
        yield* options.put(chunk);
        if (++chunks % packTurnChunks === 0) yield* Effect.yieldNow;
      }
    });
    while (true) {
      let first: Delta | null = null;
      for (const cursor of cursors) {
        if (!(yield* fill(cursor))) continue;
        const delta = cursor.deltas[cursor.at];
        if (first === null || compareDeltas(delta, first) < 0) first = delta;
      }
      if (first === null) break;
      const group: Array<Delta> = [];
      for (const cursor of cursors) {
        while ((yield* fill(cursor)) && compareDeltas(cursor.deltas[cursor.at], first) === 0) {
          const delta = cursor.deltas[cursor.at++];
          group.push(delta);
          entries += weightOf(delta);
        }
      }
      const merging = mergeInSteps(group, options.oldest);
      let step = merging.next();
      for (; !step.done; step = merging.next()) {
        if (entries < mergeTurnEntries) continue;
        entries = 0;
        yield* Effect.yieldNow;
      }
      for (const delta of step.value) yield* put(packed.add(delta));
    }
    yield* put(packed.end());
    return packer.ref();
  });
