/**
 * A seeded generator: the same seed gives the same records, from any position.
 *
 * @module
 */
import { Cause, Clock, Effect, Stream } from "effect";
import type { Source, SourceBatch } from "../source.ts";
import { indexPositions, numericPosition, pullBatches, unknownSplit } from "./reading.ts";

/** How much time the records of one batch of a paced generator stand for at most, so that a slow one still flows. */
export const paceBatchMillisMax = 100;

/** How much of a pause a paced generator makes up for at most. */
export const paceCatchUpMillisMax = 1_000;

/** How {@link generate} makes its records. */
export interface GenerateOptions<A> {
  /** A whole number. One seed gives one sequence of records per split. */
  readonly seed: number;
  /**
   * How many records there are, over all splits. They are shared out evenly; the first splits get what is left over.
   *
   * @default {undefined} The source is unbounded.
   */
  readonly count?: number;
  /**
   * Records per second, over all splits, by Effect's Clock. A pause is made up for by {@link paceCatchUpMillisMax} at most.
   *
   * @default {undefined} As fast as they are read.
   */
  readonly rate?: number;
  /**
   * How many splits there are, named `"0"`, `"1"`, …
   *
   * @default {1}
   */
  readonly splits?: number;
  /**
   * Makes record `index` (from 0) of a split. It must depend on nothing but its arguments. `random` returns numbers from
   * 0 (included) to 1 (excluded) with 32 bits each, and starts afresh for every record.
   */
  readonly make: (index: number, random: () => number, split: number) => A;
}

/**
 * Yields records that a function makes from their index and from random numbers that depend on the seed, the split and
 * the index alone, so that every record can be made again.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `seed` or `count` is not a whole number, or `rate` or `splits` is not above 0.
 *
 * @example
 * ```ts
 * import { Source } from "@weir/streams";
 * import { Effect, Stream } from "effect";
 * import assert from "node:assert/strict";
 *
 * const rolls = Source.generate("rolls", {
 *   seed: 7,
 *   count: 1_000,
 *   make: (index, random) => ({ index, pips: 1 + Math.floor(random() * 6) }),
 * });
 * const read = (from: number | null) => Effect.runPromise(Stream.runCollect(rolls.read("0", from, 500)));
 *
 * const [first, second] = await read(null);
 * assert.equal(first.records.length, 500);
 * assert.deepEqual((await read(500))[0].records, second.records);
 * ```
 */
export function generate<A>(name: string, options: GenerateOptions<A>): Source<A, never, never, never> {
  const { seed, count, rate, splits = 1, make } = options;
  const check = (option: string, rule: string, value: number | undefined, holds: boolean): void => {
    if (holds) return;
    throw new RangeError(`Cannot make source "${name}" as ${option} must be ${rule}: current value is ${value}`);
  };
  check("seed", "a whole number", seed, Number.isSafeInteger(seed));
  check("count", "a whole number from 0", count, count === undefined || (Number.isSafeInteger(count) && count >= 0));
  check("rate", "a number above 0", rate, rate === undefined || (Number.isFinite(rate) && rate > 0));
  check("splits", "a whole number above 0", splits, Number.isSafeInteger(splits) && splits > 0);
  const names = Array.from({ length: splits }, (_, split) => String(split));
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: count !== undefined,
    replayable: true,
    paced: rate !== undefined,
    // Without a pace there is always more.
    reportsLag: rate !== undefined,
    lagUnit: "records",
    splits: Effect.succeed(names),
    read: (splitName, from, batchRecordsMax) => {
      const split = names.indexOf(splitName);
      if (split < 0) return Stream.fail(unknownSplit(name, splitName, names));
      const end = count === undefined
        ? Number.MAX_SAFE_INTEGER
        : Math.floor(count / splits) + (split < count % splits ? 1 : 0);
      const first = numericPosition(name, splitName, from, end);
      if (typeof first !== "number") return Stream.fail(first);
      const start = (sizeMax: number) => (): () => SourceBatch<A> | null => {
        const random = new RecordRandom(seed, split);
        let index = first;
        return () => {
          if (index === end) return null;
          const size = Math.min(sizeMax, end - index);
          const records = new Array<A>(size);
          for (let i = 0; i < size; i++) {
            random.startRecord(index + i);
            records[i] = make(index + i, random.next, split);
          }
          const positions = indexPositions(index, size);
          index += size;
          return count === undefined ? { records, positions } : { records, positions, lag: end - index };
        };
      };
      return rate === undefined
        ? pullBatches(start(batchRecordsMax))
        : paced(start, rate / splits, batchRecordsMax, count === undefined);
    },
  };
}

/** Lets batches through at a rate of records per second. One that `says` so tells when nothing is due yet. */
function paced<A>(
  start: (sizeMax: number) => () => () => SourceBatch<A> | null,
  rate: number,
  batchRecordsMax: number,
  says: boolean,
): Stream.Stream<SourceBatch<A>> {
  const sizeMax = Math.min(batchRecordsMax, Math.max(1, Math.floor(rate * paceBatchMillisMax / 1_000)));
  return Stream.fromPull(Effect.sync(() => {
    const next = start(sizeMax)();
    // When the next batch may go out; unknown before the first.
    let dueMs: number | null = null;
    let said = false;
    return Effect.flatMap(Clock.monotonicTimeNanos, (nowNanos) => {
      const nowMs = Number(nowNanos) / 1e6;
      const waitMs = dueMs === null ? 0 : Math.max(dueMs - nowMs, -paceCatchUpMillisMax);
      said = says && waitMs > 0 && !said;
      if (said) return Effect.succeed([nothingNow] as const);
      const batch = next();
      if (batch === null) return Cause.done();
      dueMs = nowMs + waitMs + batch.records.length / rate * 1_000;
      const out = Effect.succeed([batch] as const);
      return waitMs > 0 ? Effect.andThen(Effect.sleep(waitMs), out) : out;
    });
  }));
}

const nothingNow: SourceBatch<never> = { records: [], positions: [], lag: 0 };

/**
 * Random numbers that start afresh for every record: xoroshiro64** (Blackman and Vigna), its two words mixed from the
 * seed, the split and the record's index. The first word is a bijection of the index's lower half, so records of one
 * split do not share a sequence.
 */
class RecordRandom {
  readonly #seed: number;
  #index = 0;
  #isStarted = false;
  #s0 = 0;
  #s1 = 0;

  constructor(seed: number, split: number) {
    const high = Math.floor(seed / 2 ** 32);
    this.#seed = mix(mix(mix(seed | 0) + high | 0) + Math.imul(split + 1, 0x9e3779b9) | 0);
  }

  startRecord(index: number): void {
    this.#index = index;
    this.#isStarted = false;
  }

  /** The next number. A property, so that it can be handed to `make` once and for all. */
  readonly next = (): number => {
    if (!this.#isStarted) this.#start();
    const s0 = this.#s0;
    const s1 = this.#s1 ^ s0;
    const product = Math.imul(s0, 0x9e3779bb);
    this.#s0 = (s0 << 26 | s0 >>> 6) ^ s1 ^ s1 << 9;
    this.#s1 = s1 << 13 | s1 >>> 19;
    return (Math.imul(product << 5 | product >>> 27, 5) >>> 0) / 2 ** 32;
  };

  /** Mixes the words of the record: only when it asks for a number, since many do not. */
  #start(): void {
    this.#isStarted = true;
    const low = this.#index | 0;
    const high = Math.floor(this.#index / 2 ** 32);
    this.#s0 = mix(low ^ this.#seed);
    this.#s1 = mix(this.#s0 + this.#seed + Math.imul(high + 1, 0x85ebca6b) | 0) | 1;
  }
}

/** A bijection of 32-bit words whose every output bit depends on every input bit (the finalizer of MurmurHash3). */
const mix = (word: number): number => {
  let h = word;
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return h ^ h >>> 16;
};
