/**
 * A dead letter: a record that could not be handled, with where it came from and why it was refused.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { SchemaTransformation } from "effect";
import type { RawForm } from "../actors/record-bytes.ts";
import type { Position } from "./source.ts";

export { type RawForm, recordBytesMax } from "../actors/record-bytes.ts";
export { reasonCharactersMax } from "../actors/task-context.ts";

/** A record that could not be handled. `E` is the type of what went wrong. */
export interface DeadLetter<out E> {
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
   * The record's bytes: those that the source read, cut at `Source.rejectedBytesMax` (32,768); or, of an operator further on,
   * the record that it was given as JSON, cut at `Flow.recordBytesMax` (32,768). See {@link DeadLetter.rawForm}.
   */
  readonly raw: Uint8Array;
  /** How many bytes the whole record has. */
  readonly rawLength: number;
  /**
   * What `raw` is: the `"bytes"` that the source read; the record that the operator was given, as `"json"`; or `"words"`
   * about a record that JSON cannot express, such as one that holds a bigint, a Map or NaN, or that contains itself.
   */
  readonly rawForm: RawForm;
}

/** A dead letter as JSON. It has `raw` when the bytes are UTF-8, and `rawBase64` when they are not. */
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
}

const rawForm = Schema.Literals(["bytes", "json", "words"]);

const fields = {
  source: Schema.String,
  split: Schema.String,
  position: Schema.Union([Schema.String, Schema.Number]),
  operator: Schema.String,
  reason: Schema.String,
  rawLength: Schema.Number,
};

const json = Schema.Struct({
  ...fields,
  raw: Schema.optionalKey(Schema.String),
  rawBase64: Schema.optionalKey(Schema.String.check(Schema.isBase64())),
  rawForm: Schema.optionalKey(rawForm),
});

const letter = Schema.Struct({ ...fields, rawForm, error: Schema.Unknown, raw: Schema.Uint8Array });

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const bytesToJson = (bytes: Uint8Array): { readonly raw: string } | { readonly rawBase64: string } => {
  try {
    return { raw: utf8.decode(bytes) };
  } catch {
    return { rawBase64: bytes.toBase64() }; // The bytes are not UTF-8.
  }
};

/**
 * Dead letters as JSON, to be written with `Sink.ndjson` and read back with `Source.ndjson`.
 *
 * The bytes are written as text when they are UTF-8, else in base64. Of `error` only its words are kept, in `reason`, so
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
 *   split: "may.ndjson",
 *   position: 5,
 *   operator: "decode",
 *   reason: "is not JSON",
 *   error: new Error("is not JSON"),
 *   raw: new TextEncoder().encode("{oh}"),
 *   rawLength: 4,
 *   rawForm: "bytes" as const,
 * };
 * assert.deepEqual(Schema.encodeSync(Flow.deadLetterSchema)(letter), {
 *   source: "flights",
 *   split: "may.ndjson",
 *   position: 5,
 *   operator: "decode",
 *   reason: "is not JSON",
 *   raw: "{oh}",
 *   rawLength: 4,
 *   rawForm: "bytes",
 * });
 * ```
 */
export const deadLetterSchema: Schema.Codec<DeadLetter<unknown>, DeadLetterJson> = json.pipe(
  Schema.decodeTo(
    letter,
    SchemaTransformation.transform<DeadLetter<unknown>, DeadLetterJson>({
      decode: ({ raw, rawBase64, rawForm, ...rest }) => ({
        ...rest,
        rawForm: rawForm ?? "words",
        error: null,
        raw: rawBase64 === undefined ? new TextEncoder().encode(raw ?? "") : Uint8Array.fromBase64(rawBase64),
      }),
      encode: ({ raw, error: _, ...rest }) => ({ ...rest, ...bytesToJson(raw) }),
    }),
  ),
);
