import * as Schema from "@effect/schema";
import { Cause, Effect, Exit, Stream } from "effect";
import fc from "fast-check";
import assert from "node:assert/strict";
import { Flow, Job, Sink, Source } from "@weir/streams";

const withFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

type Row = Readonly<Record<string, string>>;

const readBack = async (
  path: string,
  options: { readonly delimiter?: string } = {},
): Promise<ReadonlyArray<unknown>> => {
  const source = Source.csv("back", { paths: path, schema: Schema.Record(Schema.String, Schema.String), ...options });
  const batches = await Effect.runPromise(Stream.runCollect(source.read(path, null, 1_000)));
  return batches.flatMap((batch) => batch.records);
};

const offsetAfter = (sink: Sink.Sink<Row, Sink.Transactional>, rows: ReadonlyArray<Row>): Sink.SinkOffset => ({
  rows: rows.length,
  bytes: rows.reduce((sum, row) => sum + sink.driver.byteLength(sink.driver.encode(row)), 0),
});

const contextOf = (changes: Partial<Sink.SinkContext>): Sink.SinkContext => ({
  job: "job",
  lineage: "lineage",
  claim: "claim",
  published: 0,
  publishedOffset: { rows: 0, bytes: 0 },
  committed: 0,
  committedOffset: { rows: 0, bytes: 0 },
  checkClaim: Effect.void,
  ...changes,
});

const withWriter = (
  sink: Sink.Sink<Row, Sink.Transactional>,
  context: Sink.SinkContext,
  // deno-lint-ignore no-explicit-any -- a sink hides the type of its rows
  use: (writer: Sink.SinkWriter<any>) => Effect.Effect<void, Sink.SinkError>,
) => Effect.runPromise(Effect.scoped(Effect.flatMap(sink.driver.open(context), use)));

const field = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('"', ",", ";", "\n", "\r", "\r\n", " ", "x", "ü"), maxLength: 5 }),
);
const columns = ["a", "b,c"];
const row = fc.tuple(field, field).map(([a, b]): Row => ({ a, "b,c": b }));
const epochsOfRows = fc.array(fc.array(row, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });
const layout = fc.record({ delimiter: fc.constantFrom(",", ";"), lineEnding: fc.constantFrom("\n", "\r\n") });

Deno.test("a file of CSV is read back as it was written, however its epochs were torn and published again", async () => {
  await fc.assert(
    fc.asyncProperty(
      epochsOfRows,
      layout,
      fc.array(fc.nat(), { maxLength: 5 }),
      (epochs, layout, cuts) =>
        withFolder(async (folder) => {
          const path = `${folder}/new/out.csv`;
          const sink = Sink.csv<Row>("out", { path, columns, ...layout as { lineEnding: "\n" } });
          const rows = epochs.flat();
          const committedOffset = offsetAfter(sink, rows);
          for (let epoch = 1; epoch <= epochs.length; epoch++) {
            const offset = offsetAfter(sink, epochs.slice(0, epoch - 1).flat());
            const context = contextOf({
              published: epoch - 1,
              publishedOffset: offset,
              committed: epochs.length,
              committedOffset,
            });
            const publication = { epoch, rows: epochs[epoch - 1].map((row) => sink.driver.encode(row)), offset };
            await withWriter(sink, context, (writer) => writer.publish(publication));
            const cut = cuts.pop();
            if (cut === undefined) continue;
            // The process died while it wrote, or before it had noted that it was done.
            const { size } = await Deno.stat(path);
            const before = offset.bytes === 0
              ? 0
              : size - publication.rows.reduce((sum, r) => sum + sink.driver.byteLength(r), 0);
            await Deno.truncate(path, before + cut % (size - before + 1));
            await withWriter(sink, context, (writer) => writer.publish(publication));
          }
          assert.deepEqual(await readBack(path, { delimiter: layout.delimiter }), rows);
        }),
    ),
    { numRuns: 60 },
  );
});

// Of an epoch that is gone, the whole rows that were written stay; the rest becomes blank lines.
Deno.test("under at-most-once a file of CSV keeps whole rows where an epoch was torn, and has nothing but rows", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      (rows, pick) =>
        withFolder(async (folder) => {
          const path = `${folder}/out.csv`;
          const sink = Sink.csv<Row>("out", { path, columns, lineEnding: "\n" });
          const texts = rows.map((row) => sink.driver.encode(row) as string);
          const next: Row = { a: "the next", "b,c": "epoch" };
          const offset = offsetAfter(sink, rows);
          const header = 'a,"b,c"\n';
          const bytes = new TextEncoder().encode(header + texts.join(""));
          const torn = pick % (bytes.length + 1);
          await Deno.writeFile(path, bytes.subarray(0, torn));
          const context = contextOf({ committed: 2, committedOffset: offsetAfter(sink, [...rows, next]) });
          await withWriter(sink, context, (writer) =>
            Effect.andThen(
              writer.forfeit!({ epoch: 1, ...offset, offset: { rows: 0, bytes: 0 } }),
              writer.publish({ epoch: 2, rows: [sink.driver.encode(next)], offset }),
            ));
          let kept = 0;
          let end = header.length;
          while (kept < rows.length && (end += sink.driver.byteLength(texts[kept])) <= torn) kept++;
          assert.deepEqual(await readBack(path), [...rows.slice(0, kept), next], `${torn} bytes were written`);
          assert.equal((await Deno.stat(path)).size, bytes.length + sink.driver.byteLength(sink.driver.encode(next)));
        }),
    ),
    { numRuns: 100 },
  );
});

Deno.test("a job goes on in its file of CSV after a restart, and refuses one with another header", () =>
  withFolder(async (folder) => {
    const path = `${folder}/out.csv`;
    const state = `${folder}/job.kv`;
    const run = (count: number, delimiter: string) =>
      Effect.runPromiseExit(Job.run(
        Job.make({
          name: "copy",
          guarantee: "exactly-once",
          flows: [
            Flow.from(Source.array("n", Array.from({ length: count }, (_, n) => ({ n, even: n % 2 === 0 })))).pipe(
              Flow.to(Sink.csv("out", { path, columns: ["n", "even"], delimiter, lineEnding: "\n" })),
            ),
          ],
        }),
        { state, mode: "available-now" },
      ));
    assert.ok(Exit.isSuccess(await run(2, ",")));
    assert.ok(Exit.isSuccess(await run(3, ",")));
    assert.equal(await Deno.readTextFile(path), "n,even\n0,true\n1,false\n2,true\n");
    const refused = await run(4, ";");
    assert.ok(Exit.isFailure(refused));
    assert.match(String(Cause.squash(refused.cause)), /its header must be .*"n;even\\n": current value is another one/);
    assert.equal(await Deno.readTextFile(path), "n,even\n0,true\n1,false\n2,true\n");
  }));

Deno.test("what has no form in CSV is an error, never a changed field", () => {
  const sink = Sink.csv<unknown>("out", { path: "out.csv", columns: ["a", "b"], lineEnding: "\n" });
  assert.equal(sink.driver.encode({ a: 1n, b: undefined, c: 2 }), "1,\n");
  assert.equal(sink.driver.encode({ a: false, b: null }), "false,\n");
  assert.throws(() => sink.driver.encode({ a: [] }), /column "a" must be well-formed text, a number, true or/);
  assert.throws(() => sink.driver.encode({ a: "half \ud83d" }), /column "a" must be well-formed .* is "half \\ud83d"$/);
  assert.throws(() => sink.driver.encode({ a: new Date(0) }), TypeError);
  assert.throws(() => sink.driver.encode("text"), /a value must be an object: current value is "text"/);
  const single = Sink.csv<unknown>("out", { path: "out.csv", columns: ["a"] });
  assert.equal(single.driver.encode({}), '""\r\n');
  const dated = Sink.csv("out", {
    path: "out.csv",
    columns: ["at"],
    schema: Schema.Struct({ at: Schema.DateFromString }),
  });
  assert.equal(dated.driver.encode({ at: new Date(0) }), "1970-01-01T00:00:00.000Z\r\n");
  assert.throws(() => dated.driver.encode({ at: "1970" as never }), /its schema must take it/);
});

Deno.test("a sink of CSV refuses options that make no sense", () => {
  const rows = Sink.csv<ReadonlyArray<number>>("out", { path: "o", columns: ["length"] });
  assert.throws(() => rows.driver.encode([1, 2]), /a value must be an object: current value is \[1,2\]$/);
  assert.throws(() => Sink.csv("out", { path: "o", columns: [] }), /columns must name at least one and none twice/);
  assert.throws(() => Sink.csv("out", { path: "o", columns: ["a", "a"] }), RangeError);
  assert.throws(
    () => Sink.csv("out", { path: "o", columns: ["a"], delimiter: "\n" }),
    /delimiter must be one character/,
  );
  assert.throws(() => Sink.csv("out", { path: "o", columns: ["a"], lineEnding: "\r" as "\n" }), /lineEnding must be/);
});
