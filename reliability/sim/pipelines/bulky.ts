/**
 * Records so large that an epoch takes several atomic commits, its state several chunks and its table rows several
 * publications: so there is a middle in which a process can die.
 */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import fc from "fast-check";
import { Aggregate, Flow, Job, Source, Watermark, Window } from "@weir/streams";
import type { Drawn, Pipeline } from "../pipeline.ts";
import { sinkKinds, sinksOf, writeSinks } from "../sinks.ts";

interface Bulk {
  readonly id: number;
  readonly k: number;
  /** How many characters it has besides. */
  readonly size: number;
}

interface Bulky {
  readonly records: ReadonlyArray<Bulk>;
  /** How many records have the same window. */
  readonly perWindow: number;
  readonly sinks: ReadonlyArray<number>;
}

/** A text of a length that shows where a piece of it is missing. */
const textOf = ({ id, size }: Bulk): string => {
  const word = `${id} `;
  return word.repeat(Math.ceil(size / word.length)).slice(0, size);
};

const draw = (bulky: Bulky): Drawn => ({
  write: (guarantee) =>
    [
      bulky.records.map(({ id, k, size }) => `#${id} k=${k} of ${size} characters`).join(", "),
      `tumbling(${bulky.perWindow})`,
      writeSinks(guarantee, bulky.sinks),
    ].join("\n"),
  records: bulky.records.length,
  inPasses: true,
  inOrder: true,
  job: (outside, guarantee) => {
    const sinkOf = sinksOf(outside, guarantee, bulky.sinks);
    const flow = Flow.from(Source.array("bulk", bulky.records)).pipe(
      Flow.map((record) => ({ ...record, text: textOf(record) })),
      Flow.eventTime({ timestamp: ({ id }) => id, watermark: Watermark.monotonic }),
    );
    return Job.make({
      name: "bulky",
      guarantee,
      flows: [
        flow.pipe(Flow.to(sinkOf("copy"))),
        flow.pipe(
          Flow.keyBy(({ k }) => k),
          Flow.window("last", {
            assigner: Window.tumbling(bulky.perWindow),
            aggregate: Aggregate.last<Bulk & { readonly text: string }, string>(({ text }) => text, Schema.String),
            late: "drop",
          }),
          Flow.map(({ key, window, value }) => ({ key, start: window.start, text: value })),
          Flow.to(sinkOf("results")),
        ),
      ],
    });
  },
  check: (outside, guarantee, { metrics }) => {
    const { records, perWindow } = bulky;
    const copies = records.map((record) => ({ ...record, text: textOf(record) }));
    const last = new Map<string, { readonly key: number; readonly start: number; readonly text: string }>();
    for (const { id, k, text } of copies) {
      const start = Math.floor(id / perWindow) * perWindow;
      last.set(`${k} ${start}`, { key: k, start, text });
    }
    const expected = { copy: copies, results: Array.from(last.values()) };
    for (const [name, rows] of Object.entries(expected)) {
      const sink = metrics.sinks.find(({ sink }) => sink === name)!;
      assert.equal(sink.rows, rows.length, `the count of rows of "${name}"`);
      outside.sinks.get(name)!.check(rows, guarantee, sink.lostRows);
    }
  },
  cut: (countOf) => draw({ ...bulky, records: bulky.records.slice(0, countOf("bulk", 0)) }),
});

export const bulkyPipeline: Pipeline<Bulky> = {
  name: "bulky",
  weight: 1.5,
  plans: fc.record({
    records: fc.array(
      fc.record({ k: fc.nat(3), size: fc.oneof(fc.nat(100), fc.integer({ min: 20_000, max: 30_000 })) }),
      { minLength: 1, maxLength: 60, size: "max" },
    ).map((records) => records.map((record, id) => ({ id, ...record }))),
    perWindow: fc.constantFrom(1, 7, 30),
    sinks: fc.array(
      fc.oneof(fc.constant(sinkKinds.findIndex(({ name }) => name === "table")), fc.nat(sinkKinds.length - 1)),
      { maxLength: 3 },
    ),
  }),
  // An epoch is larger than an atomic commit then.
  settingsMin: { batchRecordsMax: 60, epochRecordsMax: 60, epochMillis: 1_000 },
  draw,
};
