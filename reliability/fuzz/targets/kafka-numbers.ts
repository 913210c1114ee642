/**
 * The bytes of Kafka's protocol: numbers of fixed and of variable length, strings, arrays and tags.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ByteReader } from "../../../src/kafka/wire/byte-reader.ts";
import { ByteWriter, varintBytesSize, varintSize } from "../../../src/kafka/wire/byte-writer.ts";
import { Refusal } from "../../../src/kafka/wire/refusal.ts";
import type { Draw } from "../draw.ts";
import { joined, mutated, sameBytes } from "../mutate.ts";
import { uvarintAt, uvarintBytes, varintAt, varintBytes } from "../plain/varints.ts";
import { type Target, unrejected } from "../target.ts";
import { text } from "../values.ts";

const safe = Number.MAX_SAFE_INTEGER;

/** A whole number from 0 to 2^53 - 1, mostly at an end of what so many bits hold. */
const natural = (draw: Draw): number => {
  if (draw.once(4)) return draw.word() * 2 ** 21 + draw.below(2 ** 21);
  return Math.min(safe, Math.max(0, 2 ** draw.below(54) + draw.below(4) - 2));
};

const integer = (draw: Draw): number => {
  const value = natural(draw);
  return draw.below(2) === 0 || value === 0 ? value : -value;
};

/** Something that can be written: its bytes, said the long way, and how it is read. */
interface Item {
  readonly bytes: Uint8Array;
  readonly write: (writer: ByteWriter) => unknown;
  readonly read: (reader: ByteReader) => unknown;
  readonly value: unknown;
}

const fixed = (bytes: number, set: (view: DataView) => void): Uint8Array => {
  const written = new Uint8Array(bytes);
  set(new DataView(written.buffer));
  return written;
};

const utf8 = new TextEncoder();

const someItem = (draw: Draw, depth = 1): Item => {
  switch (draw.below(depth > 0 ? 13 : 11)) {
    case 0: {
      const value = natural(draw);
      return {
        bytes: uvarintBytes(BigInt(value)),
        write: (writer) => writer.uvarint(value),
        read: (reader) => reader.uvarint(),
        value,
      };
    }
    case 1:
    case 2: {
      const value = integer(draw);
      const bytes = varintBytes(BigInt(value));
      assert.equal(varintSize(value), bytes.length, `${value} has another size`);
      return { bytes, write: (writer) => writer.varint(value), read: (reader) => reader.varint(), value };
    }
    case 3: {
      const value = draw.word() | 0;
      return {
        bytes: fixed(4, (view) => view.setInt32(0, value)),
        write: (writer) => writer.int32(value),
        read: (reader) => reader.int32(),
        value,
      };
    }
    case 4: {
      const value = draw.word();
      return {
        bytes: fixed(4, (view) => view.setUint32(0, value)),
        write: (writer) => writer.int32(value | 0),
        read: (reader) => reader.uint32(),
        value,
      };
    }
    case 5: {
      const value = draw.below(65_536) - 32_768;
      return {
        bytes: fixed(2, (view) => view.setInt16(0, value)),
        write: (writer) => writer.int16(value),
        read: (reader) => reader.int16(),
        value,
      };
    }
    case 6: {
      const value = integer(draw);
      return {
        bytes: fixed(8, (view) => view.setBigInt64(0, BigInt(value))),
        write: (writer) => writer.int64(value),
        read: (reader) => reader.int64(),
        value,
      };
    }
    case 7: {
      const value = BigInt.asIntN(64, (BigInt(draw.word()) << 32n) + BigInt(draw.word()));
      return {
        bytes: fixed(8, (view) => view.setBigInt64(0, value)),
        write: (writer) => writer.int64(value),
        read: (reader) => reader.int64Text(),
        value: `${value}`,
      };
    }
    case 8: {
      const value = draw.once(4) ? null : text(draw).toWellFormed();
      const bytes = utf8.encode(value ?? "");
      return {
        bytes: joined(fixed(2, (view) => view.setInt16(0, value === null ? -1 : bytes.length)), bytes),
        write: (writer) => writer.string(value),
        read: (reader) => reader.string(),
        value,
      };
    }
    case 9: {
      const value = text(draw).toWellFormed();
      const bytes = utf8.encode(value);
      return {
        bytes: joined(uvarintBytes(BigInt(bytes.length + 1)), bytes),
        write: (writer) => writer.compactString(value),
        read: (reader) => reader.compactString(),
        value,
      };
    }
    case 10: {
      const value = draw.once(4) ? null : draw.bytes(draw.once(4) ? 200 : 9);
      const bytes = joined(varintBytes(BigInt(value?.length ?? -1)), value ?? new Uint8Array());
      assert.equal(varintBytesSize(value?.length ?? null), bytes.length, "bytes have another size");
      return {
        bytes,
        write: (writer) => writer.varintBytes(value),
        read: (reader) => {
          const length = reader.varint();
          return length === -1 ? null : reader.take(length).toHex();
        },
        value: value?.toHex() ?? null,
      };
    }
    default: {
      const isCompact = draw.below(2) === 0;
      const item = someItem(draw, 0);
      const items = Array.from({ length: draw.below(4) }, () => item);
      const count = isCompact
        ? uvarintBytes(BigInt(items.length + 1))
        : fixed(4, (view) => view.setInt32(0, items.length));
      return {
        bytes: joined(count, ...items.map(({ bytes }) => bytes)),
        write: (writer) => writer[isCompact ? "compactArray" : "array"](items, ({ write }) => void write(writer)),
        read: (reader) => reader[isCompact ? "compactArray" : "array"](() => item.read(reader)),
        value: items.map(({ value }) => value),
      };
    }
  }
};

/** Tags, to be gone over. */
const tagBytes = (draw: Draw): Uint8Array => {
  const tags = draw.list(3, () => {
    const bytes = draw.bytes(9);
    return joined(uvarintBytes(BigInt(draw.word())), uvarintBytes(BigInt(bytes.length)), bytes);
  });
  return joined(uvarintBytes(BigInt(tags.length)), ...tags);
};

/** Any bytes at all to the numbers of variable length. */
const checkAny = (draw: Draw): string => {
  const bytes = draw.note("bytes", Uint8Array.from(draw.bytes(14), (byte) => draw.below(3) > 0 ? byte | 0x80 : byte));
  const hasSign = draw.below(2) === 0;
  const expected = (hasSign ? varintAt : uvarintAt)(bytes, 0);
  const reader = new ByteReader(bytes);
  let value: number;
  try {
    value = hasSign ? reader.varint() : reader.uvarint();
  } catch (error) {
    if (error instanceof Refusal) assert.equal(expected, null, "a number that ends is refused");
    throw error;
  }
  assert.ok(expected !== null, "a number that does not end is accepted");
  assert.equal(reader.at, expected[1]);
  // Beyond what numbers hold it is rounded, but it stays where it is.
  if (expected[0] <= safe && expected[0] >= -safe) assert.equal(value, Number(expected[0]));
  else assert.ok(Math.abs(value) > safe && Math.sign(value) === (expected[0] < 0 ? -1 : 1));
  return "accepted, any bytes";
};

const check = (draw: Draw): string => {
  if (draw.once(3)) return checkAny(draw);
  const items = draw.list(6, () => someItem(draw));
  const tags = tagBytes(draw);
  const sound = joined(...items.map(({ bytes }) => bytes), tags);
  if (draw.below(2) === 0) {
    draw.note("bytes", sound);
    const writer = new ByteWriter(draw.oneOf([0, 1, 4_096]));
    for (const { write } of items) write(writer);
    writer.raw(tags);
    assert.ok(sameBytes(writer.written, sound), "other bytes are written");
    const reader = new ByteReader(sound);
    unrejected(() => {
      for (const { read, value } of items) assert.deepEqual(read(reader), value);
      reader.skipTags();
    });
    assert.equal(reader.left, 0);
    return "accepted";
  }
  const reader = new ByteReader(draw.note("bytes", mutated(draw, sound)));
  for (const { read } of items) read(reader);
  reader.skipTags();
  assert.ok(reader.left >= 0, "more is read than there is");
  return "accepted, though damaged";
};

/** Numbers, strings, arrays and tags, written, read and damaged. */
export const kafkaNumbers: Target = {
  name: "kafka-numbers",
  about: "numbers, strings, arrays and tags, written and read, and damaged, to the reader of Kafka's protocol",
  rejects: ["Refusal"],
  share: 0.5,
  check,
};
