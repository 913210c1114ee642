import { Effect, type Scope } from "effect";
import assert from "node:assert/strict";
import { serialize } from "node:v8";
import fc from "fast-check";
import {
  compactionFanIn,
  compactionSegmentsMax,
  mergeDeltas,
  planCompaction,
  smallestTierBytes,
} from "../src/kv-state/compaction.ts";
import { type Delta, inRowOrder } from "../src/kv-state/delta.ts";
import { DeltaPacker, splitDelta, unpackDeltas } from "../src/kv-state/delta-codec.ts";
import { denoKv } from "../src/kv-state/deno-kv.ts";
import { IncompatibleState, KvError, StateCorrupted } from "../src/kv-state/errors.ts";
import { type Key, keyHash, keyId } from "../src/kv-state/key.ts";
import type { Kv, KvKey, KvProvider } from "../src/kv-state/kv.ts";
import {
  commitChecksMax,
  commitMutationsMax,
  getManyKeysMax,
  keyBytes,
  valueBytesMax,
} from "../src/kv-state/kv-limits.ts";
import { decodeManifest, encodeManifest, type Manifest, manifestVersion } from "../src/kv-state/manifest.ts";
import { seal, unseal } from "../src/kv-state/seal.ts";
import {
  blockBytesMax,
  blockRowsMax,
  chunkKey,
  chunkPayloadBytesMax,
  outputBlockRowsMax,
  packRows,
  readSegment,
  SegmentPacker,
  type SegmentRef,
} from "../src/kv-state/segment.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { changesOf, changesSequence, LiveState, RestoredState } from "./state_model.ts";

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect));

/** Runs a test against the in-memory store and against Deno KV in a file. */
const onEveryStore = (name: string, body: (provider: KvProvider, location: string) => Promise<void>): void => {
  Deno.test(`${name} (in memory)`, () => body(memoryKv(), "store"));
  Deno.test(`${name} (Deno KV)`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await body(denoKv, `${folder}/state/job.kv`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
};

const set = (key: KvKey, value: unknown) => ({ type: "set" as const, key, value });
const keysOf = (entries: ReadonlyArray<{ readonly key: KvKey }>) => entries.map(({ key }) => key);

onEveryStore("a store opened again holds what was committed before it was closed", async (provider, location) => {
  await run(
    Effect.flatMap(provider.open(location), (kv) => kv.commit({ checks: [], mutations: [set(["a"], { n: 1 })] })),
  );
  const entry = await run(Effect.flatMap(provider.open(location), (kv) => kv.get(["a"])));
  assert.deepEqual(entry?.value, { n: 1 });
});

onEveryStore(
  "a commit whose check does not hold returns null and changes nothing",
  (provider, location) =>
    run(Effect.gen(function* () {
      const kv = yield* provider.open(location);
      const first = yield* kv.commit({ checks: [{ key: ["a"], versionstamp: null }], mutations: [set(["a"], 1)] });
      assert.ok(first !== null);
      assert.equal(
        yield* kv.commit({ checks: [{ key: ["a"], versionstamp: null }], mutations: [set(["b"], 1)] }),
        null,
      );
      assert.equal(yield* kv.get(["b"]), null);
      const second = yield* kv.commit({ checks: [{ key: ["a"], versionstamp: first }], mutations: [set(["a"], 2)] });
      assert.ok(second !== null && second > first);
      assert.deepEqual((yield* kv.getMany([["b"], ["a"]])).map((entry) => entry?.value), [undefined, 2]);
    })),
);

onEveryStore("keys are listed in Deno KV's order, part by part", (provider, location) =>
  run(Effect.gen(function* () {
    const kv = yield* provider.open(location);
    const sorted: Array<KvKey> = [
      ["p", ""],
      ["p", "", 1],
      ["p", "a"],
      ["p", "a", "b"],
      ["p", "a", -1],
      ["p", "a\0b"],
      ["p", "ab"],
      ["p", "é"],
      ["p", "\u{ffff}"],
      ["p", "\u{10000}"],
      ["p", -Infinity],
      ["p", -1.5],
      ["p", -1],
      ["p", 0],
      ["p", 0.5],
      ["p", 2],
      ["p", 10],
      ["p", 10, "x"],
      ["p", Infinity],
    ];
    yield* kv.commit({ checks: [], mutations: [...sorted, ["o"], ["q", 1]].reverse().map((key) => set(key, 1)) });
    assert.deepEqual(keysOf(yield* kv.list({ prefix: ["p"] }, 100)), sorted);
    assert.deepEqual(keysOf(yield* kv.list({ prefix: ["p"] }, 3)), sorted.slice(0, 3));
    assert.deepEqual(keysOf(yield* kv.list({ prefix: ["p"], start: ["p", 0] }, 100)), sorted.slice(13));
    assert.deepEqual(keysOf(yield* kv.list({ prefix: ["p"], end: ["p", "a", -1] }, 100)), sorted.slice(0, 4));
    assert.deepEqual(
      keysOf(yield* kv.list({ prefix: ["p"], start: ["p", "a"], end: ["p", 2] }, 100)),
      sorted.slice(2, 15),
    );
    assert.deepEqual(keysOf(yield* kv.list({ prefix: ["p", "a"] }, 100)), [["p", "a", "b"], ["p", "a", -1]]);
  })));

onEveryStore("limits are refused with a typed error", (provider, location) =>
  run(Effect.gen(function* () {
    const kv = yield* provider.open(location);
    const refused = function* (commit: Parameters<Kv["commit"]>[0]) {
      const error = yield* Effect.flip(kv.commit(commit));
      assert.ok(error instanceof KvError);
      assert.equal(error.retryable, false);
      assert.match(error.message, /^Cannot commit/);
    };
    yield* refused({ checks: [], mutations: [set(["a"], new Uint8Array(valueBytesMax + 1))] });
    yield* refused({
      checks: [],
      mutations: Array.from({ length: commitMutationsMax + 1 }, (_, i) => set(["a", i], 1)),
    });
    yield* refused({
      checks: [],
      mutations: Array.from({ length: 14 }, (_, i) => set(["a", i], new Uint8Array(60_000))),
    });
    assert.ok((yield* kv.commit({ checks: [], mutations: [set(["a"], new Uint8Array(valueBytesMax))] })) !== null);
  })));

Deno.test("the in-memory store keeps a remote store's lower limits", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const key = (_: unknown, i: number): KvKey => ["a", i];
    const checks = Array.from({ length: commitChecksMax + 1 }, (_, i) => ({ key: key(_, i), versionstamp: null }));
    assert.ok((yield* Effect.flip(kv.commit({ checks, mutations: [] }))) instanceof KvError);
    assert.ok((yield* Effect.flip(kv.getMany(Array.from({ length: getManyKeysMax + 1 }, key)))) instanceof KvError);
  })));

Deno.test("a failed commit was applied or not as the test asked, and a crashed store stays dead until it is opened again", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const fates = ["fail-before", "fail-after", "ok", "crash-after"] as const;
    provider.onCommit((index) => fates[index] ?? "ok");
    const kv = yield* provider.open("store");
    for (const key of ["a", "b", "c", "d"]) {
      yield* Effect.exit(kv.commit({ checks: [], mutations: [set([key], 1)] }));
    }
    assert.equal((yield* Effect.flip(kv.get(["a"]))).operation, "crashed");
    const again = yield* provider.open("store");
    assert.deepEqual(keysOf(yield* again.list({ prefix: [] }, 10)), [["b"], ["c"], ["d"]]);
    assert.equal(provider.commits(), 4);
  })));

Deno.test("the in-memory store shares no memory with its users", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const bytes = new Uint8Array([1]);
    yield* kv.commit({ checks: [], mutations: [set(["a"], bytes)] });
    bytes[0] = 2;
    (((yield* kv.get(["a"]))!.value) as Uint8Array)[0] = 3;
    assert.deepEqual((yield* kv.get(["a"]))!.value, new Uint8Array([1]));
  })));

Deno.test("Deno KV's errors say what was being done", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/file`, "");
    const error = await run(Effect.flip(denoKv.open(`${folder}/file/job.kv`)));
    assert.ok(error instanceof KvError);
    assert.match(error.message, /^Cannot open the key-value store .*job\.kv: /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the bytes of a key are counted as Deno KV encodes them", () => {
  assert.equal(keyBytes(["ab", 1]), 4 + 9);
  assert.equal(keyBytes(["é\0"]), 2 + 2 + 2);
});

// Seals and segments

// A key whose hash changed would be looked for in another keyed partition than the one that holds its state.
Deno.test("the hash of a key is part of the stored format: it is what it has always been", () => {
  const hashes: ReadonlyArray<readonly [key: Key, hash: number]> = [
    ["", 2_872_998_923],
    ["a", 444_641_715],
    ["Zürich", 2_490_234_560],
    ["\0", 1_457_945_324],
    [0, 0],
    [-0, 0],
    [1, 2_592_644_834],
    [-1.5, 2_006_645_266],
    [NaN, 1_463_394_195],
    [1n, 3_032_445_498],
    [true, 2_399_565_977],
    [new Uint8Array([1, 255]), 3_757_922_833],
    [["a", 1, [true]], 4_212_084_883],
    [["a", 1.5, 2 ** 31], 4_244_825_648],
    [[-1, 65_536], 2_989_574_762],
  ];
  for (const [key, hash] of hashes) assert.equal(keyHash(keyId(key)), hash, String(key));
});

Deno.test("a seal notices every flipped bit, every cut, and another name", () => {
  const payload = new Uint8Array([0, 1, 2, 253, 254, 255]);
  const { bytes } = seal("a/1", 1, payload);
  const opened = unseal("a/1", bytes);
  assert.ok(typeof opened !== "string");
  assert.deepEqual([...opened.payload], [...payload]);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(typeof unseal("a/1", flipped), "string", `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(typeof unseal("a/1", bytes.slice(0, length)), "string");
  }
  assert.equal(typeof unseal("a/2", bytes), "string");
  assert.equal(typeof unseal("a/1", "bytes"), "string");
});

const name = { epoch: 3, claim: "c0ffee", attempt: 2, part: 1 };

/** Stores one segment, a chunk at a time. */
const store = function* (kv: Kv, packer: SegmentPacker, chunks: Iterable<{ key: KvKey; value: Uint8Array }>) {
  for (const { key, value } of chunks) yield* kv.commit({ checks: [], mutations: [set(key, value)] });
  return packer.ref()!;
};

const deltasOf = (kv: Kv, ref: SegmentRef) =>
  Effect.gen(function* () {
    const blocks: Array<Array<Delta>> = [];
    yield* readSegment(kv, "job", ref, (block) => void blocks.push(block), unpackDeltas);
    return blocks;
  });

const blocksOf = (kv: Kv, ref: SegmentRef) =>
  Effect.gen(function* () {
    const blocks: Array<unknown> = [];
    yield* readSegment(kv, "job", ref, (block) => void blocks.push(block));
    return blocks;
  });

onEveryStore(
  "a value larger than one stored value comes back whole",
  (provider, location) =>
    run(Effect.gen(function* () {
      const kv = yield* provider.open(location);
      const packer = new SegmentPacker("job", name);
      const large = {
        bytes: new Uint8Array(25 * chunkPayloadBytesMax).map((_, i) => i % 251),
        at: new Date(5),
        big: 7n,
      };
      const ref = yield* store(kv, packer, [...packer.pack(large), ...packer.pack("small")]);
      assert.equal(ref.chunks, 27);
      assert.deepEqual(yield* blocksOf(kv, ref), [large, "small"]);
    })),
);

Deno.test("missing, swapped and foreign chunks are reported with the segment's name", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const kv = yield* provider.open("store");
    const packer = new SegmentPacker("job", name);
    const ref = yield* store(kv, packer, packer.pack(new Uint8Array(3 * chunkPayloadBytesMax)));
    const other = new SegmentPacker("job", { ...name, part: 2 });
    const otherRef = yield* store(kv, other, other.pack(new Uint8Array(3 * chunkPayloadBytesMax)));
    const broken = function* () {
      const error = yield* Effect.flip(blocksOf(kv, ref));
      assert.ok(error instanceof StateCorrupted);
      assert.equal(error.segment, "3/c0ffee/2/1");
      assert.match(error.message, /^Cannot read segment 3\/c0ffee\/2\/1 of job "job" as it is damaged: /);
    };
    const first = (yield* kv.get(chunkKey("job", ref, 0)))!.value;
    const second = (yield* kv.get(chunkKey("job", ref, 1)))!.value;
    for (const wrong of [second, (yield* kv.get(chunkKey("job", otherRef, 0)))!.value, "text", new Uint8Array(3)]) {
      provider.tamper("store", chunkKey("job", ref, 0), () => wrong);
      yield* broken();
    }
    provider.tamper("store", chunkKey("job", ref, 0), () => first);
    assert.equal((yield* blocksOf(kv, ref)).length, 1);
    yield* kv.commit({ checks: [], mutations: [{ type: "delete", key: chunkKey("job", ref, 2) }] });
    yield* broken();
    assert.ok((yield* Effect.flip(blocksOf(kv, { ...otherRef, checksum: 0 }))) instanceof StateCorrupted);
  })));

Deno.test("rows are packed in blocks of bounded rows and bytes", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const check = function* (part: number, rows: ReadonlyArray<unknown>) {
      const packer = new SegmentPacker("job", { ...name, part });
      const blocks = (yield* blocksOf(kv, yield* store(kv, packer, packRows(packer, rows)))) as Array<Array<unknown>>;
      assert.deepEqual(blocks.flat(), rows);
      for (const block of blocks) {
        assert.ok(block.length <= outputBlockRowsMax);
        assert.ok(block.length === 1 || serialize(block).byteLength <= blockBytesMax);
      }
    };
    yield* check(1, Array.from({ length: 2 * outputBlockRowsMax + 1 }, (_, i) => i));
    const text = "x".repeat(700_000);
    yield* check(2, [...Array.from({ length: 9 }, (_, i) => `${i}${text}`), text.repeat(8)]);
  })));

// Deltas

const wide = (rows: number): Delta => ({
  table: "counts",
  partition: 1,
  namespace: 60_000,
  dropped: false,
  firstNewRow: 2,
  newKeys: Array.from({ length: rows - 2 }, (_, i) => `key ${i}`),
  rows: Uint32Array.from({ length: rows }, (_, i) => rows - 1 - i),
  width: 2,
  numbers: Float64Array.from({ length: 2 * rows }, (_, i) => i / 3),
  objects: Array.from({ length: rows }, (_, i) => [{ i }, [i]]),
  removed: new Uint32Array([1, 5]),
});

Deno.test("deltas come back from a segment as they were packed", () => {
  fc.assert(
    fc.property(changesSequence, (sequence) => {
      const deltas = new LiveState().epochs(sequence).flat();
      const packer = new SegmentPacker("job", name);
      const packed = new DeltaPacker(packer);
      for (const delta of deltas) assert.deepEqual([...packed.add(delta)], []);
      const [chunk] = [...packed.end()];
      if (deltas.length === 0) return assert.equal(chunk, undefined);
      const kv = { getMany: () => Effect.succeed([chunk]) } as unknown as Kv;
      assert.deepEqual(Effect.runSync(deltasOf(kv, packer.ref()!)), [deltas.map(inRowOrder)]);
    }),
    { numRuns: 50 },
  );
});

Deno.test("a delta of any size is cut by rows into parts that give the same state", () => {
  const old: Delta = { ...wide(4), firstNewRow: 0, newKeys: ["a", "b"], rows: new Uint32Array(0), objects: [] };
  const before = { ...old, numbers: new Float64Array(0), removed: new Uint32Array(0) };
  for (const rows of [2, 3, 10, 101]) {
    for (const weight of [1, 2, 3, 7, 50, 1_000]) {
      const delta = { ...wide(rows), removed: new Uint32Array(rows < 6 ? [1] : [1, 5]) };
      const parts = splitDelta(delta, weight);
      assert.deepEqual(RestoredState.of([before, ...parts]).contents(), RestoredState.of([before, delta]).contents());
    }
  }
});

Deno.test("a delta with more rows than a block holds is packed in bounded blocks", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const check = function* (part: number, delta: Delta) {
      const packer = new SegmentPacker("job", { ...name, part });
      const packed = new DeltaPacker(packer);
      const chunks = function* () {
        yield* packed.add(delta);
        yield* packed.end();
      };
      return yield* deltasOf(kv, yield* store(kv, packer, chunks()));
    };
    const keyed: Delta = {
      ...wide(3 * blockRowsMax),
      firstNewRow: 0,
      newKeys: Array.from({ length: 3 * blockRowsMax }, (_, i) => i),
    };
    const restored = yield* check(1, keyed);
    assert.ok(restored.length > 3);
    assert.deepEqual(RestoredState.of(restored.flat()).contents(), RestoredState.of([keyed]).contents());
    // Rows may bring their keys with them, as those of sessions do.
    const own: Delta = { ...wide(3 * blockRowsMax), firstNewRow: 0, newKeys: [] };
    const parts = (yield* check(2, own)).flat();
    assert.deepEqual(parts.flatMap(({ rows }) => [...rows]), [...inRowOrder(own).rows]);
    assert.deepEqual(parts.flatMap(({ objects }) => objects), inRowOrder(own).objects);
    // A few rows of very many numbers each are too much for one block, too.
    const heavy: Delta = {
      ...wide(4),
      firstNewRow: 0,
      newKeys: [1, 2, 3, 4],
      width: 200_000,
      numbers: new Float64Array(800_000).map((_, i) => i % 7),
    };
    const halves = yield* check(3, heavy);
    assert.deepEqual(halves.map((block) => block.map(({ numbers }) => numbers.length)), [[400_000], [400_000, 0]]);
  })));

Deno.test("rows that bring their keys with them leave nothing behind when they are gone", () => {
  const change = (rows: ReadonlyArray<number>, removed: ReadonlyArray<number>): Delta => ({
    ...wide(2),
    firstNewRow: 0,
    newKeys: [],
    rows: Uint32Array.from(rows),
    numbers: Float64Array.from({ length: 2 * rows.length }, (_, i) => i),
    objects: rows.map((row) => [`key ${row}`]),
    removed: Uint32Array.from(removed),
  });
  const deltas = [change([0, 1, 2], []), change([3], [0, 2]), change([], [1])];
  assert.deepEqual(mergeDeltas(deltas, true), [{ ...change([3], []), numbers: Float64Array.from([0, 1]) }]);
  // An older segment may still hold rows that were removed since.
  assert.deepEqual(mergeDeltas(deltas.slice(1), false), [change([3], [0, 1, 2])]);
});

Deno.test("merged deltas give the same state as their originals, the order of rows and namespaces included", () => {
  fc.assert(
    fc.property(changesSequence, fc.nat(), fc.nat(), (sequence, a, b) => {
      const epochs = new LiveState().epochs(sequence);
      const from = a % (epochs.length + 1);
      const to = from + b % (epochs.length + 1 - from);
      const merged = mergeDeltas(epochs.slice(from, to).flat(), from === 0);
      const compacted = [...epochs.slice(0, from).flat(), ...merged, ...epochs.slice(to).flat()];
      assert.deepEqual(RestoredState.of(compacted).contents(), RestoredState.of(epochs.flat()).contents());
      if (from === 0) assert.ok(merged.every((delta) => !delta.dropped));
      for (const { rows, removed } of merged) assert.ok(removed.every((row) => !rows.includes(row)));
      // Merging again changes nothing, whatever was merged before.
      const twice = mergeDeltas([...epochs.slice(0, from).flat(), ...merged], true);
      assert.deepEqual(
        RestoredState.of([...twice, ...epochs.slice(to).flat()]).contents(),
        RestoredState.of(epochs.flat()).contents(),
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("a namespace that was dropped and created again is merged to a tombstone and its new rows", () => {
  const state = new LiveState();
  state.change(
    changesOf([{ do: "put", namespace: 0, key: 1, value: 1 }, { do: "put", namespace: 0, key: 2, value: 1 }]),
  );
  const first = state.takeDeltas();
  state.change(changesOf([{ do: "drop", namespace: 0 }, { do: "put", namespace: 0, key: 3, value: 2 }]));
  const merged = mergeDeltas(state.takeDeltas(), false);
  assert.deepEqual(merged.map(({ dropped, firstNewRow, newKeys }) => ({ dropped, firstNewRow, newKeys })), [
    { dropped: true, firstNewRow: 0, newKeys: [] },
    { dropped: false, firstNewRow: 0, newKeys: [3] },
  ]);
  assert.deepEqual(RestoredState.of([...first, ...merged]).contents(), state.contents());
  assert.equal(mergeDeltas([...first, ...merged], true).length, 1);
});

Deno.test("deltas of many rows are merged like any others", () => {
  // Every second row in one epoch, every third in the next, and so on: far more than are merged at a time.
  const rows = 100_000;
  const epoch = (stride: number): Delta => {
    const changed = Uint32Array.from({ length: Math.ceil(rows / stride) }, (_, k) => k * stride);
    return {
      ...wide(2),
      firstNewRow: 0,
      newKeys: stride === 1 ? Array.from({ length: rows }, (_, k) => k) : [],
      rows: changed,
      numbers: Float64Array.from(changed, () => stride).subarray(0),
      width: 1,
      objects: [],
      removed: new Uint32Array(0),
    };
  };
  const [merged, ...others] = mergeDeltas([1, 2, 3, 5, 7].map(epoch), true);
  assert.deepEqual(others, []);
  assert.equal(merged.newKeys.length, rows);
  const last = (row: number): number => [7, 5, 3, 2, 1].find((stride) => row % stride === 0)!;
  assert.ok(merged.rows.every((row, k) => row === k && merged.numbers[k] === last(row)));
});

Deno.test("deltas with a gap between their new rows are not merged", () => {
  const delta = (firstNewRow: number): Delta => ({
    ...wide(3),
    firstNewRow,
    newKeys: ["a"],
    rows: new Uint32Array([firstNewRow]),
  });
  assert.throws(() => mergeDeltas([delta(0), delta(2)], true), RangeError);
});

Deno.test("however large epochs are, compaction keeps the number of segments bounded and rewrites little", () => {
  const bound = 5 * compactionFanIn;
  const epochs = 600;
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 6, max: 24 }), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      (logs, shrinks) => {
        let segments: Array<SegmentRef> = [];
        let written = 0;
        let rewritten = 0;
        for (let epoch = 0; epoch < epochs; epoch++) {
          const bytes = Math.round(2 ** logs[epoch % logs.length]);
          written += bytes;
          segments.push({ ...name, epoch, chunks: 1, bytes, checksum: 0 });
          for (let plan = planCompaction(segments); plan !== null; plan = planCompaction(segments)) {
            const { from, to } = plan;
            assert.ok(to - from >= 2 && to - from <= compactionSegmentsMax);
            const merged = segments.slice(from, to);
            const sum = merged.reduce((total, segment) => total + segment.bytes, 0);
            const size = shrinks ? Math.max(...merged.map((segment) => segment.bytes)) : sum;
            rewritten += size;
            segments = [...segments.slice(0, from), { ...merged[0], bytes: size }, ...segments.slice(to)];
          }
          assert.ok(segments.length <= bound, `${segments.length} segments`);
        }
        // What fits one chunk is rewritten freely: it costs the same however small it is.
        assert.ok(
          rewritten <= 6 * written + epochs / compactionFanIn * smallestTierBytes,
          `${rewritten / written} times`,
        );
      },
    ),
    { numRuns: 60 },
  );
});

// The manifest

const manifest: Manifest = {
  job: "job",
  lineage: "11",
  epoch: 9,
  claim: "22",
  attempt: 4,
  keyedPartitions: 32,
  fingerprints: { count: "v1" },
  control: { ...name, chunks: 1, bytes: 70, checksum: 1 },
  state: [{ ...name, claim: "old", chunks: 3, bytes: 170_000, checksum: 4_294_967_295 }],
  sinks: new Map([["out", {
    published: 7,
    publishedRows: 3,
    publishedBytes: 30,
    committedRows: 5,
    committedBytes: 50,
  }]]),
  outbox: [
    { epoch: 8, sink: "out", rows: 1, bytes: 10, segment: { ...name, part: 2, chunks: 1, bytes: 30, checksum: 5 } },
    { epoch: 9, sink: "out", rows: 1, bytes: 10, segment: null },
  ],
};

Deno.test("a manifest comes back as it was written", async () => {
  const encoded = encodeManifest(manifest);
  assert.deepEqual(await Effect.runPromise(decodeManifest("job", encoded)), manifest);
});

Deno.test("a manifest of another version, shape or kind is refused with the rule and both values", async () => {
  const refused = async (value: unknown) => {
    const error = await Effect.runPromise(Effect.flip(decodeManifest("job", value)));
    assert.ok(error instanceof IncompatibleState);
    return error;
  };
  const sealed = (json: unknown) => seal("job/manifest", 0, new TextEncoder().encode(JSON.stringify(json))).bytes;
  const version = await refused(sealed({ version: 1, anything: true }));
  assert.equal(version.stored, 1);
  assert.equal(version.current, manifestVersion);
  assert.match(version.message, /stored is 1, current is 2$/);
  await refused(sealed({ version: manifestVersion }));
  await refused(sealed(null));
  await refused({ some: "object" });
});

Deno.test("a damaged manifest is corrupted state", async () => {
  const encoded = encodeManifest(manifest) as Uint8Array;
  for (let at = 0; at < encoded.length; at++) {
    const damaged = encoded.slice();
    damaged[at] ^= 1 << (at % 8);
    const error = await Effect.runPromise(Effect.flip(decodeManifest("job", damaged)));
    assert.ok(error instanceof StateCorrupted);
  }
});

Deno.test("a manifest that does not fit one value is refused, and says what fills it", () => {
  const outbox = Array.from({ length: 3_000 }, (_, epoch) => ({ ...manifest.outbox[0], epoch }));
  const error = encodeManifest({ ...manifest, outbox });
  assert.ok(error instanceof KvError);
  assert.equal(error.retryable, false);
  assert.match(error.message, /3000 unpublished outputs/);
  assert.ok(encodeManifest({ ...manifest, outbox: outbox.slice(0, 1_000) }) instanceof Uint8Array);
});
