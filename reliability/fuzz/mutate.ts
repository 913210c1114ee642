/**
 * Damage: what becomes of bytes on a bad disk, in a careless program or in bad hands.
 *
 * @module
 */
import type { Draw } from "./draw.ts";

/** How many bytes a repetition may make of a piece. */
const repeatedBytesMax = 150_000;

/** Pieces that decoders stumble over: bytes that are no UTF-8, great lengths, nesting, the ends of lines and quotes. */
const pieces: ReadonlyArray<Uint8Array> = [
  [0xff],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
  [0xef, 0xbb, 0xbf],
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0, 0, 0, 0x80],
  [0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
  [0, 0, 0, 0, 0, 0, 0, 0x80],
  [0x0a],
  [0x0d, 0x0a],
  [0x0d],
  [0x22],
  [0x22, 0x22],
  [0x2c],
  [0x5b],
  [0x7b, 0x22, 0x61, 0x22, 0x3a],
  [0x2d, 0x31],
  [0x31, 0x65, 0x39, 0x39],
  [0x6e, 0x75, 0x6c, 0x6c],
  [0],
].map((piece) => Uint8Array.from(piece));

/** Puts bytes together. */
export const joined = (...parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

/** Bytes repeated over and over. */
const repeated = (draw: Draw, piece: Uint8Array): Uint8Array => {
  const times = draw.once(25) ? draw.below(Math.floor(repeatedBytesMax / Math.max(1, piece.length))) : draw.below(40);
  const bytes = new Uint8Array(piece.length * times);
  for (let k = 0; k < times; k++) bytes.set(piece, k * piece.length);
  return bytes;
};

/** Damages bytes in one place. `other` is what they may be mixed up with. */
const once = (draw: Draw, bytes: Uint8Array, other: Uint8Array): Uint8Array => {
  const at = draw.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + draw.below(draw.oneOf([2, 9, 65])));
  const before = bytes.subarray(0, at);
  switch (draw.below(9)) {
    case 0:
    case 1: {
      const flipped = bytes.slice();
      if (at < bytes.length) flipped[at] ^= 1 << draw.below(8);
      return flipped;
    }
    case 2:
      return before; // cut off
    case 3:
      return joined(before, bytes.subarray(to)); // a piece taken out
    case 4:
      return joined(before, draw.bytes(12), bytes.subarray(at));
    case 5:
      return joined(before, draw.oneOf(pieces), bytes.subarray(draw.below(2) === 0 ? at : to));
    case 6:
      return joined(before, repeated(draw, bytes.subarray(at, to)), bytes.subarray(to));
    case 7:
      return joined(before, repeated(draw, draw.oneOf(pieces)), bytes.subarray(at));
    default:
      return joined(before, other.subarray(draw.below(other.length + 1)));
  }
};

/** Damages bytes in a few places. The outcome may be what it was. */
export const mutated = (draw: Draw, bytes: Uint8Array, other: Uint8Array = bytes): Uint8Array => {
  let damaged = bytes;
  for (let k = draw.below(4); k >= 0; k--) damaged = once(draw, damaged, other);
  return damaged;
};

/** Whether two sequences of bytes are the same. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, k) => byte === b[k]);
