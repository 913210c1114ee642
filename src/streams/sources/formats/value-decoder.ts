/**
 * Decodes values that a source has taken out of what it read, and says why one cannot be decoded.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Result } from "effect";
import { SchemaJITCompiler } from "effect/schema";
import { errorLine } from "../../../windows/error-words.ts";
import { schemaWords } from "../../../windows/schema-words.ts";
import { Rejected, rejectedBytesMax, type RejectedParts } from "../../source.ts";

/** Why a value cannot be decoded. */
export class Undecodable {
  /** Made by what decodes, in the place of a value. */
  constructor(
    /** Which rule stopped it. */
    readonly reason: string,
  ) {}
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
      return new Undecodable(`does not match the schema: ${errorLine(result.failure)}`);
    } catch (error) {
      return new Undecodable(`made the schema throw: ${schemaWords(error)}`);
    }
  };
  const decodeJson = (text: string): A | Undecodable => {
    const json = parseJson(text);
    return json instanceof Undecodable ? json : decodeValue(json);
  };
  return { decodeValue, decodeJson };
};

/**
 * How deep JSON may be nested. What walks a value level by level (Schemas, the structured clone, `JSON.stringify` with a
 * function) overflows the stack at about twice that many, and then in the middle of the job.
 */
export const jsonDepthMax = 1_000;

/** The value of some JSON. */
export const parseJson = (text: string): unknown => {
  if (text.length > 2 * jsonDepthMax && isTooDeep(text)) {
    return new Undecodable(`is nested more than ${jsonDepthMax} levels deep`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    return new Undecodable(`is not JSON: ${errorLine(error)}`);
  }
};

const isTooDeep = (text: string): boolean => {
  // Few texts have so many brackets at all.
  if (!hasMore(text, "[", jsonDepthMax / 2) && !hasMore(text, "{", jsonDepthMax / 2)) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case openingBracket:
      case openingBrace:
        if (++depth > jsonDepthMax) return true;
        break;
      case closingBracket:
      case closingBrace:
        depth--;
        break;
      case quote:
        // To the end of the string: a quote behind an odd number of backslashes is part of it.
        do at = text.indexOf('"', at + 1); while (at >= 0 && isEscaped(text, at));
        if (at < 0) return false; // It is no JSON.
    }
  }
  return false;
};

const hasMore = (text: string, character: string, count: number): boolean => {
  let at = -1;
  for (let found = 0; found <= count; found++) {
    at = text.indexOf(character, at + 1);
    if (at < 0) return false;
  }
  return true;
};

const isEscaped = (text: string, at: number): boolean => {
  let start = at;
  while (text.charCodeAt(start - 1) === backslash) start--;
  return (at - start) % 2 === 1;
};

const openingBracket = 0x5b;
const closingBracket = 0x5d;
const openingBrace = 0x7b;
const closingBrace = 0x7d;
const quote = 0x22;
const backslash = 0x5c;

/** What stands in a batch for text that cannot be decoded. */
export const rejectedText = ({ reason }: Undecodable, text: string): Rejected =>
  rejectedBytes(reason, new TextEncoder().encode(text));

/** What stands in a batch for bytes that cannot be decoded, and for what else is known of them: a copy, so it holds no more. */
export const rejectedBytes = (reason: string, bytes: Uint8Array | null, parts?: RejectedParts): Rejected =>
  new Rejected(
    reason,
    bytes === null ? null : new Uint8Array(bytes.subarray(0, rejectedBytesMax)),
    bytes?.length ?? 0,
    parts,
  );
