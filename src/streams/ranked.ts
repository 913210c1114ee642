/**
 * A rank: what a ranking says of one place.
 *
 * @module
 */
import * as Schema from "@effect/schema";

/** Who has a rank now. It stands until another is said of the same key and rank. */
export interface Ranked<out K, out A> {
  /** The key that the ranking is of. */
  readonly key: K;
  /** The rank, from 1 for the greatest. */
  readonly rank: number;
  /** The record that has it. */
  readonly value: A;
}

/**
 * The Schema of what a ranking says, from those of its key and records.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Flow } from "@weir/streams";
 *
 * const schema = Flow.rankedSchema(Schema.String, Schema.Struct({ player: Schema.String, points: Schema.Number }));
 * const leader = { key: "chess", rank: 1, value: { player: "ada", points: 12 } };
 * assert.deepEqual(Schema.encodeSync(schema)(leader), leader);
 * ```
 */
export const rankedSchema = <K, A>(
  key: Schema.Codec<K, unknown>,
  value: Schema.Codec<A, unknown>,
): Schema.Codec<Ranked<K, A>, unknown> => Schema.Struct({ key, rank: Schema.Number, value });
