/**
 * How what is said the long way refuses.
 *
 * @module
 */

/** Bytes make no sense. */
export class Refused extends Error {}

/** Refuses bytes where something does not hold of them. */
export function demand(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Refused(words);
}
