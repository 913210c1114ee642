/**
 * Opens a job's durable storage: claims the job, clears away what unfinished epochs left, and reads the last epoch.
 *
 * @module
 */
import { Effect, type Scope, Semaphore } from "effect";
import { compareDeltas, DeltaPacker, unpackDeltas } from "../kv-state/delta-codec.ts";
import type { Kv, KvKey } from "../kv-state/kv.ts";
import {
  chunkKeys,
  packRows,
  readSegment,
  rowsOf,
  SegmentPacker,
  type SegmentRef,
  valueOf,
} from "../kv-state/segment.ts";
import { isStorable, storing, Unstorable } from "../kv-state/unstorable.ts";
import { claimJob } from "./claim.ts";
import { Ledger } from "./commit.ts";
import { type CompactionStats, Compactor } from "./compactor.ts";
import type { EpochCommit, EpochStore, EpochStoreOptions, OpenError } from "./epoch-store.ts";
import { collectGarbage } from "./garbage.ts";
import { progressOf, recordOutput, recordPublished, unpublishedOutputs } from "./outbox.ts";

/** An epoch store that also tells what it does in the background. */
export interface DurableEpochStore extends EpochStore {
  readonly compactions: () => CompactionStats;
}

/** Where the control value and the deltas are among an attempt's segments; the outputs follow. */
const controlPart = 0;
const statePart = 1;
const firstOutputPart = 2;

/**
 * Claims a job and opens its storage; whoever had it open before is fenced from now on. Compaction runs in the scope.
 *
 * `unpublished` leaves out what was noted with `markPublished`; `progress` shows only what the manifest records. After a
 * `commit` has failed, the same epoch may be committed again, with the same content or more: should the failed commit
 * turn out to have been applied after all, this fails with a {@link KvError} that is not retryable, and the job is to be
 * opened again.
 */
export const openEpochStore = (
  kv: Kv,
  options: EpochStoreOptions,
): Effect.Effect<DurableEpochStore, OpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const { job } = options;
    const claim = yield* claimJob(kv, options);
    const ledger = new Ledger(kv, job, claim);
    yield* collectGarbage(kv, ledger);
    const { epoch, control: controlRef, state } = claim.manifest;
    let control: unknown;
    const read = <A>(segment: SegmentRef, each: (block: A) => void, decode: (block: Uint8Array) => A) =>
      Effect.catchTag(readSegment(kv, job, segment, each, decode), "StateCorrupted", (corrupted) =>
        // A later owner deletes what its manifest no longer names: what is missing then is no damage.
        Effect.andThen(ledger.checkClaim("read the state"), Effect.fail(corrupted)));
    if (controlRef !== null) yield* read(controlRef, (value) => void (control = value), valueOf);

    const compactor = new Compactor(kv, ledger, yield* Effect.scope);
    const oneAtATime = yield* Semaphore.make(1);
    /** What sinks have published since the last flip: the last epoch by sink. */
    const noted = new Map<string, number>();

    const forgetRecorded = (recorded: ReadonlyMap<string, number>): void => {
      for (const [sink, epoch] of recorded) if (noted.get(sink) === epoch) noted.delete(sink);
    };

    const commit = (next: EpochCommit) =>
      Effect.gen(function* () {
        const last = ledger.manifest.epoch;
        if (next.epoch !== last + 1) {
          const text = `the epoch after ${last} is ${last + 1}: current value is ${next.epoch}`;
          return yield* Effect.die(new RangeError(`Cannot commit an epoch of job ${JSON.stringify(job)} as ${text}`));
        }
        if (new Set(next.outputs.map(({ sink }) => sink)).size < next.outputs.length) {
          const text = "a sink may have one output an epoch";
          return yield* Effect.die(
            new RangeError(`Cannot commit epoch ${next.epoch} of job ${JSON.stringify(job)} as ${text}`),
          );
        }
        const deltas = next.deltas.toSorted(compareDeltas);
        const published = new Map(noted);
        // A sink that already shows this epoch shows those before it too.
        for (const output of next.outputs) if (output.published) published.set(output.sink, last);
        let bytes = 0;
        const { atomics } = yield* ledger.flip(`commit epoch ${next.epoch}`, (attempt, put) =>
          Effect.gen(function* () {
            const before = ledger.manifest;
            const name = (part: number) => ({ epoch: next.epoch, claim: claim.id, attempt, part });
            bytes = 0;
            const added = (ref: SegmentRef | null) => {
              if (ref !== null) bytes += ref.bytes;
              return ref;
            };

            const controlPacker = new SegmentPacker(job, name(controlPart));
            yield* put(controlPacker.pack(next.control));
            const control = added(controlPacker.ref());

            const statePacker = new SegmentPacker(job, name(statePart));
            yield* put(storing(packedDeltas(statePacker, deltas), (cause) => unstorableState(deltas, cause)));
            const segment = added(statePacker.ref());
            const merged = compactor.apply(before.state);
            const state = segment === null ? merged.state : [...merged.state, segment];

            const trimmed = recordPublished(job, before, published);
            let sinks: Pick<typeof trimmed, "sinks" | "outbox"> = trimmed;
            for (let i = 0; i < next.outputs.length; i++) {
              const output = next.outputs[i];
              const outputPacker = new SegmentPacker(job, name(firstOutputPart + i));
              if (output.outbox && !output.published) {
                const operator = `sink "${output.sink}"`;
                const rows = packRows(outputPacker, output.rows);
                yield* put(storing(rows, (cause) => new Unstorable(`a row of ${operator}`, operator, cause)));
              }
              sinks = recordOutput(sinks, next.epoch, output, added(outputPacker.ref()));
            }

            const dropped: Array<KvKey> = [...trimmed.dropped, ...merged.dropped];
            if (before.control !== null) dropped.push(...chunkKeys(job, before.control));
            const { outbox } = sinks;
            const manifest = { ...before, epoch: next.epoch, attempt, control, state, sinks: sinks.sinks, outbox };
            return { manifest, dropped };
          }));
        forgetRecorded(published);
        yield* compactor.afterFlip();
        return { bytes, atomics };
      });

    const flush = Effect.gen(function* () {
      if (noted.size === 0) return;
      const published = new Map(noted);
      yield* ledger.flip("record what was published", (attempt) =>
        Effect.sync(() => {
          const before = ledger.manifest;
          const merged = compactor.apply(before.state);
          const { sinks, outbox, dropped } = recordPublished(job, before, published);
          return {
            manifest: { ...before, attempt, state: merged.state, sinks, outbox },
            dropped: [...dropped, ...merged.dropped],
          };
        }));
      forgetRecorded(published);
      yield* compactor.afterFlip();
    });

    const restore: EpochStore["restore"] = (apply) =>
      Effect.gen(function* () {
        for (const segment of ledger.manifest.state) {
          yield* read(segment, (deltas) => {
            for (const delta of deltas) apply(delta);
          }, unpackDeltas);
        }
      });

    const outbox: EpochStore["outbox"] = (epoch, sink) =>
      Effect.gen(function* () {
        const output = ledger.manifest.outbox.find((entry) => entry.epoch === epoch && entry.sink === sink);
        if (output === undefined || output.segment === null) {
          const what = `the rows of epoch ${epoch} for sink ${JSON.stringify(sink)}`;
          return yield* Effect.die(new RangeError(`Cannot read ${what} as the manifest names none`));
        }
        const rows: Array<unknown> = [];
        yield* read(output.segment, (block) => {
          for (const row of block) rows.push(row);
        }, rowsOf);
        return rows;
      });

    const owned = <A, E>(change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      // A flip that has left cannot be recalled, and the store must learn what became of it.
      Semaphore.withPermit(oneAtATime, Effect.uninterruptible(change));

    const segments = controlRef === null ? state : [...state, controlRef];
    return {
      job,
      lineage: claim.manifest.lineage,
      claim: claim.id,
      recovered: {
        epoch,
        control,
        segments: { count: segments.length, bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0) },
      },
      restore,
      commit: (next) => owned(commit(next)),
      checkClaim: ledger.checkClaim("write to the sinks"),
      epoch: () => ledger.manifest.epoch,
      progress: (sink) => progressOf(ledger.manifest, sink),
      unpublished: () => unpublishedOutputs(ledger.manifest, noted),
      outbox,
      markPublished: (sink, epoch) => {
        if (epoch > ledger.manifest.epoch) {
          throw new RangeError(`Cannot note epoch ${epoch} as published as the last epoch is ${ledger.manifest.epoch}`);
        }
        if (epoch > (noted.get(sink) ?? ledger.manifest.sinks.get(sink)?.published ?? 0)) noted.set(sink, epoch);
      },
      flush: owned(flush),
      compactions: () => compactor.stats,
    };
  });

/** Names the operator whose state cannot be stored. */
const unstorableState = (deltas: EpochCommit["deltas"], cause: unknown): Unstorable => {
  const culprit = deltas.find(({ newKeys, objects }) => !isStorable([newKeys, objects]));
  const [operator] = culprit?.table.split("#") ?? ["state"];
  return new Unstorable(`state of "${operator}"`, operator, cause);
};

function* packedDeltas(packer: SegmentPacker, deltas: ReadonlyArray<EpochCommit["deltas"][number]>) {
  const packed = new DeltaPacker(packer);
  for (const delta of deltas) yield* packed.add(delta);
  yield* packed.end();
}
