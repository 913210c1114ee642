/**
 * Delays of New York's departures, per carrier and hour.
 *
 * Flights come in the order in which the planes really left, and their event time is when they should have: so a
 * delayed flight is a late record. An hour is reported five minutes after it has passed, and reported anew for every
 * flight of that hour that leaves in the three hours after. A flight later still goes to a file of its own, and a
 * cancelled one never leaves: it is a dead letter.
 *
 * @module
 */
import { Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

/** A flight that left. A cancelled one has no departure and no delay, so it does not match. */
const Departure = Schema.Struct({
  carrier: Schema.String,
  flight: Schema.Number,
  origin: Schema.String,
  dest: Schema.String,
  scheduled: Schema.String,
  departed: Schema.String,
  delay: Schema.Number,
});

/** The three weeks that come with this example. */
export const departures = Source.ndjson("departures", {
  paths: `${import.meta.dirname}/data/departures.ndjson`,
  schema: Departure,
});

/** The job, with its output in a folder. */
export const flightDelays = (folder = ".weir/flights", source = departures) => {
  const hourly = Flow.from(source).pipe(
    Flow.onError((letters) =>
      letters.pipe(Flow.to(Sink.ndjson("dead-letters", {
        path: `${folder}/dead-letters.ndjson`,
        schema: Flow.deadLetterSchema,
      })))
    ),
    Flow.eventTime({
      timestamp: (flight) => Date.parse(flight.scheduled),
      watermark: Watermark.boundedOutOfOrderness("5 minutes"),
    }),
    Flow.keyBy((flight) => flight.carrier),
    Flow.window("carrier-hours", {
      assigner: Window.tumbling("1 hour"),
      aggregate: {
        flights: Aggregate.count,
        meanDelay: Aggregate.mean((flight) => flight.delay),
        worstDelay: Aggregate.max((flight) => flight.delay),
      },
      allowedLateness: "3 hours",
      late: (late) => late.pipe(Flow.to(Sink.ndjson("late", { path: `${folder}/late.ndjson` }))),
    }),
    Flow.map(({ key, window, value, pane }) => ({
      carrier: key,
      hour: new Date(window.start).toISOString(),
      ...value,
      pane,
    })),
  );

  // The same rows twice: a table of how things stand, and a file of how they came to.
  const table = hourly.pipe(
    Flow.to(Sink.table("hourly", {
      path: `${folder}/hourly.kv`,
      key: (row) => [row.carrier, row.hour],
      value: (row) => row,
    })),
  );
  const changes = hourly.pipe(Flow.to(Sink.ndjson("changes", { path: `${folder}/changes.ndjson` })));

  return Job.make({ name: "flight-delays", guarantee: "exactly-once", flows: [table, changes] });
};

const job = flightDelays();

export default job;

if (import.meta.main) await Job.main(job, { state: ".weir/flights/state.kv" });
