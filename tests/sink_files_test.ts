/** No file is written by two: each would overwrite what the other has written. */
import { Cause, Effect, Exit } from "effect";
import assert from "node:assert/strict";
import { relative } from "node:path";
import { Flow, Job, Sink, Source } from "@weir/streams";

interface Row {
  readonly n: number;
}

const table = (name: string, path: string): Sink.Sink<Row, Sink.Idempotent> =>
  Sink.table<Row>(name, { path, key: ({ n }) => [n], value: ({ n }) => n });

/** Why a job is refused that ends in these sinks, and what there is in its folder afterwards. */
const refusalOf = async (
  sinksIn: (
    folder: string,
  ) => readonly [
    Sink.Sink<Row, Sink.Idempotent | Sink.Transactional>,
    Sink.Sink<Row, Sink.Idempotent | Sink.Transactional>,
  ],
): Promise<{ readonly message: string | null; readonly files: ReadonlyArray<string> }> => {
  const folder = await Deno.makeTempDir();
  try {
    const [a, b] = sinksIn(folder);
    const rows = Flow.from(Source.array<Row>("rows", [{ n: 1 }, { n: 2 }]));
    const job = Job.make({
      name: "job",
      guarantee: "exactly-once",
      flows: [rows.pipe(Flow.to(a)), rows.pipe(Flow.filter(({ n }) => n > 1), Flow.to(b))],
    });
    const exit = await Effect.runPromiseExit(Job.run(job, { state: `${folder}/state.kv` }));
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : null;
    assert.ok(error === null || error instanceof Job.InvalidJob, String(error));
    const files = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    return { message: error?.message.replaceAll(folder, "…") ?? null, files };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

Deno.test("two sinks of one file are refused before anything is written, however its path is written", async () => {
  const spellings: ReadonlyArray<(folder: string) => string> = [
    (folder) => `${folder}/same`,
    (folder) => `${folder}/./x/../same`,
    (folder) => relative(Deno.cwd(), `${folder}/same`),
  ];
  for (const spelling of spellings) {
    const { message, files } = await refusalOf((folder) => [
      Sink.ndjson<Row>("a", { path: `${folder}/same` }),
      Sink.csv<Row>("b", { path: spelling(folder), columns: ["n"] }),
    ]);
    assert.match(
      message!,
      /^Cannot run job "job" as two sinks must not write one file: current value is "a" and "b" in /,
    );
    assert.deepEqual(files, []);
  }
});

Deno.test("a table does not share its file with the job's state or with lines", async () => {
  const inState = await refusalOf((folder) => [
    Sink.ndjson<Row>("a", { path: `${folder}/lines` }),
    table("b", `${folder}/./state.kv`),
  ]);
  assert.equal(
    inState.message,
    `Cannot run job "job" as a sink must not write the file of the job's state: current value is "b" in "…/./state.kv"`,
  );
  const withLines = await refusalOf((folder) => [
    Sink.ndjson<Row>("a", { path: `${folder}/same` }),
    table("b", `${folder}/same`),
  ]);
  assert.match(withLines.message!, /two sinks must not write one file/);
});

Deno.test("tables share a file, and other sinks have one each", async () => {
  const tables = await refusalOf((folder) => [table("a", `${folder}/same.kv`), table("b", `${folder}/same.kv`)]);
  assert.deepEqual(tables, { message: null, files: ["same.kv", "state.kv"] });
  const lines = await refusalOf((folder) => [
    Sink.ndjson<Row>("a", { path: `${folder}/a` }),
    Sink.ndjson<Row>("b", { path: `${folder}/b` }),
  ]);
  assert.deepEqual(lines, { message: null, files: ["a", "b", "state.kv"] });
});
