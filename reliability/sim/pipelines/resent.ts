/**
 * Records that are sent again, and out of their order, as by a sender that got no answer, and made one again by
 * `Flow.deduplicate`: what comes out is what was meant to be sent.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Flow, Job, Watermark } from "@weir/streams";
import { liveSource, liveSplits, type Paced, type Splits, writeSplits } from "../live-source.ts";
import { once, type Rows } from "../once.ts";
import type { Pipeline } from "../pipeline.ts";
import { listSinks, sinksOf, writeSinks } from "../sinks.ts";

interface Resent {
  readonly splits: Splits;
  readonly sinks: ReadonlyArray<number>;
  /** Every how many records one is sent again, this many records later. */
  readonly every: number;
  readonly distance: number;
  readonly idleAfter: number | null;
}

/** By how much records come late at most: their event times are made of their places. */
const stepMillis = 10;
const disorderMax = 60;
/** Longer than the whole input, so that nothing is forgotten. */
const withinMillis = 1_000_000;

/** What is delivered: event time goes on from record to record, and what is sent again keeps its own. */
const delivered = ({ splits, every, distance }: Resent): Splits =>
  splits.map((records) => {
    const stamped = records.map((record, k) => ({ ...record, at: k * stepMillis }));
    return stamped.flatMap((record, k) =>
      k % every === 0 && k >= distance ? [{ ...stamped[k - distance], pause: 0 }, record] : [record]
    );
  });

const resentIn = (resent: Resent): number => delivered(resent).flat().length - resent.splits.flat().length;

export const resentPipeline: Pipeline<Resent> = {
  name: "resent",
  weight: 2,
  plans: fc.record({
    splits: liveSplits,
    sinks: listSinks,
    every: fc.integer({ min: 1, max: 4 }),
    distance: fc.integer({ min: 1, max: disorderMax / stepMillis }),
    // A record that wakes an idle split may be late, which the sum then shows.
    idleAfter: fc.option(fc.constantFrom(50, 1_000), { freq: 1 }),
  }),
  draw: (resent) => ({
    write: (guarantee) =>
      `${writeSplits(delivered(resent))}\nidleAfter: ${resent.idleAfter}\n${writeSinks(guarantee, resent.sinks)}`,
    records: delivered(resent).flat().length,
    inPasses: true,
    inOrder: false,
    job: (outside, guarantee) => {
      const sinkOf = sinksOf(outside, guarantee, resent.sinks);
      const { idleAfter } = resent;
      return Job.make({
        name: "resent",
        guarantee,
        flows: [
          Flow.from(liveSource(delivered(resent))).pipe(
            Flow.eventTime<Paced>({
              timestamp: ({ at }) => at,
              watermark: Watermark.boundedOutOfOrderness(disorderMax),
              ...(idleAfter === null ? {} : { idleAfter }),
            }),
            Flow.keyBy(({ id }) => id),
            Flow.deduplicate("once", { within: withinMillis, late: "drop" }),
            Flow.map(({ id }) => id),
            Flow.to(sinkOf("results")),
          ),
        ],
      });
    },
    check: (outside, guarantee, { metrics }) => {
      const seen: Rows = outside.sinks.get("results")?.rows() ?? [];
      once(resent.splits.flat().map(({ id }) => id), seen, guarantee);
      const { duplicates, late } = metrics.operators["once"];
      assert.equal(duplicates + late, resentIn(resent), "what was sent again");
    },
  }),
};
