/**
 * An aggregate outside any flow.
 *
 * @module
 */
import type { Aggregate } from "../aggregate.ts";

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
