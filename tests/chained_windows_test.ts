/**
 * Windows behind windows: what one fires, another takes in, whatever was read together and whichever way it took.
 *
 * A second operator sees the order of records and the watermark that each meets. Both must be what they would be if every
 * record were read alone.
 */
import assert from "node:assert/strict";
import { Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { TimerHeap } from "../src/windows/timer-heap.ts";
import { run } from "./support.ts";

interface Reading {
  readonly at: number;
  readonly k: string;
}

const keyed = (readings: ReadonlyArray<Reading>) =>
  Flow.from(Source.array("readings", readings)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(({ k }) => k),
  );

const who = Aggregate.collect(
  (result: Window.WindowResult<string, number>) => `${result.key}@${result.window.end}`,
  Schema.String,
  { atMost: 20 },
);

/** Each pipeline, with the rows that it writes for some readings. */
const pipelines = {
  "two windows of one key, merged": (readings: ReadonlyArray<Reading>) => {
    const out = Sink.memory<unknown>("out");
    const both = keyed(readings);
    const a = both.pipe(
      Flow.window("a", {
        assigner: Window.tumbling(10),
        aggregate: Aggregate.count,
        panes: "discarding",
        allowedLateness: 20,
        late: "drop",
      }),
    );
    const b = both.pipe(
      Flow.window("b", { assigner: Window.tumbling(15), aggregate: Aggregate.count, late: "drop" }),
    );
    return {
      out,
      flow: a.pipe(
        Flow.merge(b),
        Flow.window("c", { assigner: Window.tumbling(5), aggregate: who, late: "drop" }),
        Flow.to(out),
      ),
    };
  },
  "several records made of a result": (readings: ReadonlyArray<Reading>) => {
    const out = Sink.memory<unknown>("out");
    return {
      out,
      flow: keyed(readings).pipe(
        Flow.window("a", {
          assigner: Window.tumbling(10),
          aggregate: Aggregate.count,
          panes: "discarding",
          allowedLateness: 20,
          late: "drop",
        }),
        Flow.flatMap((result) => [result, result, result]),
        Flow.keyBy(() => "all"),
        Flow.window("c", {
          assigner: Window.session({ gap: 6 }),
          aggregate: Aggregate.count,
          panes: "discarding",
          allowedLateness: 30,
          late: "drop",
        }),
        Flow.to(out),
      ),
    };
  },
  "a ranking of results": (readings: ReadonlyArray<Reading>) => {
    const out = Sink.memory<unknown>("out");
    return {
      out,
      flow: keyed(readings).pipe(
        Flow.window("a", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
        Flow.keyBy(() => "all"),
        Flow.topN("ranking", {
          n: 2,
          by: ({ value }) => value,
          id: ({ key, window }) => [key, window.end],
          schema: Flow.windowResultSchema(Schema.String, Schema.Number),
        }),
        Flow.to(out),
      ),
    };
  },
};

// event time  0         10        20        30
//             c         |    f    |    a                 each alone in its window
// fires                      c's       f's               a round of three records: both watermarks in one round
for (const [name, pipeline] of Object.entries(pipelines)) {
  Deno.test(`${name}: the same whatever is read together`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.integer({ min: 0, max: 60 }), k: fc.constantFrom("a", "b", "c", "d") }), {
          maxLength: 20,
        }),
        fc.constantFrom(2, 7, 1_024),
        async (readings, batchRecordsMax) => {
          const rowsAt = async (batch: number) => {
            const { out, flow } = pipeline(readings);
            await run(Job.make({ name: "chained", guarantee: "exactly-once", flows: [flow] }), {
              batchRecordsMax: batch,
              keyedPartitions: 4,
            });
            // Rows of different keys come in no certain order.
            return Object.groupBy(out.values() as ReadonlyArray<{ readonly key: string }>, ({ key }) => key);
          };
          assert.deepEqual(await rowsAt(batchRecordsMax), await rowsAt(1));
        },
      ),
      { numRuns: 150, seed: Number(Deno.env.get("WEIR_SEED") ?? 1) },
    ));
}

// event time  0         10        20        30
//             |    a    |         |         b|     the watermark is 30 when c, d and e come
//             |cde      |                          too late: three late records, and then the input ends
for (
  const [name, assigner] of Object.entries({
    "the window of everything": Window.global,
    "a window of two records": Window.count(2),
    "a window by the clock": Window.tumblingProcessingTime("1 hour"),
  })
) {
  Deno.test(`late records in ${name} are all told of when the input ends`, async () => {
    const out = Sink.memory<number>("out");
    const readings = [5, 30, 1, 2, 31, 4].map((at) => ({ at, k: "a" }));
    const flow = keyed(readings).pipe(
      Flow.window("on time", {
        assigner: Window.tumbling(10),
        aggregate: Aggregate.count,
        late: (late) =>
          late.pipe(
            Flow.keyBy(({ key }) => key),
            Flow.window("late", { assigner, aggregate: Aggregate.count, late: "drop" }),
            Flow.map(({ value }) => value),
            Flow.to(out),
          ),
      }),
      Flow.to(Sink.memory("main")),
    );
    await run(Job.make({ name: "late", guarantee: "exactly-once", flows: [flow] }));
    assert.equal(out.values().reduce((sum, count) => sum + count, 0), 3);
  });
}

for (const batchRecordsMax of [1, 1_024]) {
  Deno.test(`dead letters can be stamped, windowed and merged; all windows fire, in batches of ${batchRecordsMax}`, async () => {
    const stamped = Sink.memory<unknown>("stamped");
    const merged = Sink.memory<unknown>("merged");
    const failing = (name: string) =>
      Flow.from(Source.array(name, [0, 1, 2, 3])).pipe(
        Flow.map((n): number => {
          throw new Error(`no ${n}`);
        }),
      );
    const flows = [
      failing("stamped letters").pipe(
        Flow.onError((letters) =>
          letters.pipe(
            Flow.eventTime({ timestamp: ({ position }) => Number(position) * 10, watermark: Watermark.monotonic }),
            Flow.keyBy(({ reason }) => reason),
            Flow.window("of letters", { assigner: Window.tumbling(10), aggregate: Aggregate.count, late: "drop" }),
            Flow.to(stamped),
          ), { defects: true }),
        Flow.to(Sink.memory("nothing")),
      ),
      failing("merged letters").pipe(
        Flow.onError((letters) =>
          letters.pipe(
            Flow.map(({ reason }) => reason),
            Flow.merge(Flow.from(Source.array("words", ["yes", "yes"]))),
            Flow.keyBy((word) => word),
            Flow.window("of words", { assigner: Window.global, aggregate: Aggregate.count, late: "drop" }),
            Flow.to(merged),
          ), { defects: true }),
        Flow.to(Sink.memory("nothing either")),
      ),
    ];
    await run(Job.make({ name: "letters", guarantee: "exactly-once", flows }), { batchRecordsMax });
    assert.equal(stamped.values().length, 4);
    assert.equal(merged.values().length, 5);
  });
}

Deno.test("no date closes the window of everything", async () => {
  const out = Sink.memory<number>("out");
  const flow = keyed([{ at: 1, k: "a" }, { at: 8.64e15, k: "a" }, { at: 2, k: "a" }]).pipe(
    Flow.window("all", { assigner: Window.global, aggregate: Aggregate.count, late: "drop" }),
    Flow.map(({ value }) => value),
    Flow.to(out),
  );
  await run(Job.make({ name: "everything", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values(), [3]);
});

Deno.test("a session that goes on and on sets as many timers as there are sessions, not records", async () => {
  let timers = 0;
  const push = TimerHeap.prototype.push;
  TimerHeap.prototype.push = function (time, id, item) {
    timers++;
    push.call(this, time, id, item);
  };
  try {
    const readings = Array.from({ length: 5_000 }, (_, at) => ({ at, k: "a" }));
    const flow = keyed(readings).pipe(
      Flow.window("session", { assigner: Window.session({ gap: 10_000 }), aggregate: Aggregate.count, late: "drop" }),
      Flow.to(Sink.memory("out")),
    );
    await run(Job.make({ name: "on", guarantee: "exactly-once", flows: [flow] }));
  } finally {
    TimerHeap.prototype.push = push;
  }
  assert.ok(timers <= 10, `${timers} timers`);
});
