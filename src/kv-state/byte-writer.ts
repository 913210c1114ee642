/**
 * Bytes that are written one thing after the other, into memory that grows and is used again.
 *
 * @module
 */

/** How many bytes a new writer has room for. */
const initialBytes = 4_096;

/** A byte of a whole number carries seven bits; the eighth says that more follow. */
const sevenBits = 128;
/** The most bytes that a whole number takes. */
const wholeBytesMax = 8;

/** Writes bytes, little-endian. */
export class ByteWriter {
  #bytes = new Uint8Array(initialBytes);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** What has been written, until more is: the memory is used again. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The memory. It is replaced when it grows: ask for it after {@link skip}. */
  get view(): DataView {
    return this.#view;
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0;
  }

  /** Makes room for so many bytes, to be written into {@link view}; returns where they begin. */
  skip(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) this.#grow();
    return at;
  }

  /** Writes one byte. */
  byte(value: number): void {
    const at = this.skip(1);
    this.#bytes[at] = value;
  }

  /** Writes a whole number from 0 to 2^53 - 1: the smaller, the fewer bytes. */
  whole(value: number): void {
    let at = this.skip(wholeBytesMax);
    let left = value;
    for (; left >= sevenBits; left = Math.floor(left / sevenBits)) this.#bytes[at++] = left % sevenBits + sevenBits;
    this.#bytes[at++] = left;
    this.#length = at;
  }

  /** Writes any number. */
  number(value: number): void {
    const at = this.skip(8);
    this.#view.setFloat64(at, value, true);
  }

  /** Writes a text, each of its code units as a whole number: so nothing of it is lost. */
  text(value: string): void {
    this.whole(value.length);
    for (let i = 0; i < value.length; i++) this.whole(value.charCodeAt(i));
  }

  /** Writes bytes behind their number. */
  bytes(value: Uint8Array): void {
    this.whole(value.length);
    const at = this.skip(value.length);
    this.#bytes.set(value, at);
  }

  #grow(): void {
    const bytes = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
