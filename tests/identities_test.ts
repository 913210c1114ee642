/** Splits that are more than their names: a job does not go on in another that has the name of the one that it has read. */
import assert from "node:assert/strict";
import { Cause, Effect, Exit, Stream } from "effect";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";

/** A job that copies a number of each run of split "a"; `logs` says what it is. */
const copying = (logs: Map<string, string>, bounded = false) => {
  const told: Array<ReadonlyMap<string, Source.Position | null>> = [];
  const out = Sink.memory<string>("out");
  const source = Source.make({
    name: "logs",
    bounded,
    splits: Effect.succeed(["a"]),
    identities: (splits) =>
      Effect.sync(() => new Map(splits.flatMap((split) => logs.has(split) ? [[split, logs.get(split)!]] : []))),
    read: (split, from) => {
      const next = Number(from ?? 0);
      const batch = { records: [`${split}${next}`], positions: [next + 1], lag: 0 };
      return bounded ? Stream.make(batch) : Stream.concat(Stream.make(batch), Stream.never);
    },
    committed: (positions) => Effect.sync(() => void told.push(positions)),
  });
  const job = Job.make({ name: "copy", guarantee: "exactly-once", flows: [Flow.from(source).pipe(Flow.to(out))] });
  return { told, out, job };
};

const failureOf = async (running: Effect.Effect<unknown, Job.JobError>): Promise<Job.JobError> => {
  const exit = await Effect.runPromiseExit(running);
  assert.ok(Exit.isFailure(exit), "it should have failed");
  return Cause.squash(exit.cause) as Job.JobError;
};

Deno.test("a job goes on with a split that is what it was, and not with another of its name", async () => {
  const logs = new Map([["a", "log-1"]]);
  const { told, out, job } = copying(logs);
  const once = Job.run(job, { kv: memoryKv(), mode: "available-now" });
  await Effect.runPromise(once);
  await Effect.runPromise(once);
  assert.deepEqual(out.values(), ["a0", "a1"]);
  logs.set("a", "log-2");
  const before = told.length;
  const error = await failureOf(once);
  assert.ok(error._tag === "IncompatibleState", error.message);
  assert.equal(
    error.message,
    'Cannot go on with job "copy" as split "a" of source "logs" must be the one that was read up to 2: current value is ' +
      "log-2, where it was log-1; so it was deleted and made anew",
  );
  assert.deepEqual([error.stored, error.current], ["log-1", "log-2"]);
  assert.equal(told.length, before, "nothing is acknowledged to another split");
  // The old one is back.
  logs.set("a", "log-1");
  await Effect.runPromise(once);
  assert.equal(out.values().at(-1), "a2");
});

Deno.test("what a split is becomes known when its source first says it, and stays known while it does not", async () => {
  const logs = new Map<string, string>();
  const { job } = copying(logs);
  const once = Job.run(job, { kv: memoryKv(), mode: "available-now" });
  await Effect.runPromise(once);
  logs.set("a", "log-1");
  await Effect.runPromise(once);
  logs.delete("a");
  await Effect.runPromise(once);
  logs.set("a", "log-2");
  assert.equal((await failureOf(once))._tag, "IncompatibleState");
});

Deno.test("of a split that has ended nothing more is read, so it may be another", async () => {
  const logs = new Map([["a", "log-1"]]);
  const { out, job } = copying(logs, true);
  const kv = memoryKv();
  await Effect.runPromise(Job.run(job, { kv }));
  logs.set("a", "log-2");
  await Effect.runPromise(Job.run(job, { kv }));
  assert.deepEqual(out.values(), ["a0"]);
});
