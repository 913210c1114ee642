/**
 * Batches of records as they lie on the log (version 2 of the format, which Kafka has written since 0.11), read and written.
 *
 * The libraries could read and write them, too, but not exactly: KafkaJS drops batches that compaction has emptied, and headers
 * come out of it in another order; @platformatic/kafka gives wrong times to records of one batch that are 25 days (2^31 ms) apart
 * or more. They also take longer: with records of 100 bytes, KafkaJS four times to read and fifteen times to write, and
 * @platformatic/kafka ten times for either.
 *
 * @module
 */
import type { Compression, Header, LogBatch, LogRecord, OutgoingRecord } from "../client.ts";
import type { ProducerIdentity } from "./broker-connection.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter, varintBytesSize, varintSize } from "./byte-writer.ts";
import { codecs, compress, decompress } from "./codecs.ts";
import { crc32c } from "./crc32c.ts";
import { codes, malformed, type Refusal, refused, tooLarge } from "./refusal.ts";

/** The offset of the first record and the length, which does not count these two. */
const headBytes = 12;

/** From the leader's epoch to the number of records: the least length of a batch. */
const lengthMin = 49;

/** What the checksum does not cover: the leader's epoch, the version of the format, and the checksum. */
const uncheckedBytes = 9;

/** Where a batch has its length, what its checksum covers, and its records. */
const lengthAt = 8;
const checkedAt = headBytes + uncheckedBytes;
const recordsAt = headBytes + lengthMin;

/** The most bytes that a record takes besides its key, value and headers. */
const recordBytesMax = 5 + 1 + 10 + 5 + 5 + 5 + 5;

/** The most bytes that the lengths of a header take. */
const headerBytesMax = 5 + 5;

/** About how much memory a record or a header takes besides its bytes, of which it may have as few as seven, or two. */
const objectBytes = 64;

/** The bits of a batch's attributes. */
const attribute = { codec: 0x07, appendTime: 0x08, transactional: 0x10, control: 0x20 } as const;

/** The newest format of records, which is the only one here. */
const magic = 2;

const noHeaders: ReadonlyArray<Header> = [];

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Reads batches that follow each other; a broker may cut off the last one where its answer would become too large.
 *
 * What a broker sends is bounded as it is compressed. So here, too, the rest is left out once what was made of it takes as many
 * bytes as one batch may have, and is there again when it is asked for. What a batch is made into is bounded by the same number:
 * records and headers count with what they take in memory, as two million empty headers are four megabytes, or 500 bytes.
 */
export const readBatches = (bytes: Uint8Array, batchBytesMax: number): ReadonlyArray<LogBatch> => {
  const reader = new ByteReader(bytes);
  const batches: Array<LogBatch> = [];
  const room: Room = { batchBytesMax, takenBytes: 0 };
  while (reader.left >= headBytes && room.takenBytes < batchBytesMax) {
    const firstOffset = reader.int64();
    const length = reader.int32();
    if (length > reader.left) break;
    if (length < lengthMin) throw malformed(`a batch of records of ${length} bytes at offset ${firstOffset}`);
    batches.push(readBatch(firstOffset, reader.take(length), room));
  }
  return batches;
};

/** How much may be made of a batch, and how much has been made of some. */
interface Room {
  readonly batchBytesMax: number;
  takenBytes: number;
}

const readBatch = (firstOffset: number, bytes: Uint8Array, room: Room): LogBatch => {
  const reader = new ByteReader(bytes);
  reader.skip(4);
  // Older formats were given up by Kafka 4, and are changed into this one by brokers before it when they are asked for it.
  if (reader.int8() !== magic) throw refused(codes.unsupportedForMessageFormat);
  if (reader.uint32() !== crc32c(bytes, uncheckedBytes)) throw refused(codes.corruptMessage);
  const attributes = reader.int16();
  const lastOffsetDelta = reader.int32();
  const firstTimestamp = reader.int64();
  const timestampMax = reader.int64();
  const producerId = reader.int64Text();
  reader.skip(6); // The epoch of the producer, and its first sequence number.
  const count = reader.int32();
  const nextOffset = firstOffset + lastOffsetDelta + 1;
  if (!(firstOffset >= 0 && firstOffset < nextOffset && nextOffset <= Number.MAX_SAFE_INTEGER)) {
    throw malformed(`a batch of records from offset ${firstOffset} to ${nextOffset}`);
  }
  if (count < 0) throw malformed(`a batch of ${count} records at offset ${firstOffset}`);
  // Compaction leaves nothing but the head of some, which is told whatever stands behind it.
  const records = count === 0 ? [] : readRecords(
    count,
    unpacked(attributes & attribute.codec, reader.take(reader.left), room),
    room,
    firstOffset,
    nextOffset,
    firstTimestamp,
    (attributes & attribute.appendTime) === 0 ? null : timestampMax,
  );
  return {
    nextOffset,
    producerId,
    isTransactional: (attributes & attribute.transactional) !== 0,
    control: (attributes & attribute.control) === 0 ? null : controlOf(records),
    records,
  };
};

/** The bytes of a batch's records, decompressed if they are not plain. */
const unpacked = (codec: number, packed: Uint8Array, room: Room): Uint8Array => {
  if (codec === 0) return packed;
  const bytes = decompress(codec, packed, room.batchBytesMax);
  room.takenBytes += bytes.length;
  return bytes;
};

/** The hot loop of reading: a record in, an object out, and nothing is copied. */
const readRecords = (
  count: number,
  bytes: Uint8Array,
  room: Room,
  firstOffset: number,
  nextOffset: number,
  firstTimestamp: number,
  appendTime: number | null,
): ReadonlyArray<LogRecord> => {
  const reader = new ByteReader(bytes);
  const records: Array<LogRecord> = [];
  const objectsMax = room.batchBytesMax / objectBytes;
  let objects = count;
  let lowest = firstOffset;
  if (objects > objectsMax) throw tooManyObjects(objects, room);
  for (let k = 0; k < count; k++) {
    const length = reader.varint();
    const end = reader.at + length;
    reader.skip(1); // Its attributes, which mean nothing yet.
    const timestampDelta = reader.varint();
    const offset = firstOffset + reader.varint();
    const key = readBytes(reader);
    const value = readBytes(reader);
    const headerCount = reader.varint();
    if (headerCount < 0) throw malformed(`${headerCount} headers of a record`);
    objects += headerCount;
    if (objects > objectsMax) throw tooManyObjects(objects, room);
    const headers = headerCount === 0 ? noHeaders : readHeaders(reader, headerCount);
    if (reader.at !== end) throw malformed(`a record of other than ${length} bytes at offset ${offset}`);
    if (!(offset >= lowest && offset < nextOffset)) {
      throw malformed(`a record at offset ${offset}, where one from ${lowest} to ${nextOffset - 1} belongs`);
    }
    lowest = offset + 1;
    records.push({ offset, timestamp: appendTime ?? firstTimestamp + timestampDelta, key, value, headers });
  }
  room.takenBytes += objects * objectBytes;
  if (reader.left > 0) throw malformed(`more than ${count} records in the batch at offset ${firstOffset}`);
  return records;
};

const tooManyObjects = (objects: number, { batchBytesMax }: Room): Refusal =>
  tooLarge(
    "a batch of records",
    batchBytesMax,
    `${objects} records and headers, of ${objectBytes} bytes besides their own`,
  );

const readBytes = (reader: ByteReader): Uint8Array | null => {
  const length = reader.varint();
  return length === -1 ? null : reader.take(length);
};

const readHeaders = (reader: ByteReader, count: number): ReadonlyArray<Header> => {
  const headers: Array<Header> = [];
  for (let k = 0; k < count; k++) headers.push([decoder.decode(reader.take(reader.varint())), readBytes(reader)]);
  return headers;
};

/** What a control record says: the key is a version and a type, of two bytes each. */
const controlOf = ([first]: ReadonlyArray<LogRecord>): "commit" | "abort" | "other" => {
  const key = first?.key ?? null;
  if (key === null || key.length < 4) return "other";
  const type = (key[2] << 8) | key[3];
  return type === 0 ? "abort" : type === 1 ? "commit" : "other";
};

/** Who writes a batch, and how. */
export interface BatchWriting {
  readonly producer: ProducerIdentity;
  readonly isTransactional: boolean;
  /** The number of its first record in the order of its producer and partition. */
  readonly sequence: number;
  readonly compression: Compression;
}

/** One batch of some records; there must be one at least. */
export const writeBatch = (
  records: ReadonlyArray<OutgoingRecord>,
  { producer, isTransactional, sequence, compression }: BatchWriting,
): Uint8Array<ArrayBuffer> => {
  const codec = codecs.indexOf(compression);
  const firstTimestamp = records[0].timestamp;
  const packed = codec === 0 ? null : compress(codec, writeRecords(new ByteWriter(boundOf(records)), records).written);
  const writer = new ByteWriter(recordsAt + (packed?.length ?? boundOf(records)))
    .int64(0) // The offset, which the broker gives.
    .int32(0) // The length, as soon as it is known.
    .int32(-1) // The leader's epoch, which the broker knows.
    .uint8(magic)
    .int32(0) // The checksum, as soon as it is known.
    .int16(codec | (isTransactional ? attribute.transactional : 0))
    .int32(records.length - 1)
    .int64(firstTimestamp)
    .int64(records.reduce((max, { timestamp }) => Math.max(max, timestamp), firstTimestamp))
    .int64(producer.id)
    .int16(producer.epoch)
    .int32(sequence)
    .int32(records.length);
  if (packed === null) writeRecords(writer, records);
  else writer.raw(packed);
  const batch = writer.written;
  writer.setInt32(lengthAt, batch.length - headBytes);
  writer.setInt32(checkedAt - 4, crc32c(batch, checkedAt));
  return batch;
};

/** At least as many bytes as records take. */
const boundOf = (records: ReadonlyArray<OutgoingRecord>): number => {
  let bytes = 0;
  for (const { key, value, headers } of records) {
    bytes += recordBytesMax + (key === null ? 0 : key.length) + (value === null ? 0 : value.length);
    // A letter of a name takes three bytes at most.
    for (const [name, header] of headers) {
      bytes += headerBytesMax + 3 * name.length + (header === null ? 0 : header.length);
    }
  }
  return bytes;
};

/** The hot loop of writing: the length of a record is reckoned first, so that each is written in its place at once. */
const writeRecords = (writer: ByteWriter, records: ReadonlyArray<OutgoingRecord>): ByteWriter => {
  const firstTimestamp = records[0].timestamp;
  for (let k = 0; k < records.length; k++) {
    const { timestamp, key, value, headers } = records[k];
    const names = headers.length === 0 ? noNames : headers.map(([name]) => encoder.encode(name));
    let length = 1 + varintSize(timestamp - firstTimestamp) + varintSize(k) + varintSize(headers.length) +
      varintBytesSize(key === null ? null : key.length) + varintBytesSize(value === null ? null : value.length);
    for (let h = 0; h < names.length; h++) {
      const header = headers[h][1];
      length += varintBytesSize(names[h].length) + varintBytesSize(header === null ? null : header.length);
    }
    writer.varint(length).uint8(0).varint(timestamp - firstTimestamp).varint(k).varintBytes(key).varintBytes(value)
      .varint(headers.length);
    for (let h = 0; h < names.length; h++) writer.varintBytes(names[h]).varintBytes(headers[h][1]);
  }
  return writer;
};

const noNames: ReadonlyArray<Uint8Array> = [];
