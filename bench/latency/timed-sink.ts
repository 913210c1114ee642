/**
 * A sink that notes when its rows have become visible.
 *
 * @module
 */
import { Effect } from "effect";
import type { Sink } from "@weir/streams";
import type { Latencies } from "./latencies.ts";
import type { Schedule } from "./schedule.ts";

/** A row on its way: the record that has brought it about, and what the sink makes of it. */
type TimedRow = readonly [n: number, row: unknown];

/** Has a sink note how long after record `numberOf(value)` was due each value was published. */
export const timed = <A, S extends Sink.End>(
  sink: Sink.Sink<A, S>,
  options: {
    readonly schedule: Schedule;
    readonly published: Latencies;
    readonly numberOf: (value: A) => number;
  },
): Sink.Sink<A, S> => {
  const { driver } = sink;
  const { schedule, published, numberOf } = options;
  return {
    ...sink,
    driver: {
      ...driver,
      encode: (value: A): TimedRow => [numberOf(value), driver.encode(value)],
      byteLength: ([, row]: TimedRow) => driver.byteLength(row),
      open: (context: Sink.SinkContext) =>
        Effect.map(driver.open(context), (writer): Sink.SinkWriter<TimedRow> => ({
          marker: writer.marker,
          publish: (publication) =>
            Effect.andThen(
              writer.publish({ ...publication, rows: publication.rows.map(([, row]) => row) }),
              Effect.sync(() => {
                const now = performance.now();
                for (const [n] of publication.rows) published.add(n, now - schedule.dueAt(n));
              }),
            ),
        })),
    },
  };
};
