/**
 * Formats that need nothing but the bytes.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect } from "effect";
import { lostInJson } from "../../streams/sinks/lost-in-json.ts";
import { parseJson, Undecodable, valueDecoder } from "../../streams/sources/formats/value-decoder.ts";
import { inWords } from "../../windows/in-words.ts";
import { schemaWords } from "../../windows/schema-words.ts";
import type { Codec, Format } from "../format.ts";

const plain = <A>(name: string, codec: Codec<A>): Format<A> => ({ name, codec, open: () => Effect.succeed(codec) });

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a decoder that is not strict puts in the place of bytes that are not UTF-8. It may stand in a text by itself, too. */
const replacement = "\uFFFD";

/** A text of 100 bytes takes 380 ns by a strict decoder, and 199 ns by one that is not (Deno 2.9.6); a key 460 and 112. */
const textOf = (bytes: Uint8Array | null): string | Undecodable => {
  if (bytes === null) return isNull;
  const text = decoder.decode(bytes);
  if (!text.includes(replacement)) return text;
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return new Undecodable("is not UTF-8");
  }
};

const isNull = new Undecodable("is null, which only Kafka.nullable takes");

/** Encodes by a Schema; what it throws says why. */
const encodingBy = <A, I>(schema: Schema.ConstraintCodec<A, I>): (value: A) => I => {
  const encode = Schema.encodeUnknownSync(schema as unknown as Schema.ConstraintEncoder<unknown>);
  return (value) => {
    try {
      return encode(value) as I;
    } catch (cause) {
      throw new TypeError(`Cannot encode a value as its schema must take it: ${schemaWords(cause)}`, { cause });
    }
  };
};

/**
 * JSON in UTF-8, by a Schema.
 *
 * A null value (a tombstone) is none of its values: see {@link nullable}. A value that JSON cannot express, such as NaN, is
 * an error of the job where it is written.
 *
 * @param schema What the JSON must be like, and what becomes of it. It must work without services and without waiting.
 *
 * @example
 * ```ts
 * import * as Schema from "@effect/schema";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const click = Kafka.json(Schema.Struct({ user: Schema.String, at: Schema.DateFromString }));
 * ```
 */
export function json<A, I>(schema: Schema.ConstraintCodec<A, I>): Format<A> {
  const { decodeValue } = valueDecoder(schema as Schema.ConstraintDecoder<A>);
  const prepare = encodingBy(schema);
  return plain<A>("json", {
    decode: (bytes) => {
      const text = textOf(bytes);
      if (text instanceof Undecodable) return text;
      const value = parseJson(text);
      return value instanceof Undecodable ? value : decodeValue(value);
    },
    encode: (value) => {
      const prepared = prepare(value);
      const text = JSON.stringify(prepared);
      const lost = text === undefined ? inWords(value) : lostInJson(prepared);
      if (lost !== null) {
        throw new TypeError(`Cannot encode a value as it must have a form in JSON: current value is ${lost}`);
      }
      return encoder.encode(text);
    },
  });
}

/** Text in UTF-8. Half a surrogate pair, which has no form in it, is an error of the job where it is written. */
export function string(): Format<string>;
/**
 * Text in UTF-8, by a Schema.
 *
 * @param schema What the text must be like, and what becomes of it.
 *
 * @example
 * ```ts
 * import * as Schema from "@effect/schema";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const account = Kafka.string(Schema.NumberFromString);
 * ```
 */
export function string<A>(schema: Schema.ConstraintCodec<A, string>): Format<A>;
// deno-lint-ignore no-explicit-any -- the overloads say what it is
export function string(schema: Schema.ConstraintCodec<any, string> = Schema.String): Format<any> {
  const isPlain = schema === Schema.String;
  const { decodeValue } = valueDecoder(schema as Schema.ConstraintDecoder<unknown>);
  const prepare = encodingBy(schema);
  return plain<unknown>("string", {
    decode: (bytes) => {
      const text = textOf(bytes);
      return isPlain || text instanceof Undecodable ? text : decodeValue(text);
    },
    encode: (value) => {
      const text = prepare(value);
      // In UTF-8 half a surrogate pair would become another character.
      if (text.isWellFormed()) return encoder.encode(text);
      throw new TypeError(`Cannot encode a value as it must have a form in UTF-8: current value is ${inWords(text)}`);
    },
  });
}

/** Bytes as they are. */
export function bytes(): Format<Uint8Array>;
/**
 * Bytes, by a Schema.
 *
 * @param schema What the bytes must be like, and what becomes of them.
 *
 * @example
 * ```ts
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const image = Kafka.bytes();
 * ```
 */
export function bytes<A>(schema: Schema.ConstraintCodec<A, Uint8Array>): Format<A>;
// deno-lint-ignore no-explicit-any -- the overloads say what it is
export function bytes(schema?: Schema.ConstraintCodec<any, Uint8Array>): Format<any> {
  if (schema === undefined) {
    return plain<unknown>("bytes", {
      decode: (bytes) => bytes ?? isNull,
      encode: (value) => {
        if (value instanceof Uint8Array) return value;
        throw new TypeError(`Cannot encode a value as it must be a Uint8Array: current value is ${inWords(value)}`);
      },
    });
  }
  const { decodeValue } = valueDecoder(schema as Schema.ConstraintDecoder<unknown>);
  const prepare = encodingBy(schema);
  return plain<unknown>("bytes", {
    decode: (bytes) => bytes === null ? isNull : decodeValue(bytes),
    encode: prepare,
  });
}

/**
 * A format that also takes null: a key that is missing, or a value that is a tombstone, which says that the key is gone.
 *
 * @param format How what is not null lies in bytes.
 *
 * @example
 * ```ts
 * import * as Schema from "@effect/schema";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const customer = Kafka.nullable(Kafka.json(Schema.Struct({ name: Schema.String })));
 * ```
 */
export function nullable<A>(format: Format<A>): Format<A | null> {
  const orNull = (codec: Codec<A>): Codec<A | null> => ({
    ...(codec.load === undefined ? {} : { load: codec.load }),
    decode: (bytes) => bytes === null ? null : codec.decode(bytes),
    encode: (value) => value === null ? null : codec.encode(value),
  });
  return {
    name: `nullable ${format.name}`,
    codec: format.codec === null ? null : orNull(format.codec),
    open: (use) => Effect.map(format.open(use), orNull),
  };
}
