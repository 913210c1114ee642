/**
 * A segment: values packed into a numbered sequence of sealed chunks, written once under a name that is never reused.
 *
 * It is like a parcel that is too big for the letterbox: cut into pieces that fit, each with the parcel's name and its
 * own number on it, so that a missing, swapped or damaged piece is noticed. A segment holds blocks (the values), a block
 * is cut into chunks, and a chunk is one value of the key-value store. Blocks are bounded, so that a segment of any size
 * is written and read as a stream; its reference stays the same few bytes.
 *
 * @module
 */
import { Effect } from "effect";
import { deserialize, serialize } from "node:v8";
import { crc32 } from "node:zlib";
import { type KvError, StateCorrupted } from "./errors.ts";
import type { Kv, KvKey } from "./kv.ts";
import { getManyKeysMax, valueBytesMax } from "./kv-limits.ts";
import { seal, sealBytes, unseal } from "./seal.ts";

/** The most payload bytes of one chunk. */
export const chunkPayloadBytesMax = 61_440;
if (chunkPayloadBytesMax + sealBytes > valueBytesMax) {
  throw new RangeError("Cannot cut chunks as a chunk must fit one value of the store");
}
/** The most bytes that a block should take; only a single row that is larger may exceed it. */
export const blockBytesMax = 4_194_304;
/** The most entries of state that are packed into one block. */
export const blockRowsMax = 16_384;
/** The most rows of output that are packed into one block: they take the serializer longer, and nothing else can run. */
export const outputBlockRowsMax = 2_048;

/** The flag of the last chunk of a block. */
const lastOfBlockFlag = 1;

/** What a segment is called. A name is used once: the claim is random, and attempts are counted within it. */
export interface SegmentName {
  readonly epoch: number;
  readonly claim: string;
  readonly attempt: number;
  /** Which of the attempt's segments this is, from 0. */
  readonly part: number;
}

/** What the manifest holds of a segment. */
export interface SegmentRef extends SegmentName {
  readonly chunks: number;
  /** The stored bytes of all chunks. */
  readonly bytes: number;
  /** The CRC32 over the chunks' checksums, in order. */
  readonly checksum: number;
}

/** One piece of a segment, ready to be stored. */
export interface Chunk {
  readonly key: KvKey;
  readonly value: Uint8Array;
}

/** The prefix of the keys of all segments of a job. */
export const segmentsPrefix = (job: string): KvKey => ["weir", job, "segment"];

/** The prefix of the keys of one segment. Names sort by epoch, claim, attempt and part. */
export const segmentPrefix = (
  job: string,
  name: SegmentName,
): KvKey => ["weir", job, "segment", name.epoch, name.claim, name.attempt, name.part];

/** The key of one chunk of a segment. */
export const chunkKey = (
  job: string,
  name: SegmentName,
  chunk: number,
): KvKey => ["weir", job, "segment", name.epoch, name.claim, name.attempt, name.part, chunk];

/** The keys of all chunks of a segment. */
export const chunkKeys = (job: string, ref: SegmentRef): Array<KvKey> =>
  Array.from({ length: ref.chunks }, (_, chunk) => chunkKey(job, ref, chunk));

/** How messages name a segment. */
export const segmentLabel = (name: SegmentName): string => `${name.epoch}/${name.claim}/${name.attempt}/${name.part}`;

const identityOf = (job: string, name: SegmentName): string => `${job}/segment/${segmentLabel(name)}/`;

const checksumBytes = new Uint32Array(1);
const checksumView = new Uint8Array(checksumBytes.buffer);

const chainChecksum = (chain: number, checksum: number): number => {
  checksumBytes[0] = checksum;
  return crc32(checksumView, chain);
};

/** Packs values into the chunks of one segment, and counts what its reference needs. */
export class SegmentPacker {
  /** The name of the segment that is being packed. */
  readonly name: SegmentName;
  readonly #job: string;
  readonly #identity: string;
  #chunks = 0;
  #bytes = 0;
  #checksum = 0;

  /** Begins a segment. */
  constructor(job: string, name: SegmentName) {
    this.#job = job;
    this.name = name;
    this.#identity = identityOf(job, name);
  }

  /** Packs one value, whatever its size, as one block. */
  pack(value: unknown): Array<Chunk> {
    return this.cut(serialize(value));
  }

  /** Cuts the serialized bytes of one block into chunks. */
  cut(block: Uint8Array): Array<Chunk> {
    const chunks: Array<Chunk> = [];
    for (let at = 0; at < block.byteLength; at += chunkPayloadBytesMax) {
      const end = Math.min(at + chunkPayloadBytesMax, block.byteLength);
      const index = this.#chunks++;
      const flags = end === block.byteLength ? lastOfBlockFlag : 0;
      const { bytes, checksum } = seal(this.#identity + index, flags, block.subarray(at, end));
      this.#checksum = chainChecksum(this.#checksum, checksum);
      this.#bytes += bytes.byteLength;
      chunks.push({ key: chunkKey(this.#job, this.name, index), value: bytes });
    }
    return chunks;
  }

  /** The reference to what has been packed, or `null` if nothing was. */
  ref(): SegmentRef | null {
    if (this.#chunks === 0) return null;
    return { ...this.name, chunks: this.#chunks, bytes: this.#bytes, checksum: this.#checksum };
  }
}

/** Packs rows in blocks of bounded size. */
export function* packRows(packer: SegmentPacker, rows: ReadonlyArray<unknown>): Generator<Chunk, void> {
  for (let at = 0; at < rows.length; at += outputBlockRowsMax) {
    yield* packHalving(packer, rows.length > outputBlockRowsMax ? rows.slice(at, at + outputBlockRowsMax) : rows);
  }
}

function* packHalving(packer: SegmentPacker, rows: ReadonlyArray<unknown>): Generator<Chunk, void> {
  const block = serialize(rows);
  if (block.byteLength <= blockBytesMax || rows.length === 1) return yield* packer.cut(block);
  const middle = rows.length >>> 1;
  yield* packHalving(packer, rows.slice(0, middle));
  yield* packHalving(packer, rows.slice(middle));
}

/** Hands out the blocks of a stored segment, one at a time. */
export interface SegmentReader<out A> {
  /** The next block, or `null` after the last. */
  readonly next: Effect.Effect<{ readonly value: A } | null, KvError | StateCorrupted>;
}

/** The value of a block as it was packed with {@link SegmentPacker.pack}. */
export const valueOf = (block: Uint8Array): unknown => deserialize(block);

/** The rows of a block that was packed with {@link packRows}. @throws {TypeError} If it holds anything else. */
export const rowsOf = (block: Uint8Array): Array<unknown> => {
  const value: unknown = deserialize(block);
  if (Array.isArray(value)) return value;
  throw new TypeError("it must hold a list of rows");
};

/**
 * Reads a segment back, verifying every chunk, a few chunks ahead at most.
 *
 * `decode` makes of a block's bytes what they are to be. What it throws says that the segment is damaged, as a wrong checksum
 * does: a bug that stores something else is not read as if it were state.
 */
export function segmentReader(kv: Kv, job: string, ref: SegmentRef): SegmentReader<unknown>;
export function segmentReader<A>(
  kv: Kv,
  job: string,
  ref: SegmentRef,
  decode: (block: Uint8Array) => A,
): SegmentReader<A>;
export function segmentReader(
  kv: Kv,
  job: string,
  ref: SegmentRef,
  decode: (block: Uint8Array) => unknown = valueOf,
): SegmentReader<unknown> {
  const identity = identityOf(job, ref);
  const ahead: Array<unknown> = [];
  let fetched = 0;
  let index = 0;
  let chain = 0;

  const corrupted = (reason: string): StateCorrupted =>
    new StateCorrupted({
      message: `Cannot read segment ${segmentLabel(ref)} of job ${JSON.stringify(job)} as it is damaged: ${reason}`,
      job,
      segment: segmentLabel(ref),
    });

  const fetch = Effect.suspend(() => {
    const count = Math.min(getManyKeysMax, ref.chunks - fetched);
    const keys = Array.from({ length: count }, (_, i) => chunkKey(job, ref, fetched + i));
    return Effect.map(kv.getMany(keys), (entries) => {
      fetched += count;
      for (const entry of entries) ahead.push(entry?.value);
    });
  });

  const next: SegmentReader<unknown>["next"] = Effect.gen(function* () {
    const parts: Array<Uint8Array> = [];
    while (index < ref.chunks) {
      if (ahead.length === 0) yield* fetch;
      const stored = ahead.shift();
      if (stored === undefined) return yield* corrupted(`chunk ${index} is missing`);
      const unsealed = unseal(identity + index, stored);
      if (typeof unsealed === "string") return yield* corrupted(`of chunk ${index}, ${unsealed}`);
      index++;
      chain = chainChecksum(chain, unsealed.checksum);
      parts.push(unsealed.payload);
      if (index === ref.chunks && chain !== ref.checksum) {
        return yield* corrupted(`its checksum is ${chain}, not ${ref.checksum}`);
      }
      if ((unsealed.flags & lastOfBlockFlag) !== 0) {
        try {
          return { value: decode(joined(parts)) };
        } catch (error) {
          return yield* corrupted(`a block cannot be decoded: ${String(error)}`);
        }
      }
    }
    return parts.length === 0 ? null : yield* corrupted("its last block has no end");
  });
  return { next };
}

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
};

/** Reads all blocks of a segment in order; `decode` is as for {@link segmentReader}. */
export function readSegment(
  kv: Kv,
  job: string,
  ref: SegmentRef,
  each: (block: unknown) => void,
): Effect.Effect<void, KvError | StateCorrupted>;
export function readSegment<A>(
  kv: Kv,
  job: string,
  ref: SegmentRef,
  each: (block: A) => void,
  decode: (block: Uint8Array) => A,
): Effect.Effect<void, KvError | StateCorrupted>;
export function readSegment(
  kv: Kv,
  job: string,
  ref: SegmentRef,
  each: (block: unknown) => void,
  decode: (block: Uint8Array) => unknown = valueOf,
): Effect.Effect<void, KvError | StateCorrupted> {
  return Effect.gen(function* () {
    const reader = segmentReader(kv, job, ref, decode);
    for (let block = yield* reader.next; block !== null; block = yield* reader.next) each(block.value);
  });
}
