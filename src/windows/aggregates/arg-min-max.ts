/**
 * The value of the record at which a number is least, or greatest.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { ascending, descending, type Order } from "./order.ts";
import { describe, type Kept, keptCodec, type StateSchema } from "./state-schema.ts";

/** Keeps the value of the first record in an order, and the number by which it is first. */
const firstBy = <A, B>(
  name: string,
  precedes: Order,
  by: (value: A) => number,
  select: (value: A) => B,
  schema: StateSchema<B>,
): Aggregate<A, B, Merges> => ({
  "~weir/Aggregate": true,
  merging: "merges",
  fingerprint: `${name}([${describe(schema)}])`,
  numbers: 1,
  objects: [keptCodec(schema)],
  reset: (n, i, o, j) => {
    n[i] = NaN;
    o[j] = undefined;
  },
  add: (n, i, o, j, value) => {
    const x = by(value);
    if (o[j] === undefined || precedes(x, n[i])) {
      n[i] = x;
      o[j] = [select(value)];
    }
  },
  merge: (n, i, o, j, n2, i2, o2, j2) => {
    if (o2[j2] !== undefined && (o[j] === undefined || precedes(n2[i2], n[i]))) {
      n[i] = n2[i2];
      o[j] = o2[j2];
    }
  },
  result: (_n, _i, o, j) => (o[j] as NonNullable<Kept<B>>)[0],
});

/**
 * A value of the record at which a number is least; of several, the one that came first.
 *
 * A NaN comes after every number: its record is the answer only if there is no other. The value is kept in the state, so
 * it comes with its Schema. In sliding windows the order is by slice, then by arrival. A value that the Schema refuses ends the job with a `UserCodeError`
 * when the epoch ends.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * interface Flight {
 *   readonly name: string;
 *   readonly delay: number;
 * }
 *
 * const mostPunctual = Aggregate.argMin((flight: Flight) => flight.delay, (flight) => flight.name, Schema.String);
 * const flights = [{ name: "AA1", delay: 7 }, { name: "UA2", delay: -3 }, { name: "DL3", delay: -3 }];
 * assert.equal(Aggregate.evaluate(mostPunctual, flights), "UA2");
 * ```
 */
export const argMin = <A, B>(
  by: (value: A) => number,
  select: (value: A) => B,
  schema: StateSchema<B>,
): Aggregate<A, B, Merges> => firstBy("argMin", ascending, by, select, schema);

/**
 * A value of the record at which a number is greatest; of several, the one that came first.
 *
 * A NaN comes after every number: its record is the answer only if there is no other. The value is kept in the state, so
 * it comes with its Schema. In sliding windows the order is by slice, then by arrival. A value that the Schema refuses ends the job with a `UserCodeError`
 * when the epoch ends.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const longest = Aggregate.argMax((word: string) => word.length, (word) => word, Schema.String);
 * assert.equal(Aggregate.evaluate(longest, ["a", "stream", "ends"]), "stream");
 * ```
 */
export const argMax = <A, B>(
  by: (value: A) => number,
  select: (value: A) => B,
  schema: StateSchema<B>,
): Aggregate<A, B, Merges> => firstBy("argMax", descending, by, select, schema);
