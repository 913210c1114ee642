/**
 * The watch on the lengths of brokers' answers: however their stream is cut, it sees what a look at all of it sees.
 *
 * @module
 */
import assert from "node:assert/strict";
import { clientCodes } from "../../../src/kafka/errors.ts";
import { FrameWatch } from "../../../src/kafka/wire/frame-watch.ts";
import type { Refusal } from "../../../src/kafka/wire/refusal.ts";
import type { Draw } from "../draw.ts";
import { joined, mutated } from "../mutate.ts";
import type { Target } from "../target.ts";

/** The least bytes of an answer: the number of what is answered. */
const answerBytesMin = 4;

const lengthBytes = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, length);
  return bytes;
};

/** The first length that no answer may have, and where it ends; found the simple way. */
const firstWrong = (bytes: Uint8Array, bytesMax: number): { readonly length: number; readonly end: number } | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getInt32(at);
    if (length < answerBytesMin || length > bytesMax) return { length, end: at + 4 };
    at += 4 + length;
  }
  return null;
};

const someStream = (draw: Draw, bytesMax: number): Uint8Array => {
  const length = (): number => Math.max(answerBytesMin, draw.oneOf([draw.below(bytesMax), draw.below(20), bytesMax]));
  const frames = draw.list(6, () => {
    const bytes = new Uint8Array(length()).fill(draw.word());
    return joined(lengthBytes(bytes.length), bytes);
  });
  const wrong = [
    answerBytesMin - 1,
    0,
    -1,
    -(2 ** 31),
    bytesMax + 1,
    2 ** 31 - 1,
    0x15030300,
    0x16030100,
    draw.word() | 0,
  ];
  const behind = draw.once(3) ? joined(lengthBytes(draw.oneOf(wrong)), draw.bytes(30)) : new Uint8Array();
  const bytes = joined(...frames, behind);
  return draw.once(3) ? mutated(draw, bytes) : bytes;
};

const check = (draw: Draw): string => {
  const bytesMax = draw.oneOf([answerBytesMin, 5, 100, 3_000]);
  const bytes = draw.note("bytes", someStream(draw, bytesMax));
  const wrong = firstWrong(bytes, bytesMax);
  const watch = new FrameWatch(bytesMax);
  // A byte at a time would take for ever where there are many of them.
  const leastPiece = Math.floor(bytes.length / 300);
  const pieceMax = draw.oneOf([2, 6, 100, 4_096]);
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + leastPiece + draw.below(pieceMax) + draw.below(2));
    const seen = watch.see(piece);
    at += piece.length;
    if (wrong === null || at < wrong.end) {
      assert.equal(seen, null, "a length is found that is not there, or not yet");
      continue;
    }
    assert.equal(seen, wrong.length, "a length that no answer may have is not found with its last byte");
    const isBroker = draw.below(2) === 0;
    const { code } = watch.refusalOf(wrong.length, "127.0.0.1:9092", isBroker);
    if (isBroker) assert.equal(code, wrong.length > bytesMax ? clientCodes.tooLarge : clientCodes.malformed);
    else assert.ok(code === clientCodes.malformed || code === clientCodes.noConnection, code);
    throw watch.refusalOf(wrong.length, "127.0.0.1:9092", isBroker) satisfies Refusal;
  }
  assert.equal(wrong, null);
  return "accepted";
};

/** Bytes to the watch, in pieces of any size. */
export const kafkaFrames: Target = {
  name: "kafka-frames",
  about: "answers of any length, in pieces of any size, to the watch on what brokers claim",
  rejects: ["Refusal"],
  share: 0.5,
  check,
};
