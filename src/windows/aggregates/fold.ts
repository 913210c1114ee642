/**
 * An aggregate of one's own that cannot merge.
 *
 * @module
 */
import type { Aggregate, CannotMerge } from "../aggregate.ts";
import { codec, describe, type StateSchema } from "./state-schema.ts";

/**
 * An aggregate of one's own that cannot merge: for what depends on every record in turn.
 *
 * It fits windows that neither overlap nor grow together, so that each record is in one: `Window.tumbling`, `calendar`,
 * `global`, `tumblingProcessingTime`, `count(n)`, and `custom` without `overlapping`. For sliding windows and sessions
 * accumulators must merge: `make` fits all windows.
 *
 * The accumulator comes with a Schema, because it is kept in the state. `add` returns the new accumulator; it may change the
 * one it was given and return it. One that the Schema refuses ends the job with a `UserCodeError` when the epoch ends.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Aggregate } from "@weir/streams";
 *
 * // What is left of a budget when a payment that it does not cover is refused: two halves cannot be put together.
 * const left = Aggregate.fold({
 *   name: "budget",
 *   schema: Schema.Number,
 *   initial: () => 100,
 *   add: (left, payment: number) => payment <= left ? left - payment : left,
 *   result: (left) => left,
 * });
 * assert.equal(Aggregate.evaluate(left, [70, 50, 20]), 10);
 * ```
 */
export const fold = <A, Acc, B>(options: {
  /** Describes what the accumulator means; state kept under another name is not read. */
  readonly name: string;
  readonly schema: StateSchema<Acc>;
  readonly initial: () => NoInfer<Acc>;
  readonly add: (accumulator: NoInfer<Acc>, value: A, timestamp: number) => NoInfer<Acc>;
  readonly result: (accumulator: NoInfer<Acc>) => B;
}): Aggregate<A, B, CannotMerge> => ({
  "~weir/Aggregate": true,
  merging: "cannot merge: it needs windows that neither overlap nor grow together",
  fingerprint: `fold(${JSON.stringify(options.name)},${describe(options.schema)})`,
  numbers: 0,
  objects: [codec(options.schema)],
  reset: (_n, _i, o, j) => void (o[j] = options.initial()),
  add: (_n, _i, o, j, value, timestamp) => void (o[j] = options.add(o[j] as Acc, value, timestamp)),
  merge: () => {
    throw new TypeError(
      `Cannot merge two accumulators of a fold as it needs windows that neither overlap nor grow together: ` +
        `current value is ${JSON.stringify(options.name)}`,
    );
  },
  result: (_n, _i, o, j) => options.result(o[j] as Acc),
});
