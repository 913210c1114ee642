/**
 * What every measurement of a query begins with.
 *
 * @module
 */
import { Flow, type Source } from "@weir/streams";
import type { Event } from "./event.ts";
import type { NexmarkQuery, Rows } from "./query.ts";
import { eventTime, nexmarkSource } from "./source.ts";

/** A query to be measured, and under which conditions. */
export interface Measurement {
  readonly query: NexmarkQuery;
  readonly events: number;
  readonly seed: number;
  /** How many events there are in a second of event time. */
  readonly eventsPerSecond: number;
  /** How long an epoch lasts, in milliseconds. */
  readonly epochMillis: number;
  /** Where state and output are kept: an empty folder. */
  readonly folder: string;
}

/** A source of events. */
export type EventSource = Source.Source<Event, never, never, never>;

/** A source that tells when it is asked for records, and from which position on. */
export const whenRead = (source: EventSource, tell: (from: Source.Position | null) => void): EventSource => ({
  ...source,
  read: (split, from, batchRecordsMax) => {
    tell(from);
    return source.read(split, from, batchRecordsMax);
  },
});

/** The rows of a query over its events, which come as fast as they are read unless another source is given. */
export const rowsOf = (measurement: Measurement, source: EventSource = nexmarkSource(measurement)): Rows<unknown> =>
  measurement.query.build(Flow.from(source).pipe(Flow.eventTime(eventTime(measurement))));
