/**
 * Chance as a pure function: a word of 32 bits for each seed, event number and draw.
 *
 * There is multiplication, exclusive or and shifting of 32-bit words, and a product of less than 2^53 where a range is
 * drawn from: the same bits in every language.
 *
 * @module
 */

/** Two to the 32nd. */
const wordValues = 2 ** 32;

/** How far two draws of one event are apart before they are mixed: 2^32 divided by the golden ratio. */
const drawStep = 0x9e3779b9;

/** A bijection of 32-bit words whose every output bit depends on every input bit (the finalizer of MurmurHash3). */
export const mix = (word: number): number => {
  let h = word;
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return h ^ h >>> 16;
};

/** What the draws of one event begin with, where `seedWord` is the mixed seed and `n` the event's number, below 2^31. */
export const eventWord = (seedWord: number, n: number): number => mix(n ^ seedWord);

/** Draw `k` (from 1) of an event: a word of 32 bits, signed. */
export const drawOf = (word: number, k: number): number => mix(word + Math.imul(k, drawStep) | 0);

/** A whole number from 0 to below `bound` (at most 2^21): the upper half of the product of bound and unsigned word. */
export const belowMany = (bound: number, word: number): number => Math.floor((word >>> 0) * bound / wordValues);

/** The same for a bound of at most 2^15, half a word at a time: nothing leaves 32 bits, which is faster. */
export const below = (bound: number, word: number): number =>
  Math.imul(word >>> 16, bound) + (Math.imul(word & 0xffff, bound) >>> 16) >>> 16;
