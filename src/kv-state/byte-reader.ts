/**
 * Reads what a `ByteWriter` has written, and trusts nothing of it.
 *
 * @module
 */

/** Bytes that are not what they should be. */
const malformed = (rule: string): never => {
  throw new TypeError(rule);
};

/** Reads bytes, little-endian. Every method throws a `TypeError` where the bytes are over or can never have been written. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  /** The memory, to be read after {@link skip}. */
  readonly view: DataView;
  #at = 0;

  /** Reads from the beginning. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Reads one byte. */
  byte(): number {
    return this.#bytes[this.skip(1)];
  }

  /** Reads a whole number from 0 to 2^53 - 1. */
  whole(): number {
    let value = 0;
    for (let place = 1; place <= 2 ** 49; place *= 128) {
      const byte = this.byte();
      value += (byte & 127) * place;
      if (byte < 128) {
        return value <= Number.MAX_SAFE_INTEGER ? value : malformed("its whole numbers must be below 2^53");
      }
    }
    return malformed("its whole numbers must end");
  }

  /** Reads any number. */
  number(): number {
    return this.view.getFloat64(this.skip(8), true);
  }

  /** Reads a text. */
  text(): string {
    const length = this.whole();
    if (length > this.left) malformed("its texts must not be longer than it");
    let text = "";
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.whole());
    return text;
  }

  /** Reads bytes behind their number. They share the memory. */
  bytes(): Uint8Array {
    const length = this.whole();
    const at = this.skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Passes so many bytes, to be read from {@link view}; returns where they begin. */
  skip(count: number): number {
    const at = this.#at;
    if (count > this.left) malformed("it must not end early");
    this.#at += count;
    return at;
  }
}
