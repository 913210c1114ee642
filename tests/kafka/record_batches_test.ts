/** Batches of records as they lie on the log: written, read, compressed, damaged. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Header, OutgoingRecord } from "../../src/kafka/client.ts";
import { clientCodes } from "../../src/kafka/errors.ts";
import { ByteReader } from "../../src/kafka/wire/byte-reader.ts";
import { codecs, compress, decompress } from "../../src/kafka/wire/codecs.ts";
import { crc32c } from "../../src/kafka/wire/crc32c.ts";
import { readBatches, writeBatch } from "../../src/kafka/wire/record-batches.ts";
import { Refusal } from "../../src/kafka/wire/refusal.ts";

const bytesMax = 1_000_000;

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 200 }));

const header: fc.Arbitrary<Header> = fc.tuple(fc.string({ unit: "grapheme" }), bytesOrNull);

const record: fc.Arbitrary<OutgoingRecord> = fc.record({
  topic: fc.constant("topic"),
  partition: fc.constant(0),
  timestamp: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 52 })),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(header, { maxLength: 4 }),
});

const writing = fc.record({
  producer: fc.record({ id: fc.bigInt({ min: 0n, max: 2n ** 62n }), epoch: fc.nat(32_767) }),
  sequence: fc.nat(0x7fff_ffff),
  isTransactional: fc.boolean(),
  compression: fc.constantFrom(...codecs),
});

/** A copy with nothing but plain arrays, so that views compare by what they show. */
const plainly = ({ timestamp, key, value, headers }: Omit<OutgoingRecord, "topic" | "partition">) => ({
  timestamp,
  key: key && [...key],
  value: value && [...value],
  headers: headers.map(([name, header]) => [name, header && [...header]]),
});

/** A batch as a broker stores it: from an offset of its own. */
const at = (offset: number, batch: Uint8Array): Uint8Array => {
  const stored = batch.slice();
  new DataView(stored.buffer).setBigInt64(0, BigInt(offset));
  return stored;
};

const joined = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((place, part) => (bytes.set(part, place), place + part.length), 0);
  return bytes;
};

/** Bytes as records have them: some that were there before, and some that were not. */
const repetitive = fc.array(
  fc.oneof(fc.uint8Array({ maxLength: 50 }), fc.constantFrom("again and again", "x".repeat(300), "\0".repeat(70_000)))
    .map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part),
  { maxLength: 20 },
).map((parts) => joined(...parts));

Deno.test("what is written is read", () => {
  fc.assert(fc.property(
    fc.array(record, { minLength: 1, maxLength: 20 }),
    writing,
    fc.nat(2 ** 50),
    (records, options, offset) => {
      const batches = readBatches(at(offset, writeBatch(records, options)), bytesMax);
      assert.equal(batches.length, 1);
      const [batch] = batches;
      assert.equal(batch.nextOffset, offset + records.length);
      assert.equal(batch.producerId, `${options.producer.id}`);
      assert.equal(batch.isTransactional, options.isTransactional);
      assert.equal(batch.control, null);
      assert.deepEqual(batch.records.map(plainly), records.map(plainly));
      assert.deepEqual(batch.records.map((one) => one.offset), records.map((_, k) => offset + k));
    },
  ));
});

/** A record with nothing in it but what is given. */
const plainRecord = (some: Partial<OutgoingRecord>): OutgoingRecord => ({
  topic: "topic",
  partition: 0,
  timestamp: 0,
  key: null,
  value: null,
  headers: [],
  ...some,
});

const plainWriting = {
  producer: { id: 1n, epoch: 0 },
  sequence: 0,
  isTransactional: false,
  compression: "none",
} as const;

Deno.test("times of one batch may be as far apart as numbers are exact", () => {
  const times = [0, Number.MAX_SAFE_INTEGER, 2 ** 52, 2 ** 52 + 1, 1, 8.64e15];
  for (const first of times) {
    const records = [first, ...times].map((timestamp) => plainRecord({ timestamp }));
    const [batch] = readBatches(writeBatch(records, plainWriting), bytesMax);
    assert.deepEqual(batch.records.map(({ timestamp }) => timestamp), [first, ...times]);
  }
});

Deno.test("the name of a header may begin with a byte order mark", () => {
  const headers = [["\ufeffname", null]] as const;
  const [batch] = readBatches(writeBatch([plainRecord({ headers })], plainWriting), bytesMax);
  assert.deepEqual(batch.records[0].headers, headers);
});

/** A batch in which one number is another, with a checksum that fits. */
const changed = (batch: Uint8Array, change: (view: DataView) => void): Uint8Array => {
  const bytes = batch.slice();
  const view = new DataView(bytes.buffer);
  change(view);
  view.setUint32(17, crc32c(bytes, 21));
  return bytes;
};

Deno.test("a batch whose head lies about its records is refused, and one that compaction has emptied is not", () => {
  const batch = writeBatch([plainRecord({}), plainRecord({})], plainWriting);
  const lies: ReadonlyArray<readonly [lie: (view: DataView) => void, words: RegExp]> = [
    [(view) => view.setInt32(57, 1), /more than 1 records/],
    [(view) => view.setInt32(57, 3), /2 are left|0 are left|does not end/],
    [(view) => view.setInt32(57, -1), /-1 records/],
    [(view) => view.setInt32(23, 0), /a record at offset 1, where one from 1 to 0 belongs/],
    [(view) => view.setInt32(23, -1), /from offset 0 to 0/],
    [(view) => view.setBigInt64(0, -1n), /from offset -1 to/],
    [(view) => view.setBigInt64(0, 2n ** 53n - 1n), /from offset 9007199254740991 to/],
  ];
  for (const [lie, words] of lies) {
    assert.throws(
      () => readBatches(changed(batch, lie), bytesMax),
      (error) => error instanceof Refusal && error.code === clientCodes.malformed && words.test(error.current),
      String(lie),
    );
  }
  const emptied = changed(batch.subarray(0, 61), (view) => (view.setInt32(8, 49), view.setInt32(57, 0)));
  assert.deepEqual(readBatches(emptied, bytesMax).map(({ nextOffset, records }) => [nextOffset, records]), [[2, []]]);
});

Deno.test("offsets of records that do not rise are refused", () => {
  const batch = writeBatch([plainRecord({}), plainRecord({})], plainWriting);
  // Each record is its length, its attributes, its time and its offset, and more.
  const second = 61 + 1 + batch[61] / 2;
  const again = batch.slice();
  again[second + 3] = 0;
  assert.throws(() => readBatches(changed(again, () => {}), bytesMax), /a record at offset 0, where one from 1 to 1/);
});

Deno.test("what was decompressed of one answer is bounded together: the rest is there when it is asked for again", () => {
  const value = new Uint8Array(300_000);
  const batch = writeBatch([plainRecord({ value })], { ...plainWriting, compression: "zstd" });
  const answer = joined(...Array.from({ length: 100 }, (_, k) => at(k, batch)));
  assert.ok(answer.length < 20_000);
  // With the fourth there are as many bytes as one batch may have.
  assert.deepEqual(readBatches(answer, 1_000_000).map(({ nextOffset }) => nextOffset), [1, 2, 3, 4]);
  assert.deepEqual(readBatches(answer.subarray(4 * batch.length), 1_000_000)[0].nextOffset, 5);
});

Deno.test("records and headers without bytes are bounded, too, by what they take in memory", () => {
  const name = "h";
  const headers = (count: number) => Array.from({ length: count }, () => [name, null] as const);
  const batchOf = (records: ReadonlyArray<OutgoingRecord>) =>
    writeBatch(records, { ...plainWriting, compression: "zstd" });
  const refuses = (bytes: Uint8Array, words: RegExp) =>
    assert.throws(
      () => readBatches(bytes, 64_000),
      (error) => error instanceof Refusal && error.code === clientCodes.tooLarge && words.test(error.current),
    );
  assert.equal(
    readBatches(batchOf(Array.from({ length: 1_000 }, () => plainRecord({}))), 64_000)[0].records.length,
    1_000,
  );
  refuses(batchOf(Array.from({ length: 1_001 }, () => plainRecord({}))), /^1001 records and headers/);
  assert.equal(
    readBatches(batchOf([plainRecord({ headers: headers(999) })]), 64_000)[0].records[0].headers.length,
    999,
  );
  refuses(batchOf([plainRecord({ headers: headers(1_000) })]), /^1001 records and headers/);
  // Together they leave the rest for the next answer.
  const some = batchOf(Array.from({ length: 400 }, () => plainRecord({})));
  assert.equal(readBatches(joined(some, some, some, some), 64_000).length, 3);
});

Deno.test("small batches hold little memory, whatever their compression", () => {
  for (const compression of codecs) {
    const batch = writeBatch([plainRecord({ value: new Uint8Array(100) })], { ...plainWriting, compression });
    const [{ records: [{ value }] }] = readBatches(batch, bytesMax);
    assert.ok(value!.buffer.byteLength <= 2 * 120, `${compression}: ${value!.buffer.byteLength}`);
  }
});

Deno.test("a batch that the broker has cut off is left out", () => {
  const [one] = fc.sample(record, { numRuns: 1, seed: 1 });
  const batch = writeBatch([one], plainWriting);
  const two = joined(at(0, batch), at(1, batch));
  for (let length = batch.length; length < two.length; length++) {
    assert.deepEqual(readBatches(two.subarray(0, length), bytesMax).map(({ nextOffset }) => nextOffset), [1]);
  }
  assert.equal(readBatches(two, bytesMax).length, 2);
  assert.deepEqual(readBatches(new Uint8Array(0), bytesMax), []);
});

Deno.test("a damaged batch is refused, or does not show its damage", () => {
  fc.assert(fc.property(
    fc.array(record, { minLength: 1, maxLength: 5 }),
    writing,
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    (records, options, place, change) => {
      const batch = writeBatch(records, options);
      const damaged = batch.slice();
      damaged[place % batch.length] ^= change;
      try {
        const read = readBatches(damaged, bytesMax);
        // The offset and the leader's epoch are not part of the checksum; a length may hide the batch.
        const isUnchecked = place % batch.length < 16;
        assert.ok(isUnchecked);
        for (const one of read) assert.deepEqual(one.records.map(plainly), records.map(plainly));
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    },
  ));
});

Deno.test("whatever bytes are read, it ends, with batches or a refusal", () => {
  const signed = fc.tuple(fc.uint8Array({ minLength: 49, maxLength: 300 }), fc.constantFrom(0, 1, 2, 3, 4, 5, 7)).map(
    ([bytes, codec]) => {
      // Made to look like a batch, so that what is behind its checksum is read.
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      view.setInt32(8, bytes.length - 12);
      view.setInt8(16, 2);
      view.setInt16(21, codec);
      view.setUint32(17, crc32c(bytes, 21));
      return bytes;
    },
  ).filter(({ length }) => length >= 61);
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), signed), (bytes) => {
      try {
        readBatches(bytes, bytesMax);
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});

for (const [codec, name] of codecs.entries()) {
  Deno.test(`${name} gives back what it was given`, () => {
    fc.assert(fc.property(repetitive, (bytes) => {
      const packed = compress(codec, bytes);
      assert.ok(Buffer.from(bytes).equals(decompress(codec, packed, bytes.length + 1)));
      if (codec !== 0 && bytes.length > 70_000) assert.ok(packed.length < bytes.length / 10);
    }));
  });

  if (codec === 0) continue;

  Deno.test(`${name} makes no more bytes than it may`, () => {
    const bytes = new Uint8Array(200_000);
    const packed = compress(codec, bytes);
    assert.equal(decompress(codec, packed, bytes.length).length, bytes.length);
    for (const max of [1, 1_000, bytes.length - 1]) {
      assert.throws(
        () => decompress(codec, packed, max),
        (error) => error instanceof Refusal && error.code === clientCodes.tooLarge && !error.retryable,
      );
    }
  });

  Deno.test(`${name} that is damaged ends, with bytes or a refusal`, () => {
    fc.assert(fc.property(repetitive, fc.nat(), fc.nat(255), fc.nat(), (bytes, place, value, length) => {
      const packed = compress(codec, bytes).slice();
      packed[place % packed.length] = value;
      try {
        assert.ok(decompress(codec, packed.subarray(0, length % (packed.length + 1)), bytesMax).length <= bytesMax);
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    }));
  });
}

Deno.test("Snappy is read without the frames of Java, too", () => {
  // The length, "ab" as it is, and 8 bytes from 2 back.
  const packed = Uint8Array.of(10, 1 << 2, 97, 98, ((8 - 1) << 2) | 2, 2, 0);
  assert.equal(new TextDecoder().decode(decompress(2, packed, 10)), "ababababab");
});

Deno.test("a block of LZ4 that ends within a reference is refused", () => {
  const head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
  // "ab" as it is, and then as many bytes as there must be from so many back, of which one byte of two is there.
  const packed = Uint8Array.from([...head, 4, 0, 0, 0, 2 << 4, 97, 98, 2, 0, 0, 0, 0]);
  assert.throws(
    () => decompress(3, packed, 100),
    (error) => error instanceof Refusal && /ends too early/.test(error.current),
  );
});

Deno.test("a number of variable length has ten bytes at most", () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, k) => k < length - 1 ? 0x80 : 1);
  assert.equal(new ByteReader(bytes(10)).uvarint(), 2 ** 63);
  for (const read of ["uvarint", "varint"] as const) {
    assert.throws(() => new ByteReader(bytes(11))[read](), Refusal);
    assert.throws(() => new ByteReader(bytes(11).subarray(0, 9))[read](), Refusal);
  }
});

Deno.test("the checksum is CRC-32C", () => {
  const text = new TextEncoder().encode("123456789");
  assert.equal(crc32c(text), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, k) => k)), 0x46dd794e);
  assert.equal(crc32c(joined(new Uint8Array(3), text), 3), 0xe3069283);
  assert.equal(crc32c(joined(new Uint8Array(5), text).subarray(5)), 0xe3069283);
});
