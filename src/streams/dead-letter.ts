/**
 * A dead letter: a record that could not be handled, with where it came from and why it was refused.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { SchemaTransformation } from "effect";
import { noParts, type RawForm, type RecordParts } from "../actors/record-bytes.ts";
import type { Position } from "./source.ts";

export { type RawForm, recordBytesMax, type RecordParts } from "../actors/record-bytes.ts";
export { reasonCharactersMax } from "../actors/task-context.ts";

/** A record that could not be handled. `E` is the type of what went wrong. */
export interface DeadLetter<out E> extends RecordParts {
  /** The name of the source that it came from. */
  readonly source: string;
  /** The split that it came from. */
  readonly split: string;
  /** Where to read on after it in the split. */
  readonly position: Position;
  /** The name of the operator that refused it. */
  readonly operator: string;
  /** What went wrong, in words, cut at `Flow.reasonCharactersMax` (4,096). */
  readonly reason: string;
  /**
   * What went wrong. Where a function of the pipeline threw something that cannot be copied, such as a promise, it is an
   * `Error` with the words of `reason`.
   */
  readonly error: E;
  /**
   * The record's bytes: those that the source read, of a record that has a key and headers those of its value; or, of an
   * operator further on, the record that it was given as JSON, cut at `Flow.recordBytesMax` (32,768). What the source read
   * is cut so that value, key and headers have no more than `Source.rejectedBytesMax` (32,768) bytes together: where there
   * is more, key and headers are left at least half of that. See {@link DeadLetter.rawForm}.
   */
  readonly raw: Uint8Array;
  /** How many bytes there are of it in all: where `raw` has fewer, it was cut. */
  readonly rawLength: number;
  /**
   * What `raw` is: the `"bytes"` that the source read; the record that the operator was given, as `"json"`, with bytes in
   * base64; or `"words"` about a record that JSON cannot express, such as one that holds a bigint, a Map or NaN, or that
   * contains itself. With `"none"` it is empty, as the record has no value at all, which is not the same as an empty one.
   */
  readonly rawForm: RawForm;
}

/** A header as JSON. It has `value` when the bytes are UTF-8, `valueBase64` when they are not, and neither for null. */
export interface HeaderJson {
  /** Its name. */
  readonly name: string;
  /** The bytes of its value as text. */
  readonly value?: string;
  /** The bytes of its value in base64. */
  readonly valueBase64?: string;
}

/**
 * A dead letter as JSON. It has `raw` when the bytes are UTF-8, and `rawBase64` when they are not. What a record does not
 * have is left out.
 */
export interface DeadLetterJson {
  /** See {@link DeadLetter.source}. */
  readonly source: string;
  /** See {@link DeadLetter.split}. */
  readonly split: string;
  /** See {@link DeadLetter.position}. */
  readonly position: Position;
  /** See {@link DeadLetter.operator}. */
  readonly operator: string;
  /** See {@link DeadLetter.reason}. */
  readonly reason: string;
  /** The record's bytes as text. */
  readonly raw?: string;
  /** The record's bytes in base64. */
  readonly rawBase64?: string;
  /** See {@link DeadLetter.rawLength}. */
  readonly rawLength: number;
  /** See {@link DeadLetter.rawForm}. Letters of earlier versions have none, and count as `"words"`. */
  readonly rawForm?: RawForm;
  /** The bytes of the record's key as text. */
  readonly key?: string;
  /** The bytes of the record's key in base64. */
  readonly keyBase64?: string;
  /** See {@link RecordParts.keyLength}. */
  readonly keyLength?: number;
  /** The record's headers. */
  readonly headers?: ReadonlyArray<HeaderJson>;
  /** See {@link RecordParts.headerCount}. */
  readonly headerCount?: number;
  /** See {@link RecordParts.offset}. */
  readonly offset?: number;
  /** See {@link RecordParts.timestamp}. */
  readonly timestamp?: number;
}

const rawForm = Schema.Literals(["bytes", "json", "words", "none"]);

const fields = {
  source: Schema.String,
  split: Schema.String,
  position: Schema.Union([Schema.String, Schema.Number]),
  operator: Schema.String,
  reason: Schema.String,
  rawLength: Schema.Number,
};

const base64 = Schema.String.check(Schema.isBase64());

const json = Schema.Struct({
  ...fields,
  raw: Schema.optionalKey(Schema.String),
  rawBase64: Schema.optionalKey(base64),
  rawForm: Schema.optionalKey(rawForm),
  key: Schema.optionalKey(Schema.String),
  keyBase64: Schema.optionalKey(base64),
  keyLength: Schema.optionalKey(Schema.Number),
  headers: Schema.optionalKey(Schema.Array(Schema.Struct({
    name: Schema.String,
    value: Schema.optionalKey(Schema.String),
    valueBase64: Schema.optionalKey(base64),
  }))),
  headerCount: Schema.optionalKey(Schema.Number),
  offset: Schema.optionalKey(Schema.Number),
  timestamp: Schema.optionalKey(Schema.Number),
});

const letter = Schema.Struct({
  ...fields,
  rawForm,
  error: Schema.Unknown,
  raw: Schema.Uint8Array,
  key: Schema.NullOr(Schema.Uint8Array),
  keyLength: Schema.Number,
  headers: Schema.Array(Schema.Tuple([Schema.String, Schema.NullOr(Schema.Uint8Array)])),
  headerCount: Schema.Number,
  offset: Schema.NullOr(Schema.Number),
  timestamp: Schema.NullOr(Schema.Number),
});

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes as a property of this name: text or, where they are not UTF-8, base64. */
const bytesToJson = <Name extends string>(
  name: Name,
  bytes: Uint8Array,
): { readonly [K in Name | `${Name}Base64`]?: string } => {
  let property: readonly [string, string];
  try {
    property = [name, utf8.decode(bytes)];
  } catch {
    property = [`${name}Base64`, bytes.toBase64()]; // The bytes are not UTF-8.
  }
  return Object.fromEntries([property]) as { readonly [K in Name | `${Name}Base64`]?: string };
};

const bytesFromJson = (text: string | undefined, base64: string | undefined): Uint8Array | null => {
  if (base64 !== undefined) return Uint8Array.fromBase64(base64);
  return text === undefined ? null : encoder.encode(text);
};

const toJson = (letter: DeadLetter<unknown>): DeadLetterJson => {
  const { raw, key, keyLength, headers, headerCount, offset, timestamp, error: _, ...rest } = letter;
  return {
    ...rest,
    ...(rest.rawForm === "none" && raw.length === 0 ? {} : bytesToJson("raw", raw)),
    ...(key === null ? {} : { ...bytesToJson("key", key), keyLength }),
    ...(headers.length === 0 ? {} : {
      headers: headers.map(([name, value]) => ({ name, ...(value === null ? {} : bytesToJson("value", value)) })),
    }),
    ...(headers.length === 0 && headerCount === 0 ? {} : { headerCount }),
    ...(offset === null ? {} : { offset }),
    ...(timestamp === null ? {} : { timestamp }),
  };
};

const fromJson = (json: DeadLetterJson): DeadLetter<unknown> => {
  const { raw, rawBase64, rawForm, key, keyBase64, keyLength, headers = [], headerCount, ...rest } = json;
  const keyBytes = bytesFromJson(key, keyBase64);
  return {
    ...noParts,
    ...rest,
    error: null,
    raw: bytesFromJson(raw, rawBase64) ?? new Uint8Array(),
    rawForm: rawForm ?? "words",
    key: keyBytes,
    keyLength: keyBytes === null ? 0 : keyLength ?? keyBytes.length,
    headers: headers.map(({ name, value, valueBase64 }) => [name, bytesFromJson(value, valueBase64)] as const),
    headerCount: headerCount ?? headers.length,
  };
};

/**
 * Dead letters as JSON, to be written with `Sink.ndjson` and read back with `Source.ndjson`.
 *
 * Bytes are written as text when they are UTF-8, else in base64. Of `error` only its words are kept, in `reason`, so
 * it is `null` in a dead letter that was read back.
 *
 * @example
 * ```ts
 * import { Flow } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 * import assert from "node:assert/strict";
 *
 * const letter = {
 *   source: "flights",
 *   split: "flights-3",
 *   position: 6,
 *   operator: 'source "flights"',
 *   reason: "value at offset 5 is not JSON",
 *   error: new Error("value at offset 5 is not JSON"),
 *   raw: new TextEncoder().encode("{oh}"),
 *   rawLength: 4,
 *   rawForm: "bytes" as const,
 *   key: Uint8Array.of(0xff),
 *   keyLength: 1,
 *   headers: [["trace", new TextEncoder().encode("7")], ["sampled", null]] as const,
 *   headerCount: 2,
 *   offset: 5,
 *   timestamp: 1_700_000_000_000,
 * };
 * assert.deepEqual(Schema.encodeSync(Flow.deadLetterSchema)(letter), {
 *   source: "flights",
 *   split: "flights-3",
 *   position: 6,
 *   operator: 'source "flights"',
 *   reason: "value at offset 5 is not JSON",
 *   raw: "{oh}",
 *   rawLength: 4,
 *   rawForm: "bytes",
 *   keyBase64: "/w==",
 *   keyLength: 1,
 *   headers: [{ name: "trace", value: "7" }, { name: "sampled" }],
 *   headerCount: 2,
 *   offset: 5,
 *   timestamp: 1_700_000_000_000,
 * });
 * ```
 */
export const deadLetterSchema: Schema.Codec<DeadLetter<unknown>, DeadLetterJson> = json.pipe(
  Schema.decodeTo(
    letter,
    SchemaTransformation.transform<DeadLetter<unknown>, DeadLetterJson>({ decode: fromJson, encode: toJson }),
  ),
);
