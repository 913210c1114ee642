import assert from "node:assert/strict";
import { simulate } from "@weir/streams/testing";
import { salesIn } from "./sales.ts";

/** A sale every three seconds, in four shops, some of them up to eight seconds behind. */
const records = Array.from({ length: 500 }, (_, k) => ({
  shop: ["Bern", "Chur", "Genf", "Visp"][k % 4],
  cents: 100 + k,
  at: k * 3_000 + (k * 7_919) % 8_000,
}));

Deno.test("whatever happens to the process, its store and its files, the totals are the same", async () => {
  const { job } = salesIn("no folder");
  const { rows, killed } = await simulate(job, { records: { sales: records } });
  assert.equal(rows.late, 0);
  assert.ok(rows.totals >= 100 && killed > 10);
});
