/**
 * Numbers of variable length, said the long way: as Protocol Buffers describe them, in integers that have no bounds.
 *
 * @module
 */

/** How many groups of 7 bits 64 bits have. */
const groupsMax = 10;

/** A number, and where the next byte is. */
export type NumberAt = readonly [value: bigint, next: number];

/** The number without sign at some place; `null` where it does not end. */
export const uvarintAt = (bytes: Uint8Array, at: number): NumberAt | null => {
  let value = 0n;
  for (let group = 0; group < groupsMax; group++) {
    const byte = bytes[at + group];
    if (byte === undefined) return null;
    value += BigInt(byte & 0x7f) << BigInt(7 * group);
    if (byte < 0x80) return [value, at + group + 1];
  }
  return null;
};

/** The number with a sign at some place; `null` where it does not end. */
export const varintAt = (bytes: Uint8Array, at: number): NumberAt | null => {
  const found = uvarintAt(bytes, at);
  if (found === null) return null;
  const [value, next] = found;
  return [value % 2n === 0n ? value / 2n : -(value / 2n) - 1n, next];
};

/** The bytes of a number without sign. */
export const uvarintBytes = (value: bigint): Uint8Array<ArrayBuffer> => {
  const bytes: Array<number> = [];
  for (; value >= 0x80n; value /= 0x80n) bytes.push(Number(value % 0x80n) + 0x80);
  return Uint8Array.from([...bytes, Number(value)]);
};

/** The bytes of a number with a sign. */
export const varintBytes = (value: bigint): Uint8Array<ArrayBuffer> =>
  uvarintBytes(value >= 0n ? 2n * value : -2n * value - 1n);
