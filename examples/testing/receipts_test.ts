import assert from "node:assert/strict";
import { simulate } from "@weir/streams/testing";
import { makeReceipts } from "./receipts.ts";

Deno.test("a counter outside of the engine does not survive a crash", async () => {
  await assert.rejects(
    simulate(makeReceipts, { faults: { kinds: ["crash-before"] } }),
    { name: "SimulationFailed", message: /expected {"cents":\d+,"receipt":\d+}, got {"cents":\d+,"receipt":\d+}/ },
  );
});
