/**
 * What a decompressor makes: bytes that grow up to a bound, and repeat what they were.
 *
 * @module
 */
import { malformed, tooLarge } from "./refusal.ts";

/** Decompressed bytes. */
export class Output {
  #bytes: Uint8Array;
  #length = 0;

  constructor(readonly bytesMax: number, expected: number) {
    this.#bytes = new Uint8Array(Math.min(bytesMax, expected));
  }

  /** What there is: a view. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Adds some of other bytes. */
  literals(bytes: Uint8Array, from: number, length: number): void {
    if (length > bytes.length - from) throw malformed("compressed records that end too early");
    const at = this.#grow(length);
    // Most are so few that a call would take longer.
    if (length > 32) this.#bytes.set(bytes.subarray(from, from + length), at);
    else for (let k = 0; k < length; k++) this.#bytes[at + k] = bytes[from + k];
  }

  /** Repeats what stands some bytes back; more of them than these bytes are means these again and again. */
  match(back: number, length: number): void {
    if (!(back > 0 && back <= this.#length)) throw malformed("compressed records that refer to what is not there");
    const at = this.#grow(length);
    const bytes = this.#bytes;
    if (back >= length && length > 32) bytes.copyWithin(at, at - back, at - back + length);
    else for (let k = at; k < at + length; k++) bytes[k] = bytes[k - back];
  }

  /** Makes room, and says where it begins. */
  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.bytesMax) throw tooLarge("a decompressed batch of records", this.bytesMax, "more");
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.bytesMax, Math.max(this.#length, 2 * this.#bytes.length)));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    return at;
  }
}
