/**
 * Draws: every choice that makes an input, one after the other, so that an input is nothing but a list of numbers.
 *
 * It is like a deck of cards that is written down as it is dealt: dealt again from the list, the same game comes out.
 * So any input can be repeated from its list, and made smaller by taking cards out of it.
 *
 * @module
 */

/** A generator of 32-bit words (sfc32, by Chris Doty-Humphrey, public domain). */
const wordsOf = (seed: number, stream: number, index: number): () => number => {
  let a = seed | 0;
  let b = stream | 0;
  let c = index | 0;
  let counter = 1;
  const next = (): number => {
    const word = (a + b | 0) + counter | 0;
    counter = counter + 1 | 0;
    a = b ^ b >>> 9;
    b = c + (c << 3) | 0;
    c = (c << 21 | c >>> 11) + word | 0;
    return word >>> 0;
  };
  // The first words still show the seeds.
  for (let k = 0; k < 12; k++) next();
  return next;
};

/** Where an input comes from. */
export interface Origin {
  readonly seed: number;
  /** Tells the targets apart. */
  readonly stream: number;
  readonly index: number;
}

/** Hands out the numbers that an input is made of, and writes them down. */
export class Draw {
  /** What has been drawn. */
  readonly words: Array<number> = [];
  /** What a decoder was given, for the report. */
  readonly notes = new Map<string, Uint8Array | string>();
  readonly #next: () => number;

  /** Draws anew, or what was drawn before; a list that is at its end goes on with zeros. */
  constructor(from: Origin | ReadonlyArray<number>) {
    if ("seed" in from) {
      this.#next = wordsOf(from.seed, from.stream, from.index);
    } else {
      this.#next = () => from[this.words.length] ?? 0;
    }
  }

  /** A number from 0 to 2^32 - 1. */
  word(): number {
    const word = this.#next() >>> 0;
    this.words.push(word);
    return word;
  }

  /** A whole number from 0 to `end`, not included. */
  below(end: number): number {
    return this.word() % end;
  }

  /** True once in so many times. */
  once(inTimes: number): boolean {
    return this.below(inTimes) === inTimes - 1;
  }

  /** One of a list. */
  oneOf<const A>(list: ReadonlyArray<A>): A {
    return list[this.below(list.length)];
  }

  /** A list whose items are drawn, mostly short. */
  list<A>(lengthMax: number, item: () => A): Array<A> {
    return Array.from({ length: this.below(lengthMax + 1) }, item);
  }

  /** Random bytes. */
  bytes(lengthMax: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.below(lengthMax + 1));
    for (let k = 0; k < bytes.length; k++) bytes[k] = this.word();
    return bytes;
  }

  /** Notes what a decoder is about to be given. Returns it. */
  note<A extends Uint8Array | string>(name: string, input: A): A {
    this.notes.set(name, input);
    return input;
  }
}
