/**
 * The line cutter: however the bytes are handed in, it must find the lines that a look at all of them finds.
 *
 * @module
 */
import assert from "node:assert/strict";
import { rejectedBytesMax } from "../../../src/streams/source.ts";
import { blockBytes, Lines } from "../../../src/streams/sources/formats/lines.ts";
import type { Draw } from "../draw.ts";
import { mutated, sameBytes } from "../mutate.ts";
import type { Target } from "../target.ts";
import { json } from "../values.ts";

const newline = 10;
const carriageReturn = 13;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Lines of JSON, most of them sound. */
export const someLines = (draw: Draw): Uint8Array => {
  const text = draw.list(6, () => JSON.stringify({ id: json(draw, 1), n: json(draw, 2) }))
    .join(draw.oneOf(["\n", "\n", "\r\n", "\n\n"]));
  const bytes = new TextEncoder().encode(draw.once(3) ? text : `${text}\n`);
  return draw.once(3) ? bytes : mutated(draw, bytes);
};

interface Line {
  readonly bytes: Uint8Array;
  readonly position: number;
}

/** The lines of bytes, found the simple way. */
export const linesOf = (bytes: Uint8Array): Array<Line> => {
  const lines: Array<Line> = [];
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    const position = found < 0 ? end : end + 1;
    const length = end - start - (end > start && bytes[end - 1] === carriageReturn ? 1 : 0);
    lines.push({ bytes: bytes.subarray(start, start + length), position });
    start = position;
  }
  return lines;
};

const decoded = (bytes: Uint8Array): string | null => {
  try {
    return utf8.decode(bytes);
  } catch {
    return null; // It is not UTF-8, as the cutter is to say.
  }
};

const check = (draw: Draw): string => {
  const bytes = draw.note("bytes", someLines(draw));
  const lineBytesMax = draw.oneOf([1, 7, 64, 4_096, 5_000, 100_000]);
  const pieceMax = draw.oneOf([1, 5, 100, 4_096, blockBytes]);
  const lines = new Lines(0, lineBytesMax);
  const expected = linesOf(bytes);
  let at = 0;
  let found = 0;
  // A byte at a time would take for ever where there are many of them.
  const leastPiece = Math.ceil(bytes.length / 300);
  while (!lines.ended) {
    while (lines.next()) {
      const line = expected[found++];
      assert.ok(line !== undefined, "there is no such line");
      const tooLong = line.bytes.length > lineBytesMax;
      assert.equal(lines.position, line.position);
      assert.equal(lines.rawLength, line.bytes.length);
      assert.equal(lines.tooLong, tooLong);
      assert.equal(lines.text, tooLong ? null : decoded(line.bytes));
      assert.ok(sameBytes(lines.raw(), line.bytes.subarray(0, rejectedBytesMax)), "its bytes differ");
    }
    if (lines.ended) break;
    const piece = bytes.subarray(at, at + Math.min(blockBytes, leastPiece + draw.below(pieceMax)));
    lines.space().set(piece);
    lines.filled(piece.length);
    at += piece.length;
  }
  assert.equal(found, expected.length);
  return "accepted";
};

/** Bytes to {@link Lines}, in pieces of any size. */
export const lines: Target = {
  name: "lines",
  about: "bytes in pieces of any size, to the line cutter",
  rejects: [],
  check,
};
