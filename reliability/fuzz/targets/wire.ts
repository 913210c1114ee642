/**
 * What comes over the wire: compressed files, server-sent events, bodies of requests.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect, Result } from "effect";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
import type { FileHandle } from "../../../src/streams/files.ts";
import { Rejected } from "../../../src/streams/source.ts";
import { gzipBytes } from "../../../src/streams/sources/files/gzip.ts";
import { bodyDecoder } from "../../../src/streams/sources/http/body.ts";
import { type ServerEvent, ServerEvents } from "../../../src/streams/sources/sse/events.ts";
import { mutated, sameBytes } from "../mutate.ts";
import type { Target } from "../target.ts";
import { json, text } from "../values.ts";
import { linesOf, someLines } from "./lines.ts";

/** A file in memory. */
const fileOf = (bytes: Uint8Array): FileHandle => ({
  read: (into, offset) =>
    Effect.sync(() => {
      const part = bytes.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    }),
  write: () => Effect.die("not asked for"),
  info: Effect.succeed({ sizeBytes: bytes.length, id: "1" } as never),
  sync: Effect.void,
  close: Effect.void,
});

/** What the runtime makes of compressed bytes in one go; `null` where it refuses them. */
const decompressed = (bytes: Uint8Array): Uint8Array | null => {
  try {
    return gunzipSync(bytes);
  } catch {
    return null; // They are damaged, as the source is to say.
  }
};

/** Whether the runtime has left out something that stands behind the members: it reads no further where a byte is 0. */
const leavesOut = (bytes: Uint8Array, expected: Uint8Array): boolean => {
  let end = bytes.length;
  for (let shorter; (shorter = decompressed(bytes.subarray(0, end - 1))) !== null && sameBytes(shorter, expected);) {
    end--;
  }
  return bytes.subarray(end).some((byte) => byte !== 0);
};

/** Compressed files. */
export const gzip: Target = {
  name: "gzip",
  about: "damaged gzip files, of several members too, to the reader of compressed files, from any offset",
  rejects: ["SourceError"],
  share: 0.25,
  check: async (draw) => {
    const members = Array.from({ length: 1 + draw.below(2) }, () => gzipSync(someLines(draw)));
    const sound = new Uint8Array(Buffer.concat(members));
    const bytes = draw.note("bytes", draw.once(4) ? sound : mutated(draw, sound));
    const expected = decompressed(bytes);
    const offset = draw.once(3) ? 1 + draw.below(200) : 0;
    const read = Effect.gen(function* () {
      const of = { source: "s", split: "p", path: "p", position: offset };
      const reader = yield* gzipBytes(of, fileOf(bytes), offset);
      const into = new Uint8Array(1 + draw.below(9_000));
      const parts: Array<Uint8Array> = [];
      for (let count = 1; count > 0;) {
        count = yield* reader.read(into);
        parts.push(into.slice(0, count));
      }
      return new Uint8Array(Buffer.concat(parts));
    });
    const result = await Effect.runPromise(Effect.result(Effect.scoped(read)));
    if (Result.isFailure(result)) {
      const mayStart = expected !== null && !leavesOut(bytes, expected) &&
        (offset === 0 || offset === expected.length || (offset < expected.length && expected[offset - 1] === 10));
      assert.ok(!mayStart, `a sound file is refused: ${result.failure.message}`);
      throw result.failure;
    }
    assert.ok(expected !== null, "a damaged file is accepted");
    assert.ok(sameBytes(result.success, expected.subarray(offset)), "other bytes come out");
    return "accepted";
  },
};

const eventBytesMax = 300;

/** Feeds events in pieces. */
const eventsOf = (bytes: Uint8Array, pieceOf: () => number): Array<ServerEvent> => {
  const parser = new ServerEvents(eventBytesMax);
  const events: Array<ServerEvent> = [];
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + pieceOf());
    events.push(...parser.feed(piece));
    at += piece.length;
  }
  return events;
};

/** Event streams. */
export const serverEvents: Target = {
  name: "server-events",
  about: "bytes in pieces of any size to the parser of server-sent events",
  rejects: [],
  share: 0.5,
  check: (draw) => {
    const fields = (): string =>
      draw.list(
        4,
        () => `${draw.oneOf(["data", "id", "event", "retry", "", "x"])}${draw.oneOf([": ", ":", ""])}${text(draw)}`,
      )
        .join(draw.oneOf(["\n", "\r\n", "\r"]));
    const sound = new TextEncoder().encode(draw.list(4, fields).join("\n\n") + draw.oneOf(["", "\n\n", "\r\r"]));
    const bytes = draw.note("bytes", draw.once(3) ? sound : mutated(draw, sound));
    const whole = eventsOf(bytes, () => bytes.length);
    const leastPiece = Math.ceil(bytes.length / 300);
    const pieceMax = draw.oneOf([1, 5, 100]);
    assert.deepEqual(eventsOf(bytes, () => leastPiece + draw.below(pieceMax)), whole);
    let rejected = 0;
    for (const { data } of whole) {
      if (data instanceof Rejected) rejected++;
      else assert.ok(data === null || data.length <= eventBytesMax);
    }
    assert.ok(whole.length <= bytes.length);
    return rejected === 0 ? "accepted" : "accepted, with rejected events";
  },
};

const decodeBody = bodyDecoder(Schema.Struct({ id: Schema.String, n: Schema.Unknown }), 5_000);

/** Bodies of requests. */
export const bodies: Target = {
  name: "bodies",
  about: "bytes to the decoder of requests' bodies, as JSON and as lines",
  rejects: [],
  share: 0.5,
  check: (draw) => {
    const format = draw.oneOf(["json", "ndjson"]);
    const value = draw.list(4, () => draw.once(3) ? json(draw) : { id: text(draw), n: json(draw) });
    const sound = format === "ndjson" ? someLines(draw) : new TextEncoder().encode(JSON.stringify(value));
    const bytes = draw.note("bytes", draw.once(3) ? sound : mutated(draw, sound));
    const { records, rejected, rejectedCount } = decodeBody(format, bytes);
    assert.equal(records.filter((record) => record instanceof Rejected).length, rejectedCount);
    assert.ok(rejected.length <= rejectedCount && rejected.every(({ reason }) => reason.length > 0));
    if (format === "ndjson") assert.ok(records.length <= linesOf(bytes).length);
    return rejectedCount === 0 ? "accepted" : "accepted, with rejected records";
  },
};
