/**
 * How many different values there are, about.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import { assertDistinguishable, type Distinguishable } from "./distinguishable.ts";
import { hash53 } from "./hash.ts";
import { estimate, precisionOf, record, runMaxOf } from "./hyper-log-log.ts";
import { SchemaRefusal, storedList } from "./state-schema.ts";

/** The least standard error that can be asked for: 64 kilobytes an accumulator. */
const errorMin = 0.005;

/** The greatest standard error that can be asked for: 32 bytes an accumulator. */
const errorMax = 0.25;

/** What there is unless something else is asked for: 4 kilobytes an accumulator. */
const defaultError = 0.02;

/** How many registers take about as much memory as one hash does in a set. */
const registersPerHash = 16;

/** The hashes themselves while they are few, then registers. Both are determined by the set of values alone. */
type Sketch = Set<number> | Uint8Array;

/**
 * How many different values there are, about, in bounded memory.
 *
 * `standardError` is the relative standard error, that is, the standard error divided by the count: two answers in three are closer than that, 19 of 20 are closer than
 * twice that. The accumulator takes up to `(1.04 / standardError) ** 2` bytes, rounded up to a power of two: 4 KiB by default.
 * While there are no more than a sixteenth as many values as that, their hashes are kept, and the count is exact but for
 * hashes that are equal by chance, one pair in 2^53.
 *
 * The answer depends on the set of values and on nothing else, so it is the same whatever the order of arrival. It is a
 * HyperLogLog sketch. Its hash is known to all: somebody who may choose values can make it wrong. `distinct` is exact.
 *
 * @throws {RangeError} If `standardError` is less than 0.005 or greater than 0.25.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * const visitors = Aggregate.approxDistinct((click: { user: number }) => click.user, { standardError: 0.01 });
 * const clicks = Array.from({ length: 50_000 }, (_, k) => ({ user: k % 20_000 }));
 * const count = Aggregate.evaluate(visitors, clicks);
 * assert.ok(Math.abs(count - 20_000) < 3 * 0.01 * 20_000);
 * ```
 */
export const approxDistinct = <A>(
  select: (value: A) => Distinguishable,
  options: {
    /**
     * The relative standard error.
     *
     * @default {0.02}
     */
    readonly standardError?: number;
  } = {},
): Aggregate<A, number, Merges> => {
  const { standardError = defaultError } = options;
  if (!(typeof standardError === "number" && standardError >= errorMin && standardError <= errorMax)) {
    throw new RangeError(
      `Cannot estimate a count as standardError must be from ${errorMin} to ${errorMax}: current value is ${
        inWords(standardError)
      }`,
    );
  }
  const precision = precisionOf(standardError);
  const registers = 2 ** precision;
  const hashesKept = registers / registersPerHash;
  const runMax = runMaxOf(precision);
  const isHash = (item: unknown): boolean => Number.isSafeInteger(item) && (item as number) >= 0;

  const addHash = (sketch: Sketch, hash: number): Sketch => {
    if (sketch instanceof Uint8Array) {
      record(sketch, precision, hash);
      return sketch;
    }
    sketch.add(hash);
    return sketch.size <= hashesKept ? sketch : inRegisters(sketch);
  };
  const inRegisters = (hashes: ReadonlySet<number>): Uint8Array => {
    const made = new Uint8Array(registers);
    for (const hash of hashes) record(made, precision, hash);
    return made;
  };
  const merge = (into: Sketch, other: Sketch): Sketch => {
    if (!(other instanceof Uint8Array)) {
      for (const hash of other) into = addHash(into, hash);
      return into;
    }
    const union = into instanceof Uint8Array ? into : inRegisters(into);
    for (let k = 0; k < registers; k++) if (other[k] > union[k]) union[k] = other[k];
    return union;
  };

  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `approxDistinct(${standardError})`,
    numbers: 0,
    objects: [{
      encode: (sketch) => sketch instanceof Uint8Array ? sketch.slice() : [...sketch as ReadonlySet<number>],
      decode: (stored) => {
        if (!(stored instanceof Uint8Array)) {
          return new Set(storedList<number>(stored, "a list of hashes", isHash, hashesKept));
        }
        if (stored.length === registers && stored.every((run) => run <= runMax)) return stored.slice();
        throw new SchemaRefusal(`Expected ${registers} registers up to ${runMax}, got ${stored.length}`);
      },
    }],
    reset: (_n, _i, o, j) => void (o[j] = new Set<number>()),
    add: (_n, _i, o, j, value) => {
      const selected = select(value);
      assertDistinguishable(selected);
      o[j] = addHash(o[j] as Sketch, hash53(selected));
    },
    merge: (_n, _i, o, j, _n2, _i2, o2, j2) => void (o[j] = merge(o[j] as Sketch, o2[j2] as Sketch)),
    result: (_n, _i, o, j) => {
      const sketch = o[j] as Sketch;
      return sketch instanceof Uint8Array ? Math.round(estimate(sketch, precision)) : sketch.size;
    },
  };
};
