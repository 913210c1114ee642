/** A sink that takes nothing for a long time. */
import assert from "node:assert/strict";

// virtual time   0        1 min    2 min    3 min    4 min    5 min
// sink           takes |  stuck ----------------------------------| takes
// source         reads |  what there is room for, then nothing    | reads
// heap                    =        =        =        =        =
Deno.test("a sink stuck for five minutes: the source stands still, the heap is flat, and then everything drains, exactly", async () => {
  const { stdout, stderr, code } = await new Deno.Command("deno", {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--v8-flags=--expose-gc", "reliability/stuck-sink.ts"],
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.equal(code, 0, said + new TextDecoder().decode(stderr));
  const lines = said.trimEnd().split("\n");
  const samples = lines.slice(0, -1).map((line) =>
    line.match(/^stuck for ([\d.]+) minutes: heap ([\d.]+) MiB, (\d+) records/)!.slice(1).map(Number)
  );
  assert.deepEqual(samples.map(([minutes]) => minutes), [1, 2, 3, 4, 5]);
  const heaps = samples.map(([, heap]) => heap);
  assert.ok(Math.max(...heaps) <= 1.05 * Math.min(...heaps), said);
  assert.equal(new Set(samples.map(([, , ahead]) => ahead)).size, 1, "nothing is read meanwhile");
  assert.match(lines.at(-1)!, /^stuck-sink: (\d+) records, \1 rows, each once and in order; heap flat within /);
});
