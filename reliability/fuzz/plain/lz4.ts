/**
 * LZ4, said the long way: byte by byte, as its descriptions of blocks and of frames say.
 *
 * @module
 */
import type { Draw } from "../draw.ts";
import { joined } from "../mutate.ts";
import { demand } from "./refused.ts";

const magic = [0x04, 0x22, 0x4d, 0x18];

/** The bits of a frame's flags, but for the version, and whether blocks know of each other. */
const flag = { dictionary: 1, contentSum: 4, contentSize: 8, blockSums: 16, independent: 32, version: 64 } as const;

const has = (flags: number, bit: number): boolean => (flags & bit) !== 0;

const readBlock = (block: Uint8Array, output: Array<number>, bytesMax: number): void => {
  let at = 0;
  const byte = (): number => {
    demand(at < block.length, "too early an end");
    return block[at++];
  };
  const lengthOf = (half: number): number => {
    for (let more = half === 15; more;) {
      const further = byte();
      half += further;
      more = further === 255;
    }
    return half;
  };
  while (at < block.length) {
    const token = byte();
    const literals = lengthOf(token >> 4);
    demand(literals <= block.length - at, "too early an end");
    demand(output.length + literals <= bytesMax, "too large");
    for (let k = 0; k < literals; k++) output.push(byte());
    if (at === block.length) return;
    const back = byte() + 256 * byte();
    const length = 4 + lengthOf(token % 16);
    demand(back > 0 && back <= output.length, "what is not there");
    demand(output.length + length <= bytesMax, "too large");
    for (let k = 0; k < length; k++) output.push(output[output.length - back]);
  }
};

/** Decompresses a frame. Of its checksums and what it says of its size nothing is made, as a batch has its own. */
export const plainLz4 = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  const output: Array<number> = [];
  demand(bytes.length >= 5 && magic.every((byte, k) => bytes[k] === byte), "no frame");
  const flags = bytes[4];
  let at = 7 + (has(flags, flag.contentSize) ? 8 : 0) + (has(flags, flag.dictionary) ? 4 : 0);
  for (;;) {
    demand(at + 4 <= bytes.length, "too early an end");
    const head = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true);
    at += 4;
    if (head === 0) return Uint8Array.from(output);
    const length = head % 2 ** 31;
    demand(at + length <= bytes.length, "too early an end");
    const block = bytes.subarray(at, at + length);
    at += length + (has(flags, flag.blockSums) ? 4 : 0);
    if (head < 2 ** 31) {
      readBlock(block, output, bytesMax);
    } else {
      demand(output.length + length <= bytesMax, "too large");
      for (const byte of block) output.push(byte);
    }
  }
};

const little = (value: number, bytes: number): Array<number> =>
  Array.from({ length: bytes }, (_, k) => Math.floor(value / 256 ** k) % 256);

const word = (value: number): Uint8Array => Uint8Array.from(little(value, 4));

/** What stands behind a token for what has no room in it. */
const rest = (length: number): Array<number> => {
  if (length < 15) return [];
  return [...Array.from({ length: Math.floor((length - 15) / 255) }, () => 255), (length - 15) % 255];
};

const someLength = (draw: Draw): number => draw.oneOf([draw.below(15), draw.below(40), 14 + draw.below(600), 270]);

/**
 * A block that some compressor might have written; `bytes` goes on. One that is wrong may refer to what is not there, and
 * end within a reference.
 */
const someBlock = (draw: Draw, bytes: Array<number>, isIndependent: boolean, isWrong: boolean): Array<number> => {
  const begun = isIndependent ? bytes.length : 0;
  const packed: Array<number> = [];
  const sequence = (literals: ReadonlyArray<number>, half: number): void => {
    packed.push(16 * Math.min(literals.length, 15) + Math.min(half, 15), ...rest(literals.length), ...literals);
    bytes.push(...literals);
  };
  const someLiterals = (): Array<number> =>
    draw.once(3) ? Array.from({ length: someLength(draw) }, () => draw.word() % 256) : [...draw.bytes(20)];
  for (let parts = draw.below(6); parts > 0; parts--) {
    const literals = someLiterals();
    if (bytes.length + literals.length === begun) continue; // There is nothing yet to refer to.
    const half = someLength(draw);
    sequence(literals, half);
    const there = bytes.length - begun;
    const isAstray = isWrong && draw.once(9);
    const back = isAstray
      ? draw.oneOf([0, bytes.length + 1])
      : 1 + draw.below(draw.once(3) ? Math.min(there, 65_535) : Math.min(there, 9));
    packed.push(...little(back, 2), ...rest(half));
    for (let k = 0; k < half + 4; k++) bytes.push(bytes[bytes.length - back]);
  }
  sequence(someLiterals(), 0);
  if (isWrong && draw.once(6)) packed.push(1 + draw.below(4));
  return packed;
};

/**
 * A frame of any kind, and what it stands for. `damage` makes other bytes of a block, whose length in the frame is then
 * that of these.
 */
export const someLz4 = (
  draw: Draw,
  damage: ((block: Uint8Array) => Uint8Array) | null = null,
): { readonly packed: Uint8Array; readonly bytes: Uint8Array } => {
  const optional = [flag.dictionary, flag.contentSum, flag.contentSize, flag.blockSums, flag.independent];
  const flags = optional.reduce((flags: number, bit) => draw.below(2) === 0 ? flags : flags | bit, flag.version);
  const bytes: Array<number> = [];
  const blocks: Array<Uint8Array> = [];
  for (let k = draw.below(4); k > 0; k--) {
    const before = bytes.length;
    const block = Uint8Array.from(someBlock(draw, bytes, has(flags, flag.independent), damage !== null));
    const packed = damage === null ? block : damage(block);
    const raw = bytes.slice(before);
    const isRaw = draw.once(4) && raw.length > 0;
    const stored = isRaw ? Uint8Array.from(raw) : packed;
    blocks.push(word(stored.length + (isRaw ? 2 ** 31 : 0)), stored);
    if (has(flags, flag.blockSums)) blocks.push(word(draw.word()));
  }
  const head = [...magic, flags, 0x40];
  if (has(flags, flag.contentSize)) head.push(...little(bytes.length, 8));
  if (has(flags, flag.dictionary)) head.push(...little(draw.word(), 4));
  head.push(draw.word() % 256);
  const packed = [Uint8Array.from(head), ...blocks, word(0)];
  if (has(flags, flag.contentSum)) packed.push(word(draw.word()));
  return { packed: joined(...packed), bytes: Uint8Array.from(bytes) };
};
