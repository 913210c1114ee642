import assert from "node:assert/strict";
import { TestHarness } from "@weir/streams/testing";
import { salesIn } from "./sales.ts";

Deno.test("a crash in the middle of a minute changes nothing", () => {
  const { job, sales, totals } = salesIn("no folder");
  const harness = TestHarness.make(job);
  harness.push(sales, [{ shop: "Bern", cents: 500, at: 1_000 }]);
  harness.restart();
  harness.push(sales, [{ shop: "Bern", cents: 250, at: 59_000 }]);
  harness.advanceWatermark(sales, 60_000);
  assert.deepEqual(harness.take(totals), [{ shop: "Bern", minute: 0, cents: 750 }]);
});

Deno.test("a line that is no sale stops the job, and says where it stands", () => {
  const { job, sales } = salesIn("no folder");
  const harness = TestHarness.make(job);
  assert.throws(
    () => harness.reject(sales, "is not JSON", '{"shop":"Be'),
    { _tag: "UserCodeError", source: "sales", position: 1, message: /is not JSON/ },
  );
});
