/**
 * Checksums and hashes, said the long way.
 *
 * @module
 */

/** CRC-32C bit by bit, as RFC 3720 has it: the polynomial 0x1edc6f41, backwards. */
export const plainCrc32c = (bytes: Uint8Array): number => {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
};

const multiplier = 0x5bd1e995n;

const word = (value: bigint): bigint => BigInt.asUintN(32, value);

/** MurmurHash2 for 32 bits, with the seed of Kafka's Java client, in integers that have no bounds. */
export const plainMurmur2 = (bytes: Uint8Array): number => {
  const byteAt = (at: number): bigint => BigInt(bytes[at]);
  let hash = word(0x9747b28cn ^ BigInt(bytes.length));
  let at = 0;
  for (; bytes.length - at >= 4; at += 4) {
    let k = byteAt(at) + (byteAt(at + 1) << 8n) + (byteAt(at + 2) << 16n) + (byteAt(at + 3) << 24n);
    k = word(k * multiplier);
    k ^= k >> 24n;
    k = word(k * multiplier);
    hash = word(hash * multiplier) ^ k;
  }
  const left = bytes.length - at;
  if (left >= 3) hash ^= byteAt(at + 2) << 16n;
  if (left >= 2) hash ^= byteAt(at + 1) << 8n;
  if (left >= 1) hash = word((hash ^ byteAt(at)) * multiplier);
  hash ^= hash >> 13n;
  hash = word(hash * multiplier);
  hash ^= hash >> 15n;
  return Number(BigInt.asIntN(32, hash));
};
