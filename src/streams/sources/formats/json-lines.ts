/**
 * The lines of JSON in a file.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Rejected } from "../../source.ts";
import { blank, type Records } from "./records.ts";
import { Lines, readable } from "./lines.ts";
import { Undecodable, valueDecoder } from "./value-decoder.ts";

/** Lines of JSON out of blocks of bytes. */
export class JsonLines<A> extends Lines implements Records<A> {
  readonly #decode: (lines: Lines) => A | Rejected | typeof blank;

  /** Starts at an offset at which a line begins, with a {@link lineDecoder}. */
  constructor(from: number, lineBytesMax: number, decode: (lines: Lines) => A | Rejected | typeof blank) {
    super(from, lineBytesMax);
    this.#decode = decode;
  }

  decode(): A | Rejected | typeof blank {
    return this.#decode(this);
  }
}

const blankLine = /^[ \t\r]*$/; // The white space of JSON.
const byteOrderMark = "\uFEFF";

/** How many characters of a line that is not UTF-8 a reason shows. */
const excerptCharactersMax = 80;

/** Decodes the current line. What cannot be decoded is a rejection. */
export function lineDecoder<A>(
  schema: Schema.ConstraintDecoder<A>,
  lineBytesMax: number,
): (lines: Lines) => A | Rejected | typeof blank {
  const { decodeJson } = valueDecoder(schema);
  return (lines) => {
    let text = lines.text;
    if (text === null) return unreadable(lines, lineBytesMax);
    if (lines.offset === 0 && text.startsWith(byteOrderMark)) text = text.slice(1);
    // To find out by parsing would cost an exception, and there may be millions of them.
    if (text === "") return blank;
    const value = decodeJson(text);
    if (!(value instanceof Undecodable)) return value;
    return blankLine.test(text) ? blank : new Rejected(value.reason, lines.raw(), lines.rawLength);
  };
}

/** The rejection of the current line, which has no text. */
export const unreadable = (lines: Lines, lineBytesMax: number): Rejected => {
  const reason = lines.tooLong
    ? `is longer than ${lineBytesMax} bytes: it has ${lines.rawLength}`
    : `is not UTF-8: "${readable(lines.raw()).slice(0, excerptCharactersMax)}"`;
  return new Rejected(reason, lines.raw(), lines.rawLength);
};
