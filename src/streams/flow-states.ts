/**
 * The states of a flow that the compiler watches. Opposite states give one property different values, so that a type
 * error ends in a line that says what to do.
 *
 * @module
 */

/** Records have an event time, and there are watermarks. */
export interface EventTime {
  /** What a type error about it ends in. */
  readonly time: "event time: a flow is given it once";
}

/** Records have no event time yet. */
export interface NoEventTime {
  /** What a type error about it ends in. */
  readonly time: "none: call Flow.eventTime first";
}

/** Records have a key of type `K`. */
export interface Keyed<in out K> {
  /** What a type error about it ends in. */
  readonly partitioning: "keyed";
  /** Keeps flows of different keys apart: neither passes for the other. */
  readonly keyOf: (_: K) => K;
}

/** Records have no key yet. */
export interface NotKeyed {
  /** What a type error about it ends in. */
  readonly partitioning: "none: call Flow.keyBy first";
  /** Present, so that the other property is what an error ends in. */
  readonly keyOf: (_: never) => unknown;
}

/** Every value stands for ever. */
export interface Append {
  /** What a type error about it ends in. */
  readonly changes: "append";
}

/** A later value may correct an earlier one of the same key. */
export interface Update {
  /** What a type error about it ends in. */
  readonly changes: "update: call Flow.changelog to take each correction as a record";
}
