import assert from "node:assert/strict";
import { TestHarness } from "@weir/streams/testing";
import { salesIn } from "./sales.ts";

Deno.test("a sale may come ten seconds late, and no later", () => {
  const { job, sales, totals, late } = salesIn("no folder");
  const harness = TestHarness.make(job);
  harness.push(sales, [
    { shop: "Bern", cents: 500, at: 1_000 },
    { shop: "Chur", cents: 900, at: 69_999 },
    { shop: "Bern", cents: 250, at: 59_000 }, // the watermark is at 59,999: in time
    { shop: "Chur", cents: 100, at: 70_000 }, // and now at 60,000: the first minute is over
    { shop: "Bern", cents: 125, at: 58_000 }, // too late
  ]);
  assert.deepEqual(harness.take(totals), [{ shop: "Bern", minute: 0, cents: 750 }]);
  assert.deepEqual(harness.take(late), [{ shop: "Bern", cents: 125, at: 58_000 }]);

  harness.end();
  assert.deepEqual(harness.take(totals), [{ shop: "Chur", minute: 1, cents: 1_000 }]);
});
