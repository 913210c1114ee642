/** What must stay flat while a job runs for ever: its memory. */
import assert from "node:assert/strict";

const program = `
  import { Effect } from "effect";
  import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
  const job = Job.make({
    name: "flat",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.generate("readings", { seed: 1, splits: 2, make: (index) => ({ key: index % 100, at: index * 10 }) })).pipe(
        Flow.mapEffect((reading) => Effect.succeed(reading)),
        Flow.eventTime({ timestamp: (reading) => reading.at, watermark: Watermark.monotonic }),
        Flow.keyBy((reading) => reading.key),
        Flow.window("counts", { assigner: Window.tumbling("10 seconds"), aggregate: Aggregate.count, late: "drop" }),
        Flow.filter((result) => result.key === 7),
        Flow.to(Sink.idempotent("nowhere", {
          encode: (result) => result.value,
          byteLength: () => 8,
          open: (_context) => Effect.succeed({ marker: null, publish: () => Effect.void }),
        })),
      ),
    ],
  });
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, { state: ":memory:", epochInterval: "200 millis", batchRecordsMax: 64 });
    for (let k = 0; k < 3; k++) {
      yield* Effect.sleep(2_000);
      globalThis.gc();
      const { splits } = yield* running.metrics;
      console.log(Deno.memoryUsage().heapUsed, splits.reduce((sum, { records }) => sum + records, 0));
    }
    yield* running.stop;
  })));
`;

Deno.test("a job that runs on keeps no more memory, however often its fibers wait", async () => {
  const folder = await Deno.makeTempDir({ dir: "tests" });
  try {
    await Deno.writeTextFile(`${folder}/flat.ts`, program);
    const { stdout, stderr, success } = await new Deno.Command("deno", {
      args: ["run", "--quiet", "--no-prompt", "--no-check", "--v8-flags=--expose-gc", `${folder}/flat.ts`],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const [first, , last] = new TextDecoder().decode(stdout).trim().split("\n").map((line) =>
      line.split(" ").map(Number)
    );
    assert.ok(last[1] > 2 * first[1], `the job went on: ${first[1]}, then ${last[1]} records`);
    const grown = last[0] - first[0];
    assert.ok(grown < 3_000_000, `the heap grew by ${grown} bytes while ${last[1] - first[1]} records went by`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
