/**
 * How values that are kept in the state are stored.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { SchemaRepresentation } from "effect";
import { SchemaJITCompiler } from "effect/schema";
import type { ObjectCodec } from "../aggregate.ts";
import { inWords } from "../in-words.ts";
import { schemaWords } from "../schema-words.ts";

/**
 * A Schema whose values can be encoded and decoded without services.
 *
 * Values are encoded when an epoch ends. One that the Schema refuses then ends the job with a `UserCodeError` that names the
 * operator: "Cannot store state of "best" as a value must match its schema: …". One that was stored and that a changed
 * Schema refuses ends it with an `IncompatibleState` at its next start.
 */
export type StateSchema<T> = Schema.Codec<T, unknown>;

/** A Schema's no to a value that is to be stored, or that was. */
export class SchemaRefusal extends Error {
  constructor(cause: unknown) {
    super(schemaWords(cause), { cause });
  }
}

/**
 * A stored list of which each item is what it must be.
 *
 * @throws {SchemaRefusal} If it is anything else.
 */
export const storedList = <T>(
  stored: unknown,
  rule: string,
  holds: (item: unknown, k: number) => boolean,
  lengthMax: number,
): ReadonlyArray<T> => {
  if (Array.isArray(stored) && stored.length <= lengthMax && stored.every(holds)) return stored;
  throw new SchemaRefusal(`Expected ${rule}, got ${inWords(stored)}`);
};

/** Stores the values of a Schema. */
export const codec = <T>(schema: StateSchema<T>): ObjectCodec => {
  // Both ways are compiled, which takes a tenth of the time. Where code cannot be generated they stay interpreted.
  SchemaJITCompiler.enable(schema.ast);
  SchemaJITCompiler.enable(Schema.flip(schema).ast);
  return {
    encode: orRefusal(Schema.encodeUnknownSync(schema)),
    decode: orRefusal(Schema.decodeUnknownSync(schema)),
  };
};

const orRefusal = (f: (value: unknown) => unknown) => (value: unknown): unknown => {
  try {
    return f(value);
  } catch (cause) {
    throw new SchemaRefusal(cause);
  }
};

/** What a Schema stores, in words that two runs of the same code share. */
export const describe = <T>(schema: StateSchema<T>): string =>
  JSON.stringify(SchemaRepresentation.toRepresentation(Schema.toEncoded(schema).ast));

/** A value of the state, or that there is none yet. In a list, since `undefined` may be a value. */
export type Kept<T> = readonly [value: T] | undefined;

/** Stores a {@link Kept}: an accumulator of no record is stored too, when a pane has been discarded. */
export const keptCodec = <T>(schema: StateSchema<T>): ObjectCodec => {
  const one = codec(schema);
  return {
    encode: (kept) => kept === undefined ? undefined : [one.encode((kept as readonly [T])[0])],
    decode: (stored) => {
      if (stored === undefined) return undefined;
      if (Array.isArray(stored) && stored.length === 1) return [one.decode(stored[0])];
      throw new SchemaRefusal(`Expected a list of one value, got ${inWords(stored)}`);
    },
  };
};
