import assert from "node:assert/strict";
import { TestHarness } from "@weir/streams/testing";
import { salesIn } from "./sales.ts";

Deno.test("a minute's total is written once the minute is over", () => {
  const { job, sales, totals } = salesIn("no folder");
  const harness = TestHarness.make(job);
  harness.push(sales, [
    { shop: "Bern", cents: 500, at: 1_000 },
    { shop: "Bern", cents: 250, at: 59_000 },
  ]);
  assert.deepEqual(harness.take(totals), []);
  harness.advanceWatermark(sales, 60_000);
  assert.deepEqual(harness.take(totals), [{ shop: "Bern", minute: 0, cents: 750 }]);
});
