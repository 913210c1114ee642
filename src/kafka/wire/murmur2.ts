/**
 * Murmur2 as Kafka's Java client computes it, which chooses the partition of a key.
 *
 * The function is Austin Appleby's MurmurHash2 for 32 bits, in the public domain, with the seed of that client. KafkaJS has it,
 * too, but in BigInts that grow with the key: a key of 100 kB takes it most of a second.
 *
 * @module
 */

/** The hash of some bytes, as a signed integer of 32 bits. */
export const murmur2 = (bytes: Uint8Array): number => {
  const mixer = 0x5bd1e995;
  const { length } = bytes;
  const whole = length & ~3;
  let hash = 0x9747b28c ^ length;
  for (let at = 0; at < whole; at += 4) {
    let word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    word = Math.imul(word, mixer);
    word = Math.imul(word ^ (word >>> 24), mixer);
    hash = Math.imul(hash, mixer) ^ word;
  }
  if (whole < length) {
    for (let at = whole; at < length; at++) hash ^= bytes[at] << (8 * (at - whole));
    hash = Math.imul(hash, mixer);
  }
  hash = Math.imul(hash ^ (hash >>> 13), mixer);
  return hash ^ (hash >>> 15);
};

/** The partition that the Java client chooses for a key. */
export const partitionOf = (key: Uint8Array, partitions: number): number => (murmur2(key) & 0x7fff_ffff) % partitions;
