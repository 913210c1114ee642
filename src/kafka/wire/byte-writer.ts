/**
 * Writes what Kafka's protocol reads, into bytes that grow.
 *
 * @module
 */

/** How many bytes a number of variable length takes at most. */
const varintBytesMax = 10;

/** From where on a number has no room for a sign beside it. */
const farFrom = 2 ** 52;

/** Up to how many bytes are copied one by one: a call would take longer. */
const fewBytes = 32;

const utf8 = new TextEncoder();

/** Writes from the front to the back. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** Who knows about how many bytes there will be saves the time to grow. */
  constructor(expected = 256) {
    this.#bytes = new Uint8Array(expected);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written: a view, which is good until more is. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  uint8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  int16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setInt32(at, value);
    return this;
  }

  /** A number that was written before is now this one. */
  setInt32(at: number, value: number): void {
    this.#view.setInt32(at, value);
  }

  int64(value: number | bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigInt64(at, BigInt(value));
    return this;
  }

  raw(bytes: Uint8Array): this {
    const { length } = bytes;
    const at = this.#reserve(length);
    if (length > fewBytes) this.#bytes.set(bytes, at);
    else for (let k = 0; k < length; k++) this.#bytes[at + k] = bytes[k];
    return this;
  }

  /** A number from 0 to 2^53 in groups of 7 bits. */
  uvarint(value: number): this {
    if (value < 0x80) return this.uint8(value); // Most are.
    let at = this.#reserve(varintBytesMax);
    const bytes = this.#bytes;
    for (; value >= 0x8000_0000; value = Math.floor(value / 0x80)) bytes[at++] = (value % 0x80) | 0x80;
    for (; value >= 0x80; value >>>= 7) bytes[at++] = (value & 0x7f) | 0x80;
    bytes[at++] = value;
    this.#length = at;
    return this;
  }

  /** A number with a sign, as in records: exact up to 2^53, on either side of 0. */
  varint(value: number): this {
    if (value < farFrom && value > -farFrom) return this.uvarint(zigzag(value));
    // The first group takes the sign: with it, the number would be rounded.
    const half = value < 0 ? -value - 1 : value;
    return this.uint8(0x80 | ((half % 0x40) << 1) | (value < 0 ? 1 : 0)).uvarint(Math.floor(half / 0x40));
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

  /** Makes room for some bytes, and says where they begin. */
  #reserve(length: number): number {
    const at = this.#length;
    this.#length = at + length;
    if (this.#length > this.#bytes.length) this.#grow(at);
    return at;
  }

  #grow(written: number): void {
    const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, written));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** A number with a sign as one without; up to 2^52 exactly. */
const zigzag = (value: number): number => value >= 0 ? 2 * value : -2 * value - 1;

/** How many bytes a number with a sign takes. */
export const varintSize = (value: number): number => {
  let rest = zigzag(value);
  let size = 1;
  for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) size++;
  for (; rest >= 0x80; rest >>>= 7) size++;
  return size;
};

/** How many bytes other bytes take with their length before them, or null. */
export const varintBytesSize = (length: number | null): number => length === null ? 1 : varintSize(length) + length;
