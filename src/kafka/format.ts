/**
 * The contract of a format: how a key or a value lies in the bytes of a record.
 *
 * @module
 */
import type { Effect, Scope } from "effect";
import type { Undecodable } from "../streams/sources/formats/value-decoder.ts";
import type { KafkaError } from "./errors.ts";

/** Turns bytes into values and back, synchronously. */
export interface Codec<in out A> {
  /**
   * Loads what decoding these bytes needs, such as the schemas that they name; run once for each batch of records. A codec
   * that never needs anything has none.
   */
  readonly load?: (bytes: ReadonlyArray<Uint8Array | null>) => Effect.Effect<void, KafkaError>;
  /** The value of some bytes (`null`: the record has none), or why there is none. It does not throw. */
  readonly decode: (bytes: Uint8Array | null) => A | Undecodable;
  /** The bytes of a value, which are copied at once. What it throws is an error of the job with the record's coordinates. */
  readonly encode: (value: A) => Uint8Array | null;
}

/** What a format is opened for. */
export interface FormatUse {
  /** The topic that is written; `null` where topics are read. */
  readonly writesTo: string | null;
  /** Which part of the records. */
  readonly part: "key" | "value";
}

/** How a key or a value lies in the bytes of a record. `A` is the type of the values. */
export interface Format<in out A> {
  /** What it is called, for messages. */
  readonly name: string;
  /** The codec of a format that needs nothing to be opened; `null` for others. */
  readonly codec: Codec<A> | null;
  /** Opens what the codec needs. */
  readonly open: (use: FormatUse) => Effect.Effect<Codec<A>, KafkaError, Scope.Scope>;
}
