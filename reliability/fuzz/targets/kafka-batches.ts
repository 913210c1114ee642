/**
 * Batches of records on a Kafka log: what is written is read, and whatever else is there is read as it says, or refused.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Header, LogBatch, OutgoingRecord } from "../../../src/kafka/client.ts";
import { codecs, compress } from "../../../src/kafka/wire/codecs.ts";
import { readBatches, writeBatch } from "../../../src/kafka/wire/record-batches.ts";
import { Refusal } from "../../../src/kafka/wire/refusal.ts";
import type { Draw } from "../draw.ts";
import { joined, mutated, sameBytes } from "../mutate.ts";
import { countAt, type PlainBatch, plainBatches, recordsAt, signed } from "../plain/batches.ts";
import { Refused } from "../plain/refused.ts";
import { varintBytes } from "../plain/varints.ts";
import { type Target, unrejected } from "../target.ts";
import { text } from "../values.ts";
import { turning } from "./kafka-codecs.ts";

/** How many bytes a batch that is sound may have here once it is decompressed. */
const soundBytesMax = 1_000_000;

const bytesOrNull = (draw: Draw): Uint8Array | null => {
  if (draw.once(4)) return null;
  return draw.once(12) ? new Uint8Array(draw.below(20_000)).fill(draw.word()) : draw.bytes(12);
};

const timestamp = (draw: Draw): number =>
  draw.oneOf([
    draw.below(1_000),
    1_700_000_000_000 + draw.below(1_000),
    draw.oneOf([0, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 8.64e15, Number.MAX_SAFE_INTEGER]),
    draw.word() * 2 ** 21 + draw.below(2 ** 21),
  ]);

/** Some records, one at least. */
export const someRecords = (draw: Draw): ReadonlyArray<OutgoingRecord> => {
  const count = 1 + draw.below(draw.once(20) ? 200 : 5);
  const first = timestamp(draw);
  const header = (): Header => [text(draw).toWellFormed(), bytesOrNull(draw)];
  return Array.from({ length: count }, (_, k) => ({
    topic: "topic",
    partition: 0,
    timestamp: draw.once(3) ? timestamp(draw) : first + k,
    key: bytesOrNull(draw),
    value: bytesOrNull(draw),
    headers: draw.once(3) ? draw.list(3, header) : [],
  })).map((record) => ({ ...record, timestamp: Math.min(record.timestamp, Number.MAX_SAFE_INTEGER) }));
};

const someOffset = (draw: Draw): number =>
  draw.oneOf([0, draw.below(1_000), draw.word(), 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 52, 2 ** 53 - 1_000]);

/** Who wrote a batch, and how. */
export interface Writing {
  readonly records: ReadonlyArray<OutgoingRecord>;
  readonly offset: number;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
}

/** A batch as a broker stores it, and what it says. */
export const someBatch = (
  draw: Draw,
  offset: number,
): { readonly writing: Writing; readonly bytes: Uint8Array<ArrayBuffer> } => {
  const records = someRecords(draw);
  const id = draw.oneOf([-1n, 0n, BigInt(draw.word()), 2n ** 63n - 1n]);
  const isTransactional = draw.below(2) === 0;
  const bytes = writeBatch(records, {
    producer: { id, epoch: draw.below(32_768) },
    isTransactional,
    sequence: draw.below(2 ** 31),
    compression: draw.oneOf(codecs),
  }).slice();
  new DataView(bytes.buffer).setBigInt64(0, BigInt(offset));
  return { writing: { records, offset, producerId: id, isTransactional }, bytes };
};

/** Batches that follow each other, and what they say. */
export const someBatches = (
  draw: Draw,
  countMax: number,
): { readonly writings: ReadonlyArray<Writing>; readonly parts: ReadonlyArray<Uint8Array> } => {
  let offset = someOffset(draw);
  const batches = draw.list(countMax, () => {
    const batch = someBatch(draw, offset);
    offset += batch.writing.records.length;
    return batch;
  });
  return { writings: batches.map(({ writing }) => writing), parts: batches.map(({ bytes }) => bytes) };
};

/** Bytes as what can be compared; those of a view are copied. */
const plainly = (bytes: Uint8Array | null): string | null => bytes === null ? null : bytes.toHex();

/** What must be read where some batches were written. */
export const expectedOf = (writings: ReadonlyArray<Writing>) =>
  writings.map(({ records, offset, producerId, isTransactional }) => ({
    nextOffset: offset + records.length,
    producerId: `${producerId}`,
    isTransactional,
    control: null,
    records: records.map(({ timestamp, key, value, headers }, k) => ({
      offset: offset + k,
      timestamp,
      key: plainly(key),
      value: plainly(value),
      headers: headers.map(([name, header]) => [name, plainly(header)]),
    })),
  }));

/** What was read, to be compared. */
export const comparable = (batches: ReadonlyArray<LogBatch>) =>
  batches.map(({ records, ...others }) => ({
    ...others,
    records: records.map(({ key, value, headers, ...numbers }) => ({
      ...numbers,
      key: plainly(key),
      value: plainly(value),
      headers: headers.map(([name, header]) => [name, plainly(header)]),
    })),
  }));

/** What a control record says. */
const controlOf = ({ attributes, records: [first] }: PlainBatch): LogBatch["control"] => {
  if ((attributes & 0x20) === 0) return null;
  const key = first?.key ?? new Uint8Array();
  return key.length < 4
    ? "other"
    : ([[0, "abort"], [1, "commit"]] as const).find(([type]) => type === 256 * key[2] + key[3])?.[1] ?? "other";
};

/** Whether what was read is what the bytes say. */
const assertSame = (read: ReadonlyArray<LogBatch>, plain: ReadonlyArray<PlainBatch>): void => {
  assert.equal(read.length, plain.length, "there are more or fewer batches");
  read.forEach((batch, b) => {
    const { nextOffset, producerId, attributes, records } = plain[b];
    assert.equal(batch.nextOffset, Number(nextOffset));
    assert.equal(batch.producerId, `${producerId}`);
    assert.equal(batch.isTransactional, (attributes & 0x10) !== 0);
    assert.equal(batch.control, controlOf(plain[b]));
    assert.equal(batch.records.length, records.length, "there are more or fewer records");
    batch.records.forEach((record, k) => {
      const { offset, timestamp, key, value, headers } = records[k];
      assert.equal(record.offset, Number(offset));
      // One that is beyond what numbers hold is rounded.
      if (timestamp !== null) assert.equal(record.timestamp, Number(timestamp));
      assert.equal(plainly(record.key), plainly(key));
      assert.equal(plainly(record.value), plainly(value));
      assert.deepEqual(
        record.headers.map(([name, header]) => [name, plainly(header)]),
        headers.map(([name, header]) => [name, plainly(header)]),
      );
    });
  });
};

/** Whether what was read holds no more memory than its bytes need: what lies under its views. */
const assertBounded = (read: ReadonlyArray<LogBatch>, plain: ReadonlyArray<PlainBatch>, bytes: Uint8Array): void => {
  const buffers = new Set<ArrayBufferLike>([bytes.buffer]);
  for (const { records } of read) {
    for (const { key, value, headers } of records) {
      for (const view of [key, value, ...headers.map(([, header]) => header)]) {
        if (view !== null) buffers.add(view.buffer);
      }
    }
  }
  let held = -bytes.buffer.byteLength;
  for (const { byteLength } of buffers) held += byteLength;
  const unpacked = plain.reduce((sum, { recordsBytes }) => sum + recordsBytes, 0);
  assert.ok(held <= 2 * unpacked, `${held} bytes are held for ${unpacked} ones`);
};

/** Numbers that records have where nobody expects them. */
const oddNumbers = [-1n, -2n, 0n, 1n, 63n, 64n, 2n ** 31n - 1n, 2n ** 31n, -(2n ** 31n), 2n ** 53n, -(2n ** 63n)];

/** Records that are damaged before they are compressed. */
const damagedRecords = (draw: Draw, bytes: Uint8Array): Uint8Array => {
  if (!draw.once(3)) {
    const at = draw.below(bytes.length + 1);
    const to = draw.below(4) === 0 ? at : Math.min(bytes.length, at + 1);
    return joined(bytes.subarray(0, at), varintBytes(draw.oneOf(oddNumbers)), bytes.subarray(to));
  }
  return mutated(draw, bytes);
};

/** Damages the head of a batch: one of its fields is another. */
const damagedHead = (draw: Draw, bytes: Uint8Array): Uint8Array => {
  const damaged = bytes.slice();
  const view = new DataView(damaged.buffer);
  const small = draw.oneOf([-1, 0, 1, 2, 5, 1_000, 2 ** 31 - 1, -(2 ** 31), draw.word()]);
  const large = draw.oneOf([-1n, 0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]);
  switch (draw.below(7)) {
    case 0:
      view.setBigInt64(0, large); // its first offset
      break;
    case 1:
      view.setInt16(21, draw.word()); // its attributes
      break;
    case 2:
      view.setInt32(23, small); // its last offset
      break;
    case 3:
      view.setBigInt64(27, large); // its first time
      break;
    case 4:
      view.setBigInt64(35, large); // its last time
      break;
    case 5:
      view.setBigInt64(43, large); // who wrote it
      break;
    default:
      view.setInt32(countAt, small);
  }
  return damaged;
};

/** A batch that is damaged in a way which its checksum covers. */
const damagedBatch = (draw: Draw): Uint8Array => {
  const codec = draw.below(codecs.length);
  const isControl = draw.once(6);
  const some = someRecords(draw);
  const marker = (): Uint8Array => Uint8Array.of(0, 0, draw.once(6) ? 1 : 0, draw.below(3), 0);
  const plain = writeBatch(isControl ? some.map((record) => ({ ...record, key: marker() })) : some, {
    producer: { id: 1n, epoch: 0 },
    isTransactional: draw.below(2) === 0,
    sequence: 0,
    compression: "none",
  });
  const head = plain.slice(0, recordsAt);
  new DataView(head.buffer).setBigInt64(0, BigInt(someOffset(draw)));
  new DataView(head.buffer).setInt16(21, codec | (isControl ? 0x20 : 0) | (draw.once(6) ? 0x08 : 0));
  const records = draw.once(8) ? new Uint8Array() : plain.subarray(recordsAt);
  const packed = compress(codec, draw.below(2) === 0 ? records : damagedRecords(draw, records));
  const whole = joined(draw.once(3) ? damagedHead(draw, head) : head, packed);
  return signed(draw.once(3) ? mutated(draw, whole) : whole);
};

const check = (draw: Draw): string => {
  const { writings, parts } = someBatches(draw, 3);
  const sound = joined(...parts);
  if (draw.once(3)) {
    // Cut off somewhere, what is whole is there.
    const length = draw.once(3) ? draw.below(sound.length + 1) : sound.length;
    const bytes = draw.note("bytes", sound.subarray(0, length));
    let whole = 0;
    for (let end = 0; whole < parts.length && (end += parts[whole].length) <= length;) whole++;
    const read = unrejected(() => readBatches(bytes, soundBytesMax));
    assert.deepEqual(comparable(read), expectedOf(writings.slice(0, whole)));
    return "accepted";
  }
  const batchBytesMax = draw.oneOf([300, 5_000, soundBytesMax]);
  const bytes = draw.note(
    "bytes",
    draw.once(3) ? mutated(draw, sound) : joined(sound, damagedBatch(draw), draw.once(4) ? sound : new Uint8Array()),
  );
  let plain: ReadonlyArray<PlainBatch> | null = null;
  try {
    plain = plainBatches(bytes, batchBytesMax);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Refusal)) throw error;
  }
  let read: ReadonlyArray<LogBatch>;
  try {
    read = readBatches(bytes, batchBytesMax);
  } catch (error) {
    if (error instanceof Refusal) assert.ok(plain === null, `what makes sense is refused: ${error.message}`);
    throw error;
  }
  assert.ok(plain !== null, "what makes no sense is accepted");
  assertSame(read, plain);
  assertBounded(read, plain, bytes);
  return sameBytes(bytes, sound) ? "accepted" : "accepted, though damaged";
};

/** Batches, written and read, and damaged with a checksum that fits and without. */
export const kafkaBatches: Target = {
  name: "kafka-batches",
  about:
    "batches of records written and read, and damaged ones, most of them with a checksum that fits, to their reader",
  rejects: ["Refusal"],
  share: 0.5,
  check: turning(check),
};
