/**
 * Reads what Kafka's protocol writes, from bytes that lie in one piece.
 *
 * @module
 */
import { malformed } from "./refusal.ts";

/** How many bytes the longest number of variable length takes. */
const varintBytesMax = 10;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads from the front to the back. Where there are not as many bytes as are read, the answer is malformed. */
export class ByteReader {
  /** Where the next byte is. */
  at = 0;
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes are left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Goes over some bytes, and says where they begin. */
  skip(length: number): number {
    const at = this.at;
    if (length < 0 || length > this.bytes.length - at) throw malformed(`${length} bytes where ${this.left} are left`);
    this.at = at + length;
    return at;
  }

  /** The next bytes: a view, no copy. */
  take(length: number): Uint8Array {
    const { bytes } = this;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + this.skip(length), length);
  }

  int8(): number {
    return this.#view.getInt8(this.skip(1));
  }

  int16(): number {
    return this.#view.getInt16(this.skip(2));
  }

  int32(): number {
    return this.#view.getInt32(this.skip(4));
  }

  uint32(): number {
    return this.#view.getUint32(this.skip(4));
  }

  /** Exact up to 2^53, where offsets and times lie. */
  int64(): number {
    const at = this.skip(8);
    return this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /** All of it, as decimal digits: for ids. */
  int64Text(): string {
    return `${this.#view.getBigInt64(this.skip(8))}`;
  }

  /** A number without sign in groups of 7 bits; exact up to 2^53. */
  uvarint(): number {
    const { bytes } = this;
    let byte = bytes[this.at++];
    if (byte < 0x80) return byte; // Most are; what lies behind the end is undefined, and goes on.
    let value = 0;
    for (let k = 1, place = 1; k < varintBytesMax && byte >= 0x80; k++, place *= 0x80) {
      value += (byte & 0x7f) * place;
      byte = bytes[this.at++];
      if (byte < 0x80) return value + byte * place * 0x80;
    }
    throw malformed("a number that does not end");
  }

  /** A number with a sign, as in records; exact up to 2^53, on either side of 0. */
  varint(): number {
    const { at } = this;
    const value = this.uvarint();
    if (value < 0x8000_0000) return (value >>> 1) ^ -(value & 1);
    if (value > Number.MAX_SAFE_INTEGER) return this.#farVarint(at);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** The same anew, where the sign, which is the last bit, was rounded off. */
  #farVarint(from: number): number {
    const { bytes } = this;
    let half = (bytes[from] & 0x7f) >>> 1;
    for (let at = from + 1, place = 0x40; at < this.at; at++, place *= 0x80) half += (bytes[at] & 0x7f) * place;
    return (bytes[from] & 1) === 0 ? half : -half - 1;
  }

  /** A string, or null. */
  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : utf8.decode(this.take(length));
  }

  /** A string of a flexible version of the protocol, or null. */
  compactString(): string | null {
    const length = this.uvarint() - 1;
    return length < 0 ? null : utf8.decode(this.take(length));
  }

  /** As many elements as are said first; none, where there is no array. */
  array<A>(read: () => A): ReadonlyArray<A> {
    return this.#elements(this.int32(), read);
  }

  /** The same in a flexible version of the protocol. */
  compactArray<A>(read: () => A): ReadonlyArray<A> {
    return this.#elements(this.uvarint() - 1, read);
  }

  /** Goes over what a later version of the protocol may have added. */
  skipTags(): void {
    for (let tags = this.uvarint(); tags > 0; tags--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }

  // A length that is a lie ends with the bytes: nothing is made for it beforehand.
  #elements<A>(length: number, read: () => A): ReadonlyArray<A> {
    const elements: Array<A> = [];
    for (let k = 0; k < length; k++) elements.push(read());
    return elements;
  }
}
