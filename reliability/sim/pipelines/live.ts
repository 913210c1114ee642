/**
 * Windows over live splits that come in bursts and fall silent. What is in time depends on when records are read, so what
 * must hold whatever happens is a sum: each record is in one pane of a window that it belongs to, or late, or refused.
 */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Effect } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, type Sink, Trigger, Watermark, Window } from "@weir/streams";
import { liveSource, liveSplits, type Paced, type Splits, writeSplits } from "../live-source.ts";
import { once, type Rows } from "../once.ts";
import type { Pipeline } from "../pipeline.ts";
import { listSinks, sinksOf, writeSinks } from "../sinks.ts";

interface Live {
  readonly splits: Splits;
  readonly sinks: ReadonlyArray<number>;
  readonly bound: number;
  /** After which silence a split is idle, in virtual milliseconds; null for never. */
  readonly idleAfter: number | null;
  readonly maxDrift: number | null;
  readonly window: { readonly kind: "tumbling" | "session"; readonly size: number };
  readonly trigger: "at the end" | "early by count" | "early by clock";
  readonly lateness: number;
  readonly keys: number;
  /** How long an Effect waits, in virtual milliseconds, and every how many records it fails; null for no Effect. */
  readonly effect: { readonly millis: number; readonly failsEvery: number } | null;
}

/** More than there are records. */
const idsMax = 1_000;

const triggers: Readonly<Record<Live["trigger"], Trigger.Trigger>> = {
  "at the end": Trigger.atWatermark(),
  "early by count": Trigger.atWatermark({ early: Trigger.afterCount(2) }),
  "early by clock": Trigger.atWatermark({ early: Trigger.afterProcessingTime("300 millis") }),
};

const assignerOf = ({ window: { kind, size } }: Live): Window.Assigner<Paced> =>
  kind === "tumbling" ? Window.tumbling(size) : Window.session({ gap: size });

const isRefused = ({ effect }: Live, { id }: Paced): boolean => effect !== null && id % effect.failsEvery === 0;

const inOrder = (live: Live, record: Paced, window: Window.Window): boolean => {
  const { kind, size } = live.window;
  if (kind === "tumbling") return window.start === Math.floor(record.at / size) * size;
  return window.start <= record.at && record.at < window.end;
};

/** What is kept of a late record. */
interface LateRow {
  readonly id: number;
  readonly end: number;
  readonly watermark: number;
}

/** Longer than any split is silent unless something goes wrong. */
const neverIdleMillis = 10_000;

/**
 * The records of a split that its own watermark leaves behind. That of several splits is the least of theirs, so no other
 * record is late unless its split is idle.
 */
const lateInSplit = (
  { window: { size }, bound, lateness }: Live,
  split: ReadonlyArray<Paced>,
): ReadonlyArray<number> => {
  let watermark = -Infinity;
  return split.flatMap(({ id, at }) => {
    const end = Math.floor(at / size) * size + size;
    const isLate = end + lateness <= watermark;
    watermark = Math.max(watermark, at - bound);
    return isLate ? [id] : [];
  });
};

export const livePipeline: Pipeline<Live> = {
  name: "live",
  weight: 3,
  plans: fc.record({
    splits: liveSplits,
    sinks: listSinks,
    bound: fc.nat(60),
    idleAfter: fc.option(fc.constantFrom(20, 200, 1_000, neverIdleMillis), { freq: 3 }),
    maxDrift: fc.option(fc.constantFrom(50, 500), { freq: 1 }),
    window: fc.record({
      kind: fc.constantFrom("tumbling" as const, "tumbling" as const, "session" as const),
      size: fc.integer({ min: 5, max: 80 }),
    }),
    // Most windows fire once, so that it shows where the watermark goes back.
    trigger: fc.oneof(
      fc.constant<Live["trigger"]>("at the end"),
      fc.constantFrom(...Object.keys(triggers) as ReadonlyArray<Live["trigger"]>),
    ),
    lateness: fc.constantFrom(0, 0, 0, 40, 1_000),
    keys: fc.constantFrom(1, 1, 4),
    effect: fc.option(fc.record({ millis: fc.nat(300), failsEvery: fc.integer({ min: 2, max: 9 }) })),
  }),
  draw: (live) => ({
    write: (guarantee) =>
      `${writeSplits(live.splits)}\n${JSON.stringify({ ...live, splits: undefined, sinks: undefined })}\n${
        writeSinks(guarantee, live.sinks)
      }`,
    records: live.splits.flat().length,
    inPasses: true,
    inOrder: false,
    job: (outside, guarantee) => {
      const sinkOf = sinksOf(outside, guarantee, live.sinks);
      const { bound, idleAfter, maxDrift, keys, lateness, trigger, effect } = live;
      const raw = Flow.from(liveSource(live.splits));
      const looked = effect === null ? raw : raw.pipe(
        Flow.mapEffect((record) =>
          isRefused(live, record)
            ? Effect.fail(record.id)
            : Effect.as(Effect.sleep(effect.millis * (record.id % 3)), record)
        ),
        Flow.onError<number, never, Sink.Transactional>((letters) =>
          letters.pipe(Flow.map(({ error }) => error), Flow.to(sinkOf<number>("refused")))
        ),
      );
      return Job.make({
        name: "live",
        guarantee,
        flows: [
          looked.pipe(
            Flow.eventTime({
              timestamp: ({ at }) => at,
              watermark: Watermark.boundedOutOfOrderness(bound),
              ...(idleAfter === null ? {} : { idleAfter }),
              // Behind an Effect there is no split that could be held back.
              ...(maxDrift === null || idleAfter === null || effect !== null ? {} : { maxDrift }),
            }),
            Flow.keyBy(({ k }) => k % keys),
            Flow.window("window", {
              assigner: assignerOf(live),
              aggregate: Aggregate.collect<Paced, number>(({ id }) => id, Schema.Number, { atMost: idsMax }),
              trigger: triggers[trigger],
              panes: "discarding",
              allowedLateness: lateness,
              late: (late) =>
                late.pipe(
                  Flow.map(({ value, window, watermark }) => ({ id: value.id, end: window.end, watermark })),
                  Flow.to(sinkOf<LateRow>("late")),
                ),
            }),
            Flow.to(sinkOf("results")),
          ),
        ],
      });
    },
    check: (outside, guarantee, { metrics, sourcesFailed, inPasses }) => {
      const records = live.splits.flat();
      const rowsOf = (name: string): Rows => outside.sinks.get(name)?.rows() ?? [];
      const panes = rowsOf("results") as ReadonlyArray<
        Window.WindowResult<number, { readonly values: ReadonlyArray<number> }>
      >;
      for (const { key, window, value } of panes) {
        for (const id of value.values) {
          const record = records[id];
          assert.equal(record.k % live.keys, key, `the key of #${id}`);
          assert.ok(inOrder(live, record, window), `#${id} at ${record.at} is in [${window.start}, ${window.end})`);
        }
      }
      const late = rowsOf("late") as ReadonlyArray<LateRow>;
      for (const { id, end, watermark } of late) {
        assert.ok(end + live.lateness <= watermark, `#${id} is late at ${watermark}, for a window that ends at ${end}`);
      }
      const seen = [...panes.flatMap(({ value }) => value.values), ...late.map(({ id }) => id), ...rowsOf("refused")];
      once(records.map(({ id }) => id), seen, guarantee);
      const { trigger, window, lateness } = live;
      if (window.kind === "tumbling" && trigger === "at the end" && lateness === 0) {
        const said = panes.map(({ key, window }) => `${key} ${window.start}`);
        assert.equal(new Set(said).size, said.length, "a window fires once: the watermark does not go back");
      }
      const isIdle = live.idleAfter !== null && (live.idleAfter < neverIdleMillis || sourcesFailed || inPasses);
      if (window.kind === "tumbling" && !isIdle) {
        const mayBeLate = new Set(live.splits.flatMap((split) => lateInSplit(live, split)));
        for (const { id } of late) assert.ok(mayBeLate.has(id), `#${id} is late by its own split`);
      }
      const { records: counted, lateDropped } = metrics.operators["window"];
      const refused = records.filter((record) => isRefused(live, record)).length;
      assert.deepEqual([counted, lateDropped], [records.length - refused, 0], "what the window counts");
    },
  }),
};
