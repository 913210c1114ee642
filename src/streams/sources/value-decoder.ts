/**
 * Decodes values that a source has taken out of what it read, and says why one cannot be decoded.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Result } from "effect";
import { SchemaJITCompiler } from "effect/schema";
import { Rejected, rejectedBytesMax } from "../source.ts";

/** Why a value cannot be decoded. */
export class Undecodable {
  constructor(readonly reason: string) {}
}

/** Decodes what came from outside: text or the value of some JSON. */
export interface ValueDecoder<A> {
  readonly decodeValue: (value: unknown) => A | Undecodable;
  readonly decodeJson: (text: string) => A | Undecodable;
}

/** What decodes by a Schema. */
export const valueDecoder = <A>(schema: Schema.ConstraintDecoder<A>): ValueDecoder<A> => {
  // Where code cannot be generated the Schema stays interpreted.
  SchemaJITCompiler.enable(schema.ast);
  const parse = Schema.decodeUnknownResult(schema);
  const decodeValue = (value: unknown): A | Undecodable => {
    try {
      const result = parse(value);
      if (Result.isSuccess(result)) return result.success as A;
      return new Undecodable(`does not match the schema: ${messageOf(result.failure)}`);
    } catch (error) {
      return new Undecodable(`made the schema throw: ${messageOf(error)}`);
    }
  };
  const decodeJson = (text: string): A | Undecodable => {
    const json = parseJson(text);
    return json instanceof Undecodable ? json : decodeValue(json);
  };
  return { decodeValue, decodeJson };
};

/** The value of some JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    return new Undecodable(`is not JSON: ${messageOf(error)}`);
  }
};

/** What stands in a batch for text that cannot be decoded. */
export const rejectedText = ({ reason }: Undecodable, text: string): Rejected =>
  rejectedBytes(reason, new TextEncoder().encode(text));

/** What stands in a batch for bytes that cannot be decoded. */
export const rejectedBytes = (reason: string, bytes: Uint8Array): Rejected =>
  new Rejected(reason, bytes.slice(0, rejectedBytesMax), bytes.length);

/** The message of whatever was thrown, on one line. */
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");
