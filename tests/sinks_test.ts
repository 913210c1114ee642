import * as Schema from "@effect/schema";
import { Cause, Effect, Exit } from "effect";
import fc from "fast-check";
import assert from "node:assert/strict";
import { SinkError, type SinkOpenError, StateBehindOutput } from "../src/exactly-once/errors.ts";
import type { Idempotent, SinkContext, SinkWriter, Transactional } from "../src/exactly-once/sink.ts";
import { valueBytesMax } from "../src/kv-state/kv-limits.ts";
import { type DeadLetter, deadLetterSchema } from "../src/streams/dead-letter.ts";
import { DecodeError } from "../src/streams/errors.ts";
import { copy, serializedBytesMax } from "../src/streams/sinks/structured.ts";
import * as Sink from "../src/streams/sinks.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";

const nothing = { rows: 0, bytes: 0 };

const context = (changes: Partial<SinkContext> = {}): SinkContext => ({
  job: "job",
  lineage: "lineage-1",
  claim: "claim-1",
  published: 0,
  publishedOffset: nothing,
  committed: 0,
  committedOffset: nothing,
  checkClaim: Effect.void,
  ...changes,
});

/** Opens a sink, uses it, and closes it. */
const withWriter = <A, S extends Sink.End, B>(
  sink: Sink.Sink<A, S>,
  given: SinkContext,
  // deno-lint-ignore no-explicit-any -- a sink hides the type of its rows
  use: (writer: SinkWriter<any>) => Effect.Effect<B, SinkError>,
): Promise<Exit.Exit<B, SinkOpenError>> =>
  Effect.runPromiseExit(Effect.scoped(Effect.flatMap(sink.driver.open(given), use)));

const errorOf = (exit: Exit.Exit<unknown, unknown>): SinkError | StateBehindOutput => {
  assert.ok(Exit.isFailure(exit));
  const error = Cause.squash(exit.cause);
  assert.ok(error instanceof SinkError || error instanceof StateBehindOutput, String(error));
  return error;
};

const valueOf = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause);
  return exit.value;
};

const rowsOf = <A, S extends Sink.End>(sink: Sink.Sink<A, S>, values: ReadonlyArray<A>) =>
  values.map((value) => sink.driver.encode(value));

/** How much a sink has taken after these values. */
const offsetAfter = <A, S extends Sink.End>(sink: Sink.Sink<A, S>, values: ReadonlyArray<A>) => ({
  rows: values.length,
  bytes: rowsOf(sink, values).reduce((sum, row) => sum + sink.driver.byteLength(row), 0),
});

const withFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

// ── ndjson ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a file holds a line of JSON per value, in a folder that is made for it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/new/out.ndjson`;
    const sink = Sink.ndjson<unknown>("out", { path });
    const values = [{ city: "Zürich" }, null, "a\nb", [1, "北"]];
    const committedOffset = offsetAfter(sink, values);
    valueOf(
      await withWriter(
        sink,
        context({ committed: 1, committedOffset }),
        (writer) => writer.publish({ epoch: 1, rows: rowsOf(sink, values), offset: nothing }),
      ),
    );
    const text = await Deno.readTextFile(path);
    assert.deepEqual(text.split("\n"), [...values.map((value) => JSON.stringify(value)), ""]);
    assert.equal((await Deno.stat(path)).size, committedOffset.bytes);
  }));

Deno.test("a value without a form in JSON is an error, never a missing line", () => {
  const sink = Sink.ndjson<unknown>("out", { path: "out.ndjson" });
  assert.throws(() => sink.driver.encode(undefined), /a value must have a form in JSON: current value is undefined/);
  assert.throws(() => sink.driver.encode(() => 0), /a value must have a form in JSON/);
  assert.throws(() => sink.driver.encode(1n), TypeError);
});

Deno.test("what JSON would make null or an empty object of is an error that says where it is", () => {
  const sink = Sink.ndjson<unknown>("out", { path: "out.ndjson" });
  const refused: ReadonlyArray<readonly [value: unknown, words: string]> = [
    [NaN, "NaN"],
    [{ mean: NaN }, "NaN at mean"],
    [{ a: { b: [0, -Infinity] } }, "-Infinity at a.b.1"],
    [{ at: new Date(NaN) }, "[object Date] at at"],
    [[undefined], "undefined at 0"],
    [new Map([[1, 2]]), "[object Map]"],
    [{ seen: new Set([1]) }, "[object Set] at seen"],
    [{ later: [Promise.resolve(1)] }, "[object Promise] at later.0"],
    [{ toJSON: () => ({ mean: NaN }) }, "NaN at mean"],
  ];
  for (const [value, words] of refused) {
    assert.throws(() => sink.driver.encode(value), {
      message: `Cannot write a line to "out.ndjson" as a value must have a form in JSON: current value is ${words}`,
    });
  }
  const written = [
    { a: null, b: {}, c: [null, {}, []], d: undefined, e: -0 },
    { at: new Date(0) },
    "null {}",
    new Box(),
  ];
  for (const value of written) assert.equal(sink.driver.encode(value), `${JSON.stringify(value)}\n`);
  const encoded = Sink.ndjson("out", { path: "out.ndjson", schema: Schema.Struct({ mean: Schema.Number }) });
  assert.throws(() => encoded.driver.encode({ mean: NaN }), /current value is NaN at mean$/);
});

/** Has nothing to tell. */
class Box {
  readonly #value = 1;
  get value(): number {
    return this.#value;
  }
}

Deno.test("a schema encodes the values of a file, and refuses what does not match it", () => {
  const schema = Schema.Struct({ at: Schema.DateFromString });
  const sink = Sink.ndjson("out", { path: "out.ndjson", schema });
  assert.equal(sink.driver.encode({ at: new Date(0) }), `{"at":"1970-01-01T00:00:00.000Z"}\n`);
  assert.throws(() => sink.driver.encode({ at: "1970" as never }), /Expected/);
});

Deno.test("the bytes of a line are those of its UTF-8", () => {
  const sink = Sink.ndjson<string>("out", { path: "out.ndjson" });
  fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => {
    const row = sink.driver.encode(value);
    assert.equal(sink.driver.byteLength(row), new TextEncoder().encode(row).length);
  }));
});

Deno.test("a file in which epochs are published again, whole or torn, equals one in which they were not", async () => {
  const epochs = fc.array(fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 5 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      epochs,
      fc.array(fc.nat({ max: 5 }), { maxLength: 6 }),
      (epochs, crashes) =>
        withFolder(async (folder) => {
          const path = `${folder}/out.ndjson`;
          const sink = Sink.ndjson<string>("out", { path });
          const values = epochs.flat();
          const before = (epoch: number) => offsetAfter(sink, epochs.slice(0, epoch - 1).flat());
          let published = 0;
          while (published < epochs.length) {
            const given = context({
              published,
              publishedOffset: before(published + 1),
              committed: epochs.length,
              committedOffset: offsetAfter(sink, values),
            });
            valueOf(
              await withWriter(sink, given, (writer) =>
                Effect.gen(function* () {
                  for (let epoch = published + 1; epoch <= epochs.length; epoch++) {
                    const crash = crashes.pop() ?? 2;
                    const rows = rowsOf(sink, epochs[epoch - 1]);
                    // 0: a crash in the middle of the epoch; 1: a crash before it is recorded as published.
                    const torn = crash === 0 ? rows.slice(0, Math.ceil(rows.length / 2)) : rows;
                    yield* writer.publish({ epoch, rows: torn, offset: before(epoch) });
                    if (crash <= 1) return;
                    published = epoch;
                  }
                })),
            );
          }
          assert.equal(await Deno.readTextFile(path), values.map((value) => `${JSON.stringify(value)}\n`).join(""));
        }),
    ),
    { numRuns: 60 },
  );
});

Deno.test("an epoch of many megabytes is written in pieces", () =>
  withFolder(async (folder) => {
    const path = `${folder}/out.ndjson`;
    const sink = Sink.ndjson<string>("out", { path });
    const values = Array.from({ length: 40 }, (_, i) => String(i % 10).repeat(50_000));
    const committedOffset = offsetAfter(sink, values);
    valueOf(
      await withWriter(
        sink,
        context({ committed: 1, committedOffset }),
        (writer) => writer.publish({ epoch: 1, rows: rowsOf(sink, values), offset: nothing }),
      ),
    );
    assert.equal(await Deno.readTextFile(path), rowsOf(sink, values).join(""));
  }));

Deno.test("a file that is not the one the job's state knows is refused, and not touched", () =>
  withFolder(async (folder) => {
    const path = `${folder}/out.ndjson`;
    const sink = Sink.ndjson<string>("out", { path });
    await Deno.writeTextFile(path, "0123456789");
    const open = async (changes: Partial<SinkContext>) =>
      errorOf(await withWriter(sink, context(changes), () => Effect.void));

    const foreign = await open({});
    assert.ok(foreign instanceof SinkError && !foreign.retryable);
    assert.equal(
      foreign.message,
      `Cannot write to "${path}" as the file must be empty when a job starts for the first time (remove it or choose ` +
        `another path): current value is 10 bytes`,
    );

    const known = { rows: 1, bytes: 11 };
    const shortened = await open({ published: 3, publishedOffset: known, committed: 3, committedOffset: known });
    assert.ok(shortened instanceof SinkError && !shortened.retryable);
    assert.match(shortened.message, /the file has 10 bytes, fewer than the 11 that were published up to epoch 3/);

    await Deno.remove(path);
    const gone = await open({ published: 3, publishedOffset: known, committed: 3, committedOffset: known });
    assert.ok(gone instanceof SinkError && !gone.retryable);
    assert.match(gone.message, /as there must be the file that was written up to epoch 3: current value is none$/);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await Deno.writeTextFile(path, "0123456789");

    const restored = await open({ committed: 2, committedOffset: { rows: 1, bytes: 9 } });
    assert.ok(restored instanceof StateBehindOutput);
    assert.deepEqual([restored.committed, restored.found], [9, 10]);

    assert.equal(await Deno.readTextFile(path), "0123456789");
  }));

Deno.test("a file that cannot be opened is an error that names the sink and the path", () =>
  withFolder(async (folder) => {
    const error = errorOf(await withWriter(Sink.ndjson("out", { path: folder }), context(), () => Effect.void));
    assert.ok(error.message.startsWith(`Cannot open "${folder}" for sink "out": `), error.message);
  }));

const noParts = { key: null, keyLength: 0, headers: [], headerCount: 0, offset: null, timestamp: null } as const;

Deno.test("a dead letter is written as text where its bytes are UTF-8, else in base64, and can be read back", () => {
  const sink = Sink.ndjson("dead", { path: "dead.ndjson", schema: deadLetterSchema });
  const letter = (raw: Uint8Array): DeadLetter<DecodeError> => ({
    source: "s",
    split: "0",
    position: 7,
    operator: "decode",
    reason: "is not JSON",
    error: new DecodeError({ message: "is not JSON" }),
    raw,
    rawLength: raw.length,
    rawForm: "bytes",
    ...noParts,
  });
  const common = { source: "s", split: "0", position: 7, operator: "decode", reason: "is not JSON", rawForm: "bytes" };
  const text = sink.driver.encode(letter(new TextEncoder().encode("ü")));
  assert.deepEqual(JSON.parse(text), { ...common, raw: "ü", rawLength: 2 });
  const bytes = sink.driver.encode(letter(Uint8Array.of(0xff, 0)));
  assert.deepEqual(JSON.parse(bytes), { ...common, rawBase64: "/wA=", rawLength: 2 });
  for (const line of [text, bytes]) {
    const back = Schema.decodeUnknownSync(deadLetterSchema)(JSON.parse(line));
    assert.equal(back.error, null);
    assert.equal(sink.driver.encode(back), line);
  }
});

Deno.test("key, headers, place and time of a dead letter are written as its bytes are, and what is not there is left out", () => {
  const encode = Schema.encodeSync(deadLetterSchema);
  const decode = Schema.decodeUnknownSync(deadLetterSchema);
  const coordinates = { source: "s", split: "t-0", position: 6, operator: "o", reason: "r" };
  const whole: DeadLetter<unknown> = {
    ...coordinates,
    error: null,
    raw: new Uint8Array(),
    rawLength: 0,
    rawForm: "none",
    key: new TextEncoder().encode("\ufeffü"),
    keyLength: 5,
    headers: [["a", null], ["a", new Uint8Array()], ["", Uint8Array.of(0xff)], ["__proto__", Uint8Array.of(0x31)]],
    headerCount: 9,
    offset: 5,
    timestamp: 0,
  };
  const json = {
    ...coordinates,
    rawLength: 0,
    rawForm: "none",
    key: "\ufeffü",
    keyLength: 5,
    headers: [{ name: "a" }, { name: "a", value: "" }, { name: "", valueBase64: "/w==" }, {
      name: "__proto__",
      value: "1",
    }],
    headerCount: 9,
    offset: 5,
    timestamp: 0,
  };
  const cases: ReadonlyArray<readonly [letter: DeadLetter<unknown>, json: Record<string, unknown>]> = [
    [whole, json],
    [{ ...whole, ...noParts, rawForm: "bytes" }, { ...coordinates, raw: "", rawLength: 0, rawForm: "bytes" }],
    [{ ...whole, ...noParts, key: Uint8Array.of(0xfe), keyLength: 1, headerCount: 2, rawForm: "bytes" }, {
      ...coordinates,
      raw: "",
      rawLength: 0,
      rawForm: "bytes",
      keyBase64: "/g==",
      keyLength: 1,
      headerCount: 2,
    }],
  ];
  for (const [letter, expected] of cases) {
    assert.deepEqual(encode(letter), expected);
    assert.deepEqual(decode(JSON.parse(JSON.stringify(expected))), letter);
  }
  // As an earlier version wrote them, and the least that there may be.
  const old = { ...coordinates, raw: "{oh}", rawLength: 4 };
  assert.deepEqual(decode(old), {
    ...coordinates,
    ...noParts,
    error: null,
    raw: new TextEncoder().encode("{oh}"),
    rawLength: 4,
    rawForm: "words",
  });
  const { keyLength, headerCount } = decode({ ...old, key: "ü", headers: [{ name: "a" }] });
  assert.deepEqual([keyLength, headerCount], [2, 1]);
});

// ── table ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Total {
  readonly carrier: string;
  readonly hour: number;
  readonly flights: number;
}

const totals = (kv = memoryKv()) => {
  const sink = Sink.table<Total>("totals", {
    path: "totals.kv",
    key: (total) => [total.carrier, total.hour],
    value: (total) => total.flights,
    kv,
  });
  /** Everything in the table: key to value. */
  const rows = () =>
    Object.fromEntries(
      kv.entries("totals.kv").filter(({ key }) => key[0] === "totals").map(({ key, value }) => [key.join("/"), value]),
    );
  const marker = () => kv.entries("totals.kv").find(({ key }) => key[0] === "weir")?.value as Sink.TableMarker;
  return { kv, sink, rows, marker };
};

const total = (carrier: string, hour: number, flights: number): Total => ({ carrier, hour, flights });

Deno.test("a table keeps the last value of every key, and how far it has got", async () => {
  const { sink, rows, marker, kv } = totals();
  const first = [total("AA", 1, 1), total("BB", 1, 5), total("AA", 1, 2)];
  const second = [total("AA", 1, 3)];
  valueOf(
    await withWriter(sink, context({ committed: 2 }), (writer) =>
      Effect.gen(function* () {
        assert.equal(writer.marker, 0);
        yield* writer.publish({ epoch: 1, rows: rowsOf(sink, first), offset: nothing });
        yield* writer.publish({ epoch: 2, rows: rowsOf(sink, second), offset: { rows: 3, bytes: 0 } });
      })),
  );
  assert.deepEqual(rows(), { "totals/AA/1": 3, "totals/BB/1": 5 });
  assert.deepEqual(marker(), {
    lineage: "lineage-1",
    claim: "claim-1",
    epoch: 2,
    chunk: 1,
    complete: true,
    rows: 4,
  });
  assert.deepEqual(kv.entries("totals.kv").at(-1)?.key, ["weir", "table", "job", "totals"]);
});

Deno.test("a table takes a prefix of one's own, but not the marker's", () => {
  const options = { path: "t.kv", key: () => ["k"], value: () => 1 };
  const sink = Sink.table("t", { ...options, prefix: ["a", 1] });
  assert.deepEqual((sink.driver.encode(0) as { key: unknown }).key, ["a", 1, "k"]);
  assert.throws(() => Sink.table("t", { ...options, prefix: ["weir"] }), /must not begin with "weir"/);
  assert.throws(() => Sink.table("t", { ...options, prefix: [], key: () => ["weir"] }).driver.encode(0), /"weir"/);
});

/** 2,500 rows: three chunks by number alone. */
const many = (flights: number) => Array.from({ length: 2_500 }, (_, hour) => total("AA", hour, flights));

Deno.test("an epoch whose chunks were torn by a crash is finished by the next owner, every row once", async () => {
  // Commit 0 takes the table over; commits 1 to 3 are the chunks. Then the next owner takes over, and so on.
  for (const fate of ["crash-before", "crash-after"] as const) {
    for (const crashAt of [0, 1, 2, 3]) {
      const { kv, sink, rows, marker } = totals();
      const publication = { epoch: 1, rows: rowsOf(sink, many(1)), offset: nothing };
      kv.onCommit((index) => index === crashAt ? fate : "ok");
      const crashed = await withWriter(sink, context({ committed: 1 }), (writer) => writer.publish(publication));
      assert.match(errorOf(crashed).message, /table "totals" in "totals.kv"/);

      const commits = kv.commits();
      const next = context({ committed: 1, claim: "claim-2" });
      const markerSeen = valueOf(
        await withWriter(sink, next, (writer) => Effect.as(writer.publish(publication), writer.marker)),
      );
      const chunksBefore = Math.max(0, fate === "crash-after" ? crashAt : crashAt - 1);
      assert.equal(markerSeen, chunksBefore === 3 ? 1 : 0);
      assert.equal(kv.commits() - commits, 1 + 3 - chunksBefore);
      assert.equal(Object.keys(rows()).length, 2_500);
      assert.deepEqual([marker().epoch, marker().chunk, marker().rows], [1, 3, 2_500]);
    }
  }
});

Deno.test("a writer whose commit has an unknown outcome reads the marker and goes on", async () => {
  for (const fate of ["fail-before", "fail-after"] as const) {
    const { kv, sink, marker } = totals();
    kv.onCommit((index) => index === 2 ? fate : "ok");
    valueOf(
      await withWriter(sink, context({ committed: 1 }), (writer) => {
        const publish = writer.publish({ epoch: 1, rows: rowsOf(sink, many(1)), offset: nothing });
        return Effect.gen(function* () {
          const exit = yield* Effect.exit(publish);
          assert.ok(Exit.isFailure(exit));
          yield* publish;
        });
      }),
    );
    assert.deepEqual([marker().chunk, marker().complete, marker().rows], [3, true, 2_500]);
    assert.equal(kv.commits(), fate === "fail-after" ? 4 : 5);
  }
});

Deno.test("a table refuses older epochs: it never goes back to an earlier value", async () => {
  const { sink, rows } = totals();
  const older = { epoch: 1, rows: rowsOf(sink, [total("AA", 1, 1)]), offset: nothing };
  const newer = { epoch: 2, rows: rowsOf(sink, [total("AA", 1, 2)]), offset: { rows: 1, bytes: 0 } };
  valueOf(
    await withWriter(sink, context({ committed: 2 }), (writer) =>
      Effect.gen(function* () {
        yield* writer.publish(older);
        yield* writer.publish(newer);
        yield* writer.publish(older);
      })),
  );
  assert.deepEqual(rows(), { "totals/AA/1": 2 });
});

Deno.test("a process whose table was taken over cannot write any more", async () => {
  const { sink, rows } = totals();
  const exit = await withWriter(sink, context({ committed: 2 }), (zombie) =>
    Effect.gen(function* () {
      yield* zombie.publish({ epoch: 1, rows: rowsOf(sink, [total("AA", 1, 1)]), offset: nothing });
      yield* Effect.scoped(Effect.gen(function* () {
        const owner = yield* sink.driver.open(context({ committed: 2, claim: "claim-2" }));
        assert.equal(owner.marker, 1);
      })).pipe(Effect.orDie);
      yield* zombie.publish({ epoch: 2, rows: rowsOf(sink, many(9)), offset: { rows: 1, bytes: 0 } });
    }));
  const error = errorOf(exit);
  assert.ok(error instanceof SinkError && !error.retryable);
  assert.equal(
    error.message,
    `Cannot publish epoch 2 to table "totals" as another process has taken over "totals.kv": current value of the ` +
      `claim is claim-2, this process has claim-1`,
  );
  assert.deepEqual(rows(), { "totals/AA/1": 1 });
});

Deno.test("a table that is not the one the job's state knows is refused", async () => {
  const { sink } = totals();
  const published = { rows: 1, bytes: 10 };
  const open = async (changes: Partial<SinkContext>) =>
    errorOf(await withWriter(sink, context(changes), () => Effect.void));

  const lost = await open({ published: 1, publishedOffset: published, committed: 1, committedOffset: published });
  assert.ok(lost instanceof SinkError && !lost.retryable);
  assert.match(lost.message, /it must hold the 1 rows published up to epoch 1: current value is 0/);

  valueOf(
    await withWriter(
      sink,
      context({ committed: 5 }),
      (writer) => writer.publish({ epoch: 5, rows: rowsOf(sink, [total("AA", 1, 1)]), offset: nothing }),
    ),
  );
  const restored = await open({ committed: 4 });
  assert.ok(restored instanceof StateBehindOutput);
  assert.deepEqual([restored.committed, restored.found], [4, 5]);

  const foreign = await open({ committed: 5, lineage: "lineage-2" });
  assert.ok(foreign instanceof SinkError && !foreign.retryable);
  assert.match(foreign.message, /must not belong to another run of the job \(remove the file or use another path\)/);
});

Deno.test("a table that was opened but never written may be taken by another run of the job", async () => {
  const { sink, marker } = totals();
  valueOf(await withWriter(sink, context(), () => Effect.void));
  valueOf(await withWriter(sink, context({ lineage: "lineage-2", claim: "claim-2" }), () => Effect.void));
  assert.equal(marker().lineage, "lineage-2");
});

Deno.test("a row that the store could not hold is refused when it is encoded, with its key and size", () => {
  const sink = Sink.table<{ key: unknown; value: unknown }>("t", {
    path: "t.kv",
    key: (row) => [row.key as string],
    value: (row) => row.value,
  });
  const encode = (key: unknown, value: unknown) => () => sink.driver.encode({ key, value });
  assert.throws(encode("k", "x".repeat(70_000)), {
    message: `Cannot write a row of table "t" as its value must not have more than ${valueBytesMax} bytes: current ` +
      `value is 70006 bytes at key ["t","k"]`,
  });
  assert.doesNotThrow(encode("k", "x".repeat(60_000))); // Two bytes a character would be too many.
  assert.throws(
    encode("k".repeat(2_100), 1),
    /its key must not have more than 2048 bytes: current value is 2105 bytes/,
  );
  assert.throws(encode(undefined, 1), /its key must hold strings and numbers/);
  assert.throws(encode("k", { f: () => 0 }), /could not be cloned/);
});

Deno.test("chunks stay within what one atomic commit of Deno KV holds, by rows, bytes and bytes of keys", () =>
  withFolder(async (folder) => {
    const path = `${folder}/deep/t.kv`;
    const sink = Sink.table<{ key: string; value: unknown }>("t", {
      path,
      key: (row) => [row.key],
      value: (row) => row.value,
    });
    const values = [
      ...Array.from({ length: 2_100 }, (_, i) => ({ key: `small ${i}`, value: { i } })),
      ...Array.from({ length: 30 }, (_, i) => ({ key: `large ${i}`, value: "ü".repeat(60_000) })),
      ...Array.from({ length: 30 }, (_, i) => ({ key: `bytes ${i}`, value: new Uint8Array(65_536) })),
      ...Array.from({ length: 150 }, (_, i) => ({ key: `${i} ${"k".repeat(2_000)}`, value: i })),
      ...Array.from({ length: 30 }, (_, i) => ({ key: `map ${i}`, value: new Map([[i, new Date(i)]]) })),
    ];
    valueOf(
      await withWriter(
        sink,
        context({ committed: 1 }),
        (writer) => writer.publish({ epoch: 1, rows: rowsOf(sink, values), offset: nothing }),
      ),
    );
    const kv = await Deno.openKv(path);
    const stored = new Map<unknown, unknown>();
    for await (const { key, value } of kv.list({ prefix: ["t"] })) stored.set(key[1], value);
    kv.close();
    assert.deepEqual(stored, new Map(values.map(({ key, value }) => [key, value])));
  }));

// ── copying and measuring ───────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a copy equals the value, and shares nothing with it", () => {
  fc.assert(fc.property(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
    (value) => assert.deepEqual(copy(value), structuredClone(value)),
  ));
  const value = { rows: [{ n: 1 }] };
  const copied = copy(value);
  value.rows[0].n = 2;
  assert.deepEqual(copied, { rows: [{ n: 1 }] });
});

Deno.test("a value that contains itself is copied and measured, too", () => {
  const value: { self?: unknown; other?: unknown } = {};
  value.self = value.other = value;
  const copied = copy(value);
  assert.equal(copied.self, copied);
  assert.ok(serializedBytesMax(value, valueBytesMax) > 0);
});

Deno.test("the measure of a value is never below what Deno KV stores", async () => {
  const { serialize } = await import("node:v8");
  fc.assert(fc.property(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true }),
    (value) => assert.ok(serializedBytesMax(value, Infinity) >= serialize(value).byteLength),
  ));
});

// ── console ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("the console prints a line per value: JSON by default, text as it is, or as one says", async () => {
  const print = async <A>(sink: Sink.Sink<A, Sink.AppendOnly>, values: ReadonlyArray<A>) =>
    valueOf(
      await withWriter(sink, context(), (writer) => {
        assert.equal(writer.marker, null);
        return writer.publish({ epoch: 1, rows: rowsOf(sink, values), offset: nothing });
      }),
    );
  const lines: Array<string> = [];
  const write = (line: string) => void lines.push(line);
  await print(Sink.console<unknown>("print", { write }), [{ a: 1, b: [2n] }, "text", undefined]);
  await print(Sink.console<number>("print", { write, format: (value) => `#${value}` }), [7]);
  assert.deepEqual(lines, [`{"a":1,"b":["2"]}`, "text", "undefined", "#7"]);
});

Deno.test("a console that fails is an error of the sink", async () => {
  const sink = Sink.console<number>("print", {
    write: () => {
      throw new Error("broken pipe");
    },
  });
  const exit = await withWriter(
    sink,
    context(),
    (writer) => writer.publish({ epoch: 3, rows: rowsOf(sink, [1]), offset: nothing }),
  );
  assert.match(errorOf(exit).message, /Cannot print epoch 3 to console sink "print": .*broken pipe/);
});

// ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("memory keeps copies of its rows across restarts, and takes an epoch once", async () => {
  const sink = Sink.memory<{ n: number }>("out");
  const value = { n: 1 };
  const first = rowsOf(sink, [value]);
  value.n = 100;
  const publish = (epoch: number, rows: ReadonlyArray<unknown>, committed: number) =>
    withWriter(
      sink,
      context({ committed }),
      (writer) => Effect.as(writer.publish({ epoch, rows, offset: nothing }), writer.marker),
    );
  assert.equal(valueOf(await publish(1, first, 1)), 0);
  assert.equal(valueOf(await publish(1, first, 1)), 1);
  assert.equal(valueOf(await publish(4, rowsOf(sink, [{ n: 2 }]), 4)), 1);
  assert.deepEqual(sink.values(), [{ n: 1 }, { n: 2 }]);
  assert.deepEqual(sink.epochs(), [1, 4]);
});

Deno.test("memory refuses a state that is behind it, and one whose rows it does not hold", async () => {
  const sink = Sink.memory<number>("out");
  const lost = errorOf(await withWriter(sink, context({ publishedOffset: { rows: 2, bytes: 4 } }), () => Effect.void));
  assert.ok(lost instanceof SinkError);
  valueOf(
    await withWriter(
      sink,
      context({ committed: 3 }),
      (writer) => writer.publish({ epoch: 3, rows: [1], offset: nothing }),
    ),
  );
  const behind = errorOf(await withWriter(sink, context({ committed: 2 }), () => Effect.void));
  assert.ok(behind instanceof StateBehindOutput);
  assert.deepEqual([behind.committed, behind.found], [2, 3]);
});

// ── types ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a sink's type states what it takes and how an epoch becomes visible, inferred from the flow", () => {
  // The shapes of a flow and of `Flow.to`, as far as sinks see them.
  interface Flow<out A, out S> {
    readonly a: A;
    readonly s: S;
    pipe<B>(f: (self: this) => B): B;
  }
  const flowOf = <A>(a: A): Flow<A, never> => ({
    a,
    s: undefined as never,
    pipe(f) {
      return f(this);
    },
  });
  const to = <A, S extends Sink.End>(_: Sink.Sink<A, S>) => <S0>(self: Flow<A, S0>): Flow<A, S0 | S> =>
    self as Flow<A, S0 | S>;
  const flow = flowOf({ carrier: "AA", hour: 1 });

  const tabled: Flow<unknown, Idempotent> = flow.pipe(
    to(Sink.table("hourly", { path: "out.kv", key: (row) => [row.carrier, row.hour], value: (row) => row })),
  );
  const filed: Flow<unknown, Transactional> = flow.pipe(to(Sink.ndjson("lines", { path: "x" })));
  const printed: Flow<unknown, Sink.AppendOnly> = flow.pipe(to(Sink.console("p", { format: (row) => row.carrier })));
  const kept: Flow<unknown, Transactional> = flow.pipe(to(Sink.memory<{ carrier: string }>("m")));
  const own: Flow<unknown, Transactional> = flow.pipe(to(Sink.transactional("own", {
    encode: (row: { hour: number }) => row.hour,
    byteLength: () => 8,
    open: (_context) =>
      Effect.succeed({ marker: 0, publish: ({ rows }) => Effect.asVoid(Effect.succeed(rows[0] + 1)) }),
  })));
  const dead: DeadLetter<DecodeError> = {
    source: "s",
    split: "0",
    position: 0,
    operator: "o",
    reason: "r",
    error: new DecodeError({ message: "r" }),
    raw: new Uint8Array(),
    rawLength: 0,
    rawForm: "bytes",
    ...noParts,
  };
  const buried: Flow<unknown, Transactional> = flowOf(dead).pipe(
    to(Sink.ndjson("dead", { path: "x", schema: deadLetterSchema })),
  );
  // @ts-expect-error The schema's type is not the flow's.
  flow.pipe(to(Sink.ndjson("lines", { path: "x", schema: Schema.Struct({ carrier: Schema.Number }) })));
  // @ts-expect-error A console can only append.
  const wrong: Flow<unknown, Transactional> = printed;
  assert.equal([tabled, filed, printed, kept, own, buried, wrong].length, 7);
});

Deno.test("under at-most-once a file keeps whole lines where an epoch was torn, and readers find only lines", async () => {
  for (const torn of [0, 3, 8, 12, 16]) {
    const path = await Deno.makeTempFile();
    try {
      // Two lines of eight bytes, of which some were written; then the next epoch behind them.
      await Deno.writeTextFile(path, '{"a":1}\n{"a":2}\n'.slice(0, torn));
      const context = {
        job: "job",
        lineage: "lineage",
        claim: "claim",
        published: 0,
        publishedOffset: { rows: 0, bytes: 0 },
        committed: 1,
        committedOffset: { rows: 2, bytes: 16 },
        checkClaim: Effect.void,
      };
      await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
        const writer = yield* Sink.ndjson<unknown>("file", { path }).driver.open(context);
        yield* writer.forfeit!({ epoch: 1, rows: 2, bytes: 16, offset: { rows: 0, bytes: 0 } });
        yield* writer.publish({ epoch: 2, rows: ['{"a":3}\n'], offset: { rows: 2, bytes: 16 } });
      })));
      const text = await Deno.readTextFile(path);
      assert.equal(text.length, 24);
      const values = text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line).a);
      assert.deepEqual(values, [...[1, 2].slice(0, Math.floor(torn / 8)), 3], `${torn} bytes were written`);
    } finally {
      await Deno.remove(path);
    }
  }
});
