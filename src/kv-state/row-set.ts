/**
 * A set of row ids, as bits: what has changed since the last barrier.
 *
 * A bit of the upper level says that one of 32 bits of the lower level is set, so that a few rows among millions are found
 * without looking at every bit. A row takes a little more than an eighth of a byte.
 *
 * @module
 */

/** How many bits a word has; its binary logarithm is 5. */
const wordBits = 32;

/** Some row ids. */
export class RowSet {
  /** Bit `r % 32` of word `r / 32` is set if row `r` is in the set. */
  #rows = new Int32Array(1);
  /** Bit `w % 32` of word `w / 32` is set if word `w` of `#rows` is not 0. */
  #words = new Int32Array(1);
  #isEmpty = true;

  /** Whether there is nothing in it. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Makes room for ids below this one. */
  reserve(rows: number): void {
    this.#rows = withRoom(this.#rows, Math.ceil(rows / wordBits));
    this.#words = withRoom(this.#words, Math.ceil(rows / wordBits / wordBits));
  }

  /** Adds a row, for which there must be room. */
  add(row: number): void {
    this.#rows[row >>> 5] |= 1 << row;
    this.#words[row >>> 10] |= 1 << (row >>> 5);
    this.#isEmpty = false;
  }

  /** The rows in ascending order. Afterwards the set is empty. */
  take(): Uint32Array {
    const rows = this.#rows;
    const words = this.#words;
    let count = 0;
    for (let at = 0; at < words.length; at++) {
      for (let left = words[at]; left !== 0; left &= left - 1) count += bitsIn(rows[at * wordBits + lowestBit(left)]);
    }
    const taken = new Uint32Array(count);
    let k = 0;
    for (let at = 0; at < words.length; at++) {
      for (let left = words[at]; left !== 0; left &= left - 1) {
        const word = at * wordBits + lowestBit(left);
        for (let bits = rows[word]; bits !== 0; bits &= bits - 1) taken[k++] = word * wordBits + lowestBit(bits);
        rows[word] = 0;
      }
      words[at] = 0;
    }
    this.#isEmpty = true;
    return taken;
  }
}

const withRoom = (words: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> => {
  if (length <= words.length) return words;
  const larger = new Int32Array(length);
  larger.set(words);
  return larger;
};

/** The place of the lowest bit that is set. */
const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/** How many bits of a word are set: summed in pairs, fours and bytes, and the bytes by a product. */
const bitsIn = (word: number): number => {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};
