/**
 * What must hold of a job's files at any time, and after its end.
 *
 * Everything is looked at in a copy: to open a KV file changes it, and the next process shall find what the kill has left.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Job } from "@weir/streams";
import { Effect } from "effect";
import { inspect } from "../../src/exactly-once/inspect.ts";
import { denoKv } from "../../src/kv-state/deno-kv.ts";
import { readingsJob, runOptions } from "./job.ts";
import { answerOf, fileNames, linesOf, tableNames, tableOf, unlessMissing } from "./outputs.ts";
import type { InputFile } from "./readings.ts";
import { byKey, recount } from "./recount.ts";

/** What the state says of a split. */
type Split = readonly [source: string, path: string, progress: { readonly position: number; readonly count: number }];

/** Copies all that a job has written, with what SQLite has not yet moved to its main files. */
export const copyFolder = async (from: string, to: string): Promise<void> => {
  await Deno.remove(to, { recursive: true }).catch(unlessMissing(undefined));
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    // The index of the write-ahead log is shared memory: SQLite makes it anew from the log.
    if (!name.endsWith("-shm")) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
};

/** Reads what is committed in a KV file; `null` before the first start. */
const committedIn = (path: string) =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(denoKv.open(path), (kv) => inspect(kv, "readings"))));

/**
 * Checks what a process that was killed has left, in a copy of its folder: that the epochs it has told of are there, and
 * that positions, state and output are those of one and the same instant. Returns the last epoch.
 */
export const verifyKilled = async (options: {
  readonly folder: string;
  readonly files: ReadonlyArray<InputFile>;
  /** The last epoch of which a process has told. */
  readonly told: number;
  /** Whether to go on from the copy with the input cut where its positions are, and recount what comes of it. */
  readonly restores: boolean;
}): Promise<number> => {
  const { folder, files, told, restores } = options;
  const copy = `${folder}-copy`;
  await copyFolder(folder, copy);
  const committed = await committedIn(`${copy}/state.kv`);
  if (committed === null) {
    assert.equal(told, 0, "an epoch that was told of is not there");
    return 0;
  }
  const { epoch, sinks, unpublished, control } = committed;
  assert.ok(epoch >= told, `epoch ${told} was told of, but ${epoch} is the last one`);
  assert.ok(epoch <= told + 1, `epoch ${epoch} is there, but ${told} was the last one told of`);
  if (epoch === 0) return 0;

  const { splits } = control as { readonly splits: ReadonlyArray<Split> };
  const progress = new Map(splits.map(([, path, { position, count }]) => [path, { position: position ?? 0, count }]));
  const prefixes = files.map(({ path, readings, ends }) => {
    const { position, count } = progress.get(path)!;
    assert.equal(position, count === 0 ? 0 : ends[count - 1], `position after ${count} lines of ${path}`);
    return readings.slice(0, count);
  });
  const expected = recount(prefixes);
  const total = prefixes.reduce((sum, { length }) => sum + length, 0);

  // Output that is in the manifest, whether published or not: one row a reading, or an epoch's worth of them.
  for (const sink of ["read", "running", "told"]) assert.equal(sinks[sink].committedOffset.rows, total, sink);
  for (const output of unpublished) assert.equal(output.epoch, epoch, "only the last epoch is unpublished");

  // What was published of the file is there, each reading once and in order, and nothing is that was not committed.
  const lines = await linesOf(`${copy}/read.ndjson`);
  assert.ok(lines.length >= sinks["read"].publishedOffset.rows && lines.length <= total, `${lines.length} lines`);
  const seen: Record<string, number> = {};
  for (const line of lines) {
    const { split, n } = JSON.parse(line);
    assert.equal(n, seen[split] ?? 0, `the next line of ${split}`);
    seen[split] = n + 1;
    assert.ok(n < (expected.read[split]?.length ?? 0), `line ${n} of ${split} was not committed`);
  }

  // A table that has all of the last epoch says what was read up to it.
  const { rows, marker } = await tableOf(`${copy}/running.kv`, "running");
  assert.ok((marker?.epoch ?? 0) <= epoch, `table at epoch ${marker?.epoch}`);
  if (marker !== null && marker.epoch === epoch && marker.complete) {
    assert.deepEqual(rows, byKey(expected.running), "the running totals");
  }

  if (restores) {
    const cut = new Map(files.map(({ path }) => [path, progress.get(path)!.position]));
    const job = readingsJob({ paths: files.map(({ path }) => path), folder: copy, cut });
    await Effect.runPromise(Job.run(job, { ...runOptions, state: `${copy}/state.kv` }));
    assert.deepEqual(await answerOf(copy), expected, "what comes of the state and the input up to its positions");
  }
  return epoch;
};

/** Checks the outputs of a job that has ended: against a recount, and against those of one that nobody disturbed. */
export const verifyEnded = async (options: {
  readonly folder: string;
  readonly undisturbed: string;
  readonly files: ReadonlyArray<InputFile>;
}): Promise<void> => {
  const { folder, undisturbed, files } = options;
  assert.deepEqual(await answerOf(folder), recount(files.map(({ readings }) => readings)));
  for (const name of fileNames) {
    const [one, other] = await Promise.all([folder, undisturbed].map((at) => Deno.readTextFile(`${at}/${name}`)));
    assert.ok(one === other, `${name} is not that of an undisturbed run, byte for byte`);
  }
  for (const name of tableNames) {
    const [one, other] = await Promise.all([folder, undisturbed].map((at) => tableOf(`${at}/${name}.kv`, name)));
    assert.deepEqual(one.rows, other.rows, name);
  }
};
