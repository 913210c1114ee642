/**
 * LZ4 in the frames that Kafka uses.
 *
 * @module
 */
import { ByteWriter } from "./byte-writer.ts";
import { findMatches } from "./matches.ts";
import { Output } from "./output.ts";
import { malformed } from "./refusal.ts";

/** The first bytes of a frame, backwards. */
const magic = 0x184d2204;

/** A frame of blocks of up to 64 KiB that do not know of each other, without checksums, and the checksum of saying so. */
const frameHead = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

/** How many bytes a block has that was written here. */
const blockBytesMax = 65_536;

/** The bits of a frame's flags. */
const flag = { dictionary: 0x01, contentSum: 0x04, contentSize: 0x08, blockSums: 0x10 } as const;

/** The bit that says that a block is not compressed. */
const isRaw = 0x8000_0000;

/** The rules of the format for the end of a block: 5 bytes are new, and no match begins in the last 12. */
const rules = { backMax: 65_535, lastBytes: 5, beginsBefore: 12 };

/** Decompresses a frame. */
export const lz4Decompress = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== magic) throw malformed("LZ4 that does not begin as a frame");
  const flags = bytes[4];
  const output = new Output(bytesMax, 4 * bytes.length);
  let at = 7 + ((flags & flag.contentSize) !== 0 ? 8 : 0) + ((flags & flag.dictionary) !== 0 ? 4 : 0);
  for (;;) {
    const head = view.getUint32(at, true);
    at += 4;
    if (head === 0) return output.written;
    const length = head & ~isRaw;
    const block = bytes.subarray(at, at + length);
    if (block.length < length) throw malformed("a block of LZ4 that ends too early");
    if (head >= isRaw) output.literals(block, 0, length);
    else readBlock(block, output);
    at += length + ((flags & flag.blockSums) !== 0 ? 4 : 0);
  }
};

const readBlock = (block: Uint8Array, output: Output): void => {
  let at = 0;
  const length = (half: number): number => {
    if (half < 15) return half;
    for (;;) {
      const byte = block[at++];
      if (byte === undefined) throw malformed("a length of LZ4 that does not end");
      half += byte;
      if (byte < 255) return half;
    }
  };
  while (at < block.length) {
    const token = block[at++];
    const literals = length(token >>> 4);
    output.literals(block, at, literals);
    at += literals;
    if (at === block.length) return;
    if (at + 2 > block.length) throw malformed("a block of LZ4 that ends too early");
    const back = block[at] | (block[at + 1] << 8);
    at += 2;
    output.match(back, length(token & 15) + 4);
  }
};

/** Compresses bytes into a frame. */
export const lz4Compress = (bytes: Uint8Array): Uint8Array => {
  const writer = new ByteWriter(bytes.length >>> 1).raw(Uint8Array.from(frameHead));
  for (let at = 0; at < bytes.length; at += blockBytesMax) {
    const block = bytes.subarray(at, at + blockBytesMax);
    const packed = writeBlock(block);
    const isSmaller = packed.length < block.length;
    writeInt32(writer, isSmaller ? packed.length : block.length + isRaw);
    writer.raw(isSmaller ? packed : block);
  }
  writeInt32(writer, 0);
  return writer.written;
};

const writeInt32 = (writer: ByteWriter, value: number): void => {
  for (let k = 0; k < 4; k++) writer.uint8((value / 2 ** (8 * k)) & 0xff);
};

const writeBlock = (block: Uint8Array): Uint8Array => {
  const writer = new ByteWriter(block.length);
  const rest = (length: number): void => {
    if (length < 15) return;
    for (length -= 15; length >= 255; length -= 255) writer.uint8(255);
    writer.uint8(length);
  };
  const literals = (from: number, to: number, matchHalf: number): void => {
    const length = to - from;
    writer.uint8((Math.min(length, 15) << 4) | Math.min(matchHalf, 15));
    rest(length);
    writer.raw(block.subarray(from, to));
  };
  const left = findMatches(block, rules, (from, to, back, length) => {
    literals(from, to, length - 4);
    writer.uint8(back & 0xff).uint8(back >>> 8);
    rest(length - 4);
  });
  literals(left, block.length, 0);
  return writer.written;
};
