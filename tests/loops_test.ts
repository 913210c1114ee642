/** The loops that Weir is measured against do what the queries do. */
import assert from "node:assert/strict";
import { RowsDigest } from "../bench/nexmark/digest.ts";
import { expected, expectedOfEvents } from "../bench/nexmark/expected.ts";
import { queries } from "../bench/nexmark/queries.ts";
import { runLoop } from "../bench/peers/run-loop.ts";

for (const { name, checked } of queries) {
  Deno.test(`the loop of ${name} that is written by hand gives the rows of the benchmark`, () => {
    const digest = new RowsDigest();
    runLoop(name, expectedOfEvents, {}, (row) => {
      const { text, times } = checked(row);
      digest.add(text, times);
    });
    assert.deepEqual({ rows: digest.rows, digest: digest.value }, expected[name]);
  });
}
