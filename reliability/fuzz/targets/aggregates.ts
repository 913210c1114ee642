/**
 * Accumulators: what was stored answers what it answered before, and what was never stored is refused.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import assert from "node:assert/strict";
import { deserialize, serialize } from "node:v8";
import { Aggregate } from "@weir/streams";
import type { Draw } from "../draw.ts";
import type { Target } from "../target.ts";
import { clonable, number, text, time } from "../values.ts";

/** A record of the fuzzed flows. */
interface Value {
  readonly text: string;
  readonly number: number;
}

const aggregates: ReadonlyArray<Aggregate.Aggregate<Value, unknown>> = [
  Aggregate.collect((value: Value) => value.text, Schema.String, { atMost: 3 }),
  Aggregate.distinct((value: Value) => value.text, { atMost: 3 }),
  Aggregate.distinct((value: Value) => value.number, { atMost: 100 }),
  Aggregate.distinctAmong((value: Value) => value.text, { odd: (value) => value.number % 2 !== 0 }, { atMost: 4 }),
  Aggregate.where((value: Value) => value.number > 0, Aggregate.last((value) => value.number, Schema.Number), null),
  Aggregate.approxDistinct((value: Value) => value.text, { standardError: 0.2 }),
  Aggregate.approxDistinct((value: Value) => value.number, { standardError: 0.1 }),
  Aggregate.quantiles((value: Value) => value.number, [0, 0.5, 0.99, 1]),
  Aggregate.topN((value: Value) => value.number, (value) => value.text, Schema.String, { n: 3 }),
  Aggregate.bottomN((value: Value) => value.number, (value) => value.number, Schema.Number, { n: 2 }),
  Aggregate.first((value: Value) => value.text, Schema.String),
  Aggregate.last((value: Value) => value.number, Schema.Number),
  Aggregate.argMax((value: Value) => value.number, (value) => value.text, Schema.String),
  Aggregate.make({
    name: "longest",
    schema: Schema.Struct({ longest: Schema.String, at: Schema.Number }),
    initial: () => ({ longest: "", at: NaN }),
    add: (kept, value: Value, at) => value.text.length > kept.longest.length ? { longest: value.text, at } : kept,
    merge: (a, b) => b.longest.length > a.longest.length ? b : a,
    result: (kept) => kept,
  }),
  Aggregate.variance((value: Value) => value.number),
  Aggregate.decayed((value: Value) => value.number, { halfLife: "1 second" }),
];

/** An accumulator. */
interface Accumulator {
  readonly numbers: Float64Array;
  readonly objects: Array<unknown>;
}

const emptyOf = (aggregate: Aggregate.Aggregate<Value, unknown>): Accumulator => {
  const made = { numbers: new Float64Array(aggregate.numbers), objects: [] };
  aggregate.reset(made.numbers, 0, made.objects, 0);
  return made;
};

const add = (draw: Draw, aggregate: Aggregate.Aggregate<Value, unknown>, into: ReadonlyArray<Accumulator>): void => {
  const value = { text: text(draw), number: number(draw) };
  const at = time(draw);
  for (const { numbers, objects } of into) aggregate.add(numbers, 0, objects, 0, value, at);
};

const answer = (aggregate: Aggregate.Aggregate<Value, unknown>, { numbers, objects }: Accumulator): unknown =>
  aggregate.result(numbers, 0, objects, 0);

/** Accumulators, stored and read. */
export const accumulators: Target = {
  name: "aggregates",
  about: "accumulators stored, read and gone on with; anything that was never stored to their codecs",
  rejects: ["SchemaRefusal"],
  check: (draw) => {
    const aggregate = draw.oneOf(aggregates);
    const live = emptyOf(aggregate);
    for (let k = draw.below(draw.once(20) ? 400 : 8); k >= 0; k--) add(draw, aggregate, [live]);
    const stored = aggregate.objects.map((codec, k) => deserialize(serialize(codec.encode(live.objects[k]))));
    if (draw.below(2) === 0) {
      const read: Accumulator = {
        numbers: live.numbers.slice(),
        objects: aggregate.objects.map((codec, k) => codec.decode(stored[k])),
      };
      assert.deepEqual(answer(aggregate, read), answer(aggregate, live));
      add(draw, aggregate, [read, live]);
      assert.deepEqual(answer(aggregate, read), answer(aggregate, live));
      return "accepted";
    }
    aggregate.objects.forEach((codec, k) => {
      const object = codec.decode(damaged(draw, stored[k]));
      // What is accepted can be stored, and is then what it is.
      const again = codec.decode(deserialize(serialize(codec.encode(object))));
      assert.deepEqual(again, object);
    });
    return "accepted";
  },
};

/** Another value in the place of one that was stored, or of one of its parts. */
const damaged = (draw: Draw, stored: unknown): unknown => {
  if (!Array.isArray(stored) || stored.length === 0 || draw.once(3)) return clonable(draw, 2);
  switch (draw.below(3)) {
    case 0:
      return stored.slice(1 + draw.below(stored.length));
    case 1:
      return [...stored, draw.oneOf(stored)];
    default:
      return stored.with(draw.below(stored.length), draw.once(2) ? number(draw) : clonable(draw, 1));
  }
};
