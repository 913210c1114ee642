/**
 * The flip: one atomic commit that replaces the manifest, after which an epoch is committed and before which it is not.
 *
 * Everything that the new manifest names is written first, or in the same atomic when it fits. When the outcome of a flip
 * is unknown, the manifest is read again: it is this owner's only if it holds the claim and an attempt of this very call.
 *
 * @module
 */
import { Effect, Result } from "effect";
import { KvError } from "../kv-state/errors.ts";
import type { Kv, KvKey, KvMutation } from "../kv-state/kv.ts";
import { encodeManifest, type Manifest, manifestKey } from "../kv-state/manifest.ts";
import type { Chunk } from "../kv-state/segment.ts";
import { AtomicBatch } from "./atomic-batch.ts";
import { type Claim, fenced, readManifest } from "./claim.ts";
import type { Fenced } from "./errors.ts";
import { pauseBeforeRetry } from "./retry-pause.ts";

/** How often a flip is tried when its outcome was unknown and it turned out not to have been applied. */
export const flipAttemptsMax = 6;
/** How many keys may wait for deletion before they are deleted apart from a flip. */
export const garbageKeysMax = 4_096;

/** How many chunks are packed before other fibers get their turn: a millisecond's worth, or less. */
const putTurnChunks = 4;

/** What one attempt at a flip has prepared. */
export interface Staged {
  readonly manifest: Manifest;
  /** The keys that the new manifest no longer names. */
  readonly dropped: ReadonlyArray<KvKey>;
}

/** Writes chunks of new segments under the claim, as many as fit in each atomic. To be called with `yield*`. */
export type Put = (chunks: Iterable<Chunk>) => Generator<Effect.Effect<void, KvError | Fenced>, void>;

/** Prepares a flip: puts new segments under the attempt's name, and returns the manifest that names them. */
export type Stage = (attempt: number, put: Put) => Effect.Effect<Staged, KvError | Fenced>;

/** What a flip cost. */
export interface FlipStats {
  /** Atomic commits, the failed ones included. */
  atomics: number;
}

/** What is known after an attempt once it is applied. */
interface Outcome {
  readonly manifest: Manifest;
  readonly garbage: ReadonlyArray<KvKey>;
}

/** A job's manifest in the hands of its owner: the only place from which a claimed job is written to. */
export class Ledger {
  /** The name of the job. */
  readonly job: string;
  readonly #kv: Kv;
  readonly #claim: Claim;
  #manifest: Manifest;
  #versionstamp: string;
  #attempt = 0;
  /** Keys that no manifest names any more, and that are yet to be deleted. */
  #garbage: ReadonlyArray<KvKey> = [];

  /** Takes over a job that was just claimed. */
  constructor(kv: Kv, job: string, claim: Claim) {
    this.#kv = kv;
    this.job = job;
    this.#claim = claim;
    this.#manifest = claim.manifest;
    this.#versionstamp = claim.versionstamp;
  }

  /** The manifest as it was last committed. */
  get manifest(): Manifest {
    return this.#manifest;
  }

  /** The claim under which the job is owned. */
  get claim(): string {
    return this.#claim.id;
  }

  /** A number for the names of new segments, used once under this claim. */
  nextAttempt(): number {
    return ++this.#attempt;
  }

  /** Fails if another process has claimed the job. */
  checkClaim(doing: string): Effect.Effect<void, KvError | Fenced> {
    return Effect.flatMap(
      this.#kv.get(this.#claim.check.key),
      (entry) => entry === null ? Effect.fail(fenced(this.job, this.claim, doing)) : Effect.void,
    );
  }

  /** Commits mutations if the job is still owned. Not for the manifest. */
  write(mutations: ReadonlyArray<KvMutation>, doing: string): Effect.Effect<void, KvError | Fenced> {
    return Effect.flatMap(
      this.#kv.commit({ checks: [this.#claim.check], mutations }),
      (versionstamp) => versionstamp === null ? Effect.fail(fenced(this.job, this.claim, doing)) : Effect.void,
    );
  }

  /**
   * Flips the manifest to the one that `stage` returns, after writing what `stage` puts. `stage` runs again, with a new
   * attempt, when an attempt was not applied. Must not be interrupted, nor run twice at the same time.
   */
  flip(doing: string, stage: Stage): Effect.Effect<FlipStats, KvError | Fenced> {
    return Effect.gen({ self: this }, function* () {
      const stats: FlipStats = { atomics: 0 };
      /** What the attempts of this call would have committed. */
      const staged = new Map<number, Outcome>();
      for (let tries = 1;; tries++) {
        const attempt = this.nextAttempt();
        const tried = yield* Effect.result(this.#try(attempt, doing, stage, staged, stats));
        if (Result.isSuccess(tried) && tried.success !== null) {
          this.#adopt(staged.get(attempt)!, tried.success);
          break;
        }
        if (Result.isFailure(tried) && tried.failure._tag === "Fenced") return yield* tried.failure;
        const failure = Result.isFailure(tried) ? tried.failure as KvError : null;
        const found = yield* this.#reread(doing, failure);
        const applied = staged.get(found.manifest.attempt);
        if (applied !== undefined) {
          this.#adopt(applied, found.versionstamp);
          break;
        }
        if (found.versionstamp !== this.#versionstamp) return yield* this.#overtaken(doing, found.manifest.attempt);
        // The manifest is as it was, so a check that did not hold was the claim's.
        if (failure === null) return yield* fenced(this.job, this.claim, doing);
        if (!failure.retryable || tries === flipAttemptsMax) return yield* failure;
        yield* pauseBeforeRetry(tries);
      }
      yield* this.#sweep(doing, stats);
      return stats;
    });
  }

  /** Writes what `stage` puts and commits its manifest; returns the new versionstamp, or `null` if a check failed. */
  #try(
    attempt: number,
    doing: string,
    stage: Stage,
    staged: Map<number, Outcome>,
    stats: FlipStats,
  ): Effect.Effect<string | null, KvError | Fenced> {
    return Effect.gen({ self: this }, function* () {
      const batch = new AtomicBatch();
      const set = (key: KvKey, value: Uint8Array): Effect.Effect<void, KvError | Fenced> | null => {
        if (batch.set(key, value)) return null;
        stats.atomics++;
        const full = batch.take();
        batch.set(key, value);
        return this.write(full, doing);
      };
      let packed = 0;
      const { manifest, dropped } = yield* stage(attempt, function* (chunks) {
        for (const { key, value } of chunks) {
          const full = set(key, value);
          if (full !== null) yield* full;
          else if (++packed % putTurnChunks === 0) yield* Effect.yieldNow;
        }
      });
      const encoded = encodeManifest(manifest);
      if (encoded instanceof KvError) return yield* encoded;
      const key = manifestKey(this.job);
      const full = set(key, encoded);
      if (full !== null) yield* full;
      // What the new manifest does not name may go with it: nobody sees the one without the other.
      const garbage = this.#garbage.concat(dropped);
      let deleted = 0;
      while (deleted < garbage.length && batch.delete(garbage[deleted])) deleted++;
      staged.set(attempt, { manifest, garbage: garbage.slice(deleted) });
      stats.atomics++;
      const checks = [this.#claim.check, { key, versionstamp: this.#versionstamp }];
      return yield* this.#kv.commit({ checks, mutations: batch.take() });
    });
  }

  #adopt({ manifest, garbage }: Outcome, versionstamp: string): void {
    this.#manifest = manifest;
    this.#versionstamp = versionstamp;
    this.#garbage = garbage;
  }

  /** Deletes garbage when more has gathered than flips can take along. What fails here is tried again later. */
  #sweep(doing: string, stats: FlipStats): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (this.#garbage.length > garbageKeysMax) {
        const batch = new AtomicBatch();
        let deleted = 0;
        while (deleted < this.#garbage.length && batch.delete(this.#garbage[deleted])) deleted++;
        stats.atomics++;
        // The epoch is committed whatever happens here: a lost claim shows at the next flip.
        const outcome = yield* Effect.result(this.write(batch.take(), doing));
        if (Result.isFailure(outcome)) return;
        this.#garbage = this.#garbage.slice(deleted);
      }
    });
  }

  /** The manifest in the store while this owner does not know what became of its flip. */
  #reread(doing: string, failure: KvError | null): Effect.Effect<
    { readonly manifest: Manifest; readonly versionstamp: string },
    KvError | Fenced
  > {
    return readManifest(this.#kv, this.job).pipe(
      Effect.mapError((error) =>
        failure ?? (error._tag === "KvError" ? error : new KvError({
          message: error.message,
          operation: "commit",
          retryable: false,
          cause: error,
        }))
      ),
      Effect.flatMap((found) =>
        found === null || found.manifest.claim !== this.claim
          ? Effect.fail(fenced(this.job, this.claim, doing))
          : Effect.succeed(found)
      ),
    );
  }

  #overtaken(doing: string, attempt: number): KvError {
    return new KvError({
      message: `Cannot ${doing} of job ${JSON.stringify(this.job)} as an earlier commit whose outcome was unknown ` +
        `was applied meanwhile, its attempt is ${attempt}: open the job again`,
      operation: "commit",
      retryable: false,
      cause: undefined,
    });
  }
}
