/**
 * Windows and triggers that look at the clock, over live splits, with clocks that jump. Which records are in a window
 * nobody foresees; each is in as many as the kind of window says, whatever crashes.
 */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import fc from "fast-check";
import { Aggregate, Flow, Job, Trigger, Window } from "@weir/streams";
import { liveSource, liveSplits, type Paced, type Splits, writeSplits } from "../live-source.ts";
import { once, type Rows } from "../once.ts";
import type { Pipeline } from "../pipeline.ts";
import { listSinks, sinksOf, writeSinks } from "../sinks.ts";

interface Clocked {
  readonly splits: Splits;
  readonly sinks: ReadonlyArray<number>;
  readonly window: keyof typeof windows;
  readonly keys: number;
}

/** More than there are records. */
const idsMax = 1_000;

const tumbling = { panes: "accumulating", copies: 1 } as const;

/** What is to be said of each kind of window: the assigner, and how many windows a record is in. */
const windows = {
  tumbling: { ...tumbling, assigner: Window.tumblingProcessingTime("500 millis"), trigger: undefined },
  sliding: {
    panes: "accumulating",
    copies: 3,
    assigner: Window.slidingProcessingTime({ size: "600 millis", slide: "200 millis" }),
    trigger: undefined,
  },
  "global by clock": {
    panes: "discarding",
    copies: 1,
    assigner: Window.global,
    trigger: Trigger.repeatedly(Trigger.afterProcessingTime("250 millis")),
  },
  "global by clock or count": {
    panes: "discarding",
    copies: 1,
    assigner: Window.global,
    trigger: Trigger.repeatedly(Trigger.firstOf(Trigger.afterCount(3), Trigger.afterProcessingTime("1 second"))),
  },
} as const;

export const clockPipeline: Pipeline<Clocked> = {
  name: "clock",
  weight: 2,
  plans: fc.record({
    splits: liveSplits,
    sinks: listSinks,
    window: fc.constantFrom(...Object.keys(windows) as ReadonlyArray<keyof typeof windows>),
    keys: fc.integer({ min: 1, max: 4 }),
  }),
  draw: ({ splits, sinks, window, keys }) => ({
    write: (guarantee) =>
      `${writeSplits(splits)}\nwindow: ${window}, keyBy(k % ${keys})\n${writeSinks(guarantee, sinks)}`,
    records: splits.flat().length,
    inPasses: true,
    inOrder: false,
    job: (outside, guarantee) => {
      const sinkOf = sinksOf(outside, guarantee, sinks);
      const { assigner, trigger, panes } = windows[window];
      return Job.make({
        name: "clock",
        guarantee,
        flows: [
          Flow.from(liveSource(splits)).pipe(
            Flow.keyBy(({ k }) => k % keys),
            Flow.window("window", {
              assigner: assigner as Window.GlobalAssigner,
              aggregate: Aggregate.collect<Paced, number>(({ id }) => id, Schema.Number, { atMost: idsMax }),
              ...(trigger === undefined
                ? {}
                : { trigger: trigger as Trigger.Trigger<Trigger.FiresRepeatedly, Window.WithoutEventTime>, panes }),
              late: "drop",
            }),
            Flow.to(sinkOf("results")),
          ),
        ],
      });
    },
    check: (outside, guarantee, { metrics }) => {
      const records = splits.flat();
      const panes = (outside.sinks.get("results")?.rows() ?? []) as ReadonlyArray<
        Window.WindowResult<number, { readonly values: ReadonlyArray<number> }>
      >;
      for (const { key, value } of panes) {
        for (const id of value.values) assert.equal(records[id].k % keys, key, `the key of #${id}`);
      }
      const seen: Rows = panes.flatMap(({ value }) => value.values);
      once(records.map(({ id }) => id), seen, guarantee, windows[window].copies);
      const { records: counted, late } = metrics.operators["window"];
      assert.deepEqual([counted, late], [records.length, 0], "what the window counts");
    },
  }),
};
