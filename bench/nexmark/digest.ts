/**
 * Digests of texts: 32-bit FNV-1a (Fowler, Noll, Vo) over their code units, which are all below 256 here.
 *
 * @module
 */

/** What a digest begins with. */
export const digestBasis = 0x811c9dc5;

const prime = 0x01000193;

/** Goes on with a digest over a text; the result is an unsigned word. */
export const digestOf = (text: string, before: number = digestBasis): number => {
  let hash = before;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  return hash >>> 0;
};

/** Folds rows into one word that does not depend on their order: the sum of their digests, modulo 2^32. */
export class RowsDigest {
  /** How many rows there were. */
  rows = 0;
  /** The sum so far, unsigned. */
  value = 0;

  /** Takes a row by its text, which counts so many times. */
  add(text: string, times: number = 1): void {
    this.rows++;
    this.value = this.value + Math.imul(digestOf(text), times) >>> 0;
  }
}
