/**
 * How long a result takes when events come at a fixed rate: until the last operator has it, and until it is published.
 *
 * Latency counts from the instant at which the event was due by the schedule, so nothing is left out while the job is held
 * up. Rows are written to a file exactly once, so a row is published after the end of its epoch.
 *
 * @module
 */
import { Flow, Job, Sink } from "@weir/streams";
import { Effect } from "effect";
import { Latencies, type Quantiles } from "../latency/latencies.ts";
import { Schedule, scheduled } from "../latency/schedule.ts";
import { timed } from "../latency/timed-sink.ts";
import { causesOf } from "./causes.ts";
import { eventsOf } from "./generator.ts";
import { type Measurement, rowsOf } from "./measured.ts";

/** What a run at a fixed rate has shown. Quantiles are in milliseconds; null where no row was due while it counted. */
export interface Latency {
  /** Events per second, by the clock. */
  readonly rate: number;
  /** How late events were when the source handed them over. */
  readonly handedOver: Quantiles | null;
  /** From the scheduled instant of an event until the last operator has the row that it brings about. */
  readonly inside: Quantiles | null;
  /** From there until the sink has stored the row. */
  readonly published: Quantiles | null;
  /** How long after the last event was due the source had handed over everything: far above zero, the rate was too high. */
  readonly behindMillis: number;
}

/** How many rows an event brings about at most, on average, of those that are measured. */
const rowsPerEventMax = 4;

/** A row, and the event that has brought it about. */
type Caused = readonly [n: number, row: unknown];

/** Runs a query at a rate. The events of the first `warmUpSeconds` do not count. */
export const measureLatency = async (
  measurement: Measurement,
  { rate, warmUpSeconds }: { readonly rate: number; readonly warmUpSeconds: number },
): Promise<Latency> => {
  const { query, events, epochMillis, folder } = measurement;
  const schedule = new Schedule(rate);
  const warmUp = Math.min(Math.ceil(rate * warmUpSeconds), events - 1);
  const handedOver = new Latencies(events, warmUp);
  const inside = new Latencies(events * rowsPerEventMax, warmUp);
  const published = new Latencies(events * rowsPerEventMax, warmUp);
  let handedOverAt = NaN;
  const eventAt = eventsOf(measurement);
  const source = scheduled({
    schedule,
    count: events,
    read: handedOver,
    make: (n) => {
      if (n === events - 1) handedOverAt = performance.now();
      return eventAt(n);
    },
  });
  const causeOf = causesOf(measurement, schedule);
  const caused = (row: unknown): Caused => {
    const now = performance.now();
    const n = causeOf(row);
    inside.add(n, now - schedule.dueAt(n));
    return [n, row];
  };
  const job = Job.make({
    name: `nexmark-${query.name}`,
    guarantee: "exactly-once",
    flows: [
      rowsOf(measurement, source).pipe(
        Flow.map(caused),
        Flow.to(timed(Sink.ndjson<Caused>("rows", { path: `${folder}/rows.ndjson` }), {
          schedule,
          published,
          numberOf: ([n]) => n,
        })),
      ),
    ],
  });
  await Effect.runPromise(Job.run(job, { state: `${folder}/state.kv`, epochInterval: epochMillis }));
  return {
    rate,
    handedOver: quantilesOf(handedOver),
    inside: quantilesOf(inside),
    published: quantilesOf(published),
    behindMillis: handedOverAt - schedule.dueAt(events - 1),
  };
};

const quantilesOf = ({ quantiles }: Latencies): Quantiles | null => quantiles.samples === 0 ? null : quantiles;
