/**
 * What aggregates answer, each against a naive opinion about the same records.
 *
 * The engine adds records to accumulators, makes two of them one, stores them, reads them back and uses their place again.
 * None of that may change an answer, so every aggregate goes through all of it in a random order.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { compose } from "../src/windows/aggregate.ts";
import { hash53 } from "../src/windows/aggregates/hash.ts";
import { assertSameBag, run, runToEnd } from "./support.ts";

// ---------------------------------------------------------------------------------------------------------------------
// Accumulators, as the engine treats them

/** How many numbers and objects of others lie on either side of an accumulator. */
const margin = 2;

/** One accumulator among others. */
class Accumulator<A, B> {
  readonly numbers: Float64Array;
  readonly objects: Array<unknown>;
  readonly #aggregate: Aggregate.Aggregate<A, B>;

  constructor(aggregate: Aggregate.Aggregate<A, B>) {
    this.#aggregate = aggregate;
    this.numbers = new Float64Array(aggregate.numbers + 2 * margin).fill(-7);
    this.objects = new Array(aggregate.objects.length + 2 * margin).fill("another's");
    this.reset();
  }

  reset(): this {
    this.#aggregate.reset(this.numbers, margin, this.objects, margin);
    return this;
  }

  add(records: ReadonlyArray<A>, timestamp: (record: A, index: number) => number): this {
    records.forEach((record, k) =>
      this.#aggregate.add(this.numbers, margin, this.objects, margin, record, timestamp(record, k))
    );
    return this;
  }

  merge(other: Accumulator<A, B>): this {
    this.#aggregate.merge(this.numbers, margin, this.objects, margin, other.numbers, margin, other.objects, margin);
    return this;
  }

  /** What is stored of it. */
  stored(): { readonly numbers: ReadonlyArray<number>; readonly objects: ReadonlyArray<unknown> } {
    return structuredClone({ numbers: [...this.numbers], objects: this.encoded() });
  }

  /** Another accumulator, made from what is stored of this one. */
  restored(): Accumulator<A, B> {
    const { numbers, objects } = this.stored();
    const copy = new Accumulator(this.#aggregate);
    copy.numbers.set(numbers);
    return copy.decode(objects);
  }

  /** What is to be stored of its objects, before it is written. */
  encoded(): ReadonlyArray<unknown> {
    return this.#aggregate.objects.map((codec, j) => codec.encode(this.objects[margin + j]));
  }

  /** Takes its objects from what was encoded. */
  decode(encoded: ReadonlyArray<unknown>): this {
    this.#aggregate.objects.forEach((codec, j) => this.objects[margin + j] = codec.decode(encoded[j]));
    return this;
  }

  answer(): B {
    const before = this.stored();
    const answer = this.#aggregate.result(this.numbers, margin, this.objects, margin);
    assert.deepEqual(this.stored(), before, "to answer changes nothing");
    return answer;
  }

  assertNeighboursUntouched(): void {
    const around = <T>(list: ArrayLike<T>): ReadonlyArray<T> => {
      const all = Array.from(list);
      return [...all.slice(0, margin), ...all.slice(all.length - margin)];
    };
    assert.deepEqual(around(this.numbers), new Array(2 * margin).fill(-7));
    assert.deepEqual(around(this.objects), new Array(2 * margin).fill("another's"));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Every aggregate, and a naive opinion about it

interface Item {
  readonly id: string;
  readonly at: number;
  /** Any number at all. */
  readonly x: number;
  /** A small whole number. */
  readonly k: number;
  readonly mixed: string | number | bigint | boolean;
}

interface Subject {
  readonly aggregate: Aggregate.Aggregate<Item, unknown, Aggregate.Merges>;
  /** Checks an answer about the records, which are in order of arrival; there is at least one. */
  readonly check: (answer: unknown, items: ReadonlyArray<Item>) => void;
  /** Two answers about the same records may differ by rounding. */
  readonly rounds?: true;
}

const exactly = (expected: (items: ReadonlyArray<Item>) => unknown): Subject["check"] => (answer, items) =>
  assert.deepEqual(answer, expected(items));

const isClose = (answer: number, expected: number, magnitude: number): void =>
  assert.ok(Math.abs(answer - expected) <= 1e-9 * magnitude, `${answer} is not ${expected}`);

const closely = (
  expected: (items: ReadonlyArray<Item>) => number,
  magnitude: (items: ReadonlyArray<Item>) => number,
): Subject["check"] =>
(answer, items) => isClose(answer as number, expected(items), magnitude(items));

const sumOf = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, x) => sum + x, 0);

/** The records by a number, those that are level in order of arrival, those without a number last. */
const ranked = (items: ReadonlyArray<Item>, sign: 1 | -1): ReadonlyArray<Item> => [
  ...items.filter(({ x }) => !Number.isNaN(x)).toSorted((a, b) => a.x === b.x ? 0 : a.x < b.x ? -sign : sign),
  ...items.filter(({ x }) => Number.isNaN(x)),
];

/** The right quantile: the number at its place when all are sorted. */
const quantile = (numbers: ReadonlyArray<number>, q: number): number => {
  const sorted = numbers.filter((x) => !Number.isNaN(x)).toSorted((a, b) => a < b ? -1 : a > b ? 1 : 0);
  return sorted.length === 0 ? NaN : sorted[Math.floor(q * (sorted.length - 1))];
};

/** Checks a quantile: `1e-9` is for the rounding of logarithms where a number lies at the edge of a range. */
const assertQuantile = (answer: number, right: number, relativeError: number, what: string): void => {
  if (Number.isFinite(right)) {
    assert.ok(Math.abs(answer - right) <= (relativeError + 1e-9) * Math.abs(right), `${what}: ${answer}, not ${right}`);
  } else assert.equal(answer, right, what);
};

const sameValue = (a: Item["mixed"], b: Item["mixed"]): boolean =>
  typeof a === typeof b && (a === b || Object.is(a, b));

const differentValues = (items: ReadonlyArray<Item>): number =>
  items.filter(({ mixed }, at) => items.findIndex((other) => sameValue(other.mixed, mixed)) === at).length;

const boundaries = [-1, 0, 2.5, 1e6];
const asked = [0.5, 0, 0.99, 1, 0.25];
const id = ({ id }: Item): string => id;
const isOdd = ({ k }: Item): boolean => k % 2 !== 0;

const subjects: Readonly<Record<string, Subject>> = {
  count: { aggregate: Aggregate.count, check: exactly((items) => items.length) },
  sum: { aggregate: Aggregate.sum(({ k }: Item) => k), check: exactly((items) => sumOf(items.map(({ k }) => k))) },
  mean: {
    aggregate: Aggregate.mean(({ k }: Item) => k),
    check: exactly((items) => sumOf(items.map(({ k }) => k)) / items.length),
  },
  variance: {
    aggregate: Aggregate.variance(({ k }: Item) => k),
    check: closely((items) => {
      const mean = sumOf(items.map(({ k }) => k)) / items.length;
      return sumOf(items.map(({ k }) => (k - mean) ** 2)) / items.length;
    }, () => 100),
    rounds: true,
  },
  first: {
    aggregate: Aggregate.first(id, Schema.String),
    check: exactly((items) => items.toSorted((a, b) => a.at - b.at)[0].id),
  },
  last: {
    aggregate: Aggregate.last(id, Schema.String),
    check: exactly((items) => items.toSorted((a, b) => a.at - b.at)[items.length - 1].id),
  },
  collect: {
    aggregate: Aggregate.collect(id, Schema.String, { atMost: 5 }),
    check: exactly((items) => ({ values: items.slice(0, 5).map(id), total: items.length })),
  },
  make: {
    aggregate: Aggregate.make({
      name: "ids",
      schema: Schema.mutable(Schema.Array(Schema.String)),
      initial: () => [],
      add: (ids, item: Item) => [...ids, item.id],
      merge: (ids, later) => [...ids, ...later],
      result: (ids) => ids.join(),
    }),
    check: exactly((items) => items.map(id).join()),
  },
  argMin: {
    aggregate: Aggregate.argMin(({ x }: Item) => x, id, Schema.String),
    check: exactly((items) => ranked(items, 1)[0].id),
  },
  argMax: {
    aggregate: Aggregate.argMax(({ x }: Item) => x, id, Schema.String),
    check: exactly((items) => ranked(items, -1)[0].id),
  },
  topN: {
    aggregate: Aggregate.topN(({ x }: Item) => x, id, Schema.String, { n: 4 }),
    check: exactly((items) => ranked(items, -1).slice(0, 4).map(id)),
  },
  bottomN: {
    aggregate: Aggregate.bottomN(({ x }: Item) => x, id, Schema.String, { n: 4 }),
    check: exactly((items) => ranked(items, 1).slice(0, 4).map(id)),
  },
  distinct: {
    aggregate: Aggregate.distinct(({ mixed }: Item) => mixed, { atMost: 6 }),
    check: exactly((items) => ({ count: Math.min(differentValues(items), 6), exact: differentValues(items) <= 6 })),
  },
  distinctAmong: {
    aggregate: Aggregate.distinctAmong(({ mixed }: Item) => mixed, { odd: isOdd, any: () => true, none: () => false }, {
      atMost: 6,
    }),
    check: exactly((items) => {
      const count = differentValues(items);
      return count > 6
        ? { count: 6, exact: false, among: { odd: 0, any: 0, none: 0 } }
        : { count, exact: true, among: { odd: differentValues(items.filter(isOdd)), any: count, none: 0 } };
    }),
  },
  where: {
    aggregate: Aggregate.where(isOdd, Aggregate.sum(({ k }: Item) => k), null),
    check: exactly((items) => items.some(isOdd) ? sumOf(items.filter(isOdd).map(({ k }) => k)) : null),
  },
  whereWithObjects: {
    aggregate: Aggregate.where(isOdd, Aggregate.first(id, Schema.String), "none"),
    check: exactly((items) => items.filter(isOdd).toSorted((a, b) => a.at - b.at)[0]?.id ?? "none"),
  },
  // So few registers that most cases are past the hashes; what they answer then is a matter of its own, further down.
  approxDistinct: {
    aggregate: Aggregate.approxDistinct(({ mixed }: Item) => mixed, { standardError: 0.1 }),
    check: (answer, items) => {
      if (differentValues(items) <= 8) assert.equal(answer, differentValues(items));
      else assert.ok(answer as number > 4);
    },
  },
  quantiles: {
    aggregate: Aggregate.quantiles(({ x }: Item) => x, asked),
    check: (answer, items) =>
      asked.forEach((q, k) =>
        assertQuantile(
          (answer as ReadonlyArray<number>)[k],
          quantile(items.map(({ x }) => x), q),
          0.01,
          `quantile ${q}`,
        )
      ),
  },
  histogram: {
    aggregate: Aggregate.histogram(({ x }: Item) => x, { boundaries }),
    check: exactly((items) =>
      [-Infinity, ...boundaries].map((from, k) =>
        items.filter(({ x }) => x >= from && (k === boundaries.length || x < boundaries[k])).length
      )
    ),
  },
  rate: {
    aggregate: Aggregate.rate({ per: "1 second", weight: ({ k }: Item) => k }),
    check: exactly((items) => {
      const times = items.map(({ at }) => at);
      const span = Math.max(...times) - Math.min(...times);
      return sumOf(items.map(({ k }) => k)) * 1_000 / Math.max(span, 1_000);
    }),
  },
  decayed: {
    aggregate: Aggregate.decayed(({ k }: Item) => k, { halfLife: "300 millis" }),
    check: closely((items) => {
      const latest = Math.max(...items.map(({ at }) => at));
      return sumOf(items.map(({ k, at }) => k / 2 ** ((latest - at) / 300)));
    }, (items) => sumOf(items.map(({ k }) => Math.abs(k)))),
    rounds: true,
  },
};

const all = Object.entries(subjects);

/** Numbers that are often level, and those that are seldom thought of. */
const anyNumber = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 3, arbitrary: fc.double({ min: -1e300, max: 1e300, noNaN: true }).filter((x) => Math.abs(x) > 1e-300) },
  { weight: 2, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity, -0, 1e300, -1e-300) },
);

/** Values of which some look alike. */
const anyMixed = fc.constantFrom<Item["mixed"]>(
  ...["0", "1", "01", "NaN", "true", "\u0000", ""],
  ...[0, -0, 1, NaN, 0.1, 2 ** 53],
  ...[0n, 1n, 2n ** 64n],
  ...[true, false],
);

const anyItems = fc.array(
  fc.record({
    at: fc.integer({ min: -3_000, max: 3_000 }),
    x: anyNumber,
    k: fc.integer({ min: -5, max: 5 }),
    mixed: anyMixed,
  }),
  { minLength: 1, maxLength: 60 },
).map((items): Array<Item> => items.map((item, k) => ({ ...item, id: `i${k}` })));

/** Cuts a list into consecutive parts, some of them empty. */
const anyParts = fc.tuple(anyItems, fc.array(fc.nat(60), { maxLength: 5 })).map(([items, cuts]) => {
  const bounds = [0, ...cuts.map((cut) => Math.min(cut, items.length)).sort((a, b) => a - b), items.length];
  return { items, parts: bounds.slice(1).map((end, k) => items.slice(bounds[k], end)) };
});

const at = ({ at }: Item): number => at;

const assertSameAnswer = ({ rounds }: Subject, answer: unknown, expected: unknown): void => {
  if (rounds === undefined) assert.deepEqual(answer, expected);
  else isClose(answer as number, expected as number, 1_000);
};

for (const [name, subject] of all) {
  const { aggregate, check } = subject;

  Deno.test(`${name} answers what a naive reading of all records does`, () =>
    fc.assert(fc.property(anyItems, (items) => {
      const accumulator = new Accumulator(aggregate).add(items, at);
      check(accumulator.answer(), items);
      accumulator.assertNeighboursUntouched();
    })));

  if (aggregate.addAll !== undefined) {
    const addAll = aggregate.addAll;

    // records        a b c d e
    // rows             b   d e
    // accumulators     1   0 1    0: d, 1: b e
    Deno.test(`${name} of records that are added at once is that of records that are added one by one`, () =>
      fc.assert(fc.property(anyItems, fc.infiniteStream(fc.nat(2)), fc.nat(2), (items, choices, left) => {
        const width = aggregate.numbers + 2 * margin;
        const objectsWidth = aggregate.objects.length + margin;
        const numbers = new Float64Array(3 * width).fill(-7);
        const objects = new Array<unknown>(3 * objectsWidth).fill("a neighbour's");
        const alone = Array.from({ length: 3 }, (_, k) => {
          aggregate.reset(numbers, k * width + margin, objects, k * objectsWidth + margin);
          return new Accumulator(aggregate);
        });
        const rows = items.map((_, k) => k).filter((k) => k % 3 !== left);
        const accumulators = rows.map(() => choices.next().value!);
        const to = Math.max(rows.length - 1, 0);
        addAll(margin, margin, {
          numbers,
          width,
          objects,
          objectsWidth,
          accumulators: Uint32Array.from(accumulators),
          rows: Uint32Array.from(rows),
          values: items,
          timestamps: Float64Array.from(items, at),
          from: 1,
          to,
        });
        for (let k = 1; k < to; k++) alone[accumulators[k]].add([items[rows[k]]], at);
        assert.deepEqual([...numbers], alone.flatMap(({ numbers }) => [...numbers]));
        const stored = aggregate.objects.map((codec, j) =>
          alone.map((_, k) => codec.encode(objects[k * objectsWidth + margin + j]))
        );
        assert.deepEqual(
          stored,
          aggregate.objects.map((codec, j) => alone.map((one) => codec.encode(one.objects[margin + j]))),
        );
        assert.ok(objects.every((object, k) => k % objectsWidth >= margin || object === "a neighbour's"));
      })));
  }

  // records   a b c d e f g
  // parts     a b|c d e||f g
  //           (((a b)+(c d e))+())+(f g)
  Deno.test(`${name} of consecutive parts, merged in order, is ${name} of the whole, and leaves the parts as they are`, () =>
    fc.assert(fc.property(anyParts, fc.boolean(), ({ items, parts }, stores) => {
      const others = parts.map((part) => new Accumulator(aggregate).add(part, at));
      const before = others.map((other) => other.stored());
      const merged = new Accumulator(aggregate);
      for (const other of others) merged.merge(stores ? other.restored() : other);
      const whole = new Accumulator(aggregate).add(items, at);
      const answer = merged.answer();
      check(answer, items);
      assertSameAnswer(subject, answer, whole.answer());
      merged.assertNeighboursUntouched();

      assert.deepEqual(
        others.map((other) => other.stored()),
        before,
        "to merge leaves the second accumulator as it is",
      );
      merged.add(items, at);
      assert.deepEqual(others.map((other) => other.stored()), before, "what is merged does not share with its parts");
      const after = merged.stored();
      for (const other of others) other.add(items, at);
      assert.deepEqual(merged.stored(), after, "the parts do not share with what was merged of them");
    })));

  Deno.test(`${name} is stored and read back in between, and answers the same`, () =>
    fc.assert(fc.property(anyParts, ({ items, parts }) => {
      const undisturbed = new Accumulator(aggregate).add(items, at);
      let accumulator = new Accumulator(aggregate).restored();
      for (const part of parts) {
        const stored = accumulator.stored();
        const copy = accumulator.restored();
        accumulator.add(part, at);
        assert.deepEqual(copy.stored(), stored, "a copy does not share with what it is a copy of");
        accumulator = copy.add(part, at);
      }
      assert.deepEqual(accumulator.answer(), undisturbed.answer());
      assert.deepEqual(accumulator.stored(), undisturbed.stored(), "nothing is lost in storing");
    })));

  Deno.test(`${name} is encoded as it is then, and what is decoded is on its own`, () =>
    fc.assert(fc.property(anyItems, anyItems, (items, later) => {
      const accumulator = new Accumulator(aggregate).add(items, at);
      const encoded = accumulator.encoded();
      const before = structuredClone(encoded);
      accumulator.add(later, at);
      assert.deepEqual(encoded, before, "what is not written yet does not go on");
      const decoded = new Accumulator(aggregate).decode(encoded).add(later, at);
      assert.deepEqual(encoded, before, "what was read is not kept");
      decoded.assertNeighboursUntouched();
    })));

  Deno.test(`${name} begins anew where another accumulator was`, () =>
    fc.assert(fc.property(anyItems, anyItems, (earlier, items) => {
      const reused = new Accumulator(aggregate).add(earlier, at).reset();
      assert.deepEqual(reused.stored(), new Accumulator(aggregate).stored());
      assert.deepEqual(reused.add(items, at).stored(), new Accumulator(aggregate).add(items, at).stored());
    })));
}

Deno.test("a struct answers for each of its aggregates what that one answers alone, merged and stored", () => {
  const shape = Object.fromEntries(all.map(([name, { aggregate }]) => [name, aggregate]));
  const struct = compose<Item, Record<string, unknown>, Aggregate.Merges>(shape);
  fc.assert(fc.property(anyParts, ({ items, parts }) => {
    const merged = new Accumulator(struct);
    for (const part of parts) merged.merge(new Accumulator(struct).add(part, at).restored());
    const answer = merged.restored().answer();
    assert.deepEqual(Object.keys(answer), Object.keys(subjects));
    for (const [name, { check }] of all) check(answer[name], items);
  }));
});

Deno.test("what depends on the set of records alone is the same whatever the order of arrival", () =>
  fc.assert(
    fc.property(
      anyItems.chain((items) => fc.tuple(fc.constant(items), fc.shuffledSubarray(items, { minLength: items.length }))),
      ([items, shuffled]) => {
        for (
          const name of ["distinct", "distinctAmong", "approxDistinct", "quantiles", "histogram", "rate", "decayed"]
        ) {
          const subject = subjects[name];
          const answers = [items, shuffled].map((items) => new Accumulator(subject.aggregate).add(items, at).answer());
          assertSameAnswer(subject, answers[1], answers[0]);
        }
      },
    ),
  ));

// ---------------------------------------------------------------------------------------------------------------------
// Examples

interface Flight {
  readonly name: string;
  readonly delay: number;
}

const flights: ReadonlyArray<Flight> = [
  { name: "AA1", delay: 7 },
  { name: "UA2", delay: -3 },
  { name: "DL3", delay: 40 },
  { name: "B64", delay: 7 },
  { name: "AS5", delay: -3 },
  { name: "WN6", delay: NaN },
];

const delay = (flight: Flight): number => flight.delay;
const flightName = (flight: Flight): string => flight.name;

Deno.test("the top and the bottom are in order, level records in order of arrival, unknown numbers last", () => {
  const top = (n: number) => Aggregate.evaluate(Aggregate.topN(delay, flightName, Schema.String, { n }), flights);
  const bottom = (n: number) => Aggregate.evaluate(Aggregate.bottomN(delay, flightName, Schema.String, { n }), flights);
  assert.deepEqual(top(2), ["DL3", "AA1"]);
  assert.deepEqual(top(9), ["DL3", "AA1", "B64", "UA2", "AS5", "WN6"]);
  assert.deepEqual(bottom(3), ["UA2", "AS5", "AA1"]);
});

Deno.test("the record at the least and at the greatest number is the first of those that are level", () => {
  assert.equal(Aggregate.evaluate(Aggregate.argMin(delay, flightName, Schema.String), flights), "UA2");
  assert.equal(Aggregate.evaluate(Aggregate.argMax(delay, flightName, Schema.String), flights), "DL3");
  const unknown = flights.slice(5);
  assert.equal(Aggregate.evaluate(Aggregate.argMin(delay, flightName, Schema.String), unknown), "WN6");
});

Deno.test("an answer that may be undefined is kept as one", () => {
  const maybe = Schema.UndefinedOr(Schema.String);
  const select = ({ name }: Flight): string | undefined => name === "UA2" ? undefined : name;
  for (
    const aggregate of [
      Aggregate.argMin(delay, select, maybe),
      Aggregate.first((flight: Flight) => select({ ...flight, name: "UA2" }), maybe),
    ]
  ) {
    const accumulator = new Accumulator<Flight, string | undefined>(aggregate).add(flights, (_, k) => k).restored();
    assert.equal(accumulator.add([{ name: "late", delay: 100 }], () => 100).answer(), undefined);
  }
});

Deno.test("what is stored is what the Schema encodes", () => {
  const dates = Aggregate.topN((ms: number) => ms, (ms) => new Date(ms), Schema.DateFromString, { n: 1 });
  const accumulator = new Accumulator(dates).add([0, 86_400_000], (_, k) => k);
  assert.deepEqual(accumulator.stored().objects, [[86_400_000, "1970-01-02T00:00:00.000Z"]]);
  assert.deepEqual(accumulator.restored().answer(), [new Date(86_400_000)]);
});

Deno.test("distinct values are told apart by type and content, and are forgotten once there are too many", () => {
  const count = (values: ReadonlyArray<Aggregate.Distinguishable>, atMost: number) =>
    Aggregate.evaluate(Aggregate.distinct((x: Aggregate.Distinguishable) => x, { atMost }), values);
  assert.deepEqual(count([1, "1", 1n, true, NaN, NaN, 0, -0], 6), { count: 6, exact: true });
  assert.deepEqual(count([1, "1", 1n, true, NaN, NaN, 0, -0], 5), { count: 5, exact: false });
  const many = new Accumulator(Aggregate.distinct((x: number) => x, { atMost: 1_000 }));
  many.add(Array.from({ length: 1_001 }, (_, k) => k), (_, k) => k);
  assert.deepEqual(many.stored().objects, [[]]);
});

Deno.test("objects are not told apart, so they are refused", () => {
  const object = ((x: object) => x) as unknown as (x: object) => string;
  const rule = {
    name: "TypeError",
    message: "Cannot count distinct values as they must be strings, numbers, bigints or booleans: " +
      "current value is {}",
  };
  assert.throws(() => Aggregate.evaluate(Aggregate.distinct(object, { atMost: 2 }), [{}]), rule);
  assert.throws(() => Aggregate.evaluate(Aggregate.distinctAmong(object, {}, { atMost: 2 }), [{}]), rule);
  assert.throws(() => Aggregate.evaluate(Aggregate.approxDistinct(object), [{}]), rule);
});

// boundaries       0         15              60
// counts     1     |    2    |       2       |   1
Deno.test("a boundary of a histogram belongs to the range that it begins", () => {
  const histogram = Aggregate.histogram((x: number) => x, { boundaries: [0, 15, 60] });
  assert.deepEqual(Aggregate.evaluate(histogram, [-0.5, 0, 14.9, 15, 59, 60]), [1, 2, 2, 1]);
  assert.deepEqual(Aggregate.evaluate(histogram, [-Infinity, Infinity, NaN]), [1, 0, 0, 1]);
});

// event time  0    1    2    3    4    5 s
//             a                        b     2 in 5 seconds
//             a b                            2 in half a second, which counts as one
//             a                              1, likewise
Deno.test("a rate is over the span of the records, and at least over one unit of time", () => {
  const rate = (per: `${number} seconds`, ...times: ReadonlyArray<number>): number =>
    new Accumulator(Aggregate.rate<number>({ per })).add(times, (time) => time).answer();
  assert.equal(rate("1 seconds", 0, 5_000), 0.4);
  assert.equal(rate("60 seconds", 0, 300_000), 0.4);
  assert.equal(rate("1 seconds", 0, 500), 2);
  assert.equal(rate("1 seconds", 3_000), 1);
  assert.equal(rate("1 seconds", 3_000, 3_000, 3_000), 3);
  assert.equal(rate("1 seconds", ...Array.from({ length: 101 }, (_, k) => 1_000 * k)), 1.01);
});

Deno.test("a rate over a given time is that however close the records are", () => {
  const perSecond = Aggregate.rate({ per: "1 second", over: "10 seconds", weight: (bytes: number) => bytes });
  for (const apart of [0, 1, 9_000]) {
    assert.equal(new Accumulator(perSecond).add([300, 200], (_, k) => k * apart).answer(), 50);
  }
});

// event time  0    10   20        halfLife 10
//             4    .    2    =    4 / 4 + 2
Deno.test("a decayed sum is as of the latest record, whichever comes first", () => {
  const heat = Aggregate.decayed(({ x }: { readonly x: number; readonly at: number }) => x, { halfLife: "10 millis" });
  const records = [{ x: 4, at: 0 }, { x: 2, at: 20 }];
  assert.equal(new Accumulator(heat).add(records, ({ at }) => at).answer(), 3);
  assert.equal(new Accumulator(heat).add(records.toReversed(), ({ at }) => at).answer(), 3);
  // What is very old is nothing, rather than something that is not a number.
  const old = [{ x: 1, at: -8.64e15 }, { x: 5, at: 8.64e15 }];
  assert.equal(new Accumulator(heat).add(old, ({ at }) => at).answer(), 5);
  assert.equal(new Accumulator(heat).add(old.toReversed(), ({ at }) => at).answer(), 5);
});

Deno.test("without event time the first and the last are those of arrival, and what needs a span is unknown", () => {
  const answer = <B>(aggregate: Aggregate.Aggregate<string, B>): B => {
    const part = (...words: ReadonlyArray<string>) => new Accumulator(aggregate).add(words, () => NaN);
    return new Accumulator(aggregate).merge(part("a", "b")).merge(part()).merge(part("c", "d")).answer();
  };
  assert.equal(answer(Aggregate.first((word: string) => word, Schema.String)), "a");
  assert.equal(answer(Aggregate.last((word: string) => word, Schema.String)), "d");
  assert.equal(answer(Aggregate.rate({ per: "1 second" })), NaN);
  assert.equal(answer(Aggregate.rate({ per: "1 second", over: "2 seconds" })), 2);
  assert.equal(answer(Aggregate.decayed((word: string) => word.length, { halfLife: "1 second" })), NaN);
});

Deno.test("a fold sees every record in turn, is stored, and cannot merge", () => {
  const fold = Aggregate.fold({
    name: "alternating",
    schema: Schema.Struct({ sum: Schema.Number, sign: Schema.Number }),
    initial: () => ({ sum: 0, sign: 1 }),
    add: ({ sum, sign }, x: number, timestamp) => ({ sum: sum + sign * x * timestamp, sign: -sign }),
    result: ({ sum }) => sum,
  });
  const accumulator = new Accumulator(fold).add([1, 2, 3], (_, k) => k + 1).restored().add([4], () => 4);
  assert.equal(accumulator.answer(), 1 - 4 + 9 - 16);
  assert.equal(accumulator.reset().add([5], () => 1).answer(), 5);
  assert.throws(() => accumulator.merge(new Accumulator(fold)), {
    name: "TypeError",
    message: "Cannot merge two accumulators of a fold as it needs windows that neither overlap nor grow together: " +
      'current value is "alternating"',
  });
  const both = compose<number, { a: number; b: number }, Aggregate.Merges | Aggregate.CannotMerge>({
    a: Aggregate.count,
    b: fold,
  });
  assert.equal(both.merging, fold.merging, "what holds a fold cannot merge");
});

// ---------------------------------------------------------------------------------------------------------------------
// Sketches

/** Numbers from 0 to 1 that a seed determines (mulberry32, by Tommy Ettinger, public domain). */
const randomNumbers = (seed: number): () => number => () => {
  seed = seed + 0x6d2b79f5 | 0;
  let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
  return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
};

// An estimate is about normal around the count. One that is five standard errors off has a probability of 6e-7, so one of
// the 120 of each error fails a right implementation with one of 7e-5. Their mean square, in standard errors, is that of
// 80 or more normal numbers (the least counts are exact): it exceeds 1.5 with a probability of 0.003, but what was asked
// for is rounded to at most 0.92 of itself, which makes that 1e-5. Their mean is beyond 0.35 with a probability of 2e-4.
// The hash is fixed, and so are the values: whatever passes once goes on passing.
for (const error of [0.05, 0.02, 0.01]) {
  Deno.test(`the standard error of an approximate count is at most ${error}, with no bias, whatever the count`, () => {
    const deviations: Array<number> = [];
    for (let seed = 0; seed < 24; seed++) {
      const values: ReadonlyArray<(k: number) => Aggregate.Distinguishable> = [
        (k) => `${seed}:${k}`,
        (k) => seed * 1e9 + k,
        (k) => k / (seed + 3),
        (k) => BigInt(seed) << 64n | BigInt(k),
      ];
      const value = values[seed % values.length];
      for (const count of [30, 700, 2_500, 12_000, 40_000]) {
        const accumulator = new Accumulator(
          Aggregate.approxDistinct((k: number) => value(k), { standardError: error }),
        );
        for (let k = 0; k < count; k++) accumulator.add([k], () => 0);
        deviations.push((accumulator.answer() - count) / count / error);
      }
    }
    for (const deviation of deviations) assert.ok(Math.abs(deviation) < 5, `${deviation} standard errors`);
    const meanSquare = sumOf(deviations.map((x) => x * x)) / deviations.length;
    assert.ok(meanSquare < 1.5 && meanSquare > 0.1, `a mean square of ${meanSquare}`);
    const mean = sumOf(deviations) / deviations.length;
    assert.ok(Math.abs(mean) < 0.35, `a mean of ${mean}`);
  });
}

Deno.test("an approximate count is exact while the hashes are kept, and takes no more room than it says", () => {
  const sketch = Aggregate.approxDistinct((x: string | number) => x);
  const accumulator = new Accumulator(sketch);
  for (let k = 0; k < 256; k++) {
    accumulator.add([k, ""], () => 0);
    if (k < 255) assert.equal(accumulator.answer(), k + 2);
  }
  const [registers] = accumulator.stored().objects as [Uint8Array];
  assert.ok(registers instanceof Uint8Array);
  assert.equal(registers.length, 4_096);
});

Deno.test("a hash is one for equal values, differs for others, and is a whole number of 53 bits", () => {
  assert.equal(hash53(0), hash53(-0));
  const payload = new Float64Array(new BigUint64Array([0x7ff8000000000001n]).buffer)[0];
  assert.equal(hash53(NaN), hash53(payload));
  assert.equal(hash53("ab".repeat(3)), hash53("ababab"));
  // Every shape of value in one set: 120,000 values have an equal pair by chance with a probability of 1e-6.
  const seen = new Set<number>();
  const alike = [0, NaN, 1, 1n, true, false, "", "1", "true", "t", "\u0000", "\u0000\u0000", "a", "a\u0000", "NaN"];
  for (const value of alike) seen.add(hash53(value));
  for (let k = 2; k < 30_002; k++) {
    for (const value of [k, -k / 7, `${k}`, BigInt(k)]) seen.add(hash53(value));
  }
  assert.equal(seen.size, alike.length + 4 * 30_000);
  for (const hash of seen) assert.ok(Number.isSafeInteger(hash) && hash >= 0);
});

// The bound holds for all numbers, so there is nothing that chance could make fail.
Deno.test("quantiles are as close as was asked for, whatever the distribution", () => {
  const qs = [0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1];
  for (let seed = 0; seed < 10; seed++) {
    const random = randomNumbers(seed);
    const distributions: Readonly<Record<string, () => number>> = {
      uniform: random,
      "long tail": () => (1 - random()) ** -2,
      "both signs": () => Math.tan(Math.PI * (random() - 0.5)),
      "all magnitudes": () => 10 ** (600 * random() - 300) * (random() < 0.5 ? -1 : 1),
      "whole numbers": () => Math.floor(50 * random()) - 10,
      "two clusters": () => random() < 0.99 ? 10 + random() : 5_000 + random(),
    };
    for (const [name, next] of Object.entries(distributions)) {
      const numbers = Array.from({ length: 1_500 }, next);
      for (const relativeError of [0.3, 0.01, 0.0005]) {
        const halves = [numbers.slice(0, 700), numbers.slice(700)].map((half) =>
          new Accumulator(Aggregate.quantiles((x: number) => x, qs, { relativeError })).add(half, () => 0)
        );
        const answer = halves[0].merge(halves[1]).answer();
        qs.forEach((q, k) =>
          assertQuantile(answer[k], quantile(numbers, q), relativeError, `quantile ${q} of ${name}, seed ${seed}`)
        );
      }
    }
  }
});

Deno.test("quantiles of numbers at the edges of ranges are as close as was asked for", () => {
  for (const relativeError of [0.3, 0.01]) {
    const gamma = (1 + relativeError) / (1 - relativeError);
    const numbers = Array.from({ length: 601 }, (_, k) => gamma ** (k - 300));
    const qs = numbers.map((_, k) => k / 600);
    const answer = Aggregate.evaluate(Aggregate.quantiles((x: number) => x, qs, { relativeError }), numbers);
    qs.forEach((q, k) => assertQuantile(answer[k], quantile(numbers, q), relativeError, `quantile ${q}`));
  }
});

Deno.test("quantiles keep a counter for each range that holds a number, and no more", () => {
  const binsOf = (numbers: ReadonlyArray<number>): number => {
    const accumulator = new Accumulator(Aggregate.quantiles((x: number) => x, [0.5])).add(numbers, () => 0);
    return (accumulator.stored().objects[0] as ReadonlyArray<number>).length / 2;
  };
  assert.equal(binsOf(new Array(10_000).fill(3)), 1);
  const sweep = Array.from({ length: 20_000 }, (_, k) => 10 ** (-3 + 9 * k / 20_000));
  assert.ok(Math.abs(binsOf(sweep) - 1_036) <= 1);
});

Deno.test("quantiles at the limits of numbers are numbers that came", () => {
  const answer = (...numbers: ReadonlyArray<number>) =>
    Aggregate.evaluate(Aggregate.quantiles((x: number) => x, [0, 0.5, 1]), numbers);
  assert.deepEqual(answer(NaN), [NaN, NaN, NaN]);
  assert.deepEqual(answer(7), [7, 7, 7]);
  assert.deepEqual(answer(-Infinity, 0, Infinity), [-Infinity, 0, Infinity]);
  assert.deepEqual(answer(-0, 0, -0), [0, 0, 0]);
  const max = Number.MAX_VALUE;
  assert.deepEqual(answer(max, max, max), [max, max, max]);
  const min = Number.MIN_VALUE;
  assert.deepEqual(answer(-min, -min, -min), [-min, -min, -min]);
  assert.deepEqual(answer(1, Infinity, Infinity, Infinity), [1, Infinity, Infinity]);
});

// ---------------------------------------------------------------------------------------------------------------------
// Options

Deno.test("options that make no sense are refused, and the message says which and why", () => {
  const x = (x: number): number => x;
  const refused: ReadonlyArray<readonly [attempt: () => unknown, message: string]> = [
    ...[0, -1, 1.5, NaN, Infinity].map((n) =>
      [
        () => Aggregate.topN(x, x, Schema.Number, { n }),
        `Cannot take the topN as n must be a whole number above 0: current value is ${n}`,
      ] as const
    ),
    [
      () => Aggregate.bottomN(x, x, Schema.Number, { n: 0 }),
      "Cannot take the bottomN as n must be a whole number above 0: current value is 0",
    ],
    ...[0, 2.5, NaN].map((atMost) =>
      [
        () => Aggregate.distinct(x, { atMost }),
        `Cannot count distinct values as atMost must be a whole number above 0: current value is ${atMost}`,
      ] as const
    ),
    [
      () => Aggregate.distinctAmong(x, {}, { atMost: 0.5 }),
      "Cannot count distinct values as atMost must be a whole number above 0: current value is 0.5",
    ],
    [
      () =>
        Aggregate.distinctAmong(x, Object.fromEntries(Array.from({ length: 32 }, (_, k) => [k, () => true])), {
          atMost: 1,
        }),
      "Cannot count distinct values as there must be at most 31 sorts of records: current value is 32",
    ],
    ...[0, 0.004, 0.3, NaN].map((error) =>
      [
        () => Aggregate.approxDistinct(x, { standardError: error }),
        `Cannot estimate a count as standardError must be from 0.005 to 0.25: current value is ${error}`,
      ] as const
    ),
    ...[[], [0.5, 1.1], [-0.1], [NaN]].map((quantiles) =>
      [
        () => Aggregate.quantiles(x, quantiles),
        `Cannot estimate quantiles as they must be numbers from 0 to 1: current value is [${quantiles.join(", ")}]`,
      ] as const
    ),
    ...[0, 1, -1, 1e-7, NaN].map((relativeError) =>
      [
        () => Aggregate.quantiles(x, [0.5], { relativeError }),
        "Cannot estimate quantiles as relativeError must be at least 0.000001 and less than 1: " +
        `current value is ${relativeError}`,
      ] as const
    ),
    ...[[], [1, 1], [2, 1], [0, Infinity], [NaN]].map((boundaries) =>
      [
        () => Aggregate.histogram(x, { boundaries }),
        "Cannot make a histogram as boundaries must be finite numbers, each greater than the one before: " +
        `current value is [${boundaries.join(", ")}]`,
      ] as const
    ),
    [
      () => Aggregate.rate({ per: 0 }),
      "Cannot take a rate as per must be a finite number of milliseconds above 0: current value is 0",
    ],
    [
      () => Aggregate.rate({ per: "1 second", over: Infinity }),
      "Cannot take a rate as over must be a finite number of milliseconds above 0: current value is Infinity",
    ],
    [
      () => Aggregate.decayed(x, { halfLife: 0 }),
      "Cannot decay a sum as halfLife must be a finite number of milliseconds above 0: current value is 0",
    ],
  ];
  for (const [attempt, message] of refused) assert.throws(attempt, { name: "RangeError", message });
});

Deno.test("an option is read once: what becomes of it later does not matter", () => {
  const boundaries = [0, 10];
  const histogram = Aggregate.histogram((x: number) => x, { boundaries });
  boundaries.push(20);
  assert.deepEqual(Aggregate.evaluate(histogram, [5]), [0, 1, 0]);
  const qs = [1];
  const quantiles = Aggregate.quantiles((x: number) => x, qs);
  qs.push(0);
  assert.deepEqual(Aggregate.evaluate(quantiles, [5, 6]), [6]);
});

Deno.test("state of one aggregate is not read by another, nor by the same with other options", () => {
  const x = (x: number): number => x;
  const fold = (name: string, schema: Aggregate.StateSchema<number>) =>
    Aggregate.fold({ name, schema, initial: () => 0, add: (n: number) => n, result: (n) => n });
  const different: ReadonlyArray<Aggregate.Aggregate<number, unknown>> = [
    Aggregate.count,
    Aggregate.sum(x),
    Aggregate.mean(x),
    Aggregate.min(x),
    Aggregate.max(x),
    Aggregate.where(() => true, Aggregate.count, 0),
    Aggregate.where(() => true, Aggregate.sum(x), 0),
    Aggregate.variance(x),
    Aggregate.first(x, Schema.Number),
    Aggregate.first(String, Schema.String),
    Aggregate.last(x, Schema.Number),
    Aggregate.collect(x, Schema.Number, { atMost: 1 }),
    Aggregate.collect(x, Schema.Number, { atMost: 2 }),
    Aggregate.argMin(x, x, Schema.Number),
    Aggregate.argMin(x, String, Schema.String),
    Aggregate.argMax(x, x, Schema.Number),
    Aggregate.topN(x, x, Schema.Number, { n: 1 }),
    Aggregate.topN(x, x, Schema.Number, { n: 2 }),
    Aggregate.topN(x, String, Schema.String, { n: 2 }),
    Aggregate.bottomN(x, x, Schema.Number, { n: 1 }),
    Aggregate.distinct(x, { atMost: 1 }),
    Aggregate.distinct(x, { atMost: 2 }),
    Aggregate.distinctAmong(x, {}, { atMost: 1 }),
    Aggregate.distinctAmong(x, {}, { atMost: 2 }),
    Aggregate.distinctAmong(x, { odd: () => true }, { atMost: 2 }),
    Aggregate.distinctAmong(x, { even: () => true }, { atMost: 2 }),
    Aggregate.approxDistinct(x),
    Aggregate.approxDistinct(x, { standardError: 0.01 }),
    Aggregate.quantiles(x, [0.5]),
    Aggregate.quantiles(x, [0.5, 0.9]),
    Aggregate.quantiles(x, [0.9, 0.5]),
    Aggregate.quantiles(x, [0.5], { relativeError: 0.02 }),
    Aggregate.histogram(x, { boundaries: [1] }),
    Aggregate.histogram(x, { boundaries: [2] }),
    Aggregate.histogram(x, { boundaries: [1, 2] }),
    Aggregate.rate({ per: 1_000 }),
    Aggregate.rate({ per: 2_000 }),
    Aggregate.rate({ per: 1_000, over: 2_000 }),
    Aggregate.rate({ per: 1_000, over: 3_000 }),
    Aggregate.rate({ per: 1_000, weight: x }),
    Aggregate.decayed(x, { halfLife: 1_000 }),
    Aggregate.decayed(x, { halfLife: 2_000 }),
    fold("one", Schema.Number),
    fold("two", Schema.Number),
    fold("one", Schema.NumberFromString),
    fold("count", Schema.Number),
  ];
  const fingerprints = different.map(({ fingerprint }) => fingerprint);
  assert.equal(new Set(fingerprints).size, fingerprints.length, fingerprints.toSorted().join("\n"));
  // The same options give the same fingerprint, however they are written.
  assert.equal(
    Aggregate.approxDistinct(x, { standardError: 0.02 }).fingerprint,
    Aggregate.approxDistinct(x).fingerprint,
  );
  assert.equal(
    Aggregate.decayed(x, { halfLife: "1 second" }).fingerprint,
    Aggregate.decayed(x, { halfLife: 1_000 }).fingerprint,
  );
});

// ---------------------------------------------------------------------------------------------------------------------
// In a job

/** Disordered by less than 40 milliseconds. */
const arriving: ReadonlyArray<Item> = Array.from({ length: 300 }, (_, n) => ({
  id: `i${n}`,
  at: 5 * n + (n * 7919) % 40,
  x: [NaN, Infinity, -0][n % 50] ?? (n * 31) % 23 - 5,
  k: (n * 17) % 11 - 5,
  mixed: [n % 9, `${n % 4}`, BigInt(n % 3), n % 2 === 0][n % 4],
}));

// event time  -100 0    100  200  300 ...
// slices           |    |    |    |
// windows     [---------)    |    |
//                  [---------)    |
//                       [---------)
Deno.test("every aggregate answers in sliding windows, in a job that crashes, what it does about their records alone", async () => {
  const out = Sink.memory<Window.WindowResult<string, Record<string, unknown>>>("out");
  const flow = Flow.from(Source.array("items", arriving)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(40) }),
    Flow.keyBy(({ k }) => k % 2 === 0 ? "even" : "odd"),
    Flow.window("all", {
      assigner: Window.sliding({ size: 200, slide: 100 }),
      aggregate: {
        argMax: Aggregate.argMax(({ x }) => x, ({ id }) => id, Schema.String),
        argMin: Aggregate.argMin(({ x }) => x, ({ id }) => id, Schema.String),
        topN: Aggregate.topN(({ x }) => x, ({ id }) => id, Schema.String, { n: 4 }),
        bottomN: Aggregate.bottomN(({ x }) => x, ({ id }) => id, Schema.String, { n: 4 }),
        distinct: Aggregate.distinct(({ mixed }) => mixed, { atMost: 6 }),
        approxDistinct: Aggregate.approxDistinct(({ mixed }) => mixed, { standardError: 0.1 }),
        quantiles: Aggregate.quantiles(({ x }) => x, asked),
        histogram: Aggregate.histogram(({ x }) => x, { boundaries }),
        rate: Aggregate.rate({ per: "1 second", weight: ({ k }) => k }),
        decayed: Aggregate.decayed(({ k }) => k, { halfLife: "300 millis" }),
        first: Aggregate.first(({ id }) => id, Schema.String),
      },
      late: "drop",
    }),
    Flow.to(out),
  );
  const kv = memoryKv();
  kv.onCommit((commit) => commit % 5 === 4 ? "crash-after" : "ok");
  const { starts, metrics } = await runToEnd(Job.make({ name: "sliding", guarantee: "exactly-once", flows: [flow] }), {
    kv,
    epochRecordsMax: 40,
    batchRecordsMax: 16,
  });
  assert.ok(starts > 2, "the job was started again");
  assert.equal(metrics.operators["all"].late, 0);

  const expected: Array<string> = [];
  const results = new Map(out.values().map((result) => [`${result.key} ${result.window.start}`, result.value]));
  for (const key of ["even", "odd"]) {
    for (let start = -100; start <= 1_600; start += 100) {
      // A window is its slices one after the other, each in order of arrival.
      const items = [start, start + 100].flatMap((slice) =>
        arriving.filter(({ k, at }) => (k % 2 === 0 ? "even" : "odd") === key && at >= slice && at < slice + 100)
      );
      if (items.length === 0) continue;
      expected.push(`${key} ${start}`);
      const answer = results.get(`${key} ${start}`);
      assert.ok(answer !== undefined, `${key} ${start} has a result`);
      for (const [name, value] of Object.entries(answer)) subjects[name].check(value, items);
    }
  }
  assertSameBag(out.values().map(({ key, window }) => `${key} ${window.start}`), expected, "windows");
});

// event time  0         10        20
//             1 2  3    | 4     5 |
// windows     [---------[---------)
Deno.test("a fold answers in tumbling windows, and does not compile in sliding ones", async () => {
  const concatenated = Aggregate.fold({
    name: "concatenated",
    schema: Schema.String,
    initial: () => "",
    add: (text, n: number) => `${text}${n}`,
    result: (text) => text,
  });
  const out = Sink.memory<Window.WindowResult<string, { readonly text: string; readonly count: number }>>("out");
  const keyed = Flow.from(Source.array("numbers", [1, 2, 3, 4, 5])).pipe(
    Flow.eventTime({ timestamp: (n) => 4 * (n - 1), watermark: Watermark.monotonic }),
    Flow.keyBy(() => "k"),
  );
  const flow = keyed.pipe(
    Flow.window("folded", {
      assigner: Window.tumbling(10),
      aggregate: { text: concatenated, count: Aggregate.count },
      late: "drop",
    }),
    Flow.to(out),
  );
  await run(Job.make({ name: "folding", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(({ value }) => value), [{ text: "123", count: 3 }, { text: "45", count: 2 }]);

  const sliding = Window.sliding({ size: 10, slide: 5 });
  // @ts-expect-error -- an accumulator of a fold cannot be put together from those of slices
  keyed.pipe(Flow.window("overlapping", { assigner: sliding, aggregate: concatenated, late: "drop" }));
});

// records   i0 i1 | i2 i3 | i4 i5     a pane after every two; an epoch after each record
Deno.test("an accumulator that was emptied by a pane is stored, and goes on", async () => {
  const out = Sink.memory<Window.WindowResult<string, { readonly first: string; readonly greatest: string }>>("out");
  const flow = Flow.from(Source.array("items", arriving.slice(0, 6))).pipe(
    Flow.keyBy(() => "k"),
    Flow.window("pairs", {
      assigner: Window.global,
      trigger: Trigger.repeatedly(Trigger.afterCount(2)),
      panes: "discarding",
      aggregate: {
        first: Aggregate.first(({ id }) => id, Schema.String),
        greatest: Aggregate.argMax((_) => 0, ({ id }) => id, Schema.String),
      },
      late: "drop",
    }),
    Flow.to(out),
  );
  const kv = memoryKv();
  kv.onCommit((commit) => commit === 4 ? "crash-after" : "ok");
  await runToEnd(Job.make({ name: "emptied", guarantee: "exactly-once", flows: [flow] }), {
    kv,
    epochRecordsMax: 1,
    batchRecordsMax: 1,
  });
  assert.deepEqual(out.values().map(({ value }) => value), [
    { first: "i0", greatest: "i0" },
    { first: "i2", greatest: "i2" },
    { first: "i4", greatest: "i4" },
  ]);
});
