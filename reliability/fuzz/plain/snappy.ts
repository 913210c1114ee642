/**
 * Snappy, said the long way: byte by byte, as its description of the format says, and the frames of snappy-java.
 *
 * @module
 */
import type { Draw } from "../draw.ts";
import { demand } from "./refused.ts";
import { uvarintAt, uvarintBytes } from "./varints.ts";

/** The name in front of the frames, the version, and the oldest version that can read them. */
const head = [0x82, ...new TextEncoder().encode("SNAPPY\0"), 0, 0, 0, 1, 0, 0, 0, 1];
const nameBytes = 8;

const readChunk = (chunk: Uint8Array, output: Array<number>, bytesMax: number): void => {
  const found = uvarintAt(chunk, 0);
  demand(found !== null, "no length");
  const begun = output.length;
  demand(found[0] + BigInt(begun) <= bytesMax, "too large");
  const size = Number(found[0]);
  let at = found[1];
  const number = (bytes: number): number => {
    demand(bytes <= chunk.length - at, "too early an end");
    let value = 0;
    for (let k = 0; k < bytes; k++) value += chunk[at++] * 256 ** k;
    return value;
  };
  while (at < chunk.length) {
    const tag = number(1);
    const rest = tag >> 2;
    if (tag % 4 === 0) {
      const length = 1 + (rest < 60 ? rest : number(rest - 59));
      demand(length <= chunk.length - at, "too early an end");
      for (let k = 0; k < length; k++) output.push(chunk[at++]);
    } else {
      const length = tag % 4 === 1 ? 4 + rest % 8 : 1 + rest;
      const back = tag % 4 === 1 ? 256 * (rest >> 3) + number(1) : number(tag % 4 === 2 ? 2 : 4);
      // Into an earlier chunk, too, which nobody writes, and does no harm.
      demand(back > 0 && back <= output.length, "what is not there");
      for (let k = 0; k < length; k++) output.push(output[output.length - back]);
    }
    demand(output.length - begun <= size, "more than was said");
  }
  demand(output.length - begun === size, "less than was said");
};

/** Decompresses bytes. */
export const plainSnappy = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  const output: Array<number> = [];
  if (bytes.length < head.length || !head.slice(0, nameBytes).every((byte, k) => bytes[k] === byte)) {
    readChunk(bytes, output, bytesMax);
    return Uint8Array.from(output);
  }
  for (let at = head.length; at < bytes.length;) {
    demand(bytes.length - at >= 4, "no length");
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getInt32(0);
    at += 4;
    demand(length >= 0 && length <= bytes.length - at, "too early an end");
    readChunk(bytes.subarray(at, at + length), output, bytesMax);
    at += length;
  }
  return Uint8Array.from(output);
};

/** Bytes of an integer, the lowest first. */
const little = (value: number, bytes: number): Array<number> =>
  Array.from({ length: bytes }, (_, k) => Math.floor(value / 256 ** k) % 256);

/**
 * A chunk that some compressor might have written, in every form that there is, and what it stands for. One that is
 * wrong may refer to what is not there, and be of another size than it says.
 */
const someChunk = (draw: Draw, isWrong: boolean): { readonly packed: Array<number>; readonly bytes: Array<number> } => {
  const bytes: Array<number> = [];
  const packed: Array<number> = [];
  for (let parts = draw.below(12); parts > 0; parts--) {
    if (bytes.length === 0 || draw.below(2) === 0) {
      const literals = [...draw.bytes(draw.once(20) ? 400 : 70), draw.word() % 256];
      const less = literals.length - 1;
      const sizes = [1, 2, 3, 4].filter((size) => less < 256 ** size);
      if (less < 60 && !draw.once(4)) {
        packed.push(4 * less);
      } else {
        const size = draw.oneOf(sizes);
        packed.push(4 * (59 + size), ...little(less, size));
      }
      packed.push(...literals);
      bytes.push(...literals);
      continue;
    }
    const isAstray = isWrong && draw.once(9);
    const back = isAstray
      ? draw.oneOf([0, bytes.length + 1])
      : 1 + draw.below(draw.once(3) ? bytes.length : Math.min(bytes.length, 9));
    const length = 1 + draw.below(64);
    if (length >= 4 && length < 12 && back < 2_048) packed.push(1 + 4 * (length - 4) + 32 * (back >> 8), back % 256);
    else if (back < 65_536 && !draw.once(4)) packed.push(2 + 4 * (length - 1), ...little(back, 2));
    else packed.push(3 + 4 * (length - 1), ...little(back, 4));
    for (let k = 0; k < length; k++) bytes.push(bytes[bytes.length - back]);
  }
  const size = isWrong && draw.once(4) ? Math.max(0, bytes.length + draw.below(3) - 1) : bytes.length;
  return { packed: [...uvarintBytes(BigInt(size)), ...packed], bytes };
};

/**
 * Compressed bytes, in frames or not, and what they stand for. `damage` makes other bytes of a chunk, whose length in the
 * frames is then that of these.
 */
export const someSnappy = (
  draw: Draw,
  damage: ((chunk: Uint8Array) => Uint8Array) | null = null,
): { readonly packed: Uint8Array; readonly bytes: Uint8Array } => {
  const chunks = Array.from({ length: draw.below(2) === 0 ? 1 : draw.below(4) }, () => {
    const { packed, bytes } = someChunk(draw, damage !== null);
    const chunk = Uint8Array.from(packed);
    return { packed: damage === null ? chunk : damage(chunk), bytes };
  });
  const bytes = Uint8Array.from(chunks.flatMap((chunk) => chunk.bytes));
  if (chunks.length === 1 && draw.below(2) === 0) return { packed: chunks[0].packed, bytes };
  const framed = chunks.flatMap(({ packed }) => [...little(packed.length, 4).reverse(), ...packed]);
  return { packed: Uint8Array.from([...head, ...framed]), bytes };
};
