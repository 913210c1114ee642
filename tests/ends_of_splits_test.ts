/** When the end of a split is noted: where it is its turn, also when a job goes on in the middle of that turn. */
import assert from "node:assert/strict";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { simulateOnce } from "../src/testing/simulation/simulation.ts";

//  split a   10            its watermark is 10 until its end is noted, which is after all of b
//  split b   0  100  20    so 20 is in time. Were a at its end as soon as it is read, the watermark would be at 100
Deno.test("a split that was read to its end before a crash is at its end no sooner after it", () => {
  for (let seed = 0; seed < 60; seed++) {
    for (let commit = 0; commit < 5; commit++) {
      const late = Sink.memory<number>("late");
      const job = Job.make({
        name: "ends",
        guarantee: "exactly-once",
        flows: [
          Flow.from(Source.array("numbers", { a: [10], b: [0, 100, 20] })).pipe(
            Flow.eventTime({ timestamp: (n) => n, watermark: Watermark.monotonic }),
            Flow.keyBy(() => 0),
            Flow.window("tens", {
              assigner: Window.tumbling(10),
              aggregate: Aggregate.count,
              late: (records) => records.pipe(Flow.map(({ value }) => value), Flow.to(late)),
            }),
            Flow.to(Sink.memory("tens")),
          ),
        ],
      });
      const { violation } = simulateOnce({
        job,
        seed,
        faults: [{ port: "commit", index: commit, kind: "crash-after" }],
        options: { epochRecordsMax: 1, keyedPartitions: 1 },
      });
      assert.equal(violation, null);
      assert.deepEqual(late.values(), [], `seed ${seed}, killed after commit ${commit}`);
    }
  }
});
