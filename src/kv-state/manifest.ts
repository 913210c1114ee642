/**
 * The manifest: the committed record of an epoch. What it does not name does not exist.
 *
 * It is one sealed value, and one atomic commit replaces it: that is the moment at which an epoch is committed.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect, Result } from "effect";
import { IncompatibleState, KvError, StateCorrupted } from "./errors.ts";
import type { KvKey } from "./kv.ts";
import { valueBytesMax } from "./kv-limits.ts";
import { layoutVersion, seal, sealVersion, unseal } from "./seal.ts";
import type { SegmentRef } from "./segment.ts";

/** The version of the manifest and of everything that it names. Another version is refused. */
export const manifestVersion = 2;

/** How much a sink has taken, and how much it will have taken. */
export interface SinkRecord {
  /** The last epoch that was published to the sink; 0 when none was. */
  readonly published: number;
  readonly publishedRows: number;
  readonly publishedBytes: number;
  readonly committedRows: number;
  readonly committedBytes: number;
}

/** Output that was committed and is not recorded as published. */
export interface OutboxRef {
  readonly epoch: number;
  readonly sink: string;
  readonly rows: number;
  readonly bytes: number;
  /** Where the rows are; `null` where only their number is kept. */
  readonly segment: SegmentRef | null;
}

/** The committed record of an epoch. */
export interface Manifest {
  readonly job: string;
  /** A random id made at the job's first start. */
  readonly lineage: string;
  readonly epoch: number;
  /** The claim under which the job is owned. */
  readonly claim: string;
  /** The attempt of that claim which wrote this manifest; 0 for the claim itself. */
  readonly attempt: number;
  readonly keyedPartitions: number;
  readonly fingerprints: Readonly<Record<string, string>>;
  /** The control value of the epoch; `null` before the first one. */
  readonly control: SegmentRef | null;
  /** The segments of state in the order in which they are applied. */
  readonly state: ReadonlyArray<SegmentRef>;
  readonly sinks: ReadonlyMap<string, SinkRecord>;
  /** In ascending order of epochs. */
  readonly outbox: ReadonlyArray<OutboxRef>;
}

/** The key of a job's manifest. */
export const manifestKey = (job: string): KvKey => ["weir", job, "manifest"];

/** The prefix of all keys of a job. */
export const jobPrefix = (job: string): KvKey => ["weir", job];

/** The prefix of the keys of all jobs. */
export const jobsPrefix: KvKey = ["weir"];

const identityOf = (job: string): string => `${job}/manifest`;

/** The name under which a damaged manifest is reported. */
export const manifestLabel = "manifest";

// The stored form is short, because it is written with every epoch: tuples instead of objects, claims by number.

const StoredSegment = Schema.Tuple([
  Schema.Natural, // epoch
  Schema.Natural, // claim, an index of `claims`
  Schema.Natural, // attempt
  Schema.Natural, // part
  Schema.Natural, // chunks
  Schema.Natural, // bytes
  Schema.Natural, // checksum
]);

const StoredManifest = Schema.Struct({
  version: Schema.Literal(manifestVersion),
  job: Schema.String,
  lineage: Schema.String,
  epoch: Schema.Natural,
  claim: Schema.String,
  attempt: Schema.Natural,
  keyedPartitions: Schema.Natural,
  fingerprints: Schema.Record(Schema.String, Schema.String),
  claims: Schema.Array(Schema.String),
  control: Schema.NullOr(StoredSegment),
  state: Schema.Array(StoredSegment),
  sinks: Schema.Array(
    // The bytes of rows are what a sink says they are.
    Schema.Tuple([Schema.String, Schema.Natural, Schema.Natural, Schema.Number, Schema.Natural, Schema.Number]),
  ),
  outbox: Schema.Array(
    Schema.Tuple([Schema.Natural, Schema.String, Schema.Natural, Schema.Number, Schema.NullOr(StoredSegment)]),
  ),
});

type StoredSegment = typeof StoredSegment.Type;

const AnyVersion = Schema.Struct({ version: Schema.Unknown });

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The stored form of a manifest, or a {@link KvError} that is not retryable if it does not fit one value. */
export const encodeManifest = (manifest: Manifest): Uint8Array | KvError => {
  const claims: Array<string> = [];
  const numbers = new Map<string, number>();
  const segment = (ref: SegmentRef): StoredSegment => {
    let claim = numbers.get(ref.claim);
    if (claim === undefined) numbers.set(ref.claim, claim = claims.push(ref.claim) - 1);
    return [ref.epoch, claim, ref.attempt, ref.part, ref.chunks, ref.bytes, ref.checksum];
  };
  const { job, lineage, epoch, claim, attempt, keyedPartitions, fingerprints, control } = manifest;
  const stored: typeof StoredManifest.Type = {
    version: manifestVersion,
    job,
    lineage,
    epoch,
    claim,
    attempt,
    keyedPartitions,
    fingerprints,
    claims,
    control: control === null ? null : segment(control),
    state: manifest.state.map(segment),
    sinks: Array.from(manifest.sinks, ([name, sink]) => [
      name,
      sink.published,
      sink.publishedRows,
      sink.publishedBytes,
      sink.committedRows,
      sink.committedBytes,
    ]),
    outbox: manifest.outbox.map((entry) => [
      entry.epoch,
      entry.sink,
      entry.rows,
      entry.bytes,
      entry.segment === null ? null : segment(entry.segment),
    ]),
  };
  const { bytes } = seal(identityOf(job), 0, encoder.encode(JSON.stringify(stored)));
  if (bytes.byteLength <= valueBytesMax) return bytes;
  return new KvError({
    message: `Cannot commit epoch ${epoch} of job ${JSON.stringify(job)} as its manifest may have at most ` +
      `${valueBytesMax} bytes: it has ${bytes.byteLength}, with ${manifest.outbox.length} unpublished outputs, ` +
      `${manifest.state.length} segments of state and ${Object.keys(fingerprints).length} operators`,
    operation: "commit",
    retryable: false,
    cause: undefined,
  });
};

/** Reads a stored manifest. A damaged one is corrupted state; a sound one of another kind is incompatible. */
export const decodeManifest = (
  job: string,
  value: unknown,
): Effect.Effect<Manifest, IncompatibleState | StateCorrupted> =>
  Effect.suspend((): Effect.Effect<Manifest, IncompatibleState | StateCorrupted> => {
    const named = `job ${JSON.stringify(job)}`;
    const incompatible = (rule: string, stored: unknown, current: unknown) =>
      Effect.fail(
        new IncompatibleState({
          message: `Cannot open ${named} as ${rule}: stored is ${show(stored)}, current is ${show(current)}`,
          job,
          rule,
          stored,
          current,
        }),
      );
    if (!(value instanceof Uint8Array)) {
      return incompatible("its manifest must have been written by Weir", typeof value, "bytes");
    }
    const layout = layoutVersion(identityOf(job), value) ?? sealVersion;
    if (layout !== sealVersion) {
      return incompatible("its manifest must have this version's layout", layout, sealVersion);
    }
    const unsealed = unseal(identityOf(job), value);
    if (typeof unsealed === "string") {
      const message = `Cannot read the manifest of ${named} as it is damaged: ${unsealed}`;
      return Effect.fail(new StateCorrupted({ message, job, segment: manifestLabel }));
    }
    let json: unknown;
    try {
      json = JSON.parse(decoder.decode(unsealed.payload));
    } catch (error) {
      return incompatible("its manifest must be JSON", String(error), "JSON");
    }
    const versioned = Schema.decodeUnknownResult(AnyVersion)(json);
    const version = Result.isSuccess(versioned) ? versioned.success.version : undefined;
    if (version !== manifestVersion) {
      return incompatible("its manifest must have this version's format", version, manifestVersion);
    }
    const decoded = Schema.decodeUnknownResult(StoredManifest)(json);
    if (Result.isFailure(decoded)) {
      return incompatible("its manifest must have the known shape", String(decoded.failure), "a manifest");
    }
    const stored = decoded.success;
    if (stored.job !== job) return incompatible("its manifest must be its own", stored.job, job);
    const unknownClaim = segmentsOf(stored).find(([, claim]) => claim >= stored.claims.length);
    if (unknownClaim !== undefined) {
      return incompatible("its segments must be of claims that it lists", unknownClaim[1], stored.claims.length);
    }
    const segment = ([epoch, claim, attempt, part, chunks, bytes, checksum]: StoredSegment): SegmentRef => ({
      epoch,
      claim: stored.claims[claim],
      attempt,
      part,
      chunks,
      bytes,
      checksum,
    });
    const manifest: Manifest = {
      job,
      lineage: stored.lineage,
      epoch: stored.epoch,
      claim: stored.claim,
      attempt: stored.attempt,
      keyedPartitions: stored.keyedPartitions,
      fingerprints: stored.fingerprints,
      control: stored.control === null ? null : segment(stored.control),
      state: stored.state.map(segment),
      sinks: new Map(
        stored.sinks.map(([name, published, publishedRows, publishedBytes, committedRows, committedBytes]) => [
          name,
          { published, publishedRows, publishedBytes, committedRows, committedBytes },
        ]),
      ),
      outbox: stored.outbox.map(([epoch, sink, rows, bytes, ref]) => ({
        epoch,
        sink,
        rows,
        bytes,
        segment: ref === null ? null : segment(ref),
      })),
    };
    return Effect.succeed(manifest);
  });

const segmentsOf = ({ control, state, outbox }: typeof StoredManifest.Type): Array<StoredSegment> =>
  [control, ...state, ...outbox.map(([, , , , segment]) => segment)].filter((segment) => segment !== null);

const show = (value: unknown): string => JSON.stringify(value) ?? String(value);

/** All segments that a manifest names. */
export const namedSegments = (manifest: Manifest): Array<SegmentRef> => {
  const segments = [...manifest.state];
  if (manifest.control !== null) segments.push(manifest.control);
  for (const { segment } of manifest.outbox) if (segment !== null) segments.push(segment);
  return segments;
};
