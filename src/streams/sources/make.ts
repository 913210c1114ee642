/**
 * A source of one's own.
 *
 * @module
 */
import type { Acknowledged, LiveOnly } from "../../exactly-once/sink.ts";
import type { Effect, Stream } from "effect";
import type { DecodeError, SourceError } from "../errors.ts";
import type { Position, Source, SourceBatch } from "../source.ts";

/** What {@link make} makes a source of. */
export interface SourceOptions<A, R, Rejects extends boolean, Replays extends boolean | "until-acknowledged"> {
  /** A stable name, unique in the job: positions are recorded under it. */
  readonly name: string;
  /** Whether every split ends. Splits of bounded sources are merged in a deterministic order. */
  readonly bounded: boolean;
  /** The stable names of the splits, in the order that breaks ties between them. */
  readonly splits: Effect.Effect<ReadonlyArray<string>, SourceError, R>;
  /**
   * Decides where splits begin of which nothing is recorded: at a start, before anything is read, of all of them at once. It
   * is recorded with the first epoch. `isFirst` says that no split of the source is recorded.
   *
   * @default {undefined} They begin at `null`.
   */
  readonly begin?: (
    splits: ReadonlyArray<string>,
    isFirst: boolean,
  ) => Effect.Effect<ReadonlyMap<string, Position>, SourceError, R>;
  /**
   * Says what the splits are, beyond their names, at each start; it is recorded. A job does not go on with a split whose
   * identity is another now, as a log that was deleted and made anew: it fails with `IncompatibleState`.
   *
   * @default {undefined} A split is what its name says.
   */
  readonly identities?: (splits: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>, SourceError, R>;
  /**
   * Reads a split from a position (`null`: from its beginning) in batches of at most `batchRecordsMax` records. Unless
   * `replays` says otherwise, a split read again from a position must yield the same records in the same order.
   */
  readonly read: (
    split: string,
    from: Position | null,
    batchRecordsMax: number,
  ) => Stream.Stream<SourceBatch<A>, SourceError, R>;
  /**
   * Whether batches may hold `Rejected` in place of records that could not be decoded. It makes `DecodeError` an error
   * of the flow, to be handled there.
   *
   * @default {false}
   */
  readonly rejects?: Rejects;
  /**
   * Whether a split can be read again from a recorded position. `false`: what was in flight is lost in a crash, so only
   * at-most-once jobs take it. `"until-acknowledged"`: whoever sends the records repeats those that `committed` has not
   * acknowledged, at new positions, so only exactly-once jobs refuse it.
   *
   * @default {true}
   */
  readonly replays?: Replays;
  /**
   * Whether records come at a pace of their own, so that those that are there are handled without waiting for a full batch.
   *
   * @default {false} Bounded sources are read in full batches; others are never waited for.
   */
  readonly paced?: boolean;
  /**
   * Whether a source that is not bounded says when it has nothing more right now, by a batch with a `lag` of 0 (an empty
   * one, if need be). A run of what is available (`mode: "available-now"`) ends a split there.
   *
   * @default {replays === true}
   */
  readonly reportsLag?: boolean;
  /**
   * The unit of a batch's `lag`.
   *
   * @default {"records"}
   */
  readonly lagUnit?: "records" | "bytes";
  /**
   * How much of a split is known to lie behind a recorded position (`null`: its beginning), in `lagUnit`; `null` where it is
   * not known. It is asked often, and answers at once, where no batch has told a `lag` in this run, as of splits that wait
   * for their turn.
   *
   * @default {undefined} Nothing is known, and the metrics say 0.
   */
  readonly lagAt?: (split: string, position: Position | null) => number | null;
  /**
   * Acknowledges: is told where each split stands in the stored state (`null`: before its first record), at every start
   * of the job before anything is read, and after each epoch that was committed. The records before these positions are
   * not wanted again, whatever happens. The next epoch waits for it; its failure is a failure of the source.
   *
   * @default {undefined} Nobody is told.
   */
  readonly committed?: (positions: ReadonlyMap<string, Position | null>) => Effect.Effect<void, SourceError, R>;
}

/**
 * What a source is attached as to a job, by what it says of `replays`: nothing, `Acknowledged` or `LiveOnly`.
 */
export type ReplayEnd<Replays extends boolean | "until-acknowledged"> = Replays extends true ? never
  : Replays extends "until-acknowledged" ? Acknowledged
  : LiveOnly;

/**
 * Makes a source of one's own from a list of splits and a way to read one.
 *
 * @example
 * ```ts
 * import { Source } from "@weir/streams";
 * import { Effect, Stream } from "effect";
 * import assert from "node:assert/strict";
 *
 * // The squares below 100; the position after a square is its root plus one.
 * const squares = Source.make({
 *   name: "squares",
 *   bounded: true,
 *   splits: Effect.succeed(["all"]),
 *   read: (_split, from, batchRecordsMax) =>
 *     Stream.range(Number(from ?? 0), 9).pipe(
 *       Stream.rechunk(batchRecordsMax),
 *       Stream.chunks,
 *       Stream.map((roots) => ({
 *         records: roots.map((root) => root * root),
 *         positions: roots.map((root) => root + 1),
 *       })),
 *     ),
 * });
 *
 * const [batch] = await Effect.runPromise(Stream.runCollect(squares.read("all", 7, 1_000)));
 * assert.deepEqual(batch.records, [49, 64, 81]);
 * ```
 */
export function make<
  A,
  R = never,
  const Rejects extends boolean = false,
  const Replays extends boolean | "until-acknowledged" = true,
>(
  options: SourceOptions<A, R, Rejects, Replays>,
): Source<A, Rejects extends false ? never : DecodeError, R, ReplayEnd<Replays>> {
  const {
    name,
    bounded,
    splits,
    read,
    replays = true,
    lagUnit,
    lagAt,
    paced,
    reportsLag,
    begin,
    identities,
    committed,
  } = options;
  return {
    "~weir/Source": undefined as never,
    name,
    bounded,
    replayable: replays,
    reportsLag: reportsLag ?? replays === true,
    lagUnit: lagUnit ?? "records",
    paced: paced ?? false,
    splits,
    read,
    ...(lagAt === undefined ? {} : { lagAt }),
    ...(begin === undefined ? {} : { begin }),
    ...(identities === undefined ? {} : { identities }),
    ...(committed === undefined ? {} : { committed }),
  };
}
