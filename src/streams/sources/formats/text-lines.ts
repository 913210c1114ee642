/**
 * Lines of text.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Rejected } from "../../source.ts";
import type { Records } from "./records.ts";
import { unreadable } from "./json-lines.ts";
import { Lines } from "./lines.ts";
import { Undecodable, valueDecoder } from "./value-decoder.ts";

/** Lines of text out of blocks of bytes. */
export class TextLines<A> extends Lines implements Records<A> {
  readonly #decode: (lines: Lines) => A | Rejected;

  /** Starts at an offset at which a line begins, with a {@link textDecoder}. */
  constructor(from: number, lineBytesMax: number, decode: (lines: Lines) => A | Rejected) {
    super(from, lineBytesMax);
    this.#decode = decode;
  }

  decode(): A | Rejected {
    return this.#decode(this);
  }
}

/** Decodes the current line as it is. What cannot be decoded is a rejection. */
export function textDecoder<A>(
  schema: Schema.ConstraintDecoder<A>,
  lineBytesMax: number,
): (lines: Lines) => A | Rejected {
  const { decodeValue } = valueDecoder(schema);
  return (lines) => {
    const { text } = lines;
    if (text === null) return unreadable(lines, lineBytesMax);
    const value = decodeValue(text);
    return value instanceof Undecodable ? new Rejected(value.reason, lines.raw(), lines.rawLength) : value;
  };
}
