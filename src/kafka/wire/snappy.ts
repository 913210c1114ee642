/**
 * Snappy, as it is and in the frames of snappy-java, which Java writes.
 *
 * @module
 */
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { findMatches } from "./matches.ts";
import { Output } from "./output.ts";
import { malformed, tooLarge } from "./refusal.ts";

/** The first bytes of what snappy-java writes: its name, its version, and the oldest version that can read it. */
const frameHead = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1];

/** How many of them are the name. */
const nameBytes = 8;

/** How many bytes a chunk has that was written here. */
const chunkBytesMax = 65_536;

/** How many bytes one match can have. */
const matchBytesMax = 64;

const rules = { backMax: 65_535, lastBytes: 0, beginsBefore: 4 };

/** Decompresses bytes. */
export const snappyDecompress = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  const output = new Output(bytesMax, 4 * bytes.length);
  if (bytes.length < frameHead.length || !frameHead.slice(0, nameBytes).every((byte, k) => bytes[k] === byte)) {
    readChunk(bytes, output);
    return output.written;
  }
  const reader = new ByteReader(bytes);
  reader.skip(frameHead.length);
  while (reader.left > 0) readChunk(reader.take(reader.int32()), output);
  return output.written;
};

const readChunk = (chunk: Uint8Array, output: Output): void => {
  const reader = new ByteReader(chunk);
  const size = reader.uvarint();
  const before = output.written.length;
  if (before + size > output.bytesMax) {
    throw tooLarge("a decompressed batch of records", output.bytesMax, `${before + size}`);
  }
  let at = reader.at;
  const number = (bytes: number): number => {
    let value = 0;
    for (let k = 0; k < bytes; k++) value += chunk[at++] * 2 ** (8 * k);
    return value; // Not a number where the chunk has ended.
  };
  while (at < chunk.length) {
    const tag = chunk[at++];
    const kind = tag & 3;
    if (kind === 0) {
      const length = (tag >>> 2 < 60 ? tag >>> 2 : number((tag >>> 2) - 59)) + 1;
      if (!(length <= chunk.length - at)) throw malformed("a chunk of Snappy that ends too early");
      output.literals(chunk, at, length);
      at += length;
    } else if (kind === 1) output.match(((tag >>> 5) << 8) + number(1), ((tag >>> 2) & 7) + 4);
    else output.match(number(kind === 2 ? 2 : 4), (tag >>> 2) + 1);
  }
  if (output.written.length - before !== size) throw malformed(`a chunk of Snappy of other than ${size} bytes`);
};

/** Compresses bytes, in the frames of snappy-java. */
export const snappyCompress = (bytes: Uint8Array): Uint8Array => {
  const writer = new ByteWriter(bytes.length >>> 1).raw(Uint8Array.from(frameHead));
  for (let at = 0; at < bytes.length; at += chunkBytesMax) {
    const chunk = writeChunk(bytes.subarray(at, at + chunkBytesMax));
    writer.int32(chunk.length).raw(chunk);
  }
  return writer.written;
};

const writeChunk = (bytes: Uint8Array): Uint8Array => {
  const writer = new ByteWriter(bytes.length).uvarint(bytes.length);
  const literals = (from: number, to: number): void => {
    const less = to - from - 1;
    if (less < 0) return;
    if (less < 60) writer.uint8(less << 2);
    else if (less < 256) writer.uint8(60 << 2).uint8(less);
    else writer.uint8(61 << 2).uint8(less & 0xff).uint8(less >>> 8);
    writer.raw(bytes.subarray(from, to));
  };
  const left = findMatches(bytes, rules, (from, to, back, length) => {
    literals(from, to);
    for (; length > 0; length -= matchBytesMax) {
      writer.uint8(((Math.min(length, matchBytesMax) - 1) << 2) | 2).uint8(back & 0xff).uint8(back >>> 8);
    }
  });
  literals(left, bytes.length);
  return writer.written;
};
