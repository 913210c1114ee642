/**
 * A bounded list of the values of a window.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import { codec, describe, type StateSchema, storedList } from "./state-schema.ts";

/** What {@link collect} answers. */
export interface Collected<out B> {
  /** The first values to arrive, at most as many as were asked for. */
  readonly values: ReadonlyArray<B>;
  /** How many there were in all, so that `total - values.length` were left out. */
  readonly total: number;
}

/**
 * A value of each record, in order of arrival, at most `atMost` of them; how many there were in all is counted.
 *
 * In sliding windows the order is by slice, then by arrival.
 *
 * @throws {RangeError} If `atMost` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const some = Aggregate.collect((word: string) => word, Schema.String, { atMost: 2 });
 * assert.deepEqual(Aggregate.evaluate(some, ["a", "b", "c"]), { values: ["a", "b"], total: 3 });
 * ```
 */
export const collect = <A, B>(
  select: (value: A) => B,
  schema: StateSchema<B>,
  options: { readonly atMost: number },
): Aggregate<A, Collected<B>, Merges> => {
  const { atMost } = options;
  if (!Number.isSafeInteger(atMost) || atMost <= 0) {
    throw new RangeError(
      `Cannot collect as atMost must be a whole number above 0: current value is ${inWords(atMost)}`,
    );
  }
  const one = codec(schema);
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `collect(${describe(schema)},${atMost})`,
    numbers: 1,
    objects: [{
      encode: (list) => (list as ReadonlyArray<B>).map(one.encode),
      decode: (list) => storedList(list, "a list of values", () => true, atMost).map(one.decode),
    }],
    reset: (n, i, o, j) => {
      n[i] = 0;
      o[j] = [];
    },
    add: (n, i, o, j, value) => {
      n[i]++;
      const list = o[j] as Array<B>;
      if (list.length < atMost) list.push(select(value));
    },
    merge: (n, i, o, j, n2, i2, o2, j2) => {
      n[i] += n2[i2];
      const list = o[j] as Array<B>;
      for (const value of o2[j2] as ReadonlyArray<B>) {
        if (list.length === atMost) break;
        list.push(value);
      }
    },
    result: (n, i, o, j) => ({ values: (o[j] as ReadonlyArray<B>).slice(), total: n[i] }),
  };
};
