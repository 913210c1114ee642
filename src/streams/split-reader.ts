/**
 * Reads one split ahead of the engine, by a bounded number of records.
 *
 * @module
 */
import { Cause, Effect, type Scope, Stream } from "effect";
import { Signal } from "../actors/signal.ts";
import { reasonOf } from "../actors/task-context.ts";
import { inWords } from "../windows/in-words.ts";
import { SourceError } from "./errors.ts";
import type { Position, Source, SourceBatch } from "./source.ts";

/** Where a split stands: what the manifest records of it. */
export interface SplitProgress {
  /** Where to read on; null before the first record. */
  readonly position: Position | null;
  /** How many records were read. */
  readonly count: number;
  readonly ended: boolean;
  /** What the split is, beyond its name; missing where the source does not say it, and in states of earlier versions. */
  readonly identity?: string;
}

/** A split being read. */
export class SplitReader {
  readonly split: number;
  readonly source: Source<unknown, unknown, unknown, unknown>;
  readonly name: string;
  readonly identity: string | null;
  position: Position | null;
  count: number;
  ended: boolean;
  /** Whether this run reads no more of it, as all that was there has been read. */
  caughtUp = false;
  /** Whether it is too far ahead of others to be read. */
  paused = false;
  failure: SourceError | null = null;
  readonly #countBefore: number;
  readonly #untilCaughtUp: boolean;
  readonly #batchRecordsMax: number;
  readonly #onNews: Signal;
  readonly #room = new Signal();
  #batches: Array<SourceBatch<unknown>> = [];
  #taken = 0;
  #buffered = 0;
  #exhausted = false;
  #started = false;
  /** How much lies behind what was read ahead; `null` where no batch has told it. */
  #lag: number | null = null;

  constructor(options: {
    readonly split: number;
    readonly source: Source<unknown, unknown, unknown, unknown>;
    readonly name: string;
    readonly progress: SplitProgress | undefined;
    /** What the split is, beyond its name; `null` where the source does not say it. */
    readonly identity: string | null;
    readonly batchRecordsMax: number;
    readonly onNews: Signal;
    /** Whether to read no more than what the source has at the first moment at which it says that this is all. */
    readonly untilCaughtUp: boolean;
  }) {
    this.split = options.split;
    this.source = options.source;
    this.name = options.name;
    this.identity = options.identity ?? options.progress?.identity ?? null;
    this.position = options.progress?.position ?? null;
    this.count = options.progress?.count ?? 0;
    this.#countBefore = this.count;
    this.ended = options.progress?.ended ?? false;
    this.#batchRecordsMax = options.batchRecordsMax;
    this.#onNews = options.onNews;
    this.#untilCaughtUp = options.untilCaughtUp;
  }

  /** Whether its source has been asked for anything. */
  get started(): boolean {
    return this.#started;
  }

  /** Records that are there to be taken. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Whether nothing more will come than what is there. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  /** Whether this run has read a record of it. */
  get hasNews(): boolean {
    return this.count > this.#countBefore;
  }

  /** Whether this run reads on in it. */
  get isRead(): boolean {
    return !this.ended && !this.caughtUp;
  }

  /** How much of the split is known to lie ahead, in the source's unit. */
  get lag(): number {
    if (this.#lag === null && !this.ended) {
      const known = this.source.lagAt?.(this.name, this.position) ?? null;
      if (known !== null) return known;
    }
    const behind = this.#lag ?? 0;
    return this.source.lagUnit === "records" ? behind + this.#buffered : behind;
  }

  get progress(): SplitProgress {
    const { position, count, ended, identity } = this;
    return { position, count, ended, ...(identity === null ? {} : { identity }) };
  }

  /** Starts reading in the background, unless that has been done. At most two batches are read ahead. */
  start(): Effect.Effect<void, never, Scope.Scope> {
    if (this.#started) return Effect.void;
    this.#started = true;
    const read = Stream.suspend(() =>
      this.source.read(this.name, this.position, this.#batchRecordsMax) as Stream.Stream<
        SourceBatch<unknown>,
        SourceError
      >
    );
    const wanted = this.#untilCaughtUp ? Stream.takeUntil(read, ({ lag }) => lag === 0) : read;
    return wanted.pipe(
      Stream.runForEach((batch) => Effect.suspend(() => this.#buffer(batch))),
      Effect.matchCause({
        onSuccess: () => void (this.#exhausted = true),
        onFailure: (cause) => void (this.failure = this.#failureOf(cause)),
      }),
      Effect.andThen(Effect.sync(() => this.#onNews.notify())),
      Effect.forkScoped,
      Effect.asVoid,
    );
  }

  /** What a source failed with. One that throws must not be waited for in vain. */
  #failureOf(cause: Cause.Cause<SourceError>): SourceError {
    const error = Cause.squash(cause);
    return error instanceof SourceError ? error : this.#refusal("it must not throw", reasonOf(error), error);
  }

  #refusal(rule: string, current: string, cause: unknown): SourceError {
    const { source: { name: source }, name: split, position } = this;
    return new SourceError({
      message: `Cannot read split "${split}" of source "${source}" as ${rule}: current value is ${current}`,
      source,
      split,
      position,
      retryable: false,
      cause,
    });
  }

  /**
   * Takes a batch when there is room. It makes no generator for each batch: where one is made and waits, batches that nobody
   * needs any more stay in memory until the next full collection, as measured with --trace-gc.
   */
  #buffer(batch: SourceBatch<unknown>): Effect.Effect<void, SourceError> {
    const { records: { length }, positions } = batch;
    // A job that cannot tell where it stands would begin anew after a crash.
    if (positions.length < length || (length > 0 && !isPosition(positions[length - 1]))) {
      const current = `${inWords(positions[length - 1])} after ${length} records`;
      return Effect.fail(this.#refusal("each record must have a position, a number or a text", current, null));
    }
    if (this.#buffered >= this.#batchRecordsMax) {
      return Effect.andThen(this.#room.wait, Effect.suspend(() => this.#buffer(batch)));
    }
    if (length > 0) {
      this.#batches.push(batch);
      this.#buffered += length;
    }
    this.#lag = batch.lag ?? null;
    this.#onNews.notify();
    return Effect.void;
  }

  /**
   * Takes up to `atMost` records that are there, in order and in as many runs as there are batches; says how many. `each` says how
   * many of them are to be counted.
   */
  take(
    atMost: number,
    each: (batch: SourceBatch<unknown>, start: number, end: number) => number,
  ): number {
    let taken = 0;
    while (taken < atMost && this.#batches.length > 0) {
      const batch = this.#batches[0];
      const start = this.#taken;
      const end = Math.min(batch.records.length, start + atMost - taken);
      this.count += each(batch, start, end);
      taken += end - start;
      if (end > start) this.position = batch.positions[end - 1];
      this.#taken = end;
      if (end === batch.records.length) {
        this.#batches.shift();
        this.#taken = 0;
      }
    }
    this.#buffered -= taken;
    if (this.#buffered < this.#batchRecordsMax) this.#room.notify();
    return taken;
  }
}

const isPosition = (position: unknown): boolean =>
  typeof position === "string" || (typeof position === "number" && !Number.isNaN(position));
