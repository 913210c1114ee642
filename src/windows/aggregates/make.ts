/**
 * An aggregate of one's own.
 *
 * @module
 */
import type { Aggregate, Merges } from "../aggregate.ts";
import { codec, describe, type StateSchema } from "./state-schema.ts";

/**
 * An aggregate of one's own. The accumulator comes with a Schema, because it is kept in the state. One that the Schema
 * refuses ends the job with a `UserCodeError` when the epoch ends.
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
}): Aggregate<A, B, Merges> => ({
  "~weir/Aggregate": true,
  merging: "merges",
  fingerprint: `${options.name}(${describe(options.schema)})`,
  numbers: 0,
  objects: [codec(options.schema)],
  reset: (_n, _i, o, j) => void (o[j] = options.initial()),
  add: (_n, _i, o, j, value, timestamp) => void (o[j] = options.add(o[j] as Acc, value, timestamp)),
  merge: (_n, _i, o, j, _n2, _i2, o2, j2) => void (o[j] = options.merge(o[j] as Acc, o2[j2] as Acc)),
  result: (_n, _i, o, j) => options.result(o[j] as Acc),
});
