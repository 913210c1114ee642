/**
 * A dead letter: a record that could not be handled, with where it came from and why it was refused.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect, SchemaTransformation } from "effect";
import type { Position } from "./source.ts";

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
  /** What went wrong, in words. */
  readonly reason: string;
  /** What went wrong. */
  readonly error: E;
  /** The record's bytes, cut at `Source.rejectedBytesMax`. Empty where the record never had bytes of its own. */
  readonly raw: Uint8Array;
  /** How many bytes the whole record has. */
  readonly rawLength: number;
}

/** A dead letter as JSON. It has `raw` when the bytes are UTF-8, and `rawBase64` when they are not. */
export interface DeadLetterJson {
  readonly source: string;
  readonly split: string;
  readonly position: Position;
  readonly operator: string;
  readonly reason: string;
  readonly raw?: string;
  readonly rawBase64?: string;
  readonly rawLength: number;
}
