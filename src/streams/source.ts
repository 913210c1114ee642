/**
 * The contract between the engine and a source: splits that can be read again from a recorded position.
 *
 * @module
 */
import type { Effect, Stream } from "effect";
import { noParts, type RecordParts } from "../actors/record-bytes.ts";
import { cutRecord } from "./cut-record.ts";
import type { SourceError } from "./errors.ts";

/** Where to read on in a split. It is kept in the manifest, so it is a plain number or string. */
export type Position = number | string;

/** What stands in a batch in the place of a record. */
export abstract class InPlaceOfRecord {
  /** Exists so that nothing else is taken for one. */
  protected readonly inPlaceOfRecord: true = true;
}

/** What else a source knows of a record that it could not decode; all of it may be missing. */
export type RejectedParts = Partial<Pick<RecordParts, "key" | "headers" | "offset" | "timestamp">>;

/** What a source hands over for a record that it could not decode. It stands in the batch in the record's place. */
export class Rejected extends InPlaceOfRecord {
  /** Which rule stopped it. */
  readonly reason: string;
  /** The record's bytes; of one that has a key and headers, those of its value. Empty where it has no value. */
  readonly raw: Uint8Array;
  /** How many bytes the whole record has; of one that has a key and headers, its value. */
  readonly rawLength: number;
  /** Whether `raw` is what the source read, or the record has no value at all. */
  readonly rawForm: "bytes" | "none";
  /** Its key, its headers, its place and its time. */
  readonly parts: RecordParts;

  /**
   * Made by a source, in the place of a record.
   *
   * @param reason Which rule stopped it.
   * @param raw The record's bytes; `null` where it has no value at all, as a record of a log may. They are cut so that,
   * with its key and headers, there are no more than {@link rejectedBytesMax}; a source that cuts them itself spares memory.
   * @param rawLength How many bytes the whole record has.
   * @param parts What else is known of it: its key and headers, which are copied, its place and its time. They count with
   * `raw`: where there is not room for all, key and headers have at least half of it.
   */
  constructor(reason: string, raw: Uint8Array | null, rawLength: number, parts?: RejectedParts) {
    super();
    this.reason = reason;
    this.rawLength = rawLength;
    this.rawForm = raw === null ? "none" : "bytes";
    const { key = null, headers = noParts.headers, offset = null, timestamp = null } = parts ?? noParts;
    const kept = cutRecord({ raw: raw ?? new Uint8Array(), key, headers }, rejectedBytesMax);
    this.raw = kept.raw;
    this.parts = parts === undefined ? noParts : {
      key: kept.key === null ? null : new Uint8Array(kept.key),
      keyLength: key?.length ?? 0,
      headers: kept.headers.map(([name, value]) => [name, value === null ? null : new Uint8Array(value)] as const),
      headerCount: headers.length,
      offset,
      timestamp,
    };
  }
}

/**
 * What a source hands over when it knows more of the progress of event time than its records say: that no record of this
 * split with an earlier event time is to come. It moves the split's watermark as a record of a later time would, in every
 * `Flow.eventTime` before the first Effect and window, and never moves it back. It is replayed as records are.
 */
export class WatermarkNotice extends InPlaceOfRecord {
  /** Made by a source, in the place of a record. */
  constructor(
    /** The watermark, in epoch milliseconds. */
    readonly watermark: number,
  ) {
    super();
  }
}

/**
 * What a source hands over to have a position recorded where no record has come: so that the next start knows, for
 * example, which file was being waited at. It is no record: nothing counts it, and neither flows nor time hear of it.
 */
export class PositionNotice extends InPlaceOfRecord {}

/**
 * How many bytes of an undecodable record a dead letter carries at most: of its value, key and headers together. A header
 * counts with 32 bytes more, and a character of its name with three.
 */
export const rejectedBytesMax = 32_768;

/** Some consecutive records of one split. */
export interface SourceBatch<out A> {
  /** The records, in the order of the split. */
  readonly records: ReadonlyArray<A | Rejected | WatermarkNotice | PositionNotice>;
  /** `positions[i]` is where to read on after `records[i]`. */
  readonly positions: ArrayLike<Position>;
  /**
   * How much of the split is known to lie behind this batch's end, in the source's own unit. 0 says that there is nothing
   * more right now; a batch may be empty, to say just that.
   */
  readonly lag?: number;
}

/**
 * A source of records.
 *
 * `A` is what it yields, `E` is `DecodeError` when records can be undecodable and `never` otherwise, `R` the services it
 * needs, and `S` is `LiveOnly` when it cannot replay, `Acknowledged` when it replays what was not acknowledged.
 *
 * A split read twice from the same position yields the same records in the same order; batch boundaries may differ.
 */
export interface Source<out A, out E, out R, out S> {
  /** Exists for the compiler alone. */
  readonly "~weir/Source": { readonly error: E; readonly end: S };
  /** A stable name, unique in the job: positions are recorded under it. */
  readonly name: string;
  /** Whether every split ends. Splits of bounded sources are merged in a deterministic order. */
  readonly bounded: boolean;
  /**
   * Whether records come at a pace of their own, so that those that are there are handled without waiting for a full
   * batch. Default: false for bounded sources; others are never waited for.
   */
  readonly paced?: boolean;
  /**
   * Whether a split can be read again from a recorded position; or `"until-acknowledged"` when whoever sends the records
   * repeats those that were not acknowledged, at new positions.
   */
  readonly replayable: boolean | "until-acknowledged";
  /**
   * Whether a source that is not bounded says when it has nothing more right now, by a batch with a `lag` of 0. A run of
   * what is available needs that. Default: whether `replayable` is true.
   */
  readonly reportsLag?: boolean;
  /** The unit of {@link SourceBatch.lag}. */
  readonly lagUnit: "records" | "bytes";
  /**
   * How much of a split is known to lie behind a recorded position, in {@link Source.lagUnit}; `null` where it is not known.
   * It is asked where no batch of this run has told it: splits that have not had their turn yet have lag, too. It answers at
   * once, from what the position says or the source knows already.
   */
  readonly lagAt?: (split: string, position: Position | null) => number | null;
  /** The stable names of the splits, in the order that breaks ties between them. */
  readonly splits: Effect.Effect<ReadonlyArray<string>, SourceError, R>;
  /**
   * Decides where splits begin of which nothing is recorded. It is asked at a start, before anything is read, of all of them
   * at once, and its answers are recorded with the first epoch: so what depends on the moment, such as the end of a log, is
   * decided once, however often the job is started. `isFirst` says that no split of the source is recorded. A split that is
   * not in the answer begins at `null`, and so do all where there is no `begin`.
   */
  readonly begin?: (
    splits: ReadonlyArray<string>,
    isFirst: boolean,
  ) => Effect.Effect<ReadonlyMap<string, Position>, SourceError, R>;
  /**
   * Says what the splits are, where that is more than a name: a log that was deleted and the one that was made in its place have
   * the same name, and different identities. It is asked at each start, behind `splits`, and the answers are recorded. A job
   * does not go on with a split whose identity is another now: it fails with `IncompatibleState`, as the recorded position means
   * nothing there. A split that is not in the answer is taken for what it was.
   */
  readonly identities?: (splits: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>, SourceError, R>;
  /** Reads a split from a position (`null`: from its beginning) in batches of at most `batchRecordsMax` records. */
  readonly read: (
    split: string,
    from: Position | null,
    batchRecordsMax: number,
  ) => Stream.Stream<SourceBatch<A>, SourceError, R>;
  /**
   * Acknowledges: is told where each split stands in the stored state, at every start before anything is read, and after
   * each epoch that was committed. Whatever happens to the process now, the records before these positions have had their
   * effect on the state and are not wanted again. Their output is stored with them, except under at-most-once, and may
   * still be on its way to the sinks.
   *
   * One call at a time, the positions never go back, and the next epoch is not committed before the call has ended. One
   * may be missing when the process dies after a commit: the call at the next start stands for it. A failure is a failure
   * of the source; output is published all the same.
   */
  readonly committed?: (positions: ReadonlyMap<string, Position | null>) => Effect.Effect<void, SourceError, R>;
}
