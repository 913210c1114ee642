/** Flink answers the same questions about the same events: `deno task test:peers`. */
import assert from "node:assert/strict";
import { measureInChild } from "../measure/child.ts";
import { expected, expectedOfEvents } from "../nexmark/expected.ts";
import { digestOfEvents } from "../nexmark/generator.ts";
import { queries } from "../nexmark/queries.ts";
import { checkPeers, rowsOnFlink } from "./check.ts";
import { buildFlink, FlinkUnavailable, javaCommand } from "./flink.ts";

const names = queries.map(({ name }) => name);

/** Why Flink cannot be compared with here, or null. */
const missing = await buildFlink().then(() => null, (error) => {
  if (error instanceof FlinkUnavailable) return error.message;
  throw error;
});
if (missing !== null) console.error(`The tests of Flink are left out. ${missing}`);

const onFlink = (name: string, test: () => Promise<void>): void => Deno.test(name, { ignore: missing !== null }, test);

onFlink("the events are the same bits in Java", async () => {
  for (const [count, seed] of [[100_000, 1], [10_000, 2], [3_000, 4_294_967_295]]) {
    const command = await javaCommand("nexmark.Digests", [String(count), String(seed | 0)]);
    const digest = await measureInChild(command, { pinned: false, timeoutMillis: 60_000 });
    assert.equal(digest, digestOfEvents(count, { seed }), `${count} events of seed ${seed}`);
  }
});

for (const state of ["heap", "rocksdb"]) {
  onFlink(`Flink gives the rows of the benchmark, with its state in a ${state}`, async () => {
    const rows = await rowsOnFlink(names, [`--events=${expectedOfEvents}`, `--state=${state}`]);
    for (const name of names) {
      const { results, digest } = rows.get(name)!;
      assert.equal(digest, expected[name].digest, name);
      // The clock may deal the bids of a person out to two windows.
      if (name !== "q12") assert.equal(results, expected[name].rows, name);
    }
  });
}

onFlink("Weir and Flink say the same of a thousand seconds, in which all windows end", async () => {
  for (const { query, weir, flink } of await checkPeers(names)) assert.equal(flink.digest, weir.digest, query);
});
