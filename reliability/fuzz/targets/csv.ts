/**
 * The cutter of CSV: it finds the same records however the bytes are handed in, and can be begun after any of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { rejectedBytesMax } from "../../../src/streams/source.ts";
import { blockBytes } from "../../../src/streams/sources/formats/lines.ts";
import { Rows } from "../../../src/streams/sources/formats/rows.ts";
import type { Draw } from "../draw.ts";
import { mutated } from "../mutate.ts";
import type { Target } from "../target.ts";
import { text } from "../values.ts";

/** Records as RFC 4180 writes them, every field in quotes. */
const written = (records: ReadonlyArray<ReadonlyArray<string>>, ending: string): string =>
  records.map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",")).join(ending);

/** A record to the eye. */
type Seen = readonly [position: number, cells: ReadonlyArray<string> | null, problem: string, length: number];

/** Cuts bytes that are handed in in pieces. */
const cut = (bytes: Uint8Array, from: number, recordBytesMax: number, pieceOf: () => number): Array<Seen> => {
  const rows = new Rows(from, ",", recordBytesMax);
  const seen: Array<Seen> = [];
  let at = from;
  while (!rows.ended) {
    while (rows.next()) {
      const { cells, problem } = rows;
      assert.ok((cells === null) !== (problem === null), "a record has fields, or something is wrong with it");
      assert.ok(rows.raw().length <= Math.min(rejectedBytesMax, rows.rawLength));
      seen.push([rows.position, cells, problem?.words ?? "", rows.rawLength]);
    }
    if (rows.ended) break;
    const piece = bytes.subarray(at, at + Math.min(blockBytes, pieceOf()));
    rows.space().set(piece);
    rows.filled(piece.length);
    at += piece.length;
  }
  return seen;
};

const check = (draw: Draw): string => {
  const records = draw.list(5, () => Array.from({ length: 1 + draw.below(3) }, () => text(draw).toWellFormed()));
  const ending = draw.oneOf(["\n", "\r\n"]);
  const sound = new TextEncoder().encode(`${written(records, ending)}${draw.once(3) ? "" : ending}`);
  const isSound = draw.once(3);
  const bytes = draw.note("bytes", isSound ? sound : mutated(draw, sound));
  const recordBytesMax = isSound ? 100_000 : draw.oneOf([5, 60, 5_000]);
  const whole = cut(bytes, 0, recordBytesMax, () => blockBytes);
  if (isSound) assert.deepEqual(whole.map(([, cells]) => cells), records);
  // A byte at a time would take for ever where there are many of them.
  const leastPiece = Math.ceil(bytes.length / 300);
  const pieceMax = draw.oneOf([1, 5, 100, 4_096]);
  assert.deepEqual(cut(bytes, 0, recordBytesMax, () => leastPiece + draw.below(pieceMax)), whole, "in pieces");
  if (whole.length > 0) {
    const first = draw.below(whole.length);
    const rest = cut(bytes, whole[first][0], recordBytesMax, () => blockBytes);
    assert.deepEqual(rest, whole.slice(first + 1), "from a position");
  }
  const fields = whole.reduce((sum, [, cells]) => sum + (cells ?? []).join("").length, 0);
  assert.ok(fields <= bytes.length, "more came out than went in");
  return whole.every(([, cells]) => cells !== null) ? "accepted" : "accepted, with rejected records";
};

/** Bytes to {@link Rows}, in pieces of any size. */
export const csv: Target = {
  name: "csv",
  about: "bytes in pieces of any size, from any position, to the cutter of CSV",
  rejects: [],
  share: 0.5,
  check,
};
