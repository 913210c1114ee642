/**
 * Writes a batch of records as it lies on the log (version 2 of the format).
 *
 * The library can do this, too, but gives wrong times to records of one batch that are 25 days (2^31 ms) apart or more; and it
 * makes a buffer of every number, so that it takes ten times as long (ARCHITECTURE.md has the measurement).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Compression, OutgoingRecord } from "../client.ts";
import { codecs, compress } from "../kafkajs/codecs.ts";
import { crc32c } from "../kafkajs/crc32c.ts";

/** From the base offset to the number of records. */
const headBytes = 61;

/** From the base offset to the checksum. */
const uncheckedBytes = 21;

/** The most bytes that a record takes besides its key, value and headers. */
const recordBytesMax = 5 + 1 + 10 + 5 + 5 + 5 + 5;

/** The most bytes that the lengths of a header take. */
const headerBytesMax = 5 + 5;

/** Who writes a batch, and which one of its batches for a partition it is. */
export interface BatchProducer {
  readonly id: bigint;
  readonly epoch: number;
  /** The number of the batch's first record. */
  readonly sequence: number;
  readonly isTransactional: boolean;
}

/** The bytes of a batch of at least one record. */
export const writeBatch = (
  records: ReadonlyArray<OutgoingRecord>,
  producer: BatchProducer,
  compression: Compression,
): Buffer => {
  const writer = new BatchWriter(headBytes + records.reduce((bytes, record) => bytes + boundOf(record), 0));
  writer.at = headBytes;
  const baseTimestamp = records[0].timestamp;
  let maxTimestamp = baseTimestamp;
  for (let k = 0; k < records.length; k++) {
    writer.record(records[k], k, baseTimestamp);
    if (records[k].timestamp > maxTimestamp) maxTimestamp = records[k].timestamp;
  }
  const written = writer.bytes.subarray(0, writer.at);
  const codec = codecs.indexOf(compression);
  const bytes = compression === "none"
    ? written
    : Buffer.concat([written.subarray(0, headBytes), compress(codec, written.subarray(headBytes))]);
  bytes.writeBigInt64BE(0n, 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(-1, 12);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(codec | (producer.isTransactional ? 0x10 : 0), 21);
  bytes.writeInt32BE(records.length - 1, 23);
  bytes.writeBigInt64BE(BigInt(baseTimestamp), 27);
  bytes.writeBigInt64BE(BigInt(maxTimestamp), 35);
  bytes.writeBigInt64BE(producer.id, 43);
  bytes.writeInt16BE(producer.epoch, 51);
  bytes.writeInt32BE(producer.sequence, 53);
  bytes.writeInt32BE(records.length, 57);
  bytes.writeUInt32BE(crc32c(bytes, uncheckedBytes), 17);
  return bytes;
};

/** At least as many bytes as a record takes. A character takes up to three bytes. */
const boundOf = ({ key, value, headers }: OutgoingRecord): number => {
  let bytes = recordBytesMax + (key === null ? 0 : key.length) + (value === null ? 0 : value.length);
  for (const [name, value] of headers) bytes += headerBytesMax + 3 * name.length + (value === null ? 0 : value.length);
  return bytes;
};

const utf8 = new TextEncoder();

class BatchWriter {
  at: number = 0;
  readonly bytes: Buffer;

  constructor(bytesMax: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytesMax);
  }

  record({ timestamp, key, value, headers }: OutgoingRecord, offsetDelta: number, baseTimestamp: number): void {
    const timestampDelta = timestamp - baseTimestamp;
    const names = headers.length === 0 ? noNames : headers.map(([name]) => utf8.encode(name));
    let length = 1 + sizeOf(timestampDelta) + sizeOf(offsetDelta) + sizeOfBytes(key) + sizeOfBytes(value) +
      sizeOf(headers.length);
    for (let k = 0; k < names.length; k++) length += sizeOfBytes(names[k]) + sizeOfBytes(headers[k][1]);
    this.varint(length);
    this.bytes[this.at++] = 0;
    this.varint(timestampDelta);
    this.varint(offsetDelta);
    this.run(key);
    this.run(value);
    this.varint(headers.length);
    for (let k = 0; k < names.length; k++) {
      this.run(names[k]);
      this.run(headers[k][1]);
    }
  }

  /** Bytes with their length before them. */
  run(bytes: Uint8Array | null): void {
    if (bytes === null) return this.varint(-1);
    this.varint(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A number with a sign, in 7 bits a byte. */
  varint(value: number): void {
    let rest = zigzag(value);
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) this.bytes[this.at++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) this.bytes[this.at++] = (rest & 0x7f) | 0x80;
    this.bytes[this.at++] = rest;
  }
}

const noNames: ReadonlyArray<Uint8Array> = [];

const zigzag = (value: number): number => value >= 0 ? value * 2 : -value * 2 - 1;

/** How many bytes a varint takes. */
const sizeOf = (value: number): number => {
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
};

const sizeOfBytes = (bytes: Uint8Array | null): number => bytes === null ? 1 : sizeOf(bytes.length) + bytes.length;
