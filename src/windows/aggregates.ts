/**
 * The aggregates that come with Weir. All of them merge, so they work in sliding and session windows.
 *
 * Where an order matters (`first`, `last`) it is that of event time, and for equal times that of arrival.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { SchemaRepresentation } from "effect";
import type { Aggregate, ObjectCodec } from "./aggregate.ts";

export type { Aggregate, AggregateResult, AggregateShape, ObjectCodec } from "./aggregate.ts";

/** A Schema whose values can be encoded and decoded without services. */
export type StateSchema<T> = Schema.Codec<T, unknown>;

const codec = <T>(schema: StateSchema<T>): ObjectCodec => ({
  encode: Schema.encodeUnknownSync(schema),
  decode: Schema.decodeUnknownSync(schema),
});

/** What a Schema stores, in words that two runs of the same code share. */
const describe = <T>(schema: StateSchema<T>): string =>
  JSON.stringify(SchemaRepresentation.toRepresentation(Schema.toEncoded(schema).ast));

/** An aggregate that numbers do for. */
const numeric = <A, B>(
  aggregate: Omit<Aggregate<A, B>, "~weir/Aggregate" | "objects">,
): Aggregate<A, B> => ({ "~weir/Aggregate": true, objects: [], ...aggregate });

/**
 * How many records there are.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.count, ["a", "b", "c"]), 3);
 * ```
 */
export const count: Aggregate<unknown, number> = numeric({
  fingerprint: "count",
  numbers: 1,
  reset: (n, i) => void (n[i] = 0),
  add: (n, i) => void n[i]++,
  merge: (n, i, _o, _j, n2, i2) => void (n[i] += n2[i2]),
  result: (n, i) => n[i],
});

/**
 * The sum of a number of each record, added in order of arrival in double precision.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.sum((price: number) => price), [1, 2, 3.5]), 6.5);
 * ```
 */
export const sum = <A>(select: (value: NoInfer<A>) => number): Aggregate<A, number> =>
  numeric({
    fingerprint: "sum",
    numbers: 1,
    reset: (n, i) => void (n[i] = 0),
    add: (n, i, _o, _j, value) => void (n[i] += select(value)),
    merge: (n, i, _o, _j, n2, i2) => void (n[i] += n2[i2]),
    result: (n, i) => n[i],
  });

/**
 * The arithmetic mean of a number of each record.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.mean((delay: number) => delay), [10, 20, 60]), 30);
 * ```
 */
export const mean = <A>(select: (value: NoInfer<A>) => number): Aggregate<A, number> =>
  numeric({
    fingerprint: "mean",
    numbers: 2,
    reset: (n, i) => void (n[i] = n[i + 1] = 0),
    add: (n, i, _o, _j, value) => {
      n[i] += select(value);
      n[i + 1]++;
    },
    merge: (n, i, _o, _j, n2, i2) => {
      n[i] += n2[i2];
      n[i + 1] += n2[i2 + 1];
    },
    result: (n, i) => n[i] / n[i + 1],
  });

/**
 * The least of a number of each record. A NaN is greater than nothing and less than nothing, so it does not count.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.min((delay: number) => delay), [3, -5, 8]), -5);
 * ```
 */
export const min = <A>(select: (value: NoInfer<A>) => number): Aggregate<A, number> =>
  numeric({
    fingerprint: "min",
    numbers: 1,
    reset: (n, i) => void (n[i] = Infinity),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      if (x < n[i]) n[i] = x;
    },
    merge: (n, i, _o, _j, n2, i2) => {
      if (n2[i2] < n[i]) n[i] = n2[i2];
    },
    result: (n, i) => n[i],
  });

/**
 * The greatest of a number of each record. A NaN is greater than nothing and less than nothing, so it does not count.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.max((delay: number) => delay), [3, -5, 8]), 8);
 * ```
 */
export const max = <A>(select: (value: NoInfer<A>) => number): Aggregate<A, number> =>
  numeric({
    fingerprint: "max",
    numbers: 1,
    reset: (n, i) => void (n[i] = -Infinity),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      if (x > n[i]) n[i] = x;
    },
    merge: (n, i, _o, _j, n2, i2) => {
      if (n2[i2] > n[i]) n[i] = n2[i2];
    },
    result: (n, i) => n[i],
  });

/**
 * The population variance of a number of each record: the mean squared distance from the mean.
 *
 * It is updated by Welford's method and merged by that of Chan, Golub and LeVeque (1979), which stay accurate where the
 * difference of two large sums would not.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.variance((x: number) => x), [2, 4, 4, 4, 5, 5, 7, 9]), 4);
 * ```
 */
export const variance = <A>(select: (value: NoInfer<A>) => number): Aggregate<A, number> =>
  numeric({
    fingerprint: "variance",
    numbers: 3, // how many, their mean, the sum of their squared distances from it
    reset: (n, i) => void (n[i] = n[i + 1] = n[i + 2] = 0),
    add: (n, i, _o, _j, value) => {
      const x = select(value);
      const count = ++n[i];
      const distance = x - n[i + 1];
      n[i + 1] += distance / count;
      n[i + 2] += distance * (x - n[i + 1]);
    },
    merge: (n, i, _o, _j, n2, i2) => {
      const a = n[i];
      const b = n2[i2];
      if (b === 0) return;
      const distance = n2[i2 + 1] - n[i + 1];
      const count = a + b;
      n[i] = count;
      n[i + 1] += distance * b / count;
      n[i + 2] += n2[i2 + 2] + distance * distance * a * b / count;
    },
    result: (n, i) => n[i + 2] / n[i],
  });

/** Keeps one selected value: the one whose time `wins` over the time of the value kept so far. */
const pick = <A, B>(
  fingerprint: string,
  select: (value: NoInfer<A>) => B,
  schema: StateSchema<B>,
  none: number,
  wins: (time: number, kept: number) => boolean,
): Aggregate<A, B> => ({
  "~weir/Aggregate": true,
  fingerprint: `${fingerprint}(${describe(schema)})`,
  numbers: 1,
  objects: [codec(schema)],
  reset: (n, i, o, j) => {
    n[i] = none;
    o[j] = undefined;
  },
  add: (n, i, o, j, value, timestamp) => {
    if (wins(timestamp, n[i])) {
      n[i] = timestamp;
      o[j] = select(value);
    }
  },
  merge: (n, i, o, j, n2, i2, o2, j2) => {
    if (wins(n2[i2], n[i])) {
      n[i] = n2[i2];
      o[j] = o2[j2];
    }
  },
  result: (_n, _i, o, j) => o[j] as B,
});

/**
 * A value of the record with the earliest event time; of several, the one that came first.
 *
 * The value is kept in the state, so it comes with its Schema.
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
export const first = <A, B>(select: (value: NoInfer<A>) => B, schema: StateSchema<B>): Aggregate<A, B> =>
  pick("first", select, schema, Infinity, (time, kept) => time < kept);

/**
 * A value of the record with the latest event time; of several, the one that came last.
 *
 * The value is kept in the state, so it comes with its Schema.
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
export const last = <A, B>(select: (value: NoInfer<A>) => B, schema: StateSchema<B>): Aggregate<A, B> =>
  pick("last", select, schema, -Infinity, (time, kept) => time >= kept);

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
  select: (value: NoInfer<A>) => B,
  schema: StateSchema<B>,
  options: { readonly atMost: number },
): Aggregate<A, Collected<B>> => {
  const { atMost } = options;
  if (!Number.isSafeInteger(atMost) || atMost <= 0) {
    throw new RangeError(`Cannot collect as atMost must be a whole number above 0: current value is ${atMost}`);
  }
  const one = codec(schema);
  return {
    "~weir/Aggregate": true,
    fingerprint: `collect(${describe(schema)},${atMost})`,
    numbers: 1,
    objects: [{
      encode: (list) => (list as ReadonlyArray<B>).map(one.encode),
      decode: (list) => (list as ReadonlyArray<unknown>).map(one.decode),
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

/**
 * An aggregate of one's own. The accumulator comes with a Schema, because it is kept in the state.
 *
 * `add` and `merge` return the new accumulator; they may change the one they were given and return it. `merge` is given
 * the accumulator of earlier slices first, and must not change or keep its second argument.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * const longest = Aggregate.make({
 *   name: "longest",
 *   schema: Schema.String,
 *   initial: () => "",
 *   add: (longest, word: string) => word.length > longest.length ? word : longest,
 *   merge: (a, b) => b.length > a.length ? b : a,
 *   result: (longest) => longest,
 * });
 * assert.equal(Aggregate.evaluate(longest, ["a", "stream", "ends"]), "stream");
 * ```
 */
export const make = <A, Acc, B>(options: {
  /** Describes what the accumulator means; state kept under another name is not read. */
  readonly name: string;
  readonly schema: StateSchema<Acc>;
  readonly initial: () => NoInfer<Acc>;
  readonly add: (accumulator: NoInfer<Acc>, value: A, timestamp: number) => NoInfer<Acc>;
  readonly merge: (accumulator: NoInfer<Acc>, later: NoInfer<Acc>) => NoInfer<Acc>;
  readonly result: (accumulator: NoInfer<Acc>) => B;
}): Aggregate<A, B> => ({
  "~weir/Aggregate": true,
  fingerprint: `${options.name}(${describe(options.schema)})`,
  numbers: 0,
  objects: [codec(options.schema)],
  reset: (_n, _i, o, j) => void (o[j] = options.initial()),
  add: (_n, _i, o, j, value, timestamp) => void (o[j] = options.add(o[j] as Acc, value, timestamp)),
  merge: (_n, _i, o, j, _n2, _i2, o2, j2) => void (o[j] = options.merge(o[j] as Acc, o2[j2] as Acc)),
  result: (_n, _i, o, j) => options.result(o[j] as Acc),
});

/**
 * What an aggregate answers about some values, outside any flow: to try one out, or to test one's own.
 *
 * Each value's event time is its index.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate } from "@weir/streams";
 *
 * assert.equal(Aggregate.evaluate(Aggregate.max((x: number) => x), [1, 3, 2]), 3);
 * ```
 */
export const evaluate = <A, B>(aggregate: Aggregate<A, B>, values: Iterable<A>): B => {
  const numbers = new Float64Array(aggregate.numbers);
  const objects: Array<unknown> = [];
  aggregate.reset(numbers, 0, objects, 0);
  let timestamp = 0;
  for (const value of values) aggregate.add(numbers, 0, objects, 0, value, timestamp++);
  return aggregate.result(numbers, 0, objects, 0);
};
