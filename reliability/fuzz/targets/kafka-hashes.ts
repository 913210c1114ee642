/**
 * The checksum of Kafka's batches, and the hash that chooses the partition of a key.
 *
 * @module
 */
import assert from "node:assert/strict";
import { crc32c } from "../../../src/kafka/wire/crc32c.ts";
import { murmur2, partitionOf } from "../../../src/kafka/wire/murmur2.ts";
import type { Draw } from "../draw.ts";
import { joined } from "../mutate.ts";
import { plainCrc32c, plainMurmur2 } from "../plain/hashes.ts";
import type { Target } from "../target.ts";

/** Bytes somewhere in a buffer, as those of a key or a batch lie. */
const someBytes = (draw: Draw): Uint8Array => {
  const bytes = draw.once(8)
    ? joined(draw.bytes(9), new Uint8Array(draw.below(500)).fill(draw.word()), draw.bytes(40))
    : draw.bytes(70);
  const before = draw.below(20);
  const after = draw.below(5);
  return joined(new Uint8Array(before).fill(0xff), bytes, new Uint8Array(after).fill(0xff))
    .subarray(before, before + bytes.length);
};

const check = (draw: Draw): string => {
  const bytes = draw.note("bytes", someBytes(draw));
  const from = draw.below(bytes.length + 1);
  assert.equal(crc32c(bytes), plainCrc32c(bytes), "the checksum is another");
  assert.equal(crc32c(bytes, from), plainCrc32c(bytes.subarray(from)), `the checksum from ${from} on is another`);
  const hash = plainMurmur2(bytes);
  assert.equal(murmur2(bytes), hash, "the hash is another");
  const partitions = 1 + draw.below(draw.oneOf([1, 7, 1_000]));
  assert.equal(partitionOf(bytes, partitions), Number(BigInt.asUintN(31, BigInt(hash))) % partitions);
  return "accepted";
};

/** Bytes to the checksum and the hash, which say the same when they are said the long way. */
export const kafkaHashes: Target = {
  name: "kafka-hashes",
  about: "bytes anywhere in a buffer, to CRC-32C, and to the hash that chooses partitions",
  rejects: [],
  share: 0.5,
  check,
};
