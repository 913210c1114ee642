import { Effect, Exit, type Scope } from "effect";
import assert from "node:assert/strict";
import fc from "fast-check";
import { claimKey } from "../src/exactly-once/claim.ts";
import { flipAttemptsMax } from "../src/exactly-once/commit.ts";
import { type CollectedEpoch, EpochCollector, type EpochShare } from "../src/exactly-once/epoch-collector.ts";
import type { EpochCommit, EpochOutput, EpochStore, UnpublishedOutput } from "../src/exactly-once/epoch-store.ts";
import { Fenced } from "../src/exactly-once/errors.ts";
import { inspect } from "../src/exactly-once/inspect.ts";
import { type DurableEpochStore, openEpochStore } from "../src/exactly-once/open-epoch-store.ts";
import { compactionFanIn } from "../src/kv-state/compaction.ts";
import { droppedDelta } from "../src/kv-state/accumulator-table.ts";
import type { Delta } from "../src/kv-state/delta.ts";
import { denoKv } from "../src/kv-state/deno-kv.ts";
import { IncompatibleState, KvError, StateCorrupted } from "../src/kv-state/errors.ts";
import type { Kv, KvCommit, KvProvider } from "../src/kv-state/kv.ts";
import { commitBytesMax } from "../src/kv-state/kv-limits.ts";
import { manifestKey } from "../src/kv-state/manifest.ts";
import { chunkPayloadBytesMax } from "../src/kv-state/segment.ts";
import { type CommitFate, type MemoryKv, memoryKv } from "../src/testing/memory-kv.ts";
import { type Change, changesSequence, LiveState, RestoredState } from "./state_model.ts";

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect));

/** Runs a test against the in-memory store and against Deno KV in a file. */
const onEveryStore = (name: string, body: (provider: KvProvider, location: string) => Promise<void>): void => {
  Deno.test(`${name} (in memory)`, () => body(memoryKv(), "store"));
  Deno.test(`${name} (Deno KV)`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await body(denoKv, `${folder}/job.kv`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
};

const options = { job: "job", keyedPartitions: 4, fingerprints: { count: "v1", sum: "v1" } };

const openAt = (provider: KvProvider, location: string) =>
  Effect.flatMap(provider.open(location), (kv) => openEpochStore(kv, options));

/** One new row a call, so that every epoch changes the state. */
const oneRow = (epoch: number): Delta => ({
  table: "counts",
  partition: 0,
  namespace: 0,
  dropped: false,
  firstNewRow: epoch - 1,
  newKeys: [`key ${epoch}`],
  rows: new Uint32Array([epoch - 1]),
  width: 1,
  numbers: new Float64Array([epoch]),
  objects: [],
  removed: new Uint32Array(0),
});

const rowsFor = (epoch: number, sink = "out"): EpochOutput => ({
  sink,
  rows: Array.from({ length: epoch }, (_, i) => ({ epoch, i })),
  bytes: 10 * epoch,
  outbox: true,
  published: false,
});

const nth = (epoch: number, outputs: ReadonlyArray<EpochOutput> = []): EpochCommit => ({
  epoch,
  control: { offset: 100 * epoch },
  deltas: [oneRow(epoch)],
  outputs,
});

const restored = (store: EpochStore) => {
  const state = new RestoredState();
  return Effect.map(store.restore((delta) => state.apply(delta)), () => state.contents());
};

const afterEpochs = (epochs: number): unknown =>
  RestoredState.of(Array.from({ length: epochs }, (_, i) => oneRow(i + 1))).contents();

/** Random bytes in effect: nothing that could be compressed or shared. */
const large = (bytes: number): Uint8Array => new Uint8Array(bytes).map((_, i) => (i * 2_654_435_761) >>> 24);

/** Waits until nothing is being compacted. */
const settle = (store: DurableEpochStore, done: number) =>
  Effect.gen(function* () {
    while (store.compactions().done + store.compactions().failed < done) yield* Effect.sleep(1);
  });

onEveryStore(
  "a job opened for the first time is at epoch 0 with nothing in it",
  (provider, location) =>
    run(Effect.gen(function* () {
      const kv = yield* provider.open(location);
      assert.equal(yield* inspect(kv, "job"), null);
      const store = yield* openEpochStore(kv, options);
      assert.deepEqual(store.recovered, { epoch: 0, control: undefined, segments: { count: 0, bytes: 0 } });
      assert.deepEqual(yield* restored(store), []);
      assert.deepEqual(store.unpublished(), []);
      assert.equal(store.epoch(), 0);
    })),
);

onEveryStore("a job opened again after its store was closed is where it was", async (provider, location) => {
  const before = await run(Effect.gen(function* () {
    const store = yield* openAt(provider, location);
    yield* store.commit(nth(1, [rowsFor(1)]));
    yield* store.commit(nth(2, [rowsFor(2), rowsFor(2, "side")]));
    return store;
  }));
  await run(Effect.gen(function* () {
    const store = yield* openAt(provider, location);
    assert.equal(store.recovered.epoch, 2);
    assert.deepEqual(store.recovered.control, { offset: 200 });
    assert.equal(store.lineage, before.lineage);
    assert.notEqual(store.claim, before.claim);
    assert.deepEqual(yield* restored(store), afterEpochs(2));
    assert.deepEqual(store.unpublished().map(({ epoch, sink, rows, offset }) => ({ epoch, sink, rows, offset })), [
      { epoch: 1, sink: "out", rows: 1, offset: { rows: 0, bytes: 0 } },
      { epoch: 2, sink: "out", rows: 2, offset: { rows: 1, bytes: 10 } },
      { epoch: 2, sink: "side", rows: 2, offset: { rows: 0, bytes: 0 } },
    ]);
    assert.deepEqual(yield* store.outbox(2, "out"), rowsFor(2).rows);
    yield* store.commit(nth(3));
    assert.equal(store.epoch(), 3);
  }));
});

Deno.test("an ordinary epoch is committed in one atomic, its outbox and the trimming of the last one included", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    for (let epoch = 1; epoch < compactionFanIn; epoch++) {
      const before = provider.commits();
      assert.equal((yield* store.commit(nth(epoch, [rowsFor(epoch)]))).atomics, 1);
      assert.equal(provider.commits(), before + 1);
      store.markPublished("out", epoch);
    }
    // The manifest, the claim, the control value, one outbox, and one segment an epoch.
    assert.equal(provider.entries("store").length, 4 + compactionFanIn - 1);
  })));

onEveryStore(
  "what was noted as published is recorded by the next commit or flush, and trimmed",
  (provider, location) =>
    run(Effect.gen(function* () {
      const kv = yield* provider.open(location);
      const store = yield* openEpochStore(kv, options);
      yield* store.commit(nth(1, [rowsFor(1), rowsFor(1, "side")]));
      yield* store.commit(nth(2, [rowsFor(2)]));
      store.markPublished("out", 1);
      assert.deepEqual(store.unpublished().map(({ epoch, sink }) => [epoch, sink]), [[1, "side"], [2, "out"]]);
      assert.equal(store.progress("out").published, 0);
      yield* store.commit(nth(3));
      assert.deepEqual(store.progress("out"), {
        published: 1,
        publishedOffset: { rows: 1, bytes: 10 },
        committedOffset: { rows: 3, bytes: 30 },
      });
      store.markPublished("out", 2);
      store.markPublished("side", 1);
      yield* store.flush;
      assert.deepEqual(store.unpublished(), []);
      assert.equal(store.progress("side").published, 1);
      // The manifest, the claim, the control value and three segments.
      assert.equal((yield* kv.list({ prefix: ["weir"] }, 100)).length, 6);
      const version = (yield* kv.get(manifestKey("job")))!.versionstamp;
      yield* store.flush;
      assert.equal((yield* kv.get(manifestKey("job")))!.versionstamp, version, "nothing to record, nothing written");
      assert.throws(() => store.markPublished("out", 4), RangeError);
      assert.ok(Exit.isFailure(yield* Effect.exit(store.outbox(1, "out"))));
    })),
);

Deno.test("output without an outbox is counted, and output that was already visible advances its sink", () =>
  run(Effect.gen(function* () {
    const store = yield* openAt(memoryKv(), "store");
    yield* store.commit(nth(1, [{ ...rowsFor(1), outbox: false }, { ...rowsFor(1, "console"), published: true }]));
    const unpublished: UnpublishedOutput = {
      epoch: 1,
      sink: "out",
      rows: 1,
      bytes: 10,
      outbox: false,
      offset: { rows: 0, bytes: 0 },
    };
    assert.deepEqual(store.unpublished(), [unpublished]);
    const { published, publishedOffset } = store.progress("console");
    assert.deepEqual({ published, publishedOffset }, { published: 1, publishedOffset: { rows: 1, bytes: 10 } });
    assert.equal(store.progress("unknown").published, 0);
    yield* store.commit(nth(2, [{ ...rowsFor(2), published: true }, { ...rowsFor(2, "empty"), rows: [] }]));
    assert.deepEqual(store.progress("out").publishedOffset, { rows: 3, bytes: 30 });
    assert.deepEqual(store.unpublished(), [], "an epoch without rows needs no publication");
    assert.match(String(yield* Effect.exit(store.commit(nth(3, [rowsFor(3), rowsFor(3)])))), /one output an epoch/);
  })));

Deno.test("several jobs share one store without seeing each other", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const first = yield* openEpochStore(kv, options);
    const second = yield* openEpochStore(kv, { ...options, job: "job2", keyedPartitions: 7 });
    yield* first.commit(nth(1));
    yield* second.commit(nth(1));
    yield* second.commit(nth(2));
    assert.equal((yield* inspect(kv, "job"))!.epoch, 1);
    assert.equal((yield* inspect(kv, "job2"))!.epoch, 2);
  })));

Deno.test("an epoch other than the next one is a defect", () =>
  run(Effect.gen(function* () {
    const store = yield* openAt(memoryKv(), "store");
    assert.match(String(yield* Effect.exit(store.commit(nth(2)))), /the epoch after 0 is 1: current value is 2/);
    yield* store.commit(nth(1));
    assert.match(String(yield* Effect.exit(store.commit(nth(1)))), /the epoch after 1 is 2: current value is 1/);
    assert.equal(store.epoch(), 1);
  })));

// Compatibility

Deno.test("state of other code or another number of keyed partitions is refused, and the owner is not disturbed", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const owner = yield* openEpochStore(kv, options);
    const refused = function* (changed: Partial<typeof options> | { fingerprints: Record<string, string> }) {
      const error = yield* Effect.flip(openEpochStore(kv, { ...options, ...changed }));
      assert.ok(error instanceof IncompatibleState);
      return [error.rule, error.stored, error.current];
    };
    assert.deepEqual(yield* refused({ keyedPartitions: 5 }), ["keyed partitions", 4, 5]);
    assert.deepEqual(yield* refused({ fingerprints: { count: "v1", sum: "v2" } }), ["operator changed", "v1", "v2"]);
    assert.deepEqual(yield* refused({ fingerprints: { count: "v1" } }), ["operator removed", "v1", undefined]);
    assert.deepEqual(yield* refused({ fingerprints: { count: "v1", sum: "v1", max: "v1" } }), [
      "operator added",
      undefined,
      "v1",
    ]);
    yield* owner.commit(nth(1));
  })));

// Claims

onEveryStore(
  "the commit of an owner that has lost its claim is fenced and changes nothing",
  (provider, location) =>
    run(Effect.gen(function* () {
      const kv = yield* provider.open(location);
      const zombie = yield* openEpochStore(kv, options);
      yield* zombie.commit(nth(1, [rowsFor(1)]));
      const owner = yield* openEpochStore(kv, options);
      const everything = () => Effect.map(kv.list({ prefix: [] }, 1_000), (entries) => entries);
      const before = yield* everything();
      const huge = { ...nth(2), control: large(2 * commitBytesMax) };
      for (const commit of [nth(2), huge]) {
        const error = yield* Effect.flip(zombie.commit(commit));
        assert.ok(error instanceof Fenced);
        assert.equal(error.claim, zombie.claim);
      }
      zombie.markPublished("out", 1);
      assert.ok((yield* Effect.flip(zombie.flush)) instanceof Fenced);
      const after = yield* everything();
      // The keys first: to show how megabytes differ takes for ever.
      assert.deepEqual(after.map(({ key }) => key), before.map(({ key }) => key));
      assert.deepEqual(after, before);
      yield* owner.commit(nth(2));
      assert.ok((yield* Effect.flip(zombie.commit(nth(2)))) instanceof Fenced);
      assert.equal((yield* inspect(kv, "job"))!.epoch, 2);
    })),
);

Deno.test("each claim deletes the key of the one before it", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const claims: Array<string> = [];
    for (let i = 0; i < 3; i++) claims.push((yield* openAt(provider, "store")).claim);
    const kv = yield* provider.open("store");
    assert.equal(new Set(claims).size, 3);
    assert.deepEqual((yield* kv.list({ prefix: ["weir", "job", "claim"] }, 9)).map(({ key }) => key), [
      claimKey("job", claims[2]),
    ]);
  })));

for (const fate of ["fail-before", "fail-after"] as const) {
  Deno.test(`a claim whose outcome is unknown is recognised by its random id (${fate})`, () =>
    run(Effect.gen(function* () {
      const provider = memoryKv();
      provider.onCommit((index) => index === 0 ? fate : "ok");
      const store = yield* openAt(provider, "store");
      yield* store.commit(nth(1));
      assert.equal(provider.commits(), fate === "fail-before" ? 3 : 2);
    })));
}

Deno.test("of many that claim a job at the same time the last one owns it", () =>
  run(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const opened = yield* Effect.all(Array.from({ length: 5 }, () => openEpochStore(kv, options)), {
      concurrency: "unbounded",
    });
    const exits = yield* Effect.all(opened.map((store) => Effect.exit(store.commit(nth(1)))));
    assert.equal(exits.filter(Exit.isSuccess).length, 1);
  })));

// Unknown outcomes

for (const fate of ["fail-before", "fail-after"] as const) {
  Deno.test(`a commit whose outcome is unknown is recognised by claim and attempt (${fate})`, () =>
    run(Effect.gen(function* () {
      const provider = memoryKv();
      provider.onCommit((index) => index === 2 ? fate : "ok");
      const store = yield* openAt(provider, "store");
      for (let epoch = 1; epoch <= 3; epoch++) yield* store.commit(nth(epoch, [rowsFor(epoch)]));
      assert.deepEqual(yield* restored(store), afterEpochs(3));
      assert.deepEqual(yield* store.outbox(2, "out"), rowsFor(2).rows);
      const again = yield* openAt(provider, "store");
      assert.deepEqual(yield* restored(again), afterEpochs(3));
    })));
}

Deno.test("a commit that keeps failing is tried a bounded number of times, and may be committed again later", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    provider.onCommit(() => "fail-before");
    const error = yield* Effect.flip(store.commit(nth(1)));
    assert.ok(error instanceof KvError);
    assert.equal(provider.commits(), 1 + flipAttemptsMax);
    assert.equal(store.epoch(), 0);
    provider.onCommit(() => "ok");
    yield* store.commit(nth(1));
    assert.deepEqual(yield* restored(store), afterEpochs(1));
  })));

/** Holds one commit back: it is reported as failed, and is applied when `arrive` runs. */
const delaying = (kv: Kv) => {
  let held: KvCommit | null = null;
  let hold = false;
  return {
    kv: {
      ...kv,
      commit: (commit: KvCommit) =>
        Effect.suspend(() => {
          if (!hold) return kv.commit(commit);
          hold = false;
          held = commit;
          return Effect.fail(new KvError({ message: "Cannot say", operation: "commit", retryable: true, cause: null }));
        }),
    },
    holdNext: () => void (hold = true),
    arrive: () => Effect.suspend(() => kv.commit(held!)),
  };
};

Deno.test("a flip that arrives late, between two attempts at the same epoch, is this owner's", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const inner = yield* provider.open("store");
    const { kv, holdNext, arrive } = delaying(inner);
    let late = false;
    const store = yield* openEpochStore({
      ...kv,
      // The flip arrives just after the manifest was read again and found unchanged.
      get: (key) => Effect.tap(kv.get(key), () => late ? (late = false, Effect.asVoid(arrive())) : Effect.void),
    }, options);
    yield* store.commit(nth(1));
    holdNext();
    late = true;
    yield* store.commit(nth(2));
    assert.equal(store.epoch(), 2);
    yield* store.commit(nth(3));
    assert.deepEqual(yield* restored(store), afterEpochs(3));
    assert.deepEqual(yield* restored(yield* openEpochStore(inner, options)), afterEpochs(3));
  })));

Deno.test("a flip of an earlier call that arrives late is not taken for the present one", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const inner = yield* provider.open("store");
    const { kv, holdNext, arrive } = delaying(inner);
    let broken = false;
    const unreadable = new KvError({ message: "Cannot read", operation: "get", retryable: true, cause: null });
    const flaky: Kv = { ...kv, get: (key) => broken ? Effect.fail(unreadable) : kv.get(key) };
    const store = yield* openEpochStore(flaky, options);
    holdNext();
    broken = true;
    assert.ok((yield* Effect.flip(store.commit(nth(1)))) instanceof KvError);
    broken = false;
    yield* arrive();
    const error = yield* Effect.flip(store.commit({ ...nth(1), control: "more than before" }));
    assert.ok(error instanceof KvError);
    assert.equal(error.retryable, false);
    assert.match(error.message, /open the job again$/);
    const again = yield* openEpochStore(inner, options);
    assert.deepEqual(again.recovered.control, { offset: 100 });
  })));

// Large epochs

const hugeDelta: Delta = {
  ...oneRow(2),
  newKeys: Array.from({ length: 60 }, (_, i) => `large ${i}`),
  rows: Uint32Array.from({ length: 60 }, (_, i) => 1 + i),
  numbers: new Float64Array(60),
  objects: Array.from({ length: 60 }, (_, i) => [large(90_000 + i)]),
};
const hugeRows = Array.from({ length: 20 }, (_, i) => large(50_000 + i));
const hugeEpoch: EpochCommit = {
  epoch: 2,
  control: large(chunkPayloadBytesMax + 1),
  deltas: [hugeDelta],
  outputs: [{ sink: "out", rows: hugeRows, bytes: 1, outbox: true, published: false }],
};

onEveryStore(
  "an epoch, a control value and an outbox larger than one atomic are committed whole",
  (provider, location) =>
    run(Effect.gen(function* () {
      const store = yield* openAt(provider, location);
      yield* store.commit(nth(1));
      const { bytes, atomics } = yield* store.commit(hugeEpoch);
      assert.ok(bytes > 5_000_000 && atomics > bytes / commitBytesMax);
      const again = yield* openAt(provider, location);
      assert.deepEqual(again.recovered.control, hugeEpoch.control);
      assert.deepEqual(yield* restored(again), RestoredState.of([oneRow(1), hugeDelta]).contents());
      assert.deepEqual(yield* again.outbox(2, "out"), hugeRows);
    })),
);

Deno.test("a crash at any commit of a large epoch leaves the previous one, and no garbage once the job is opened", () =>
  run(Effect.gen(function* () {
    const commits = 10;
    for (let crashAt = 0; crashAt < commits; crashAt++) {
      for (const fate of ["crash-before", "crash-after"] as const) {
        const provider = memoryKv();
        const store = yield* openAt(provider, "store");
        yield* store.commit(nth(1));
        const keys = provider.entries("store").length;
        const start = provider.commits();
        provider.onCommit((index) => index === start + crashAt ? fate : "ok");
        const exit = yield* Effect.exit(store.commit(hugeEpoch));
        provider.onCommit(() => "ok");
        const again = yield* openAt(provider, "store");
        if (Exit.isSuccess(exit) || again.recovered.epoch === 2) {
          assert.ok(crashAt >= 7, "the flip comes last");
          assert.deepEqual(yield* restored(again), RestoredState.of([oneRow(1), hugeDelta]).contents());
        } else {
          assert.deepEqual(yield* restored(again), afterEpochs(1));
          assert.equal(provider.entries("store").length, keys);
        }
      }
    }
  })));

Deno.test("a manifest that outgrows its value is a clear error, and is not retried", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    const sinks = Array.from({ length: 3_000 }, (_, i) => ({ ...rowsFor(1, `sink ${i}`), outbox: false }));
    const error = yield* Effect.flip(store.commit(nth(1, sinks)));
    assert.ok(error instanceof KvError);
    assert.equal(error.retryable, false);
    assert.match(error.message, /3000 unpublished outputs/);
    yield* store.commit(nth(1));
  })));

Deno.test("keys that do not fit the flip that replaces them are deleted with later ones", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    // More chunks than one atomic has room for keys.
    yield* store.commit({ ...nth(1), control: new Uint8Array(900 * chunkPayloadBytesMax) });
    yield* store.commit(nth(2));
    assert.ok(provider.entries("store").length > 5);
    yield* store.commit(nth(3));
    // The manifest, the claim, the control value, and one segment an epoch.
    assert.equal(provider.entries("store").length, 6);
  })));

// Damage

Deno.test("whatever bit flips in what the manifest names, it is reported and nothing is restored from it", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    for (let epoch = 1; epoch <= 2; epoch++) yield* store.commit(nth(epoch, [rowsFor(1)]));
    const all = Effect.scoped(Effect.gen(function* () {
      const again = yield* openAt(provider, "store");
      yield* restored(again);
      for (const { epoch, sink } of again.unpublished()) yield* again.outbox(epoch, sink);
    }));
    yield* all;
    let flips = 0;
    for (const { key, value } of provider.entries("store")) {
      if (!(value instanceof Uint8Array)) continue;
      const bits = value.length * 8;
      for (let bit = 0; bit < bits; bit += bits > 2_000 ? 7 : 1) {
        const flip = (bytes: unknown) => {
          (bytes as Uint8Array)[bit >> 3] ^= 1 << (bit & 7);
          return bytes;
        };
        provider.tamper("store", key, flip);
        const error = yield* Effect.flip(all);
        assert.ok(error instanceof StateCorrupted, `bit ${bit} of ${key}: ${error}`);
        assert.equal(error.job, "job");
        // Opening a job whose manifest is whole has replaced it: put the bit back where it is.
        provider.tamper("store", key, flip);
        flips++;
      }
    }
    assert.ok(flips > 2_000, `${flips} flips`);
    yield* all;
  })));

Deno.test("a segment that is missing is reported", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const kv = yield* provider.open("store");
    const store = yield* openEpochStore(kv, options);
    yield* store.commit(nth(1));
    const [, { key }] = yield* kv.list({ prefix: ["weir", "job", "segment"] }, 10);
    yield* kv.commit({ checks: [], mutations: [{ type: "delete", key }] });
    assert.ok((yield* Effect.flip(restored(yield* openEpochStore(kv, options)))) instanceof StateCorrupted);
  })));

// Compaction

onEveryStore(
  "recovery reads a bounded number of segments after 500 epochs",
  (provider, location) =>
    run(Effect.gen(function* () {
      const epochs = 500;
      const store = yield* openAt(provider, location);
      for (let epoch = 1; epoch <= epochs; epoch++) yield* store.commit(nth(epoch));
      assert.ok(store.compactions().done > 10);
      assert.equal(store.compactions().failed, 0);
      const again = yield* openAt(provider, location);
      assert.ok(again.recovered.segments.count <= 4 * compactionFanIn, `${again.recovered.segments.count} segments`);
      assert.deepEqual(yield* restored(again), afterEpochs(epochs));
      const kv = yield* provider.open(location);
      // The manifest, the claim and one chunk a segment: what was compacted is gone.
      assert.equal((yield* kv.list({ prefix: [] }, 1_000)).length, 2 + again.recovered.segments.count);
    })),
);

Deno.test("a namespace of an old segment stays dropped when only newer segments are compacted", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    const bulk = { ...oneRow(1), namespace: 60_000, objects: [[large(1_000_000)]] };
    const short = { ...bulk, namespace: 120_000, objects: [["short"]] };
    yield* store.commit({ ...nth(1), deltas: [bulk, short] });
    yield* store.commit({ ...nth(2), deltas: [droppedDelta("counts", 0, 120_000)] });
    let epoch = 3;
    for (; store.compactions().done === 0; epoch++) yield* store.commit({ ...nth(epoch), deltas: [oneRow(epoch - 2)] });
    yield* store.commit({ ...nth(epoch), deltas: [] });
    const again = yield* openAt(provider, "store");
    assert.ok(again.recovered.segments.bytes > 1_000_000 && again.recovered.segments.count < compactionFanIn);
    const rows = Array.from({ length: epoch - 3 }, (_, i) => oneRow(i + 1));
    assert.deepEqual(yield* restored(again), RestoredState.of([bulk, ...rows]).contents());
  })));

Deno.test("a compaction that fails is counted, does no harm, and is tried again after later commits", () =>
  run(Effect.gen(function* () {
    const provider = memoryKv();
    const store = yield* openAt(provider, "store");
    let epoch = 0;
    const commit = Effect.suspend(() => store.commit(nth(++epoch)));
    while (epoch < compactionFanIn) yield* commit;
    provider.onCommit(() => "fail-before");
    yield* settle(store, 1);
    provider.onCommit(() => "ok");
    assert.deepEqual(store.compactions(), { done: 0, failed: 1 });
    while (epoch < 3 * compactionFanIn) yield* commit;
    yield* settle(store, 2);
    yield* commit;
    assert.equal(store.compactions().failed, 1);
    assert.deepEqual(yield* restored(store), afterEpochs(epoch));
    const again = yield* openAt(provider, "store");
    assert.ok(again.recovered.segments.count < 2 * compactionFanIn);
    assert.deepEqual(yield* restored(again), afterEpochs(epoch));
  })));

// Everything at once

/** A sink that stores the epoch with the rows, so that it never takes one twice. */
class Shelf {
  readonly rows: Array<unknown> = [];
  #marker = 0;

  take(output: UnpublishedOutput, rows: ReadonlyArray<unknown>): void {
    if (output.epoch <= this.#marker) return;
    assert.equal(output.offset.rows, this.rows.length);
    this.rows.push(...rows);
    this.#marker = output.epoch;
  }
}

const outputOf = (epoch: number, changes: ReadonlyArray<Change>): Array<EpochOutput> =>
  changes.length === 0 ? [] : [{
    sink: "shelf",
    rows: changes.map((change) => [epoch, JSON.stringify(change)]),
    bytes: changes.length,
    outbox: true,
    published: false,
  }];

/** Runs a job to its end, however often it crashes, and checks at every start that it is where a naive model is. */
const runWithFaults = (
  provider: MemoryKv,
  epochs: ReadonlyArray<ReadonlyArray<Change>>,
  fates: ReadonlyMap<number, CommitFate>,
) =>
  Effect.gen(function* () {
    const shelf = new Shelf();
    let acknowledged = 0;
    let starts = 0;
    const contents: Array<unknown> = [[]];
    const model = new LiveState();
    for (const changes of epochs) {
      model.change(changes);
      model.takeDeltas();
      contents.push(model.contents());
    }
    provider.onCommit((index) => fates.get(index) ?? "ok");
    const session = Effect.scoped(Effect.gen(function* () {
      const store = yield* openAt(provider, "store");
      const start = store.recovered.epoch;
      assert.ok(start === acknowledged || start === acknowledged + 1, `at ${start}, acknowledged ${acknowledged}`);
      assert.deepEqual(yield* restored(store), contents[start]);
      if (start > 0) assert.deepEqual(store.recovered.control, { next: start });
      acknowledged = start;
      const state = new LiveState();
      state.epochs(epochs.slice(0, start));
      const publish = Effect.gen(function* () {
        for (const output of store.unpublished()) {
          shelf.take(output, yield* store.outbox(output.epoch, output.sink));
          store.markPublished(output.sink, output.epoch);
        }
      });
      yield* publish;
      for (let epoch = start + 1; epoch <= epochs.length; epoch++) {
        state.change(epochs[epoch - 1]);
        const outputs = outputOf(epoch, epochs[epoch - 1]);
        yield* store.commit({ epoch, control: { next: epoch }, deltas: state.takeDeltas(), outputs });
        acknowledged = epoch;
        if (epoch % 3 !== 0) yield* publish;
        if (epoch % 5 === 0) yield* store.flush;
      }
      yield* publish;
      yield* store.flush;
    }));
    while (true) {
      assert.ok(++starts <= fates.size + 1, "each fault costs one start at most");
      const exit = yield* Effect.exit(session);
      if (Exit.isSuccess(exit)) break;
      const error = yield* Effect.flip(Effect.failCause(exit.cause));
      assert.ok(error instanceof KvError, String(error));
    }
    provider.onCommit(() => "ok");
    assert.deepEqual(shelf.rows, epochs.flatMap((changes, i) => outputOf(i + 1, changes).flatMap(({ rows }) => rows)));
    yield* Effect.scoped(Effect.gen(function* () {
      const store = yield* openAt(provider, "store");
      assert.deepEqual(yield* restored(store), contents[epochs.length]);
      assert.deepEqual(store.unpublished(), []);
    }));
  });

const fate: fc.Arbitrary<CommitFate> = fc.constantFrom("fail-before", "fail-after", "crash-before", "crash-after");

Deno.test("whatever fails or crashes at whichever commits, state and output are those of an uninterrupted run", async () => {
  const longSequence = fc.array(changesSequence, { minLength: 1, maxLength: 4 }).map((parts) => parts.flat());
  await fc.assert(
    fc.asyncProperty(
      longSequence,
      fc.array(fc.tuple(fc.nat({ max: 60 }), fate), { maxLength: 12 }),
      (epochs, faults) => Effect.runPromise(runWithFaults(memoryKv(), epochs, new Map(faults))),
    ),
    { numRuns: 300 },
  );
});

onEveryStore(
  "random changes committed over several lives of a store are restored as they were",
  async (provider, location) => {
    await fc.assert(
      fc.asyncProperty(changesSequence, (epochs) =>
        run(Effect.gen(function* () {
          const job = yield* Effect.map(provider.open(location), (kv) => kv);
          const name = { ...options, job: `job ${JSON.stringify(epochs)}`.slice(0, 200) };
          const state = new LiveState();
          let first = 0;
          for (let epoch = 1; epoch <= epochs.length; epoch++) {
            const store = yield* openEpochStore(job, name);
            if (epoch === 1) first = store.recovered.epoch;
            if (first > 0) return;
            assert.deepEqual(yield* restored(store), state.contents());
            state.change(epochs[epoch - 1]);
            yield* store.commit({ epoch, control: epoch, deltas: state.takeDeltas(), outputs: [] });
          }
        }))),
      { numRuns: 30 },
    );
  },
);

// round     1    2    3
// actor 0   a1   a2
// actor 1   b1        b3     it is done first
Deno.test("the rows of an epoch are in the order of their rounds, then of the actors, whoever is done first", () => {
  const collected: Array<CollectedEpoch> = [];
  const collector = new EpochCollector(2, (epoch) => void collected.push(epoch));
  const share = (rows: ReadonlyArray<string>, rounds: ReadonlyArray<number>): EpochShare => ({
    deltas: [],
    snapshots: [],
    outputs: [{ sink: "out", rows, rounds, bytes: rows.length }],
  });
  collector.add(1, 1, false, share(["b1", "b3"], [1, 3]));
  assert.deepEqual(collected, []);
  collector.add(0, 1, false, share(["a1", "a2"], [1, 2]));
  assert.deepEqual(collected.map(({ outputs }) => outputs), [[{
    sink: "out",
    rows: ["a1", "b1", "a2", "b3"],
    bytes: 4,
  }]]);
});
