/**
 * A look at a stored job without claiming it.
 *
 * @module
 */
import { Effect } from "effect";
import type { IncompatibleState, KvError, StateCorrupted } from "../kv-state/errors.ts";
import type { Kv } from "../kv-state/kv.ts";
import { readSegment } from "../kv-state/segment.ts";
import { readManifest } from "./claim.ts";
import type { Fingerprints, SinkProgress, UnpublishedOutput } from "./epoch-store.ts";
import { progressOf, unpublishedOutputs } from "./outbox.ts";

/** What the manifest says about a job. */
export interface JobSummary {
  /** The name of the job. */
  readonly job: string;
  /** A random id made at the job's first start. */
  readonly lineage: string;
  /** The last committed epoch; 0 before the first. */
  readonly epoch: number;
  /** The claim under which the job is owned, or was last owned. */
  readonly claim: string;
  /** Fixed at the job's first start. */
  readonly keyedPartitions: number;
  /** The code that wrote the state. */
  readonly fingerprints: Fingerprints;
  /** The control value of that epoch; `undefined` before the first. */
  readonly control: unknown;
  /** The segments that recovery reads, and their bytes. */
  readonly state: {
    /** How many there are. */
    readonly segments: number;
    /** The bytes of all of them. */
    readonly bytes: number;
  };
  /** How far each sink has come. */
  readonly sinks: Readonly<Record<string, SinkProgress>>;
  /** Committed output that is not recorded as published, in ascending order of epochs. */
  readonly unpublished: ReadonlyArray<UnpublishedOutput>;
}

/** Reads what is stored of a job; `null` if it was never started. Changes nothing, and does not disturb the owner. */
export const inspect = (
  kv: Kv,
  job: string,
): Effect.Effect<JobSummary | null, KvError | IncompatibleState | StateCorrupted> =>
  Effect.gen(function* () {
    const found = yield* readManifest(kv, job);
    if (found === null) return null;
    const { manifest } = found;
    let control: unknown;
    if (manifest.control !== null) yield* readSegment(kv, job, manifest.control, (block) => void (control = block));
    return {
      job,
      lineage: manifest.lineage,
      epoch: manifest.epoch,
      claim: manifest.claim,
      keyedPartitions: manifest.keyedPartitions,
      fingerprints: manifest.fingerprints,
      control,
      state: {
        segments: manifest.state.length,
        bytes: manifest.state.reduce((sum, segment) => sum + segment.bytes, 0),
      },
      sinks: Object.fromEntries(Array.from(manifest.sinks.keys(), (sink) => [sink, progressOf(manifest, sink)])),
      unpublished: unpublishedOutputs(manifest, new Map()),
    };
  });
