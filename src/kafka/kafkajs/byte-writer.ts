/**
 * Writes what Kafka's protocol reads, into bytes that grow.
 *
 * @module
 */

/** How many bytes there is room for at first. */
const firstBytes = 256;

const utf8 = new TextEncoder();

/** Writes from the front to the back. */
export class ByteWriter {
  #bytes = new Uint8Array(firstBytes);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** How many bytes were written. */
  get length(): number {
    return this.#length;
  }

  /** What was written: a view, which is good until more is. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written, and keeps the room. */
  clear(): void {
    this.#length = 0;
  }

  /** Makes room for some bytes, and says where they begin. */
  reserve(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  uint8(value: number): this {
    const at = this.reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  int8(value: number): this {
    const at = this.reserve(1);
    this.#view.setInt8(at, value);
    return this;
  }

  int16(value: number): this {
    const at = this.reserve(2);
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.reserve(4);
    this.#view.setInt32(at, value);
    return this;
  }

  /** A number that was written before is now this one. */
  setInt32(at: number, value: number): void {
    this.#view.setInt32(at, value);
  }

  int64(value: number | bigint): this {
    const at = this.reserve(8);
    this.#view.setBigInt64(at, BigInt(value));
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A number from 0 to 2^53 in groups of 7 bits. */
  uvarint(value: number): this {
    while (value >= 0x80) {
      this.uint8((value % 0x80) | 0x80);
      value = Math.floor(value / 0x80);
    }
    return this.uint8(value);
  }

  /** A number with a sign, as in records: exact up to 2^52. */
  varint(value: number): this {
    return this.uvarint(value >= 0 ? 2 * value : -2 * value - 1);
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = utf8.encode(value);
    return this.int16(bytes.length).raw(bytes);
  }

  /** A string of a flexible version of the protocol. */
  compactString(value: string): this {
    const bytes = utf8.encode(value);
    return this.uvarint(bytes.length + 1).raw(bytes);
  }

  /** Bytes as in records, or null. */
  varintBytes(value: Uint8Array | null): this {
    return value === null ? this.varint(-1) : this.varint(value.length).raw(value);
  }

  array<A>(values: ReadonlyArray<A>, write: (value: A) => void): this {
    this.int32(values.length);
    values.forEach(write);
    return this;
  }

  compactArray<A>(values: ReadonlyArray<A>, write: (value: A) => void): this {
    this.uvarint(values.length + 1);
    values.forEach(write);
    return this;
  }
}
