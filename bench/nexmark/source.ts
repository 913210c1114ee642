/**
 * The events as a source of a Weir pipeline, and their event time.
 *
 * @module
 */
import { Flow, Source, Watermark } from "@weir/streams";
import type { Event } from "./event.ts";
import { eventsOf, type GeneratorOptions, outOfOrderBoundMillis } from "./generator.ts";

/** Which events there are, and how they come. */
export interface NexmarkSourceOptions extends GeneratorOptions {
  /** How many events there are. */
  readonly events: number;
  /**
   * Split `s` of `splits` has the events `s`, `s + splits`, `s + 2 * splits` and so on.
   *
   * @default {1}
   */
  readonly splits?: number;
  /**
   * Events per second, by the clock.
   *
   * @default {undefined} As fast as they are read.
   */
  readonly rate?: number;
}

/** The first events of the auction house. */
export const nexmarkSource = (options: NexmarkSourceOptions): Source.Source<Event, never, never, never> => {
  const { events: count, splits = 1, rate, seed = 1 } = options;
  const eventAt = eventsOf(options);
  return Source.generate("events", {
    seed,
    count,
    splits,
    ...(rate === undefined ? {} : { rate }),
    make: (index, _random, split) => eventAt(index * splits + split),
  });
};

/** A flow of events with their event time: what each query begins with. */
export type Events = Flow.Flow<Event, never, never, Flow.NotKeyed, Flow.EventTime, Flow.Append, never>;

/** Stamps events: the watermark stays as far behind as they are out of order, so that none is late. */
export const eventTime = (options: GeneratorOptions = {}): Flow.EventTimeOptions<Event> => ({
  timestamp: ({ dateTime }) => dateTime,
  watermark: Watermark.boundedOutOfOrderness(outOfOrderBoundMillis(options)),
});

/** The events of a source, stamped. */
export const nexmarkEvents = (options: NexmarkSourceOptions): Events =>
  Flow.from(nexmarkSource(options)).pipe(Flow.eventTime(eventTime(options)));
