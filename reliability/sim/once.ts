/** Checking that each record left one trace. */
import assert from "node:assert/strict";
import type { Guarantee } from "./guarantee.ts";

export type Rows = ReadonlyArray<unknown>;

/** Checks that each id was seen once or, where that is all that was promised, at most once. */
export const once = (ids: Rows, seen: Rows, guarantee: Guarantee, times = 1): void => {
  const counts = new Map<unknown, number>(ids.map((id) => [id, 0]));
  for (const id of seen) {
    assert.ok(counts.has(id), `#${id} was made up`);
    counts.set(id, counts.get(id)! + 1);
  }
  for (const [id, count] of counts) {
    if (guarantee === "at-most-once") assert.ok(count <= times, `#${id} is there ${count} times: ${times} wanted`);
    else assert.equal(count, times, `#${id} is there ${count} times: ${times} wanted`);
  }
};
