/**
 * Results that are taken back: whoever adds what is added and takes out what is retracted holds the truth in the end.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { type CommitFate, memoryKv } from "../src/testing/memory-kv.ts";
import { runToEnd } from "./support.ts";

interface Visit {
  readonly user: string;
  readonly at: number;
}

const gap = 10;

/** Sessions worked out from all visits at once: sorted, and cut wherever a user was silent for longer than the gap. */
const sessionsOf = (visits: ReadonlyArray<Visit>): Record<string, number> => {
  const rows: Record<string, number> = {};
  for (const [user, all] of Object.entries(Object.groupBy(visits, (visit) => visit.user))) {
    const times = all!.map(({ at }) => at).sort((a, b) => a - b);
    let first = 0;
    times.forEach((at, k) => {
      if (k + 1 < times.length && times[k + 1] - at <= gap) return;
      rows[`${user}/${times[first]}/${at + gap}`] = k + 1 - first;
      first = k + 1;
    });
  }
  return rows;
};

/** The table that a job keeps of the sessions of some visits, with crashes at some commits. */
const tableOf = async (
  visits: ReadonlyArray<Visit>,
  early: number,
  batchRecordsMax: number,
  faults: ReadonlyArray<readonly [number, CommitFate]>,
) => {
  const kv = memoryKv();
  const fates = new Map(faults);
  const table = memoryKv();
  kv.onCommit((commit) => fates.get(commit) ?? "ok");
  const sessions = Flow.from(Source.array("visits", visits)).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(5) }),
    Flow.keyBy(({ user }) => user),
    Flow.window("sessions", {
      assigner: Window.session({ gap }),
      aggregate: Aggregate.count,
      trigger: Trigger.atWatermark({ early: Trigger.afterCount(early) }),
      panes: "retracting",
      // Nothing is ever too late here, so that every session that was reported may still grow or meet another.
      allowedLateness: 10_000,
      late: "drop",
    }),
    Flow.to(
      Sink.table<Window.WindowChange<string, number>>("sessions", {
        path: "sessions.kv",
        key: ({ key, window }) => [key, window.start, window.end],
        value: ({ value }) => value,
        removes: ({ change }) => change === "retract",
        kv: table,
      }),
    ),
  );
  const job = Job.make({ name: "sessions", guarantee: "exactly-once", flows: [sessions] });
  const { metrics } = await runToEnd(job, { kv, batchRecordsMax, epochRecordsMax: 3 });
  const rows = table.entries("sessions.kv").filter(({ key }) => key[0] === "sessions");
  return {
    rows: Object.fromEntries(rows.map(({ key, value }) => [key.slice(1).join("/"), value])),
    counters: metrics.operators["sessions"],
  };
};

// event time  0         10        20        30        40
//             a                        b         |    c     two sessions, both reported when c comes
//             a              d         b              c     d is late and bridges them
// sessions    [--- a ---)         [-- b --)                 taken back
//             [--- a -- d -- b ---)                         reported instead
Deno.test("a late record that bridges two reported sessions takes both out of a table", async () => {
  const visit = (at: number): Visit => ({ user: "ada", at });
  const { rows, counters } = await tableOf([visit(0), visit(18), visit(60), visit(9)], 100, 1, []);
  assert.deepEqual(rows, { "ada/0/28": 3, "ada/60/70": 1 });
  assert.deepEqual([counters.results, counters.retractions, counters.corrections], [3, 2, 1]);
});

Deno.test("a table of retracting sessions ends up as the sessions of all records, whatever the order and the crashes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ user: fc.constantFrom("ada", "bob"), at: fc.integer({ min: 0, max: 200 }) }), {
        maxLength: 30,
      }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(1, 3, 100),
      fc.array(
        fc.tuple(fc.integer({ min: 1, max: 30 }), fc.constantFrom<CommitFate>("crash-before", "crash-after")),
        { maxLength: 3 },
      ),
      async (visits, early, batchRecordsMax, faults) => {
        const { rows } = await tableOf(visits, early, batchRecordsMax, faults);
        assert.deepEqual(rows, sessionsOf(visits));
      },
    ),
    { numRuns: 200, seed: Number(Deno.env.get("WEIR_SEED") ?? 1) },
  ));
