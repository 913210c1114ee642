/**
 * The compactor: merges segments of state in the background, and offers the result to the next flip.
 *
 * @module
 */
import { Cause, Effect, Exit, Fiber, type Scope } from "effect";
import { compactionFanIn, compactSegments, planCompaction } from "../kv-state/compaction.ts";
import type { KvError, StateCorrupted } from "../kv-state/errors.ts";
import type { Kv, KvKey } from "../kv-state/kv.ts";
import { type Chunk, chunkKeys, segmentLabel, type SegmentRef } from "../kv-state/segment.ts";
import { AtomicBatch } from "./atomic-batch.ts";
import type { Ledger } from "./commit.ts";
import { Fenced } from "./errors.ts";

/** How many segments of state there may be before a commit waits for the compaction that is running. */
export const stateSegmentsMax = 256;

/** The most commits between a failed compaction and the next: the pause doubles with every failure in a row. */
export const compactionPauseCommitsMax = 1_024;

/** What the compactor has done so far. */
export interface CompactionStats {
  readonly done: number;
  /** A failed compaction leaves the state as it was, and is tried again after later commits. */
  readonly failed: number;
}

/** A finished merge that no manifest names yet. */
interface Merged {
  readonly replaced: ReadonlyArray<SegmentRef>;
  readonly by: SegmentRef | null;
}

/** Runs one compaction at a time, in a fiber of the store's scope. */
export class Compactor {
  readonly #kv: Kv;
  readonly #ledger: Ledger;
  readonly #scope: Scope.Scope;
  #merged: Merged | null = null;
  #running: Fiber.Fiber<void> | null = null;
  #commitsToWait = 0;
  #pauseCommits = compactionFanIn;
  #done = 0;
  #failed = 0;

  /** Works on the segments that the ledger's manifest names. */
  constructor(kv: Kv, ledger: Ledger, scope: Scope.Scope) {
    this.#kv = kv;
    this.#ledger = ledger;
    this.#scope = scope;
  }

  /** What has been done so far. */
  get stats(): CompactionStats {
    return { done: this.#done, failed: this.#failed };
  }

  /** Puts a finished merge in the place of what it replaces; also says which keys may be deleted with that flip. */
  apply(state: ReadonlyArray<SegmentRef>): {
    readonly state: ReadonlyArray<SegmentRef>;
    readonly dropped: ReadonlyArray<KvKey>;
  } {
    if (this.#merged === null) return { state, dropped: [] };
    const { replaced, by } = this.#merged;
    // Segments are only ever added at the end, so what was read is still there, side by side.
    const first = segmentLabel(replaced[0]);
    const at = state.findIndex((segment) => segmentLabel(segment) === first);
    return {
      state: [...state.slice(0, at), ...(by === null ? [] : [by]), ...state.slice(at + replaced.length)],
      dropped: replaced.flatMap((segment) => chunkKeys(this.#ledger.job, segment)),
    };
  }

  /** To be called after a flip that used {@link apply}: starts the next compaction if one is due. */
  afterFlip(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { state } = this.#ledger.manifest;
      if (this.#merged !== null && !state.includes(this.#merged.replaced[0])) this.#merged = null;
      if (this.#commitsToWait > 0) this.#commitsToWait--;
      if (this.#running !== null) {
        return state.length < stateSegmentsMax ? Effect.void : Effect.asVoid(Fiber.await(this.#running));
      }
      if (this.#merged !== null || this.#commitsToWait > 0) return Effect.void;
      const plan = planCompaction(state);
      if (plan === null) return Effect.void;
      return Effect.map(
        Effect.forkIn(
          Effect.interruptible(this.#compact(state.slice(plan.from, plan.to), plan.from === 0)),
          this.#scope,
        ),
        (fiber) => {
          // A fiber that is already done has nothing to be waited for.
          if (fiber.pollUnsafe() === undefined) this.#running = fiber;
        },
      );
    });
  }

  #compact(segments: ReadonlyArray<SegmentRef>, oldest: boolean): Effect.Effect<void> {
    return Effect.exit(this.#merge(segments, oldest)).pipe(
      Effect.flatMap((exit) => {
        this.#running = null;
        if (Exit.isSuccess(exit)) {
          this.#done++;
          this.#pauseCommits = compactionFanIn;
          this.#merged = { replaced: segments, by: exit.value };
          return Effect.void;
        }
        if (Cause.hasInterruptsOnly(exit.cause)) return Effect.void;
        this.#failed++;
        this.#commitsToWait = this.#pauseCommits;
        this.#pauseCommits = Math.min(2 * this.#pauseCommits, compactionPauseCommitsMax);
        // A lost claim is nothing to warn of: whoever commits next is told.
        if (Cause.squash(exit.cause) instanceof Fenced) return Effect.void;
        return Effect.logWarning(`Cannot compact the state of job ${JSON.stringify(this.#ledger.job)}`, exit.cause);
      }),
    );
  }

  #merge(
    segments: ReadonlyArray<SegmentRef>,
    oldest: boolean,
  ): Effect.Effect<SegmentRef | null, KvError | StateCorrupted | Fenced> {
    const doing = "compact the state";
    const { job, claim } = this.#ledger;
    const batch = new AtomicBatch();
    const put = ({ key, value }: Chunk): Effect.Effect<void, KvError | Fenced> => {
      if (batch.set(key, value)) return Effect.void;
      const full = batch.take();
      batch.set(key, value);
      return this.#ledger.write(full, doing);
    };
    const epoch = segments[segments.length - 1].epoch;
    const name = { epoch, claim, attempt: this.#ledger.nextAttempt(), part: 0 };
    return Effect.gen({ self: this }, function* () {
      const ref = yield* compactSegments(this.#kv, job, segments, { oldest, name, put });
      if (!batch.isEmpty) yield* this.#ledger.write(batch.take(), doing);
      return ref;
    });
  }
}
