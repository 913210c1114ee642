/** Watching the lengths in a stream of answers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameWatch } from "../../src/kafka/wire/frame-watch.ts";

const bytesMax = 1_000;

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

/** The length that stands before an answer. */
const lengthBytes = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, length);
  return bytes;
};

/** An answer of some length, with its length before it. */
const frame = (length: number): Uint8Array => joined([lengthBytes(length), new Uint8Array(length).fill(0xff)]);

/** Cuts bytes at some places. */
const chunks = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, k) => bytes.subarray(places[k], place));
};

Deno.test("answers that are as large as allowed pass, however the stream is cut", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 4, max: bytesMax }), { maxLength: 5 }),
    fc.array(fc.nat(), { maxLength: 20 }),
    (lengths, cuts) => {
      const watch = new FrameWatch(bytesMax);
      for (const chunk of chunks(joined(lengths.map(frame)), cuts)) assert.equal(watch.see(chunk), null);
    },
  ));
});

Deno.test("the first length that is out of its range is found, however the stream is cut", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 4, max: bytesMax }), { maxLength: 5 }),
    fc.oneof(fc.integer({ min: bytesMax + 1, max: 0x7fff_ffff }), fc.integer({ min: -0x8000_0000, max: 3 })),
    fc.array(fc.nat(), { maxLength: 20 }),
    (lengths, wrong, cuts) => {
      const watch = new FrameWatch(bytesMax);
      const stream = joined([...lengths.map(frame), lengthBytes(wrong)]);
      const seen = chunks(stream, cuts).map((chunk) => watch.see(chunk)).filter((length) => length !== null);
      assert.deepEqual(seen, [wrong]);
    },
  ));
});

Deno.test("a length is found as soon as its last byte is there", () => {
  const watch = new FrameWatch(bytesMax);
  const claim = lengthBytes(0x7f7f7f7f);
  assert.equal(watch.see(claim.subarray(0, 3)), null);
  assert.equal(watch.see(claim.subarray(3, 4)), 0x7f7f7f7f);
});
