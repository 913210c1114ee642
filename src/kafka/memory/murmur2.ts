/**
 * Murmur2 as Kafka's Java client computes it, which chooses the partition of a key.
 *
 * The function is Austin Appleby's MurmurHash2 for 32 bits, in the public domain, with the seed of that client.
 *
 * @module
 */

const seed = 0x9747b28c;
const factor = 0x5bd1e995;

/** The hash of some bytes, as a signed integer of 32 bits. */
export const murmur2 = (bytes: Uint8Array): number => {
  const { length } = bytes;
  let hash = seed ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    word = Math.imul(word, factor);
    word = Math.imul(word ^ word >>> 24, factor);
    hash = Math.imul(hash, factor) ^ word;
  }
  if (at < length) {
    for (let rest = at; rest < length; rest++) hash ^= bytes[rest] << 8 * (rest - at);
    hash = Math.imul(hash, factor);
  }
  hash = Math.imul(hash ^ hash >>> 13, factor);
  return hash ^ hash >>> 15;
};

/** The partition that the Java client chooses for a key. */
export const partitionOfKey = (key: Uint8Array, partitions: number): number => (murmur2(key) & 0x7fffffff) % partitions;
