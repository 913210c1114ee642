/**
 * A claim: the right to write to a job, like the only key to a shed whose lock is changed whenever a new owner moves in.
 *
 * One atomic commit creates a key named by a random id, deletes the previous owner's key, and puts the new id into the
 * manifest. Every later write checks the owner's key, so whoever lost it cannot change anything any more, however late
 * its writes arrive.
 *
 * @module
 */
import { Effect, Random, Result } from "effect";
import { IncompatibleState, KvError, StateCorrupted } from "../kv-state/errors.ts";
import type { Kv, KvCheck, KvKey } from "../kv-state/kv.ts";
import {
  decodeManifest,
  encodeManifest,
  jobPrefix,
  jobsPrefix,
  type Manifest,
  manifestKey,
  manifestLabel,
} from "../kv-state/manifest.ts";
import type { EpochStoreOptions, OpenError } from "./epoch-store.ts";
import { Fenced } from "./errors.ts";
import { pauseBeforeRetry } from "./retry-pause.ts";

/** How often a claim is tried while others claim the same job, or while the outcome is unknown. */
export const claimAttemptsMax = 8;

/** How many random 32-bit words an id has. */
const idWords = 4;

/** The key whose existence is the claim. */
export const claimKey = (job: string, claim: string): KvKey => ["weir", job, "claim", claim];

/** A job that is owned. */
export interface Claim {
  readonly id: string;
  /** Holds as long as the job is owned. */
  readonly check: KvCheck;
  /** The manifest as the claim wrote it. */
  readonly manifest: Manifest;
  readonly versionstamp: string;
}

/** A manifest with the version that a flip must find. */
export interface StoredManifest {
  readonly manifest: Manifest;
  readonly versionstamp: string;
}

const randomId: Effect.Effect<string> = Effect.map(
  Effect.all(Array.from({ length: idWords }, () => Random.next)),
  (words) => words.map((word) => Math.floor(word * 2 ** 32).toString(16).padStart(8, "0")).join(""),
);

/** Reads a job's manifest; `null` if the job was never started. */
export const readManifest = (
  kv: Kv,
  job: string,
): Effect.Effect<StoredManifest | null, KvError | IncompatibleState | StateCorrupted> =>
  Effect.gen(function* () {
    const entry = yield* kv.get(manifestKey(job));
    if (entry === null) return null;
    return { manifest: yield* decodeManifest(job, entry.value), versionstamp: entry.versionstamp };
  });

/** The error of an owner that has lost its claim while doing something. */
export const fenced = (job: string, claim: string, doing: string): Fenced =>
  new Fenced({
    message: `Cannot ${doing} of job ${
      JSON.stringify(job)
    } as another process has claimed it: the lost claim is ${claim}`,
    job,
    claim,
  });

/** Refuses state that was written by a job whose code differs. */
const checkCompatible = (
  { keyedPartitions, fingerprints }: Manifest,
  options: EpochStoreOptions,
): Effect.Effect<void, IncompatibleState> => {
  const refuse = (what: string, rule: string, stored: unknown, current: unknown) =>
    Effect.fail(
      new IncompatibleState({
        message: `Cannot open job ${JSON.stringify(options.job)} as ${what}: ` +
          `stored is ${JSON.stringify(stored) ?? "nothing"}, current is ${JSON.stringify(current) ?? "nothing"}`,
        job: options.job,
        rule,
        stored,
        current,
      }),
    );
  if (keyedPartitions !== options.keyedPartitions) {
    const what = "the number of keyed partitions is fixed at the first start";
    return refuse(what, "keyed partitions", keyedPartitions, options.keyedPartitions);
  }
  for (const [operator, description] of Object.entries(fingerprints)) {
    if (!Object.hasOwn(options.fingerprints, operator)) {
      return refuse(`operator ${JSON.stringify(operator)} was removed`, "operator removed", description, undefined);
    }
    const current = options.fingerprints[operator];
    if (current !== description) {
      return refuse(`operator ${JSON.stringify(operator)} has changed`, "operator changed", description, current);
    }
  }
  for (const [operator, description] of Object.entries(options.fingerprints)) {
    if (!Object.hasOwn(fingerprints, operator)) {
      return refuse(`operator ${JSON.stringify(operator)} was added`, "operator added", undefined, description);
    }
  }
  return Effect.void;
};

/** How many other jobs of a store are named where one of them is refused. */
const jobsNamedMax = 8;

/** The jobs of a store, in the order of their names. */
const jobsIn = (kv: Kv): Effect.Effect<ReadonlyArray<string>, KvError> =>
  Effect.gen(function* () {
    const jobs: Array<string> = [];
    while (jobs.length < jobsNamedMax) {
      const last = jobs.at(-1);
      // No key of a job lies behind its name with a NUL.
      const start = last === undefined ? {} : { start: [...jobsPrefix, `${last}\0`] };
      const [next] = yield* kv.list({ prefix: jobsPrefix, ...start }, 1);
      if (next === undefined) break;
      jobs.push(String(next.key[jobsPrefix.length]));
    }
    return jobs;
  });

/**
 * Whether a job without a manifest may start here; `false` when one has appeared meanwhile. Where there are other keys
 * of the job its manifest was lost, and starting afresh would repeat everything.
 */
const isUnused = (
  kv: Kv,
  { job, alone }: EpochStoreOptions,
): Effect.Effect<boolean, KvError | StateCorrupted | IncompatibleState> =>
  Effect.gen(function* () {
    const [left] = yield* kv.list({ prefix: jobPrefix(job) }, 1);
    if (left !== undefined) {
      if ((yield* kv.get(manifestKey(job))) !== null) return false;
      return yield* new StateCorrupted({
        message: `Cannot read the manifest of job ${JSON.stringify(job)} as it is missing: ` +
          `what is left of the job begins with ${JSON.stringify(left.key)}`,
        job,
        segment: manifestLabel,
      });
    }
    if (alone !== true) return true;
    const stored = yield* jobsIn(kv);
    if (stored.length === 0) return true;
    // Another process has started this very job since it was looked for.
    if (stored.includes(job)) return false;
    const rule = "its state must not be that of another job";
    return yield* new IncompatibleState({
      message: `Cannot open job ${JSON.stringify(job)} as ${rule} (give it a file of its own, or its old name back): ` +
        `stored is ${JSON.stringify(stored)}, current is ${JSON.stringify(job)}`,
      job,
      rule,
      stored,
      current: job,
    });
  });

/**
 * Takes a job over, or starts it: whoever owned it before is fenced from now on.
 *
 * Incompatible state is refused before anything is written. When others claim the job at the same time, it is tried a
 * bounded number of times.
 */
export const claimJob = (kv: Kv, options: EpochStoreOptions): Effect.Effect<Claim, OpenError> =>
  Effect.gen(function* () {
    const { job, keyedPartitions, fingerprints, claims } = options;
    const claimed = (claim: Claim): Claim => {
      claims?.clear();
      claims?.add(claim.id);
      return claim;
    };
    let failure: KvError | null = null;
    for (let attempt = 0; attempt < claimAttemptsMax; attempt++) {
      const found = yield* readManifest(kv, job);
      const owner = found?.manifest.claim;
      if (owner !== undefined && claims !== undefined && claims.size > 0 && !claims.has(owner)) {
        return yield* fenced(job, Array.from(claims).at(-1)!, "go on with the state");
      }
      if (found !== null) yield* checkCompatible(found.manifest, options);
      else if (!(yield* isUnused(kv, options))) continue;
      const id = yield* randomId;
      // One that was never made tells nothing of who owned the job before.
      if (claims !== undefined && claims.size > 0) claims.add(id);
      const manifest: Manifest = found !== null ? { ...found.manifest, claim: id, attempt: 0 } : {
        job,
        lineage: yield* randomId,
        epoch: 0,
        claim: id,
        attempt: 0,
        keyedPartitions,
        fingerprints,
        control: null,
        state: [],
        sinks: new Map(),
        outbox: [],
      };
      const encoded = encodeManifest(manifest);
      if (encoded instanceof KvError) return yield* encoded;
      const key = claimKey(job, id);
      const outcome = yield* Effect.result(kv.commit({
        checks: [{ key: manifestKey(job), versionstamp: found === null ? null : found.versionstamp }],
        mutations: [
          { type: "set", key, value: id },
          ...(found === null ? [] : [{ type: "delete" as const, key: claimKey(job, found.manifest.claim) }]),
          { type: "set", key: manifestKey(job), value: encoded },
        ],
      }));
      if (Result.isSuccess(outcome)) {
        if (outcome.success === null) continue;
        const versionstamp = outcome.success;
        return claimed({ id, check: { key, versionstamp }, manifest, versionstamp });
      }
      // The outcome is unknown. The id is random, so if its key is there, this very commit was applied.
      failure = outcome.failure;
      const entry = yield* Effect.mapError(kv.get(key), () => outcome.failure);
      if (entry !== null) {
        const { versionstamp } = entry;
        return claimed({ id, check: { key, versionstamp }, manifest, versionstamp });
      }
      if (!failure.retryable) return yield* failure;
      yield* pauseBeforeRetry(attempt + 1);
    }
    if (failure !== null) return yield* failure;
    return yield* new Fenced({
      message: `Cannot claim job ${JSON.stringify(job)} as other processes claim it at the same time: ` +
        `tried ${claimAttemptsMax} times`,
      job,
      claim: "",
    });
  });
