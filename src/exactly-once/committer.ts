/**
 * The committer: makes an epoch durable, then visible.
 *
 * The flip of the manifest is the commit point, whatever the sinks are. What the manifest names is published after it,
 * never what happens to be in memory, so that a process that dies in between and one that does not do the same.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect";
import type { KvError, StateCorrupted } from "../kv-state/errors.ts";
import type { CollectedEpoch } from "./epoch-collector.ts";
import type { CommitStats, EpochOutput, EpochStore, UnpublishedOutput } from "./epoch-store.ts";
import { type Fenced, SinkError, type SinkOpenError } from "./errors.ts";
import type { Guarantee } from "./guarantee.ts";
import type { End, Sink, SinkOffset, SinkWriter } from "./sink.ts";

/** What can stop an epoch from being committed or published. */
export type CommitError = KvError | Fenced | StateCorrupted | SinkOpenError;

/** What one epoch cost. */
export interface EpochStats extends CommitStats {
  readonly commitMillis: number;
  readonly publishMillis: number;
  readonly rows: number;
}

/** Commits and publishes the epochs of one run. */
export interface Committer {
  /** `acknowledge` is run once the epoch is durable, beside the publication. */
  readonly commit: <E = never>(
    epoch: CollectedEpoch,
    control: unknown,
    acknowledge?: Effect.Effect<void, E>,
  ) => Effect.Effect<EpochStats, CommitError | E>;
  /** Records what has been published, so that nothing is left to do at the next start. */
  readonly close: Effect.Effect<void, CommitError>;
  /** Rows that were committed but never written to their sink, of all earlier runs: only under at-most-once. */
  readonly lost: () => Readonly<Record<string, number>>;
  /** Whether rows were counted as lost since the last commit, so that an epoch must record it, though nothing was read. */
  readonly hasNews: () => boolean;
}

/**
 * Opens the sinks, and publishes what an earlier run committed and did not publish.
 *
 * `lost` is what earlier runs counted as lost.
 */
export const openCommitter = (options: {
  readonly store: EpochStore;
  readonly sinks: ReadonlyArray<Sink<unknown, End>>;
  readonly guarantee: Guarantee;
  readonly lost: Readonly<Record<string, number>>;
}): Effect.Effect<Committer, CommitError, Scope.Scope> =>
  Effect.gen(function* () {
    const { store, sinks, guarantee } = options;
    const hasOutbox = guarantee !== "at-most-once";
    const writers = new Map<string, SinkWriter<unknown>>();
    const lost: Record<string, number> = { ...options.lost };
    let hasNews = false;

    /** A sink that refuses an owner that has lost its claim is right: what is wrong is that the owner is still there. */
    const unlessFenced = <A, E extends SinkOpenError, R>(
      using: Effect.Effect<A, E, R>,
    ): Effect.Effect<A, E | Fenced, R> =>
      Effect.catch(using, (error) =>
        store.checkClaim.pipe(
          Effect.catchTag("KvError", () => Effect.void),
          Effect.andThen(Effect.fail(error)),
        ));

    for (const { name, driver } of sinks) {
      const { published, publishedOffset, committedOffset } = store.progress(name);
      const writer = yield* unlessFenced(driver.open({
        job: store.job,
        lineage: store.lineage,
        claim: store.claim,
        published,
        publishedOffset,
        committed: store.epoch(),
        committedOffset,
        checkClaim: store.checkClaim.pipe(
          Effect.mapError((cause) =>
            new SinkError({
              message: cause.message,
              sink: name,
              epoch: 0,
              retryable: cause._tag === "KvError" && cause.retryable,
              cause,
            })
          ),
        ),
      }));
      writers.set(name, writer);
    }

    const publish = (
      sink: string,
      epoch: number,
      rows: ReadonlyArray<unknown>,
      offset: SinkOffset,
    ): Effect.Effect<void, SinkError | Fenced> => {
      const writer = writers.get(sink)!;
      const isVisible = writer.marker !== null && writer.marker >= epoch;
      return (isVisible ? Effect.void : unlessFenced(writer.publish({ epoch, rows, offset }))).pipe(
        Effect.andThen(Effect.sync(() => store.markPublished(sink, epoch))),
      );
    };

    const publishStored = ({ sink, epoch, offset }: UnpublishedOutput): Effect.Effect<void, CommitError> =>
      store.outbox(epoch, sink).pipe(Effect.flatMap((rows) => publish(sink, epoch, rows, offset)));

    /** Only the number of the rows is known: whether the sink has them died with the process that wrote them. */
    const forfeit = (
      { sink, epoch, rows, bytes, offset }: UnpublishedOutput,
    ): Effect.Effect<void, SinkError | Fenced> =>
      Effect.suspend(() => {
        lost[sink] = (lost[sink] ?? 0) + rows;
        hasNews = true;
        return unlessFenced(writers.get(sink)!.forfeit?.({ epoch, rows, bytes, offset }) ?? Effect.void);
      }).pipe(Effect.andThen(Effect.sync(() => store.markPublished(sink, epoch))));

    /** Publishes what the manifest names, each sink in the order of epochs. */
    const publishCommitted: Effect.Effect<void, CommitError> = Effect.suspend(() =>
      Effect.forEach(
        Map.groupBy(store.unpublished(), ({ sink }) => sink).values(),
        (outputs) =>
          Effect.forEach(outputs, (output) => output.outbox ? publishStored(output) : forfeit(output), {
            discard: true,
          }),
        { concurrency: "unbounded", discard: true },
      )
    );
    yield* publishCommitted;

    const commit: Committer["commit"] = (epoch, control, acknowledge) =>
      Effect.gen(function* () {
        const began = yield* Clock.currentTimeMillis;
        const outputs: ReadonlyArray<EpochOutput> = epoch.outputs.map(({ sink, rows, bytes }) => ({
          sink,
          rows,
          bytes,
          outbox: hasOutbox,
          published: false,
        }));
        const offsets = new Map(outputs.map(({ sink }) => [sink, store.progress(sink).committedOffset]));
        const stats = yield* store.commit({ epoch: epoch.epoch, control, deltas: epoch.deltas, outputs });
        hasNews = false;
        const committed = yield* Clock.currentTimeMillis;
        const publishing = hasOutbox
          ? publishCommitted
          : Effect.forEach(outputs, ({ sink, rows }) => publish(sink, epoch.epoch, rows, offsets.get(sink)!), {
            concurrency: "unbounded",
            discard: true,
          });
        if (acknowledge === undefined) {
          yield* publishing;
        } else {
          // A stuck sink holds up no acknowledgement, and neither of the two is cut short where the other one fails.
          const exits = yield* Effect.all([Effect.exit(acknowledge), Effect.exit(publishing)], { concurrency: 2 });
          for (const exit of exits) yield* exit;
        }
        const published = yield* Clock.currentTimeMillis;
        return {
          ...stats,
          commitMillis: committed - began,
          publishMillis: published - committed,
          rows: outputs.reduce((sum, { rows }) => sum + rows.length, 0),
        };
      });

    return { commit, close: store.flush, lost: () => lost, hasNews: () => hasNews };
  });
