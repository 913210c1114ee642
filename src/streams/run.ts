/**
 * Running a job: recover, read, commit, and start anew from the last epoch when something fails that may pass.
 *
 * @module
 */
import { Clock, Deferred, Duration, Effect, Queue, Schedule, type Scope } from "effect";
import { runActor } from "../actors/actor.ts";
import { forgetAsyncContexts } from "../actors/async-context.ts";
import { Signal } from "../actors/signal.ts";
import { openCommitter } from "../exactly-once/committer.ts";
import { type CollectedEpoch, EpochCollector } from "../exactly-once/epoch-collector.ts";
import type { EpochStore } from "../exactly-once/epoch-store.ts";
import type { Fenced, PublicationUnknown, SinkError, StateBehindOutput } from "../exactly-once/errors.ts";
import { openEpochStore } from "../exactly-once/open-epoch-store.ts";
import { denoKv, isFile, isRemote } from "../kv-state/deno-kv.ts";
import { IncompatibleState, type KvError, type StateCorrupted } from "../kv-state/errors.ts";
import type { Kv, KvProvider } from "../kv-state/kv.ts";
import { Unstorable } from "../kv-state/unstorable.ts";
import { SchemaRefusal } from "../windows/aggregates/state-schema.ts";
import { inWords } from "../windows/in-words.ts";
import { atLeastOne, readMillis } from "../windows/millis-of.ts";
import { acknowledgements } from "./acknowledgements.ts";
import { ownWatermark } from "./alignment.ts";
import { assemble, type Assembly } from "./assembly.ts";
import { beginnings } from "./beginnings.ts";
import { InvalidJob, type SourceError, type UserCodeError } from "./errors.ts";
import { identities } from "./identities.ts";
import { type IngestControl, mergeRecords, runIngest } from "./ingest.ts";
import { fingerprints, graphOf, type Job } from "./job.ts";
import { addCounters, type EpochMetrics, type JobMetrics, queueMetrics } from "./metrics.ts";
import { userCodeError } from "./operators/on-error.ts";
import type { Counters } from "./operators/stateful.ts";
import { passesOf, type RunMode } from "./run-mode.ts";
import { checkSinkFiles } from "./sink-files.ts";
import { type SplitProgress, SplitReader } from "./split-reader.ts";

/** Everything that a job can fail with; {@link run} says when. */
export type JobError =
  | SourceError
  | SinkError
  | UserCodeError
  | InvalidJob
  | KvError
  | StateCorrupted
  | IncompatibleState
  | StateBehindOutput
  | PublicationUnknown
  | Fenced;

/** How a job is run. */
export interface RunOptions {
  /**
   * Where the job's state is kept: a file that holds no other job's, the address of a KV Connect server, or `":memory:"`
   * for a run that need not survive.
   *
   * @default {".weir/<job>.kv"}
   */
  readonly state?: string;
  /** What opens the state. Default: Deno KV. */
  readonly kv?: KvProvider;
  /** How long an epoch lasts: results become visible, and a crash goes back, by at most about this. Default: 1 second. */
  readonly epochInterval?: Duration.Input;
  /** How many records an epoch holds before it ends early. Default: no bound but time and bytes. */
  readonly epochRecordsMax?: number;
  /** How many bytes of output an epoch holds before it ends early. Default: 64 MiB. */
  readonly epochBytesMax?: number;
  /**
   * How many records are read at once. Results do not depend on it, but for those that depend on the clock anyway.
   * Default: 4,096.
   */
  readonly batchRecordsMax?: number;
  /** How many records wait between two stages before the first one has to wait. Default: 16,384. */
  readonly queueRecordsMax?: number;
  /**
   * How many slices the keys of the job are dealt out to, each with an actor of its own; at most 4,096. It is fixed when
   * the job first starts, as its state is cut by it. Default: 8.
   */
  readonly keyedPartitions?: number;
  /**
   * How far the run goes: on and on, through what is there, or through what is there again and again. Default:
   * `"continuous"`.
   */
  readonly mode?: RunMode;
  /**
   * When to start anew from the last epoch after an error that may pass (a source, sink or store that failed). Behind an
   * attempt that went well for a minute the schedule begins again, so that it counts failures in a row. Default: five
   * times, after 100 milliseconds and then twice as long each time.
   */
  readonly restart?: Schedule.Schedule<unknown, JobError>;
  /**
   * Is told once that the job has started: its state is open, and nothing has been read. Default: nobody is, and `Job.main`
   * says it on standard error where that is no terminal.
   */
  readonly onStart?: (started: Started) => void;
  /** Is told of each restart, before it waits for it. Default: nobody is, and `Job.main` says it on standard error. */
  readonly onRestart?: (restart: Restart) => void;
}

/** That a job has started. */
export interface Started {
  /** The name of the job. */
  readonly job: string;
  /** The last committed epoch, from which it goes on; 0 where there is none. */
  readonly epoch: number;
  /** Where its state is kept, as in {@link RunOptions.state}. */
  readonly state: string;
}

/** That a job is to start anew from its last epoch. */
export interface Restart {
  /** The name of the job. */
  readonly job: string;
  /** What has failed. */
  readonly error: JobError;
  /** Which restart of the run this is, from 1 on. */
  readonly restart: number;
  /** How long is waited before it, in milliseconds. */
  readonly inMillis: number;
}

/** Bounds that hold unless a run says otherwise. */
export const runDefaults = {
  epochIntervalMillis: 1_000,
  epochBytesMax: 64 * 1_024 * 1_024,
  batchRecordsMax: 4_096,
  queueRecordsMax: 16_384,
  keyedPartitions: 8,
  restartsMax: 5,
  restartsForgottenMillis: 60_000,
  restartMillisMin: 100,
} as const;

/**
 * How many keyed partitions there may be. Each has an actor and a snapshot in every epoch, and a share of the queue before
 * it: of the 16,384 records that may wait there unless a run says otherwise, 4 are left for each.
 */
export const keyedPartitionsMax = 4_096;

/** How a run ended. */
export interface JobSummary {
  /** The name of the job. */
  readonly job: string;
  /**
   * `"ended"` when every source has ended and every window has fired; `"stopped"` when it was asked to stop; `"caught-up"`
   * when what was available has been processed, and windows are left open.
   */
  readonly outcome: "ended" | "stopped" | "caught-up";
  /** What could be read from it at its end. */
  readonly metrics: JobMetrics;
}

/** A job that is running. */
export interface RunningJob {
  /** What can be read from it right now. */
  readonly metrics: Effect.Effect<JobMetrics>;
  /** Asks the job to stop after a last epoch, with its windows left open, and waits until it has. */
  readonly stop: Effect.Effect<JobSummary, JobError>;
  /** Waits until the job has ended. */
  readonly await: Effect.Effect<JobSummary, JobError>;
}

/** What an epoch's control value holds. */
interface Control {
  readonly round: number;
  /** The processing time of the last round. */
  readonly now: number;
  readonly splits: ReadonlyArray<readonly [source: string, split: string, progress: SplitProgress]>;
  /** The split whose turn it is. */
  readonly current: readonly [source: string, split: string] | null;
  readonly operators: ReadonlyArray<readonly [operator: string, partition: number, snapshot: unknown]>;
  readonly lost: Readonly<Record<string, number>>;
}

/** What a run shares with the world outside over all its restarts. */
interface RunState {
  stop: boolean;
  /** Whether somebody was told that the job has started. */
  hasStarted: boolean;
  /** The claims of earlier attempts and passes: they go on, and take nothing back from a process that has taken over. */
  readonly claims: Set<string>;
  restarts: number;
  /** Wakes whatever of the attempt waits: the ingest, or the rest between two passes. */
  notify: () => void;
  metrics: () => JobMetrics;
}

const emptyMetrics = (job: string): JobMetrics => ({
  job,
  runMillis: 0,
  restarts: 0,
  splits: [],
  watermarks: {},
  lateness: {},
  operators: {},
  queues: [],
  hotKeys: {},
  sinks: [],
  epochs: { epoch: 0, committed: 0, bytes: 0, atomics: 0, commitMillis: 0, publishMillis: 0 },
});

const mayPass = (error: JobError): boolean =>
  (error._tag === "SourceError" || error._tag === "SinkError" || error._tag === "KvError") && error.retryable;

const checkOptions = (job: string, options: RunOptions): Effect.Effect<void, InvalidJob> => {
  const refuse = (rule: string, current: string): Effect.Effect<never, InvalidJob> =>
    Effect.fail(
      new InvalidJob({ message: `Cannot run job "${job}" as ${rule}: current value is ${current}`, job, rule }),
    );
  const { state, epochInterval, keyedPartitions } = options;
  if (state !== undefined && (typeof state !== "string" || state === "")) {
    return refuse('state must be the path of a file or ":memory:"', inWords(state));
  }
  const epochMillis = readMillis("epochInterval", epochInterval ?? runDefaults.epochIntervalMillis, atLeastOne);
  if (typeof epochMillis === "object") return refuse(epochMillis.rule, epochMillis.current);
  const bounds = {
    epochRecordsMax: options.epochRecordsMax,
    epochBytesMax: options.epochBytesMax,
    batchRecordsMax: options.batchRecordsMax,
    queueRecordsMax: options.queueRecordsMax,
    keyedPartitions,
  };
  for (const [name, value] of Object.entries(bounds)) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    return refuse(`${name} must be a whole number above 0`, inWords(value));
  }
  if (keyedPartitions !== undefined && keyedPartitions > keyedPartitionsMax) {
    return refuse(`keyedPartitions must be at most ${keyedPartitionsMax}`, String(keyedPartitions));
  }
  return Effect.void;
};

/**
 * Starts a job in the background of a scope. When the scope closes first, the job ends at once; what was not committed is
 * done again at the next start.
 *
 * Starting does not fail: `await` and `stop` of the running job do, with a {@link JobError}, as {@link run} says. `mode`
 * says how far the run goes: see {@link RunMode}.
 *
 * From then on an `AsyncLocalStorage` does not follow Effect fibers in this process: following them, Deno would keep a
 * kilobyte for each time that any of them waits, and never give it back.
 *
 * @example
 * ```ts
 * import { Effect } from "effect";
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 *
 * const job = Job.make({
 *   name: "words",
 *   guarantee: "exactly-once",
 *   flows: [Flow.from(Source.array("words", ["a", "stream"])).pipe(Flow.to(Sink.memory("words")))],
 * });
 * const program = Effect.gen(function* () {
 *   const running = yield* Job.start(job, { state: ":memory:" });
 *   const { splits } = yield* running.metrics;
 *   console.log(splits);
 *   return yield* running.await;
 * });
 * await Effect.runPromise(Effect.scoped(program));
 * ```
 */
export const start = <R>(job: Job<R>, options: RunOptions = {}): Effect.Effect<RunningJob, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    forgetAsyncContexts();
    const state: RunState = {
      stop: false,
      hasStarted: false,
      claims: new Set(),
      restarts: -1,
      notify: () => {},
      metrics: () => emptyMetrics(job.name),
    };
    const done = yield* Deferred.make<JobSummary, JobError>();
    /** An error behind an attempt that went well for long: the first in a row. */
    let first: JobError | null = null;
    let wentWell = false;
    const attempt = Effect.gen(function* () {
      if (first !== null) {
        const error = first;
        first = null;
        wentWell = false;
        return yield* Effect.fail(error);
      }
      state.restarts++;
      const began = yield* Clock.currentTimeMillis;
      return yield* Effect.scoped(runPasses(job, options, state)).pipe(
        Effect.onError(() =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            wentWell = now - began >= runDefaults.restartsForgottenMillis;
          })
        ),
      );
    }) as Effect.Effect<JobSummary, JobError, R>;
    const schedule: Schedule.Schedule<unknown, JobError> = options.restart ??
      Schedule.exponential(runDefaults.restartMillisMin).pipe(Schedule.upTo({ times: runDefaults.restartsMax }));
    // The schedule is asked also about errors that do not pass.
    const told = Schedule.tap(schedule, ({ input, duration }) =>
      Effect.sync(() => {
        if (!mayPass(input) || wentWell) return;
        options.onRestart?.({
          job: job.name,
          error: input,
          restart: state.restarts + 1,
          inMillis: Duration.toMillis(duration),
        });
      }));
    yield* checkOptions(job.name, options).pipe(
      Effect.andThen(Effect.suspend(() => checkFiles(job, options))),
      Effect.andThen(
        attempt.pipe(
          Effect.retry({ schedule: told, while: (error) => mayPass(error) && !wentWell }),
          Effect.tapError((error) => Effect.sync(() => void (first = error))),
          Effect.retry({ while: (error) => mayPass(error) && wentWell }),
        ),
      ),
      Effect.onExit((exit) => Deferred.done(done, exit)),
      Effect.exit,
      Effect.forkScoped,
    );
    return {
      metrics: Effect.sync(() => state.metrics()),
      stop: Effect.suspend(() => {
        state.stop = true;
        state.notify();
        return Deferred.await(done);
      }),
      await: Deferred.await(done),
    };
  });

/**
 * Runs a job as far as `mode` says. `"continuous"`, the default, goes on until every source has ended and every window has
 * fired, or for ever; `"available-now"` goes through what the sources have now, and leaves windows open; `{ every }` does
 * that again and again, until the job fails or is interrupted.
 *
 * It fails with one of the members of {@link JobError}:
 *
 * - `InvalidJob`: an option is out of its range, a source cannot keep to the `mode`, or two sinks, or a sink and the state,
 *   have one file; nothing has been read then.
 * - `SourceError`: a source cannot be listed or read.
 * - `SinkError`: a sink cannot be opened, or cannot publish an epoch.
 * - `KvError`: the state cannot be opened, read or written.
 * - `UserCodeError`: a function of the pipeline threw, or an error reached `Flow.onError("fail")`.
 * - `IncompatibleState`: the state belongs to another job, another format, other code or other `keyedPartitions`; or a split
 *   that had not ended is gone.
 * - `StateCorrupted`: stored bytes are damaged or missing.
 * - `StateBehindOutput`: a sink holds more than the state knows of.
 * - `PublicationUnknown`: a sink has forgotten whether output that was committed was published to it.
 * - `Fenced`: another process has claimed the job.
 *
 * A `SourceError`, `SinkError` or `KvError` may pass where its `retryable` is true. The job is then started anew from its
 * last epoch first, as often as `restart` says.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 *
 * const words = Sink.memory<string>("words");
 * const job = Job.make({
 *   name: "words",
 *   guarantee: "exactly-once",
 *   flows: [Flow.from(Source.array("words", ["a", "stream"])).pipe(Flow.to(words))],
 * });
 * const { outcome } = await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 * assert.equal(outcome, "ended");
 * assert.deepEqual(words.values(), ["a", "stream"]);
 * ```
 */
export const run = <R>(job: Job<R>, options: RunOptions = {}): Effect.Effect<JobSummary, JobError, R> =>
  Effect.scoped(Effect.flatMap(start(job, options), (running) => running.await)) as Effect.Effect<
    JobSummary,
    JobError,
    R
  >;

/** One attempt: as many passes as the mode asks for, until the job ends or something fails. */
const runPasses = (
  job: Job<unknown>,
  options: RunOptions,
  state: RunState,
): Effect.Effect<JobSummary, JobError, Scope.Scope> =>
  Effect.gen(function* () {
    const { untilCaughtUp, everyMillis } = yield* passesOf(job.name, graphOf(job), options.mode ?? "continuous");
    const kv = yield* (options.kv ?? denoKv).open(stateOf(job.name, options));
    const attempt: Attempt = { began: yield* Clock.currentTimeMillis, epochs: emptyMetrics(job.name).epochs };
    for (;;) {
      const summary = yield* Effect.scoped(runPass(job, options, state, { kv, untilCaughtUp, attempt }));
      if (everyMillis === null || summary.outcome === "stopped") return summary;
      const rest = new Signal();
      state.notify = () => rest.notify();
      const sinceLast = (yield* Clock.currentTimeMillis) % everyMillis;
      if (!state.stop) yield* Effect.race(Effect.sleep(everyMillis - sinceLast), rest.wait);
      if (state.stop) return { ...summary, outcome: "stopped" };
    }
  });

const checkFiles = (job: Job<unknown>, options: RunOptions): Effect.Effect<void, InvalidJob> => {
  const state = stateOf(job.name, options);
  const isInFile = (options.kv === undefined || options.kv === denoKv) && isFile(state);
  const sinks = new Set(graphOf(job).sinks.map(({ sink }) => sink));
  return checkSinkFiles(job.name, sinks, isInFile ? state : null);
};

const stateOf = (job: string, options: RunOptions): string => options.state ?? `.weir/${job}.kv`;

/** What the passes of one attempt share. */
interface Attempt {
  readonly began: number;
  epochs: EpochMetrics;
}

/** One pass: from the last epoch until the job ends, is asked to stop or, if so wanted, has caught up. */
const runPass = (
  job: Job<unknown>,
  options: RunOptions,
  state: RunState,
  { kv, untilCaughtUp, attempt }: { readonly kv: Kv; readonly untilCaughtUp: boolean; readonly attempt: Attempt },
): Effect.Effect<JobSummary, JobError, Scope.Scope> =>
  Effect.gen(function* () {
    const graph = graphOf(job);
    const batchRecordsMax = options.batchRecordsMax ?? runDefaults.batchRecordsMax;
    const epochBytesMax = options.epochBytesMax ?? runDefaults.epochBytesMax;
    const epochRecordsMax = options.epochRecordsMax ?? Infinity;
    const keyedPartitions = options.keyedPartitions ?? runDefaults.keyedPartitions;
    const clock = yield* Effect.clockWith(Effect.succeed);

    const store = yield* openEpochStore(kv, {
      job: job.name,
      keyedPartitions,
      fingerprints: fingerprints(job),
      alone: !isRemote(stateOf(job.name, options)),
      claims: state.claims,
    });
    const control = store.recovered.control as Control | undefined;

    const sources = [...new Set(graph.sources.map(({ source }) => source))];
    const splits = yield* Effect.forEach(sources, (source) =>
      (source.splits as Effect.Effect<ReadonlyArray<string>, SourceError>).pipe(
        Effect.map((names) =>
          names.map((split) => ({ source, split }))
        ),
      )).pipe(Effect.map((all) => all.flat()));

    for (const [source, split, { ended, position }] of control?.splits ?? []) {
      if (ended || splits.some((one) => one.source.name === source && one.split === split)) continue;
      return yield* new IncompatibleState({
        message:
          `Cannot go on with job "${job.name}" as source "${source}" must still have split "${split}", which was ` +
          `read up to ${position}: current value is ${JSON.stringify(splits.map((one) => one.split))}`,
        job: job.name,
        rule: "a split that has not ended must not go away",
        stored: split,
        current: splits.map((one) => one.split),
      });
    }

    const progress = new Map(control?.splits.map(([source, split, one]) => [`${source}\n${split}`, one]));
    const progressOf = (source: string, split: string): SplitProgress | undefined =>
      progress.get(`${source}\n${split}`);
    const identityOf = yield* identities(job.name, splits, progressOf);

    const assembly = assemble({
      job: job.name,
      graph,
      splits: splits.map(({ source, split }) => ({ source: source.name, split })),
      keyedPartitions,
      queueRecordsMax: options.queueRecordsMax ?? runDefaults.queueRecordsMax,
    });
    yield* restore(assembly, store, control);
    const acknowledge = acknowledgements(splits);
    yield* acknowledge?.(control?.splits ?? []) ?? Effect.void;
    const sinks = [...new Set(graph.sinks.map(({ sink }) => sink))];
    const committer = yield* openCommitter({ store, sinks, guarantee: job.guarantee, lost: control?.lost ?? {} });

    const signal = new Signal();
    const ingestControl: IngestControl = {
      get stop() {
        return state.stop;
      },
      due: false,
      idle: true,
      signal,
    };
    const beginningOf = yield* beginnings(splits, (source, split) => progressOf(source, split) !== undefined);
    let hasBegun = false;
    for (const { source, split } of splits) {
      const position = beginningOf(source.name, split);
      if (position === undefined) continue;
      hasBegun = true;
      progress.set(`${source.name}\n${split}`, { position, count: 0, ended: false });
    }
    const readers = splits.map(({ source, split }, k) =>
      new SplitReader({
        split: k,
        source,
        name: split,
        progress: progressOf(source.name, split),
        identity: identityOf(source.name, split),
        // Of one of several splits no more is read at a time, and what waits of each takes memory.
        batchRecordsMax: splits.length === 1 ? batchRecordsMax : Math.min(batchRecordsMax, mergeRecords),
        onNews: signal,
        untilCaughtUp,
      })
    );
    assembly.ingest.context.round = control?.round ?? 0;
    assembly.ingest.context.now = control?.now ?? -Infinity;

    attempt.epochs = { ...attempt.epochs, epoch: store.epoch() };
    state.notify = () => signal.notify();
    state.metrics = () => ({
      job: job.name,
      runMillis: clock.currentTimeMillisUnsafe() - attempt.began,
      restarts: state.restarts,
      splits: readers.map((reader) => ({
        source: reader.source.name,
        split: reader.name,
        position: reader.position,
        records: reader.count,
        ended: reader.ended,
        watermark: ownWatermark(assembly.allEventTimes, reader.split) ?? null,
        idle: !reader.ended && assembly.ingest.context.silences[reader.split] > 0,
        paused: reader.paused,
        lag: reader.lag,
        lagUnit: reader.source.lagUnit,
      })),
      watermarks: Object.fromEntries(assembly.allEventTimes.map((operator) => [operator.name, operator.merged])),
      lateness: Object.fromEntries(assembly.allEventTimes.map(({ name, delays }) => [name, delays.lateness])),
      operators: countersOf(assembly),
      queues: graph.stages.slice(1).map((stage) =>
        queueMetrics(
          stage.name,
          assembly.tasks.filter((task) => task.stage === stage).flatMap((task) =>
            task.mailboxes.map((box) => box.stats)
          ),
        )
      ),
      hotKeys: Object.fromEntries(Array.from(assembly.hotKeys, ([stage, keys]) => [stage.name, keys.hottest()])),
      sinks: sinks.map(({ name }) => {
        const { published, committedOffset } = store.progress(name);
        const lostRows = committer.lost()[name] ?? 0;
        return { sink: name, publishedEpoch: published, ...committedOffset, lostRows };
      }),
      epochs: attempt.epochs,
    });

    // Epochs are handed from the actors to the committer; there is never more than one on its way.
    const collected = yield* Queue.bounded<{ readonly epoch: CollectedEpoch; readonly control: Control }>(1);
    let pending: (Pick<Control, "round" | "now" | "splits" | "current"> & { readonly isEmpty: boolean }) | null = null;
    const collector = new EpochCollector(assembly.tasks.length, (epoch) => {
      const { round, now, splits, current } = pending!;
      Queue.offerUnsafe(collected, {
        epoch,
        control: { round, now, splits, current, operators: epoch.snapshots, lost: committer.lost() },
      });
    });

    const commitEpochs = Effect.gen(function* () {
      for (;;) {
        const { epoch, control } = yield* Queue.take(collected);
        // Time that went by alone is not worth a commit; what it brought about is.
        const isEmpty = pending!.isEmpty && epoch.deltas.length === 0 && epoch.outputs.length === 0;
        if (!isEmpty || committer.hasNews()) {
          const { bytes, atomics, commitMillis, publishMillis } = yield* committer.commit(
            epoch,
            control,
            acknowledge?.(control.splits),
          ).pipe(
            // Which record brought it in is not known any more: the coordinates are those of the last one that was read.
            Effect.catchDefect((defect) =>
              defect instanceof Unstorable
                ? Effect.fail(
                  userCodeError(job.name, assembly.ingest.context.letter(defect.operator, defect, undefined, true)),
                )
                : Effect.die(defect)
            ),
          );
          const { epochs } = attempt;
          attempt.epochs = {
            epoch: epoch.epoch,
            committed: epochs.committed + 1,
            bytes: epochs.bytes + bytes,
            atomics: epochs.atomics + atomics,
            commitMillis: epochs.commitMillis + commitMillis,
            publishMillis: epochs.publishMillis + publishMillis,
          };
        }
        if (epoch.last) {
          yield* committer.close;
          return;
        }
        ingestControl.idle = true;
        signal.notify();
      }
    });

    const ingest = runIngest({
      context: assembly.ingest.context,
      control: ingestControl,
      readers,
      entries: assembly.entries,
      eventTimes: assembly.eventTimes,
      silenceLengths: assembly.silenceLengths,
      usesClock: assembly.usesClock,
      untilCaughtUp,
      hasNews: hasBegun,
      exchanges: assembly.ingest.exchanges,
      batchRecordsMax,
      isFull: (records) => records >= epochRecordsMax || assembly.gauge.bytes >= epochBytesMax,
      epoch: store.epoch,
      current: readers.find(({ source, name }) =>
        source.name === control?.current?.[0] && name === control.current[1]
      ) ??
        null,
      onBarrier: ({ epoch, last }, isEmpty, current) => {
        const { round, now } = assembly.ingest.context;
        pending = {
          round,
          now,
          splits: readers.map((reader) => [reader.source.name, reader.name, reader.progress] as const),
          current: current === null ? null : [current.source.name, current.name],
          isEmpty,
        };
        collector.add(0, epoch, last, assembly.ingest.takeShare());
      },
      onThrow: assembly.ingest.onThrow,
    });

    const actors = assembly.tasks.slice(1).map((task, k) =>
      runActor(task.actor(({ epoch, last }) => collector.add(k + 1, epoch, last, task.takeShare())))
    ) as unknown as ReadonlyArray<Effect.Effect<void, UserCodeError>>;

    const epochTimer = Effect.sleep(options.epochInterval ?? runDefaults.epochIntervalMillis).pipe(
      Effect.andThen(Effect.sync(() => {
        ingestControl.due = true;
        signal.notify();
      })),
      Effect.forever,
    );
    yield* Effect.forkScoped(epochTimer);

    if (!state.hasStarted) {
      state.hasStarted = true;
      options.onStart?.({ job: job.name, epoch: store.epoch(), state: stateOf(job.name, options) });
    }
    // The first of them to fail ends them all.
    yield* Effect.all([ingest, commitEpochs, ...actors], { concurrency: "unbounded", discard: true });
    const mayHaveMore = untilCaughtUp && readers.length === 0;
    const outcome = !mayHaveMore && readers.every((reader) => reader.ended)
      ? "ended"
      : untilCaughtUp && readers.every((reader) => !reader.isRead)
      ? "caught-up"
      : "stopped";
    return { job: job.name, outcome, metrics: state.metrics() };
  });

/** Brings every operator to where the last epoch left it. */
const restore = (
  assembly: Assembly,
  store: EpochStore,
  control: Control | undefined,
): Effect.Effect<void, KvError | StateCorrupted | IncompatibleState | Fenced> =>
  Effect.gen(function* () {
    if (control === undefined) return;
    const { job } = assembly.ingest.context;
    let refused: IncompatibleState | null = null;
    const operators = new Map(
      assembly.tasks.flatMap((task) =>
        task.statefuls.map((operator) => [`${operator.name}/${task.partition}`, operator])
      ),
    );
    yield* store.restore((delta) => {
      if (refused !== null) return;
      // A window may keep a second table beside its own, named after it.
      const [name] = delta.table.split("#");
      try {
        operators.get(`${name}/${delta.partition}`)?.applyDelta(delta);
      } catch (error) {
        if (!(error instanceof SchemaRefusal)) throw error;
        const rule = `stored state of "${name}" must match its schema`;
        const message = `Cannot go on with job "${job}" as ${rule}: ${error.message}`;
        refused = new IncompatibleState({ message, job, rule, stored: error.message, current: name });
      }
    });
    if (refused !== null) return yield* Effect.fail<IncompatibleState>(refused);
    for (const [name, partition, snapshot] of control.operators) {
      operators.get(`${name}/${partition}`)?.restore(snapshot);
    }
  });

const countersOf = (assembly: Assembly): Readonly<Record<string, Counters>> => {
  const sums: Record<string, Counters> = {};
  for (const { statefuls } of assembly.tasks) {
    for (const { name, counters } of statefuls) if (Object.keys(counters).length > 0) addCounters(sums, name, counters);
  }
  return sums;
};
