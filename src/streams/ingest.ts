/**
 * The ingest: one fiber that reads all splits of a job in one order, and ends epochs.
 *
 * It is the only place where time decides anything: when an epoch ends and, for sources that never end, which split has
 * news. Splits of bounded sources are read in the order of their watermarks, some records of each at a time, so that the
 * order depends on the records alone. Without event time here, all are level, and each is read to its end.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { freshColumns, rowsFrom } from "../actors/columns.ts";
import { type Exchange, wakeReaders } from "../actors/exchange.ts";
import { type Barrier, endOfRound } from "../actors/message.ts";
import type { Letter } from "../actors/receiver.ts";
import type { Signal } from "../actors/signal.ts";
import type { TaskContext } from "../actors/task-context.ts";
import { beginningOfTime, endOfTime } from "../windows/watermark.ts";
import { align, ownWatermark } from "./alignment.ts";
import type { SourceEntry } from "./assembly.ts";
import type { EventTimeOperator } from "./operators/event-time.ts";
import { InPlaceOfRecord, type Position, PositionNotice, Rejected, WatermarkNotice } from "./source.ts";
import { Silences } from "./silences.ts";
import type { SplitReader } from "./split-reader.ts";
import { DecodeError, type SourceError, type UserCodeError } from "./errors.ts";

/** How many records of one split are read before the split with the lowest watermark is chosen anew. */
export const mergeRecords = 1_024;

/** How long the ingest works before it lets timers, commits and other waiting work have their turn, in milliseconds. */
export const turnMillis = 4;

/**
 * How often time is passed on where nothing comes, in milliseconds, for windows that look at the clock: they fire by at
 * most about twice this late.
 */
export const tickMillis = 100;

/** What the rest of the job wants of the ingest. */
export interface IngestControl {
  /** Whether the job was asked to stop. */
  stop: boolean;
  /** Whether the time of the epoch is up. */
  due: boolean;
  /** Whether the previous epoch is committed and published, so that a barrier may start. */
  idle: boolean;
  /** Set when something changed that the ingest may be waiting for. */
  readonly signal: Signal;
}

/** What the ingest is made of. */
export interface IngestOptions {
  readonly context: TaskContext;
  readonly control: IngestControl;
  readonly readers: ReadonlyArray<SplitReader>;
  /** Where the records of each source go. */
  readonly entries: ReadonlyArray<SourceEntry>;
  readonly eventTimes: ReadonlyArray<EventTimeOperator>;
  readonly exchanges: ReadonlyArray<Exchange>;
  /** The silences after which somebody takes a split for idle, by the number of the split, in milliseconds. */
  readonly silenceLengths: ReadonlyArray<ReadonlyArray<number>>;
  /** Whether somebody must learn that time goes by when nothing comes. */
  readonly usesClock: boolean;
  readonly batchRecordsMax: number;
  /** Whether to read no more than what the sources have when they first say that this is all. */
  readonly untilCaughtUp: boolean;
  /** Whether the first epoch has something to record before anything is read. */
  readonly hasNews: boolean;
  /** Whether the epoch has grown so large that it must end before anything more is read. */
  readonly isFull: (recordsInEpoch: number) => boolean;
  /** The split whose turn it was when the last epoch ended. */
  readonly current: SplitReader | null;
  /** The epoch that was committed last. */
  readonly epoch: () => number;
  readonly onBarrier: (barrier: Barrier, isEmpty: boolean, current: SplitReader | null) => void;
  readonly onThrow: (thrown: unknown) => UserCodeError;
}

/** Runs until every split has ended or, if so wanted, is caught up with, or the job was asked to stop. */
export const runIngest = (
  options: IngestOptions,
): Effect.Effect<void, SourceError | UserCodeError, Scope.Scope> =>
  Effect.gen(function* () {
    const { context, control, readers, entries, eventTimes, exchanges } = options;
    const isBounded = readers.every((reader) => reader.source.bounded);
    let roundsInEpoch = options.hasNews ? 1 : 0;
    let ticksInEpoch = 0;
    let recordsInEpoch = 0;
    const clock = yield* Effect.clockWith(Effect.succeed);
    let turnBegan = clock.currentTimeMillisUnsafe();
    let current = options.current;
    const silences = new Silences({ context, readers, lengths: options.silenceLengths, now: turnBegan });
    const aligned = eventTimes.filter((one): one is EventTimeOperator & { readonly maxDrift: number } =>
      one.maxDrift !== null
    );
    const entryOf = readers.map((reader) => entries.find(({ splits }) => splits.includes(reader.split))!);

    /** The split's own watermark: it says how far behind the others the split is. */
    const watermarkOf = (reader: SplitReader): number => ownWatermark(eventTimes, reader.split) ?? beginningOfTime;

    /** Whether a split is not worth waiting for. */
    const isIdle = ({ split }: SplitReader): boolean => context.silences[split] > 0;

    /** How many records may be read of a split before another may be chosen or a batch is full. */
    const limitOf = (reader: SplitReader): number =>
      Math.min(
        options.batchRecordsMax - reader.count % options.batchRecordsMax,
        readers.length === 1 ? Infinity : mergeRecords - reader.count % mergeRecords,
      );

    /** Whether a round can be read of a split without waiting. A round that is not full ends a bounded split. */
    const isReady = (reader: SplitReader): boolean =>
      reader.exhausted ||
      (isBounded && reader.source.paced !== true ? reader.buffered >= limitOf(reader) : reader.buffered > 0);

    /** Whether a split's turn goes on. The end of a split ends its turn, but is noted only when its watermark is lowest. */
    const hasTurn = (reader: SplitReader): boolean =>
      reader.count % mergeRecords !== 0 && !(reader.exhausted && reader.buffered === 0);

    const choose = (): SplitReader | null => {
      if (!isBounded && aligned.length > 0) align(readers, aligned);
      if (
        isBounded && current !== null && current.isRead && hasTurn(current) && !(isIdle(current) && !isReady(current))
      ) {
        return current;
      }
      let chosen: SplitReader | null = null;
      let least = Infinity;
      for (const reader of readers) {
        if (!reader.isRead || reader.paused || ((!isBounded || isIdle(reader)) && !isReady(reader))) continue;
        const watermark = watermarkOf(reader);
        // Live splits that are level take turns, so that none of them is left unread and holds the watermark back.
        const isBehind = !isBounded && watermark === least && chosen !== null && reader.count < chosen.count;
        if (chosen === null || watermark < least || isBehind) {
          chosen = reader;
          least = watermark;
        }
      }
      return chosen;
    };

    /** Waits, with the readers of everything sent so far awake. */
    const afterWaking = (waiting: Effect.Effect<void>): Effect.Effect<void> => {
      wakeReaders(exchanges);
      return waiting;
    };

    const barrier = (last: boolean) =>
      Effect.gen(function* () {
        const message: Barrier = { _tag: "Barrier", epoch: options.epoch() + 1, last };
        control.idle = false;
        control.due = false;
        try {
          options.onBarrier(message, roundsInEpoch === 0, current);
        } catch (thrown) {
          return yield* Effect.fail(options.onThrow(thrown));
        }
        roundsInEpoch = 0;
        ticksInEpoch = 0;
        recordsInEpoch = 0;
        for (const exchange of exchanges) {
          const full = exchange.barrier(message);
          if (full !== undefined) yield* afterBlocking(full);
        }
      });

    /** Waits for what is not the sources' fault: no split is silent meanwhile. */
    const afterBlocking = (waiting: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.andThen(afterWaking(waiting), Effect.sync(() => silences.skip(clock.currentTimeMillisUnsafe())));

    /** The watermark that a source says by itself: it knows only its end. */
    const watermarkAtSource = ({ splits, bounded }: SourceEntry): number => {
      // Where there are no splits yet, some may be there in a later run, unless this run is to go to the end.
      const mayHaveMore = splits.length === 0 && (options.untilCaughtUp || !bounded);
      return !mayHaveMore && splits.every((split) => readers[split].ended) ? endOfTime : beginningOfTime;
    };

    let isFirst = true;
    const beginRound = (split: number): void => {
      context.split = split;
      context.round++;
      context.now = Math.max(context.now, clock.currentTimeMillisUnsafe());
      if (!isFirst) return;
      isFirst = false;
      // Nobody else tells of the end of a source without splits.
      for (const entry of entries) if (watermarkAtSource(entry) === endOfTime) entry.receiver.watermark(endOfTime);
    };

    /** A round without records: it passes on that time goes by, or that splits have fallen silent. */
    const emptyRound = (): void => {
      beginRound(current?.split ?? 0);
      context.ordinal = endOfRound;
      for (const entry of entries) entry.receiver.watermark(watermarkAtSource(entry));
    };

    const round = (reader: SplitReader): boolean => {
      const { receiver: entry, batch } = entryOf[reader.split];
      beginRound(reader.split);
      let ordinal = 0;
      const countBefore = reader.count;
      const limit = limitOf(reader);
      const { source, split } = context.splits[reader.split];
      const taken = reader.take(limit, ({ records, positions }, start, end) => {
        // A position alone is no sign of life.
        if (end - start > 1 || !(records[start] instanceof PositionNotice)) silences.wake(reader.split);
        let count = end - start;
        if (batch !== null && areRecords(records, start, end)) {
          const values = part(records, start, end) as ReadonlyArray<unknown>;
          batch(freshColumns(values, part(positions, start, end), ordinal), rowsFrom(0, count));
          ordinal += count;
          return count;
        }
        for (let i = start; i < end; i++) {
          context.position = positions[i];
          context.ordinal = ordinal++;
          const record = records[i];
          if (!(record instanceof InPlaceOfRecord)) {
            entry.record(record, undefined, NaN, beginningOfTime);
          } else if (record instanceof Rejected) {
            entry.letter(letterOf(record, source, split, positions[i]));
          } else if (record instanceof WatermarkNotice) {
            for (const eventTime of eventTimes) eventTime.raise(reader.split, record.watermark);
          } else if (record instanceof PositionNotice) {
            ordinal--;
            count--;
          }
        }
        return count;
      });
      // A split ends in a round of its own: so every watermark that its records made is passed on before the last one.
      const ended = taken === 0;
      if (ended) {
        reader.ended = true;
        silences.end(reader.split);
        for (const eventTime of eventTimes) eventTime.splitEnded(reader.split);
      }
      context.ordinal = endOfRound;
      entry.watermark(watermarkAtSource(entryOf[reader.split]));
      roundsInEpoch++;
      recordsInEpoch += reader.count - countBefore;
      return ended;
    };

    const ticker = Math.min(silences.lookMillis ?? Infinity, options.usesClock ? tickMillis : Infinity);
    if (ticker !== Infinity) {
      const tick = Effect.sync(() => control.signal.notify());
      yield* Effect.sleep(ticker).pipe(Effect.andThen(tick), Effect.forever, Effect.forkScoped);
    }
    if (!isBounded) { for (const reader of readers) if (!reader.ended) yield* reader.start(); }
    /** Whether a split has fallen silent since the last round. */
    let isSilent = false;
    for (;;) {
      const failed = readers.find((reader) => reader.failure !== null);
      if (failed !== undefined) return yield* Effect.fail(failed.failure!);
      const isOver = control.stop || (readers.every((reader) => !reader.isRead) && !isSilent);
      const isFull = options.isFull(recordsInEpoch);
      if (isOver || isFull || (control.due && roundsInEpoch + ticksInEpoch > 0)) {
        if (control.idle) {
          yield* barrier(isOver);
          wakeReaders(exchanges);
          if (isOver) return;
          continue;
        }
        if (isOver || isFull) {
          yield* afterBlocking(control.signal.wait);
          continue;
        }
      }
      let isTick = false;
      if (ticker !== Infinity) {
        const now = clock.currentTimeMillisUnsafe();
        isSilent = silences.look(now) || isSilent;
        isTick = options.usesClock && now >= context.now + tickMillis;
      }
      if (isSilent || isTick) {
        try {
          emptyRound();
        } catch (thrown) {
          return yield* Effect.fail(options.onThrow(thrown));
        }
        if (isSilent) roundsInEpoch++;
        else ticksInEpoch++;
        isSilent = false;
        for (const exchange of exchanges) {
          const full = exchange.flush(false);
          if (full !== undefined) yield* afterBlocking(full);
        }
      }
      const reader = choose();
      if (reader !== null && !reader.started) {
        yield* reader.start();
        // It may have been read to its end meanwhile, which is noted only where it is its turn.
        continue;
      }
      if (reader === null || !isReady(reader)) {
        yield* afterWaking(control.signal.wait);
        continue;
      }
      if (options.untilCaughtUp && reader.exhausted && reader.buffered === 0) {
        reader.caughtUp = true;
        // A file of an earlier run that says nothing new would hold the files of this run back.
        if (!reader.hasNews) isSilent = silences.absent(reader.split) || isSilent;
        continue;
      }
      current = reader;
      let ended;
      try {
        ended = round(reader);
      } catch (thrown) {
        return yield* Effect.fail(options.onThrow(thrown));
      }
      for (const exchange of exchanges) {
        const full = exchange.flush(ended);
        if (full !== undefined) yield* afterBlocking(full);
      }
      if (clock.currentTimeMillisUnsafe() - turnBegan >= turnMillis) {
        yield* afterWaking(Effect.yieldNow);
        turnBegan = clock.currentTimeMillisUnsafe();
      }
    }
  });

/** Whether all of some records are records, and nothing that came in the place of one. */
const areRecords = (records: ReadonlyArray<unknown>, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) if (records[i] instanceof InPlaceOfRecord) return false;
  return true;
};

/** A part of a list; the list itself where that is all of it. */
const part = <A>(list: ArrayLike<A>, start: number, end: number): ArrayLike<A> => {
  if (start === 0 && end === list.length) return list;
  // Slicing positions that are numbers in flat memory one by one took a tenth of a job with many splits.
  if (list instanceof Float64Array) return list.subarray(start, end) as unknown as ArrayLike<A>;
  return Array.prototype.slice.call(list, start, end);
};

/** The letter that stands for a record that its source could not decode. */
const letterOf = (rejected: Rejected, source: string, split: string, position: Position): Letter => ({
  source,
  split,
  position,
  operator: `source "${source}"`,
  reason: rejected.reason,
  error: new DecodeError({ message: rejected.reason }),
  raw: rejected.raw,
  rawLength: rejected.rawLength,
  rawForm: rejected.rawForm,
  ...rejected.parts,
  defect: false,
});
