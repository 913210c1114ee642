/**
 * The values of the few records at which a number is greatest, or least.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import { ascending, descending, type Order } from "./order.ts";
import { codec, describe, SchemaRefusal, type StateSchema, storedList } from "./state-schema.ts";

/** A value that is kept, and the number that gives it its place. It is never changed. */
interface Entry<out B> {
  readonly by: number;
  readonly value: B;
}

/** Keeps the values of the first `n` records in an order, sorted; records that are level in order of arrival. */
const firstN = <A, B>(
  name: string,
  precedes: Order,
  by: (value: A) => number,
  select: (value: A) => B,
  schema: StateSchema<B>,
  { n: atMost }: { readonly n: number },
): Aggregate<A, ReadonlyArray<B>, Merges> => {
  if (!Number.isSafeInteger(atMost) || atMost <= 0) {
    throw new RangeError(
      `Cannot take the ${name} as n must be a whole number above 0: current value is ${inWords(atMost)}`,
    );
  }
  const one = codec(schema);
  /** Where a number belongs, behind those that it is level with; `atMost` if it is not among the first. */
  const placeOf = (list: ReadonlyArray<Entry<B>>, x: number): number => {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (precedes(x, list[middle].by)) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const insert = (list: Array<Entry<B>>, place: number, entry: Entry<B>): void => {
    if (list.length === atMost) list.pop();
    list.splice(place, 0, entry);
  };
  return {
    "~weir/Aggregate": true,
    merging: "merges",
    fingerprint: `${name}(${describe(schema)},${atMost})`,
    numbers: 0,
    // Numbers and values in turn: a list for each entry would take more room than its number.
    objects: [{
      encode: (list) => (list as ReadonlyArray<Entry<B>>).flatMap(({ by, value }) => [by, one.encode(value)]),
      decode: (stored) => {
        const isItem = (item: unknown, k: number): boolean => k % 2 > 0 || typeof item === "number";
        const flat = storedList(stored, "numbers and values in turn", isItem, 2 * atMost);
        if (flat.length % 2 > 0) throw new SchemaRefusal(`Expected a value for each number, got ${flat.length} items`);
        const list: Array<Entry<B>> = [];
        for (let k = 0; k < flat.length; k += 2) {
          list.push({ by: flat[k] as number, value: one.decode(flat[k + 1]) as B });
        }
        return list;
      },
    }],
    reset: (_n, _i, o, j) => void (o[j] = []),
    add: (_n, _i, o, j, value) => {
      const list = o[j] as Array<Entry<B>>;
      const x = by(value);
      const place = placeOf(list, x);
      if (place < atMost) insert(list, place, { by: x, value: select(value) });
    },
    merge: (_n, _i, o, j, _n2, _i2, o2, j2) => {
      const list = o[j] as Array<Entry<B>>;
      for (const entry of o2[j2] as ReadonlyArray<Entry<B>>) {
        const place = placeOf(list, entry.by);
        if (place === atMost) break; // those that follow are no better
        insert(list, place, entry);
      }
    },
    result: (_n, _i, o, j) => (o[j] as ReadonlyArray<Entry<B>>).map(({ value }) => value),
  };
};

/**
 * The values of the `n` records at which a number is greatest, the greatest first.
 *
 * Records that are level are in order of arrival, and those that came first win. A NaN comes after every number. The
 * values are kept in the state, so they come with their Schema; no more than `n` are kept. One that the Schema refuses ends
 * the job with a `UserCodeError` when the epoch ends. In sliding windows the order
 * is by slice, then by arrival.
 *
 * @throws {RangeError} If `n` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const longest = Aggregate.topN((word: string) => word.length, (word) => word, Schema.String, { n: 2 });
 * assert.deepEqual(Aggregate.evaluate(longest, ["a", "river", "ends", "delta"]), ["river", "delta"]);
 * ```
 */
export const topN = <A, B>(
  by: (value: A) => number,
  select: (value: A) => B,
  schema: StateSchema<B>,
  options: { readonly n: number },
): Aggregate<A, ReadonlyArray<B>, Merges> => firstN("topN", descending, by, select, schema, options);

/**
 * The values of the `n` records at which a number is least, the least first. All else is as with {@link topN}.
 *
 * @throws {RangeError} If `n` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const cheapest = Aggregate.bottomN((price: number) => price, (price) => price, Schema.Number, { n: 2 });
 * assert.deepEqual(Aggregate.evaluate(cheapest, [12, 9, 14, 10]), [9, 10]);
 * ```
 */
export const bottomN = <A, B>(
  by: (value: A) => number,
  select: (value: A) => B,
  schema: StateSchema<B>,
  options: { readonly n: number },
): Aggregate<A, ReadonlyArray<B>, Merges> => firstN("bottomN", ascending, by, select, schema, options);
