/** Batches of records as they lie on the log: written, read, compressed, damaged. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Header, OutgoingRecord } from "../../src/kafka/client.ts";
import { clientCodes } from "../../src/kafka/errors.ts";
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

Deno.test("a batch that the broker has cut off is left out", () => {
  const [one] = fc.sample(record, { numRuns: 1, seed: 1 });
  const options = {
    producer: { id: 1n, epoch: 0 },
    sequence: 0,
    isTransactional: false,
    compression: "none",
  } as const;
  const batch = writeBatch([one], options);
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

Deno.test("the checksum is CRC-32C", () => {
  const text = new TextEncoder().encode("123456789");
  assert.equal(crc32c(text), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, k) => k)), 0x46dd794e);
  assert.equal(crc32c(joined(new Uint8Array(3), text), 3), 0xe3069283);
  assert.equal(crc32c(joined(new Uint8Array(5), text).subarray(5)), 0xe3069283);
});
