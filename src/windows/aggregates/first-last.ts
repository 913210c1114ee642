/**
 * The first and the last value by event time.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { describe, type Kept, keptCodec, type StateSchema } from "./state-schema.ts";

/** Keeps one selected value: the first, or one whose time `wins` over that of the value kept so far. Times may be NaN. */
const pick = <A, B>(
  fingerprint: string,
  select: (value: A) => B,
  schema: StateSchema<B>,
  wins: (time: number, kept: number) => boolean,
): Aggregate<A, B, Merges> => ({
  "~weir/Aggregate": true,
  merging: "merges",
  fingerprint: `${fingerprint}([${describe(schema)}])`,
  numbers: 1,
  objects: [keptCodec(schema)],
  reset: (n, i, o, j) => {
    n[i] = NaN;
    o[j] = undefined;
  },
  add: (n, i, o, j, value, timestamp) => {
    if (o[j] === undefined || wins(timestamp, n[i])) {
      n[i] = timestamp;
      o[j] = [select(value)];
    }
  },
  merge: (n, i, o, j, n2, i2, o2, j2) => {
    if (o2[j2] !== undefined && (o[j] === undefined || wins(n2[i2], n[i]))) {
      n[i] = n2[i2];
      o[j] = o2[j2];
    }
  },
  result: (_n, _i, o, j) => (o[j] as NonNullable<Kept<B>>)[0],
});

/**
 * A value of the record with the earliest event time; of several, or without event time, the one that came first.
 *
 * The value is kept in the state, so it comes with its Schema. A value that the Schema refuses ends the job with a `UserCodeError`
 * when the epoch ends.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const opening = Aggregate.first((price: number) => price, Schema.Number);
 * assert.equal(Aggregate.evaluate(opening, [12, 9, 14]), 12);
 * ```
 */
export const first = <A, B>(select: (value: A) => B, schema: StateSchema<B>): Aggregate<A, B, Merges> =>
  pick("first", select, schema, (time, kept) => time < kept);

/**
 * A value of the record with the latest event time; of several, or without event time, the one that came last.
 *
 * The value is kept in the state, so it comes with its Schema. A value that the Schema refuses ends the job with a `UserCodeError`
 * when the epoch ends.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const closing = Aggregate.last((price: number) => price, Schema.Number);
 * assert.equal(Aggregate.evaluate(closing, [12, 9, 14]), 14);
 * ```
 */
export const last = <A, B>(select: (value: A) => B, schema: StateSchema<B>): Aggregate<A, B, Merges> =>
  pick("last", select, schema, (time, kept) => !(time < kept));
