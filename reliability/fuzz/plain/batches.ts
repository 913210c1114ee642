/**
 * Batches of records, said the long way: field by field, as Kafka's documentation of the format lists them, in integers
 * that have no bounds.
 *
 * @module
 */
import { decompress } from "../../../src/kafka/wire/codecs.ts";
import { plainCrc32c } from "./hashes.ts";
import { demand } from "./refused.ts";
import { varintAt } from "./varints.ts";

/** A record; what its format does not bound is not bounded. */
export interface PlainRecord {
  readonly offset: bigint;
  /** `null` where it is the sum of what does not fit into a number. */
  readonly timestamp: bigint | null;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: ReadonlyArray<readonly [name: string, value: Uint8Array | null]>;
}

/** A batch. */
export interface PlainBatch {
  readonly nextOffset: bigint;
  readonly producerId: bigint;
  readonly attributes: number;
  readonly records: ReadonlyArray<PlainRecord>;
  /** How many bytes its records have, once they are decompressed. */
  readonly recordsBytes: number;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const isSafe = (value: bigint): boolean => value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Where the fields of a batch are that are written before its checksum. */
const lengthAt = 8;
const magicAt = 16;
const sumAt = 17;

/** What the checksum covers. */
const attributesAt = 21;

/** Where the number of the records is, and these behind it. */
export const countAt = 57;
export const recordsAt = 61;

/** Gives damaged bytes the length, the version and the checksum of a batch, so that what is in it is read. */
export const signed = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const batch = Uint8Array.from(bytes);
  if (batch.length < recordsAt) return batch;
  viewOf(batch).setInt32(lengthAt, batch.length - lengthAt - 4);
  batch[magicAt] = 2;
  viewOf(batch).setUint32(sumAt, plainCrc32c(batch.subarray(attributesAt)));
  return batch;
};

/** Reads some bytes one after the other. */
const readerOf = (bytes: Uint8Array) => {
  let at = 0;
  const take = (length: number): Uint8Array => {
    demand(length >= 0 && length <= bytes.length - at, "too early an end");
    return bytes.subarray(at, at += length);
  };
  const varint = (): bigint => {
    const found = varintAt(bytes, at);
    demand(found !== null, "a number that does not end");
    at = found[1];
    return found[0];
  };
  const nullable = (): Uint8Array | null => {
    const length = Number(varint());
    return length === -1 ? null : take(length);
  };
  return { take, varint, nullable, at: () => at };
};

/** The records of a batch. Their offsets rise, from the first of the batch to the last. */
const readRecords = (
  bytes: Uint8Array,
  count: number,
  first: bigint,
  next: bigint,
  timestampOf: (delta: bigint) => bigint | null,
): ReadonlyArray<PlainRecord> => {
  const { take, varint, nullable, at } = readerOf(bytes);
  const records: Array<PlainRecord> = [];
  for (let k = 0; k < count; k++) {
    const length = varint();
    const begun = BigInt(at());
    take(1);
    const timestamp = timestampOf(varint());
    const offset = first + varint();
    const key = nullable();
    const value = nullable();
    const headerCount = varint();
    demand(headerCount >= 0, "less than no headers");
    const headers: Array<readonly [string, Uint8Array | null]> = [];
    for (let h = 0n; h < headerCount; h++) headers.push([utf8.decode(take(Number(varint()))), nullable()]);
    demand(BigInt(at()) === begun + length, "a record of another length");
    demand(offset >= (records.at(-1)?.offset ?? first - 1n) + 1n && offset < next, "an offset out of its place");
    records.push({ offset, timestamp, key, value, headers });
  }
  demand(at() === bytes.length, "more records than were said");
  return records;
};

const readBatch = (bytes: Uint8Array, batchBytesMax: number): PlainBatch => {
  const view = viewOf(bytes);
  demand(bytes[magicAt] === 2, "another version");
  demand(view.getUint32(sumAt) === plainCrc32c(bytes.subarray(attributesAt)), "a wrong checksum");
  const first = view.getBigInt64(0);
  const attributes = view.getInt16(attributesAt);
  const next = first + BigInt(view.getInt32(23)) + 1n;
  demand(first >= 0 && next > first && next <= Number.MAX_SAFE_INTEGER, "offsets that are none");
  const count = view.getInt32(countAt);
  demand(count >= 0, "less than no records");
  const head = { nextOffset: next, producerId: view.getBigInt64(43), attributes };
  if (count === 0) return { ...head, records: [], recordsBytes: 0 };
  const codec = attributes & 7;
  const packed = bytes.subarray(recordsAt);
  const unpacked = codec === 0 ? packed : decompress(codec, packed, batchBytesMax);
  demand(count * 64 <= batchBytesMax, "too many records");
  const timestampOf = (delta: bigint): bigint | null => {
    const parts = (attributes & 8) === 0 ? [view.getBigInt64(27), delta] : [view.getBigInt64(35), 0n];
    const sum = parts[0] + parts[1];
    return [...parts, sum].every(isSafe) ? sum : null;
  };
  const records = readRecords(unpacked, count, first, next, timestampOf);
  const objects = records.reduce((sum, { headers }) => sum + headers.length, count);
  demand(objects * 64 <= batchBytesMax, "too many records and headers");
  return { ...head, records, recordsBytes: (codec === 0 ? 0 : unpacked.length) + 64 * objects };
};

/** Reads batches that follow each other, the last of which may be cut off. */
export const plainBatches = (bytes: Uint8Array, batchBytesMax: number): ReadonlyArray<PlainBatch> => {
  const view = viewOf(bytes);
  const batches: Array<PlainBatch> = [];
  let takenBytes = 0;
  // Where as much as that was made of it, the rest is left to the next answer.
  for (let at = 0; bytes.length - at >= lengthAt + 4 && takenBytes < batchBytesMax;) {
    const length = view.getInt32(at + lengthAt);
    const next = at + lengthAt + 4 + length;
    if (next > bytes.length) break;
    demand(length >= recordsAt - lengthAt - 4, "a batch that is too short");
    const batch = readBatch(bytes.subarray(at, next), batchBytesMax);
    takenBytes += batch.recordsBytes;
    batches.push(batch);
    at = next;
  }
  return batches;
};
