/**
 * What is stored: seals, segments, blocks of deltas and manifests.
 *
 * @module
 */
import { Effect, Result } from "effect";
import assert from "node:assert/strict";
import { deserialize, serialize } from "node:v8";
import { droppedDelta } from "../../../src/kv-state/accumulator-table.ts";
import type { Delta } from "../../../src/kv-state/delta.ts";
import { DeltaPacker, unpackDeltas, weightOf } from "../../../src/kv-state/delta-codec.ts";
import type { Kv } from "../../../src/kv-state/kv.ts";
import { valueBytesMax } from "../../../src/kv-state/kv-limits.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../../../src/kv-state/manifest.ts";
import { seal, sealBytes, unseal } from "../../../src/kv-state/seal.ts";
import { packRows, readSegment, rowsOf, SegmentPacker, type SegmentRef } from "../../../src/kv-state/segment.ts";
import type { Draw } from "../draw.ts";
import { mutated, sameBytes } from "../mutate.ts";
import type { Target } from "../target.ts";
import { clonable, json, key, number, text } from "../values.ts";

/** Runs what needs no waiting, and throws its error. */
const runSync = <A, E>(effect: Effect.Effect<A, E>): A => {
  const result = Effect.runSync(Effect.result(effect));
  if (Result.isFailure(result)) throw result.failure;
  return result.success;
};

/** Damaged sealed bytes under a seal. */
export const seals: Target = {
  name: "seal",
  about: "damaged sealed bytes, and sound ones under another name, to the seal",
  rejects: [],
  check: (draw) => {
    const payload = draw.bytes(40);
    const identity = text(draw);
    const { bytes } = seal(identity, draw.below(256), payload);
    const stored = draw.note(
      "stored",
      draw.once(6) ? bytes : mutated(draw, bytes, seal("other", 0, draw.bytes(9)).bytes),
    );
    const name = draw.once(5) ? text(draw) : identity;
    const opened = unseal(name, stored);
    if (typeof opened === "string") {
      assert.ok(!sameBytes(stored, bytes) || name !== identity, "what was sealed is refused");
      return "refused in words";
    }
    // A lone surrogate has no UTF-8 of its own, so two names that differ in that alone share their seals.
    assert.ok(
      sameBytes(stored, bytes) && name.toWellFormed() === identity.toWellFormed(),
      "what was never sealed is accepted",
    );
    assert.ok(sameBytes(opened.payload, payload));
    return "accepted";
  },
};

/** A store of one segment, whose values can be damaged. */
const storeOf = (values: ReadonlyArray<unknown>): Kv => ({
  get: () => Effect.die("not asked for"),
  list: () => Effect.die("not asked for"),
  commit: () => Effect.die("not asked for"),
  getMany: (keys) =>
    Effect.sync(() =>
      keys.map((key) => {
        const value = values[key[key.length - 1] as number];
        return value === undefined ? null : { key, value, versionstamp: "1" };
      })
    ),
});

/** Damages the stored values of a segment: bytes of one, or which there are. */
const damaged = (draw: Draw, values: ReadonlyArray<Uint8Array>): Array<unknown> => {
  const stored: Array<unknown> = values.slice();
  const at = draw.below(values.length);
  switch (draw.below(8)) {
    case 0:
      stored[at] = undefined;
      return stored;
    case 1:
      stored[at] = clonable(draw, 1);
      return stored;
    case 2:
      stored[at] = values[draw.below(values.length)];
      return stored;
    case 3:
      return stored;
    default:
      stored[at] = draw.note("chunk", mutated(draw, values[at], values[draw.below(values.length)]));
      return stored;
  }
};

const rowsTarget = (draw: Draw): string => {
  // Long rows make several chunks, long lists several blocks.
  const long = draw.once(40) ? "x".repeat(70_000 + draw.below(60_000)) : "";
  const rows = draw.list(5, () => clonable(draw, 2));
  if (long !== "") rows.push(long);
  const packer = new SegmentPacker("job", { epoch: 1, claim: "c", attempt: 1, part: 2 });
  const values = [...packRows(packer, rows)].map(({ value }) => value);
  const sound = packer.ref();
  if (sound === null) {
    assert.equal(rows.length, 0);
    return "accepted";
  }
  const stored = damaged(draw, values);
  const ref: SegmentRef = draw.once(8)
    ? { ...sound, [draw.oneOf(["chunks", "checksum", "epoch"])]: draw.below(9) }
    : sound;
  const isSound = stored.every((value, k) => value instanceof Uint8Array && sameBytes(value, values[k])) &&
    ref.chunks === sound.chunks && ref.checksum === sound.checksum && ref.epoch === sound.epoch;
  let read: Array<unknown> = [];
  try {
    runSync(readSegment(storeOf(stored), "job", ref, (block) => void (read = read.concat(block)), rowsOf));
  } catch (error) {
    assert.ok(!isSound, "what was packed is refused");
    throw error;
  }
  if (!isSound) assert.equal(ref.chunks, 0, "what was never packed is accepted"); // Nothing is no segment of a manifest.
  else assert.deepEqual(read, rows);
  return "accepted";
};

/** Rows of an outbox, in damaged chunks. */
export const rows: Target = {
  name: "rows",
  about: "rows of an outbox, in damaged, missing and swapped chunks, to the segment reader",
  rejects: ["StateCorrupted"],
  check: rowsTarget,
};

/** Deltas of tables that nobody keeps. */
const someDeltas = (draw: Draw): Array<Delta> =>
  draw.list(4, (): Delta => {
    const place = { table: text(draw), partition: draw.below(5), namespace: draw.oneOf([0, -60_000, 1e12, 8.64e15]) };
    if (draw.once(6)) return droppedDelta(place.table, place.partition, place.namespace);
    // As many as are cut into columns where they have one shape.
    const isShaped = draw.once(4);
    const rowCount = isShaped ? 8 + draw.below(3) : draw.below(5);
    const name = text(draw);
    const object = (): ReadonlyArray<unknown> =>
      isShaped
        ? [{ a: number(draw), [name]: draw.once(3) ? clonable(draw, 1) : 5 }]
        : draw.list(2, () => clonable(draw, 1));
    const width = draw.below(4);
    return {
      ...place,
      dropped: false,
      firstNewRow: draw.below(9),
      newKeys: draw.list(3, () => key(draw)),
      rows: Uint32Array.from({ length: rowCount }, (_, k) => k),
      width,
      numbers: Float64Array.from({ length: rowCount * width }, () => number(draw)),
      objects: draw.below(2) === 0 ? [] : Array.from({ length: rowCount }, object),
      removed: Uint32Array.from(new Set(draw.list(3, () => draw.word()))).sort(),
    };
  });

/** The bytes of blocks, put together. */
const packed = (deltas: ReadonlyArray<Delta>): Uint8Array => {
  const packer = new SegmentPacker("job", { epoch: 1, claim: "c", attempt: 1, part: 1 });
  const deltaPacker = new DeltaPacker(packer);
  const chunks = [...deltas.flatMap((delta) => [...deltaPacker.add(delta)]), ...deltaPacker.end()];
  return chunks.length === 0 ? new Uint8Array(0) : chunks[0].value.subarray(sealBytes);
};

/** What there is to compare of a delta: of the bits of NaN nothing is promised. */
const comparable = ({ numbers, ...others }: Delta) => ({ numbers: [...numbers], ...others });

/** The same without its values, of which damage may make what equals nothing. */
const columns = (
  { newKeys, objects, ...others }: Delta,
) => [newKeys.length, objects.length, comparable(others as Delta)];

/** Deltas, back and forth. */
export const deltas: Target = {
  name: "deltas",
  about: "deltas packed and unpacked, and bytes of any other kind to the unpacking",
  rejects: ["TypeError"],
  check: (draw) => {
    const sound = someDeltas(draw);
    const bytes = packed(sound);
    if (draw.once(3)) {
      if (bytes.length > 0) assert.deepEqual(unpackDeltas(bytes).map(comparable), sound.map(comparable));
      return "accepted";
    }
    if (bytes.length > 0 && draw.once(6)) {
      assert.throws(
        () => unpackDeltas(Uint8Array.from([...bytes, draw.word()])),
        TypeError,
        "more than a block is read",
      );
      return "refused in words";
    }
    const stored = draw.note("block", mutated(draw, bytes, packed(someDeltas(draw))));
    // What is accepted has whole columns: it can be packed and comes back.
    const unpacked = unpackDeltas(stored);
    for (const { numbers, rows, width } of unpacked) assert.ok(numbers.length === rows.length * width); // 0 is -0 here
    const entries = unpacked.reduce((sum, delta) => sum + weightOf(delta), 0);
    if (entries > 0 && entries < 1_000) {
      assert.deepEqual(unpackDeltas(packed(unpacked)).map(columns), unpacked.map(columns));
    }
    return "accepted";
  },
};

/** The names of segments and everything else that a manifest holds. */
const someManifest = (draw: Draw): Manifest => {
  const segment = (): SegmentRef => ({
    epoch: draw.below(100),
    claim: draw.oneOf(["aa", "bb", "cc"]),
    attempt: draw.below(9),
    part: draw.below(4),
    chunks: 1 + draw.below(9),
    bytes: draw.below(100_000),
    checksum: draw.word(),
  });
  const counts = (): number => draw.oneOf([0, 1, 77, 2 ** 40]);
  return {
    job: "job",
    lineage: text(draw),
    epoch: counts(),
    claim: text(draw),
    attempt: counts(),
    keyedPartitions: 1 + draw.below(64),
    fingerprints: Object.fromEntries(draw.list(3, () => [text(draw), text(draw)])),
    control: draw.once(4) ? null : segment(),
    state: draw.list(4, segment),
    sinks: new Map(draw.list(3, () =>
      [text(draw), {
        published: counts(),
        publishedRows: counts(),
        publishedBytes: counts(),
        committedRows: counts(),
        committedBytes: counts(),
      }] as const)),
    outbox: draw.list(3, () => ({
      epoch: counts(),
      sink: text(draw),
      rows: counts(),
      bytes: counts(),
      segment: draw.once(3) ? null : segment(),
    })),
  };
};

const wellFormed = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll(/\\ud[89a-f]../gi, "?"));

const encoded = (manifest: Manifest): Uint8Array => {
  const bytes = encodeManifest(manifest);
  assert.ok(bytes instanceof Uint8Array, "it does not fit");
  return bytes;
};

/** Damaged manifests. */
export const sealedManifests: Target = {
  name: "manifest",
  about: "damaged manifests, and those of other jobs, to the manifest decoder",
  rejects: ["StateCorrupted", "IncompatibleState"],
  check: (draw) => {
    const manifest = someManifest(draw);
    const bytes = encoded(manifest);
    const other = encoded(someManifest(draw));
    const stored = draw.note("stored", draw.once(4) ? bytes : mutated(draw, bytes, other));
    // Mixed up with the other one as a whole, it is a sound one.
    if (sameBytes(stored, other)) return "accepted";
    const job = draw.once(8) ? text(draw) : "job";
    const value = draw.once(20) ? clonable(draw) : stored;
    const read = runSync(decodeManifest(job, value));
    assert.ok(sameBytes(value as Uint8Array, bytes) && job === "job", "what was never written is accepted");
    assert.deepEqual(
      wellFormed({ ...read, sinks: [...read.sinks] }),
      wellFormed({ ...manifest, sinks: [...manifest.sinks] }),
    );
    return "accepted";
  },
};

/** Manifests that are damaged below their seal. */
export const resealedManifests: Target = {
  name: "manifest-json",
  about: "manifests whose JSON is damaged and sealed anew, as a bug would, to the manifest decoder",
  rejects: ["IncompatibleState"],
  check: (draw) => {
    const sound = JSON.parse(new TextDecoder().decode(encoded(someManifest(draw)).subarray(sealBytes)));
    let payload: Uint8Array;
    if (draw.once(3)) {
      payload = mutated(draw, new TextEncoder().encode(JSON.stringify(sound)));
    } else {
      // A value somewhere in it is another.
      let place = sound as Record<string, unknown>;
      for (;;) {
        const names = Object.keys(place);
        const name = names[draw.below(names.length)];
        const inner = place[name];
        if (typeof inner !== "object" || inner === null || Object.keys(inner).length === 0 || draw.once(4)) {
          place[name] = draw.once(3) ? json(draw, 1) : draw.oneOf([-1, 0.5, 1e300, 99, null, "", []]);
          break;
        }
        place = inner as Record<string, unknown>;
      }
      payload = new TextEncoder().encode(JSON.stringify(sound));
    }
    draw.note("json", payload);
    const read = runSync(decodeManifest("job", seal("job/manifest", 0, payload).bytes));
    if (payload.length > valueBytesMax - sealBytes) return "accepted, though no store would hold it";
    // What is accepted is whole: it can be written, and comes back.
    const again = encodeManifest(read);
    if (!(again instanceof Uint8Array)) return "accepted, though no store would hold it";
    assert.deepEqual(runSync(decodeManifest("job", again)), read);
    return "accepted";
  },
};

/** Values that come back from the blocks of a segment as they were. */
export const blocks: Target = {
  name: "blocks",
  about: "anything that can be stored, in a block and out again",
  rejects: [],
  check: (draw) => {
    const value = clonable(draw, 4);
    assert.deepEqual(deserialize(serialize(value)), value);
    return "accepted";
  },
};
