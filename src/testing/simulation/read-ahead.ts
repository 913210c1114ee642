/**
 * Reading ahead: what a job's sources yield is read once, outside of any simulation, and replayed inside of it.
 *
 * @module
 */
import { Clock, type Context, Effect, Stream } from "effect";
import { SourceError } from "../../streams/errors.ts";
import { graphOf, type Job } from "../../streams/job.ts";
import type { Position, Source } from "../../streams/source.ts";
import { indexPositions, lastingError, pullPlaces } from "../../streams/sources/reading.ts";
import { canonical } from "../canonical.ts";
import { snapshot } from "../watched-sink.ts";

type AnySource = Source<unknown, unknown, unknown, unknown>;

/** Records that are given by hand: of one split named `"0"`, or of several by their names. */
export type GivenRecords = ReadonlyArray<unknown> | Readonly<Record<string, ReadonlyArray<unknown>>>;

/** What was read of a split. */
interface Tape {
  readonly records: Array<unknown>;
  readonly positions: Array<Position>;
}

/** What was read of all sources of a job: by the name of the source, then of the split. */
export type Tapes = ReadonlyMap<string, ReadonlyMap<string, Tape>>;

/** How many records are read at once. */
const batchRecords = 2_048;

/** The sources of how many records are read a second time, to see whether they say the same again. */
const rereadRecordsMax = 20_000;

/** How many records are read at once the second time, so that batches end elsewhere. */
const rereadBatchRecords = 7;

/** A clock on which nobody has to wait, so that sources that pace themselves are read as fast as they can. */
const withoutWaiting = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: () => Effect.yieldNow,
});

/** Reads every source of a job to its end, but for those whose records are given. */
export const readAhead = async (options: {
  readonly job: Job<unknown>;
  readonly given: Readonly<Record<string, GivenRecords>>;
  readonly recordsMax: number;
  readonly services: Context.Context<unknown>;
  /** Is told of a source that does not say the same again. */
  readonly onUnsteady: (message: string) => never;
}): Promise<Tapes> => {
  const { job, given, recordsMax, services, onUnsteady } = options;
  const sources = [...new Map(graphOf(job).sources.map(({ source }) => [source.name, source])).values()];
  for (const name of Object.keys(given)) {
    if (sources.some((source) => source.name === name)) continue;
    throw new RangeError(
      `Cannot simulate job "${job.name}" as records must be given to a source that it has: current value is "${name}"`,
    );
  }
  const tapes = new Map<string, ReadonlyMap<string, Tape>>();
  let total = 0;
  const count = (records: number): void => {
    total += records;
    if (total <= recordsMax) return;
    throw new RangeError(
      `Cannot simulate job "${job.name}" as its sources must not have more than recordsMax records, since they are held ` +
        `in memory: recordsMax is ${recordsMax}`,
    );
  };
  for (const source of sources) {
    const records = given[source.name];
    if (records !== undefined) {
      tapes.set(source.name, tapesOf(records));
      for (const { records } of tapes.get(source.name)!.values()) count(records.length);
      continue;
    }
    const giving = `records: { ${JSON.stringify(source.name)}: […] }`;
    if (!source.bounded || source.replayable !== true) {
      throw new RangeError(
        `Cannot simulate job "${job.name}" as sources that never end, or cannot be read twice, must be given records ` +
          `(${giving}): current value is none`,
      );
    }
    const reading = Effect.clockWith((clock) =>
      Effect.provideService(readSource(source, count, onUnsteady), Clock.Clock, withoutWaiting(clock))
    );
    tapes.set(
      source.name,
      await Effect.runPromise(
        (Effect.provideContext(reading, services) as Effect.Effect<ReadonlyMap<string, Tape>, SourceError>).pipe(
          Effect.mapError((error) => withHint(error, `or give ${giving}`)),
        ),
      ),
    );
  }
  return tapes;
};

const withHint = ({ message, source, split, position, retryable, cause }: SourceError, hint: string): SourceError =>
  new SourceError({ message: `${message} (${hint})`, source, split, position, retryable, cause });

const tapesOf = (given: GivenRecords): ReadonlyMap<string, Tape> => {
  const splits = Array.isArray(given) ? { "0": given } : given as Readonly<Record<string, ReadonlyArray<unknown>>>;
  return new Map(
    Object.entries(splits).map(([split, records]) => [
      split,
      { records: [...records], positions: Array.from(indexPositions(0, records.length)) },
    ]),
  );
};

const readSource = (
  source: AnySource,
  count: (records: number) => void,
  onUnsteady: (message: string) => never,
): Effect.Effect<ReadonlyMap<string, Tape>, SourceError, unknown> =>
  Effect.gen(function* () {
    const splits = yield* source.splits;
    const tapes = new Map<string, Tape>();
    for (const split of splits) {
      const tape = yield* readSplit(source, split, null, batchRecords, count);
      tapes.set(split, tape);
      const { length } = tape.records;
      if (source.replayable !== true || length === 0 || length > rereadRecordsMax) continue;
      const again = yield* readSplit(source, split, null, rereadBatchRecords, () => {});
      const middle = Math.floor(length / 2);
      const rest = yield* readSplit(source, split, tape.positions[middle], batchRecords, () => {});
      const differs = (how: string, other: Tape, start: number): void => {
        const rows = Math.max(length - start, other.records.length);
        for (let k = 0; k < rows; k++) {
          const [first, second] = [start + k < length ? tape.records[start + k] : none, at(other.records, k)];
          if (canonical(first) === canonical(second)) continue;
          onUnsteady(
            `source "${source.name}" must yield the same records whenever a split is read from one position: current ` +
              `value is split "${split}", whose record ${start + k + 1} is ${canonical(first)}, but ` +
              `${canonical(second)} when it is read ${how}`,
          );
        }
      };
      differs(`in batches of ${rereadBatchRecords} records`, again, 0);
      differs(`from position ${canonical(tape.positions[middle])} on`, rest, middle + 1);
    }
    return tapes;
  });

/** Stands for a record that is not there. */
const none = Symbol("no record");

const at = (records: ReadonlyArray<unknown>, index: number): unknown => index < records.length ? records[index] : none;

const readSplit = (
  source: AnySource,
  split: string,
  from: Position | null,
  batchRecordsMax: number,
  count: (records: number) => void,
): Effect.Effect<Tape, SourceError, unknown> =>
  Effect.suspend(() => {
    const tape: Tape = { records: [], positions: [] };
    return source.read(split, from, batchRecordsMax).pipe(
      Stream.runForEach(({ records, positions }) =>
        Effect.sync(() => {
          count(records.length);
          for (let k = 0; k < records.length; k++) {
            tape.records.push(snapshot(records[k]));
            tape.positions.push(positions[k]);
          }
        })
      ),
      Effect.as(tape),
    );
  });

/** A source that replays what was read of another one. Records are copies, as those of a file would be. */
export const replayed = (source: AnySource, tapes: Tapes): AnySource => {
  const { name } = source;
  const splits = tapes.get(name)!;
  const places = new Map<string, ReadonlyMap<Position, number>>();
  const placesOf = (split: string): ReadonlyMap<Position, number> => {
    let known = places.get(split);
    if (known === undefined) {
      known = new Map(splits.get(split)!.positions.map((position, index) => [position, index + 1]));
      places.set(split, known);
    }
    return known;
  };
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: true,
    replayable: true,
    lagUnit: "records",
    splits: Effect.succeed([...splits.keys()]),
    read: (split, from, batchRecordsMax) => {
      const { records, positions } = splits.get(split)!;
      const first = from === null ? 0 : placesOf(split).get(from);
      if (first === undefined) {
        return Stream.fail(lastingError(name, split, from, `Cannot read split "${split}" at an unknown position`));
      }
      return pullPlaces(first, records.length, batchRecordsMax, (start, end) => ({
        records: records.slice(start, end).map((record) => snapshot(record)),
        positions: positions.slice(start, end),
      }));
    },
  };
};
