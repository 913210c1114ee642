/**
 * What records on a Kafka log are compressed with: gzip, Snappy in both of its framings, LZ4 and Zstandard.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { compress, decompress } from "../../../src/kafka/wire/codecs.ts";
import { Refusal } from "../../../src/kafka/wire/refusal.ts";
import type { Draw } from "../draw.ts";
import { joined, mutated, sameBytes } from "../mutate.ts";
import { plainLz4, someLz4 } from "../plain/lz4.ts";
import { Refused } from "../plain/refused.ts";
import { plainSnappy, someSnappy } from "../plain/snappy.ts";
import { type Target, unrejected } from "../target.ts";

/** Lengths where formats begin to write a length in another way, or a block ends. */
const lengths = [15, 20, 61, 65, 257, 270, 275, 280] as const;

/** A length, mostly near one of these. */
const someLength = (draw: Draw): number =>
  draw.once(3) ? draw.below(draw.once(30) ? 150_000 : 700) : draw.oneOf(lengths) + draw.below(3) - 1;

/** Bytes of which none were there before, or hardly. */
const noise = (draw: Draw): Uint8Array => {
  let state = draw.word();
  return Uint8Array.from({ length: someLength(draw) }, () => (state = Math.imul(state, 1_664_525) + 12_345) >>> 24);
};

/** Bytes as records have them: some were there before, and some were not. */
const compressible = (draw: Draw): Uint8Array => {
  const parts: Array<Uint8Array> = [];
  for (let k = draw.oneOf([1, 2, draw.below(8)]); k > 0; k--) {
    switch (draw.below(4)) {
      case 0:
        parts.push(new Uint8Array(someLength(draw)).fill(draw.word()));
        break;
      case 1:
      case 2:
        parts.push(noise(draw));
        break;
      default:
        parts.push(parts.length === 0 ? draw.bytes(9) : draw.oneOf(parts));
    }
  }
  return joined(...parts);
};

interface Packed {
  readonly packed: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A compressor that is not ours, or ours, and what its decompressor makes, said the long way or by the runtime. */
interface Codec {
  readonly number: number;
  /** Compresses something, in any form that the format has. */
  readonly some: (draw: Draw) => Packed;
  /** Compresses it badly, with lengths that fit. */
  readonly damaged?: (draw: Draw) => Packed;
  readonly decompress: (packed: Uint8Array, bytesMax: number) => Uint8Array;
}

const some = (compress: (bytes: Uint8Array, draw: Draw) => Uint8Array) => (draw: Draw): Packed => {
  const bytes = compressible(draw);
  return { packed: compress(bytes, draw), bytes };
};

const level = (draw: Draw): number => draw.oneOf([1, 6, 9]);

/** Damages a block: it is cut off, some of it is zero, or it is damaged in any other way. */
const damagedBlock = (draw: Draw, block: Uint8Array): Uint8Array => {
  switch (draw.below(4)) {
    case 0:
      return block.subarray(0, draw.below(block.length + 1));
    case 1: {
      const at = draw.below(block.length + 1);
      return block.slice().fill(0, at, at + 1 + draw.below(3));
    }
    case 2:
      return mutated(draw, block);
    default:
      return block;
  }
};

const formats: ReadonlyArray<Codec> = [
  {
    number: 1,
    some: some((bytes, draw) => gzipSync(bytes, { level: level(draw) })),
    decompress: (packed, bytesMax) => gunzipSync(packed, { maxOutputLength: bytesMax }),
  },
  {
    number: 2,
    some: (draw) => someSnappy(draw),
    damaged: (draw) => someSnappy(draw, (chunk) => damagedBlock(draw, chunk)),
    decompress: plainSnappy,
  },
  {
    number: 3,
    some: (draw) => someLz4(draw),
    damaged: (draw) => someLz4(draw, (block) => damagedBlock(draw, block)),
    decompress: plainLz4,
  },
  {
    number: 4,
    some: some((bytes) => zstdCompressSync(bytes)),
    decompress: (packed, bytesMax) => zstdDecompressSync(packed, { maxOutputLength: bytesMax }),
  },
];

/** What makes what it can of compressed bytes; `null` where it refuses them. */
const outcomeOf = (format: Codec, packed: Uint8Array, bytesMax: number): Uint8Array | null => {
  try {
    return format.decompress(packed, bytesMax);
  } catch (error) {
    // The runtime refuses with errors of many classes.
    if (error instanceof Refused || format.number === 1 || format.number === 4) return null;
    throw error;
  }
};

const assertFitted = (unpacked: Uint8Array): void =>
  assert.ok(unpacked.buffer.byteLength <= 2 * unpacked.length, "more bytes are held than come out");

const check = (draw: Draw): string => {
  const format = draw.oneOf(formats);
  const { number } = format;
  const isOurs = draw.below(2) === 0;
  const { packed, bytes } = isOurs ? some((bytes) => compress(number, bytes))(draw) : format.some(draw);
  if (draw.below(2) === 0) {
    draw.note("bytes", bytes);
    // Whoever compresses it, both make of it what it was, and as much as it is may be enough.
    const bytesMax = Math.max(1, bytes.length);
    const unpacked = unrejected(() => decompress(number, packed, bytesMax));
    assert.ok(sameBytes(unpacked, bytes), "other bytes come out");
    assertFitted(unpacked);
    assert.ok(sameBytes(format.decompress(packed, bytesMax), bytes), "nobody else reads what was written");
    return isOurs ? "accepted" : "accepted from others";
  }
  const bytesMax = draw.oneOf([1, 100, 1 + draw.below(bytes.length + 1), 300_000]);
  const damaged = draw.note(
    "packed",
    format.damaged !== undefined && draw.below(2) === 0
      ? format.damaged(draw).packed
      : mutated(draw, packed, format.some(draw).packed),
  );
  draw.note("codec", `${number}, at most ${bytesMax} bytes`);
  const expected = outcomeOf(format, damaged, bytesMax);
  let unpacked: Uint8Array;
  try {
    unpacked = decompress(number, damaged, bytesMax);
  } catch (error) {
    if (error instanceof Refusal) assert.ok(expected === null, `what makes sense is refused: ${error.message}`);
    throw error;
  }
  assert.ok(unpacked.length <= bytesMax, `${unpacked.length} bytes come out, where ${bytesMax} may`);
  assert.ok(expected !== null, "what makes no sense is accepted");
  assert.ok(sameBytes(unpacked, expected), "other bytes come out");
  assertFitted(unpacked);
  return "accepted, though damaged";
};

/** After how many inputs the event loop has its turn. */
const turnsEveryInputs = 64;

/** Lets the event loop turn now and then: only then the runtime lets go of decompressors that have failed. */
export const turning = (check: (draw: Draw) => string): Target["check"] => {
  let inputs = 0;
  return (draw) => {
    if (++inputs % turnsEveryInputs !== 0) return check(draw);
    return new Promise<void>((resolve) => void setImmediate(resolve)).then(() => check(draw));
  };
};

/** Everything that records are compressed with. */
export const kafkaCodecs: Target = {
  name: "kafka-codecs",
  about: "compressed bytes, by our compressors and others, sound and damaged, to the decompressors of Kafka's records",
  rejects: ["Refusal"],
  share: 0.5,
  check: turning(check),
};
