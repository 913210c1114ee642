/**
 * Hand-fed sources: they take the place of a job's own, and yield what a test pushes.
 *
 * @module
 */
import { Cause, Effect, Stream } from "effect";
import type { Position, Rejected, Source, SourceBatch, WatermarkNotice } from "../streams/source.ts";
import { indexPositions } from "../streams/sources/reading.ts";

interface Split {
  readonly records: Array<unknown>;
  ended: boolean;
  /** Wakes who reads it. */
  wake: () => void;
}

/** What is fed to one source, split by split. It outlives the process that reads it. */
export class HandFed {
  readonly name: string;
  readonly #splits: ReadonlyMap<string, Split>;

  constructor(name: string, splits: ReadonlyArray<string>) {
    this.name = name;
    this.#splits = new Map(splits.map((split) => [split, { records: [], ended: false, wake: () => {} }]));
  }

  /** The names of its splits. */
  get splits(): ReadonlyArray<string> {
    return [...this.#splits.keys()];
  }

  /** Whether a split has ended; undefined where there is no split of that name. */
  hasEnded(split: string): boolean | undefined {
    return this.#splits.get(split)?.ended;
  }

  /** Adds records to a split. */
  feed(split: string, records: ReadonlyArray<unknown | Rejected | WatermarkNotice>): void {
    const { records: all, wake } = this.#splits.get(split)!;
    for (const record of records) all.push(record);
    wake();
  }

  /** Ends a split. */
  end(split: string): void {
    const one = this.#splits.get(split)!;
    one.ended = true;
    one.wake();
  }

  /** A source of what is fed. Splits do not end by themselves, so it is read as records come. */
  source(): Source<unknown, unknown, unknown, unknown> {
    return {
      "~weir/Source": undefined as never,
      name: this.name,
      bounded: false,
      replayable: true,
      lagUnit: "records",
      splits: Effect.succeed(this.splits),
      read: (split, from, batchRecordsMax) => this.#read(this.#splits.get(split)!, from, batchRecordsMax),
    };
  }

  #read(split: Split, from: Position | null, batchRecordsMax: number): Stream.Stream<SourceBatch<unknown>> {
    let index = Number(from ?? 0);
    const news = Effect.callback<void>((resume) => {
      split.wake = () => {
        split.wake = () => {};
        resume(Effect.void);
      };
    });
    const pull: Effect.Effect<readonly [SourceBatch<unknown>], Cause.Done> = Effect.suspend(() => {
      const records = split.records.slice(index, index + batchRecordsMax);
      if (records.length === 0) return split.ended ? Cause.done() : Effect.andThen(news, pull);
      const positions = indexPositions(index, records.length);
      index += records.length;
      return Effect.succeed([{ records, positions, lag: split.records.length - index }] as const);
    });
    return Stream.fromPull(Effect.succeed(pull));
  }
}
