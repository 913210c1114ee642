/**
 * Random numbers that a seed decides.
 *
 * @module
 */

/** Numbers from 0 (included) to 1 (excluded) that depend on the seed alone: mulberry32, by Tommy Ettinger, public domain. */
export const randomOf = (seed: number): () => number => {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
};

/** A whole number from 0 that is below `end`. */
export const below = (random: () => number, end: number): number => Math.floor(random() * end);
