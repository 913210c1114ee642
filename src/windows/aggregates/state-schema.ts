/**
 * How values that are kept in the state are stored.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { SchemaRepresentation } from "effect";
import type { ObjectCodec } from "../aggregate.ts";

/** A Schema whose values can be encoded and decoded without services. */
export type StateSchema<T> = Schema.Codec<T, unknown>;

/** Stores the values of a Schema. */
export const codec = <T>(schema: StateSchema<T>): ObjectCodec => ({
  encode: Schema.encodeUnknownSync(schema),
  decode: Schema.decodeUnknownSync(schema),
});

/** What a Schema stores, in words that two runs of the same code share. */
export const describe = <T>(schema: StateSchema<T>): string =>
  JSON.stringify(SchemaRepresentation.toRepresentation(Schema.toEncoded(schema).ast));
