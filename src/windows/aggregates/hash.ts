/**
 * A hash of 53 bits, which is what a number holds exactly.
 *
 * It is built like MurmurHash3 (Austin Appleby, 2011, public domain): two lanes of 32 bits with constants of their own
 * take in every word, and are mixed with each other at the end. It is part of what sketches store and never changes. It
 * does not withstand somebody who looks for collisions.
 *
 * @module
 */
import type { Distinguishable } from "./distinguishable.ts";

const rotate = (x: number, bits: number): number => x << bits | x >>> (32 - bits);

const mixA = (lane: number, word: number): number =>
  Math.imul(rotate(lane ^ Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593), 13), 5) + 0xe6546b64 | 0;

const mixB = (lane: number, word: number): number =>
  Math.imul(rotate(lane ^ Math.imul(rotate(Math.imul(word, 0xa1e38b93), 18), 0x239b961b), 17), 5) + 0x32ac3b17 | 0;

/** Spreads a word over all its bits. */
const finalize = (word: number): number => {
  word = Math.imul(word ^ word >>> 16, 0x85ebca6b);
  word = Math.imul(word ^ word >>> 13, 0xc2b2ae35);
  return word ^ word >>> 16;
};

/** Makes one hash of both lanes: the upper 21 bits of one above the 32 bits of the other. */
const join = (a: number, b: number, words: number): number => {
  a ^= words;
  b ^= words;
  a = a + b | 0;
  b = b + a | 0;
  a = finalize(a);
  b = finalize(b);
  a = a + b | 0;
  b = b + a | 0;
  return (b >>> 11) * 2 ** 32 + (a >>> 0);
};

/** What the lanes begin with, so that 1, "1", 1n and true differ. */
const seeds = { number: 1, string: 2, bigint: 3, boolean: 4 } as const;

const bytes = new DataView(new ArrayBuffer(8));

const hashNumber = (value: number): number => {
  bytes.setFloat64(0, value === 0 ? 0 : value); // the two zeros are one value
  const isNaN = value !== value; // and so are all the bit patterns of NaN
  const low = isNaN ? 0 : bytes.getInt32(4);
  const high = isNaN ? 0x7ff80000 : bytes.getInt32(0);
  const seed = seeds.number;
  return join(mixA(mixA(seed, low), high), mixB(mixB(seed, low), high), 2);
};

const hashText = (text: string, seed: number): number => {
  let a = seed;
  let b = seed;
  for (let i = 0; i < text.length; i += 2) {
    // Behind the last code unit charCodeAt gives NaN, which counts as 0 here; the length tells the two apart.
    const word = text.charCodeAt(i) | text.charCodeAt(i + 1) << 16;
    a = mixA(a, word);
    b = mixB(b, word);
  }
  return join(a, b, text.length);
};

/** A whole number from 0 to 2^53 - 1: the same for values that are the same. */
export const hash53 = (value: Distinguishable): number => {
  switch (typeof value) {
    case "number":
      return hashNumber(value);
    case "string":
      return hashText(value, seeds.string);
    case "bigint":
      return hashText(value.toString(16), seeds.bigint);
    default:
      return hashText(value ? "t" : "f", seeds.boolean);
  }
};
