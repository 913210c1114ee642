/** State that a job cannot go on with: each is answered by an error that says what must hold, and both values. */
import assert from "node:assert/strict";
import { Cause, Deferred, Effect, Exit, Option, References, Schedule } from "effect";
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { writeReadings } from "../reliability/kills/readings.ts";
import { openEpochStore } from "../src/exactly-once/open-epoch-store.ts";
import { IncompatibleState } from "../src/kv-state/errors.ts";
import type { KvProvider } from "../src/kv-state/kv.ts";
import { manifestKey } from "../src/kv-state/manifest.ts";
import { seal, sealBytes } from "../src/kv-state/seal.ts";
import { memoryKv } from "../src/testing/memory-kv.ts";

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

const quietly = <A, E>(effect: Effect.Effect<A, E>): Promise<Exit.Exit<A, E>> =>
  Effect.runPromiseExit(Effect.provideService(effect, References.MinimumLogLevel, "None"));

/** The error that a run ends with. */
const failureOf = async (job: Job.Job<never>, options: Job.RunOptions): Promise<Job.JobError> => {
  const exit = await quietly(Job.run(job, { restart: Schedule.recurs(0), ...options }));
  assert.ok(Exit.isFailure(exit), "the job must be refused");
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
  if (error === undefined) throw Cause.squash(exit.cause);
  return error;
};

const endsWell = async (job: Job.Job<never>, options: Job.RunOptions): Promise<Job.JobSummary> => {
  const exit = await quietly(Job.run(job, options));
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause);
  return exit.value;
};

/** What a job is made of. */
interface Made {
  readonly name?: string;
  readonly window?: string;
  readonly size?: number;
  readonly aggregate?: "count" | "sum";
  readonly early?: boolean;
  readonly lateness?: number;
  readonly without?: "window" | "once";
  readonly within?: number;
  readonly keep?: "first" | "last";
  readonly extra?: boolean;
  readonly onEpoch?: (epoch: number) => void;
}

interface Number {
  readonly n: number;
}

/** A job over the numbers below 300, its output in a folder. */
const jobOf = (folder: string, made: Made = {}): Job.Job<never> => {
  const { name = "numbers", window = "tens", size = 10, aggregate = "count", lateness, within = 20, keep } = made;
  const numbers = Flow.from(Source.generate("numbers", { seed: 1, count: 300, make: (n) => ({ n }) })).pipe(
    Flow.eventTime({ timestamp: ({ n }) => n, watermark: Watermark.monotonic }),
    Flow.keyBy(({ n }) => n % 3),
  );
  const tens = (name: string) =>
    numbers.pipe(
      Flow.window(name, {
        assigner: Window.tumbling(size),
        aggregate: aggregate === "count" ? Aggregate.count : Aggregate.sum(({ n }: Number) => n),
        trigger: made.early === true ? Trigger.atWatermark({ early: Trigger.afterCount(2) }) : Trigger.atWatermark(),
        allowedLateness: lateness ?? 0,
        panes: "retracting",
        late: "drop",
      }),
      Flow.map(({ key, window, value, change }) => ({ key, start: window.start, value, change })),
    );
  const once = keep === "last"
    ? numbers.pipe(Flow.map(({ n }) => n))
    : numbers.pipe(Flow.deduplicate("once", { within, late: "drop" }), Flow.map(({ n }) => n));
  const toFile = (sink: string) => Flow.to(Sink.ndjson<unknown>(sink, { path: `${folder}/${sink}.ndjson` }));
  return Job.make({
    name,
    guarantee: "exactly-once",
    flows: [
      made.without === "window" ? numbers.pipe(toFile("tens")) : tens(window).pipe(toFile("tens")),
      made.without === "once" ? numbers.pipe(toFile("once")) : once.pipe(toFile("once")),
      numbers.pipe(
        Flow.to(Sink.table("table", { path: `${folder}/table.kv`, key: ({ n }) => [n], value: ({ n }) => n })),
      ),
      numbers.pipe(Flow.to(Sink.idempotent<Number, number>("told", {
        encode: ({ n }) => n,
        byteLength: () => 8,
        open: (_context) =>
          Effect.succeed({ marker: null, publish: ({ epoch }) => Effect.sync(() => made.onEpoch?.(epoch)) }),
      }))),
      ...(made.extra === true ? [tens("more").pipe(toFile("more"))] : []),
    ],
  });
};

const options = { epochInterval: "1 hour", epochRecordsMax: 50, batchRecordsMax: 16, keyedPartitions: 4 } as const;

const at = (folder: string, file = "state.kv") => ({ ...options, state: `${folder}/${file}` });

const refused = (
  error: Job.JobError,
  expected: { readonly rule: string | RegExp; readonly stored: unknown; readonly current: unknown },
): void => {
  assert.ok(error instanceof IncompatibleState, `${error._tag}: ${error.message}`);
  const { rule, stored, current, message } = error;
  if (typeof expected.rule === "string") assert.equal(rule, expected.rule);
  else assert.match(rule, expected.rule);
  for (const [is, must] of [[stored, expected.stored], [current, expected.current]] as const) {
    if (must instanceof RegExp) assert.match(String(is), must);
    else assert.deepEqual(is, must);
    if (is !== undefined) assert.ok(message.includes(JSON.stringify(is)), message);
  }
};

// ---------------------------------------------------------------------------------------------------------------------
// Code that has changed

const changes: ReadonlyArray<readonly [what: string, made: Made, rule: string, stored: unknown, current: unknown]> = [
  ["another size of a window", { size: 20 }, "operator changed", /10/, /20/],
  ["another aggregate", { aggregate: "sum" }, "operator changed", /count/, /sum/],
  ["another allowed lateness", { lateness: 5 }, "operator changed", /./, /5/],
  ["another trigger", { early: true }, "operator changed", /./, /count\(2\)/],
  ["another span of duplicates", { within: 30 }, "operator changed", /within=20/, /within=30/],
  ["a window under another name", { window: "decades" }, "operator removed", /10/, undefined],
  ["a window that is gone", { without: "window" }, "operator removed", /10/, undefined],
  ["a de-duplication that is gone", { without: "once" }, "operator removed", /within=20/, undefined],
  ["a window that is new", { extra: true }, "operator added", undefined, /10/],
];

for (const [what, made, rule, stored, current] of changes) {
  Deno.test(`${what} is refused, and the job goes on with its own code`, () =>
    inFolder(async (folder) => {
      const stopped = Job.run(jobOf(folder), { ...at(folder), mode: "available-now" });
      await Effect.runPromise(stopped);
      const output = await Deno.readTextFile(`${folder}/once.ndjson`);
      refused(await failureOf(jobOf(folder, made), at(folder)), { rule, stored, current });
      assert.equal((await endsWell(jobOf(folder), at(folder))).outcome, "ended");
      assert.equal(await Deno.readTextFile(`${folder}/once.ndjson`), output, "nothing is done twice");
    }));
}

Deno.test("another number of keyed partitions is refused", () =>
  inFolder(async (folder) => {
    await endsWell(jobOf(folder), at(folder));
    refused(await failureOf(jobOf(folder), { ...at(folder), keyedPartitions: 8 }), {
      rule: "keyed partitions",
      stored: 4,
      current: 8,
    });
  }));

// ---------------------------------------------------------------------------------------------------------------------
// The file of somebody else

Deno.test("a job does not start in the state of another one, such as itself under an old name", () =>
  inFolder(async (folder) => {
    await endsWell(jobOf(folder), at(folder));
    const error = await failureOf(jobOf(`${folder}/new`, { name: "figures" }), at(folder));
    refused(error, { rule: "its state must not be that of another job", stored: ["numbers"], current: "figures" });
    assert.match(error.message, /give it a file of its own, or its old name back/);
    // The one whose file it is has not noticed.
    assert.equal((await endsWell(jobOf(folder), at(folder))).outcome, "ended");
  }));

Deno.test("the jobs of a shared store are named, and a job that is one of them goes on", () =>
  Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const kv = yield* memoryKv().open("store");
    const shared = { keyedPartitions: 1, fingerprints: {} };
    for (const job of ["b", "a", "c\0d"]) yield* openEpochStore(kv, { ...shared, job });
    const error = yield* Effect.flip(openEpochStore(kv, { ...shared, job: "e", alone: true }));
    assert.ok(error instanceof IncompatibleState);
    assert.deepEqual(error.stored, ["a", "b", "c\0d"]);
    yield* openEpochStore(kv, { ...shared, job: "a", alone: true });
  }))));

Deno.test("a server may hold the states of several jobs", async () => {
  const kv = memoryKv();
  const jobNamed = (name: string) =>
    Job.make({
      name,
      guarantee: "exactly-once",
      flows: [Flow.from(Source.array("numbers", [1, 2])).pipe(Flow.to(Sink.memory("out")))],
    });
  for (const name of ["first", "second"]) await endsWell(jobNamed(name), { kv, state: "https://kv.example/connect" });
  refused(await failureOf(jobNamed("third"), { kv: everywhere(kv), state: "state.kv" }), {
    rule: "its state must not be that of another job",
    stored: ["first", "second"],
    current: "third",
  });
});

/** The same store under every location. */
const everywhere = (kv: KvProvider): KvProvider => ({ open: () => kv.open("https://kv.example/connect") });

// ---------------------------------------------------------------------------------------------------------------------
// Another version

/** Replaces the manifest that is stored. */
const changeManifest = async (
  path: string,
  change: (manifest: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Promise<void> => {
  using kv = await Deno.openKv(path);
  const key = manifestKey("numbers") as Deno.KvKey;
  const { value } = await kv.get<Uint8Array<ArrayBuffer>>(key);
  await kv.set(key, change(value!));
};

Deno.test("a state of another format version is refused", () =>
  inFolder(async (folder) => {
    await endsWell(jobOf(folder), at(folder));
    await changeManifest(`${folder}/state.kv`, (bytes) => {
      const manifest = JSON.parse(new TextDecoder().decode(bytes.subarray(sealBytes)));
      const changed = JSON.stringify({ ...manifest, version: 1 });
      return seal("numbers/manifest", 0, new TextEncoder().encode(changed)).bytes;
    });
    refused(await failureOf(jobOf(folder), at(folder)), {
      rule: "its manifest must have this version's format",
      stored: 1,
      current: 2,
    });
  }));

Deno.test("a state whose bytes are laid out in another way is refused as another version, not as damaged", () =>
  inFolder(async (folder) => {
    await endsWell(jobOf(folder), at(folder));
    await changeManifest(`${folder}/state.kv`, (bytes) => {
      bytes[0] = 7;
      const checksum = crc32(bytes.subarray(sealBytes), crc32(bytes.subarray(0, 4), crc32("numbers/manifest")));
      Buffer.from(bytes.buffer, bytes.byteOffset).writeUInt32LE(checksum, 4);
      return bytes;
    });
    refused(await failureOf(jobOf(folder), at(folder)), {
      rule: "its manifest must have this version's layout",
      stored: 7,
      current: 1,
    });
  }));

// ---------------------------------------------------------------------------------------------------------------------
// What is no KV file

/** The error of a state that cannot be opened: it names the path, and does not pass by itself. */
const cannotOpen = async (folder: string, file: string, rule: RegExp): Promise<void> => {
  const error = await failureOf(jobOf(`${folder}/out`), at(folder, file));
  assert.ok(error._tag === "KvError", `${error._tag}: ${error.message}`);
  assert.ok(error.message.startsWith(`Cannot open the key-value store ${folder}/${file}`), error.message);
  assert.match(error.message, rule);
  assert.equal(error.retryable, false);
};

Deno.test("a file that is no KV file is refused", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/text.kv`, "a letter to a friend\n".repeat(500));
    await cannotOpen(folder, "text.kv", / as it must be a file that Deno KV has written: file is not a database$/);
    await Deno.writeTextFile(`${folder}/short.kv`, "hi");
    await cannotOpen(folder, "short.kv", /file is not a database$/);
    using other = new DatabaseSync(`${folder}/other.kv`);
    other.exec("CREATE TABLE kv (a, b)");
    await cannotOpen(folder, "other.kv", / as it must be a file that Deno KV has written: table kv already exists/);
    assert.equal((await Deno.readTextFile(`${folder}/text.kv`)).length, 10_500, "it is not touched");
  }));

Deno.test("a folder, and a path below a file, are refused", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/folder.kv`);
    await cannotOpen(folder, "folder.kv", /: it must be a file: current value is a folder$/);
    await Deno.writeTextFile(`${folder}/file`, "");
    await cannotOpen(folder, "file/state.kv", /Not a directory/);
  }));

Deno.test("an empty file is a state that has not begun", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/state.kv`, "");
    assert.equal((await endsWell(jobOf(folder), at(folder))).outcome, "ended");
  }));

Deno.test("a state whose manifest is gone is damaged: it is not begun anew", () =>
  inFolder(async (folder) => {
    await endsWell(jobOf(folder), at(folder));
    {
      using kv = await Deno.openKv(`${folder}/state.kv`);
      await kv.delete(manifestKey("numbers") as Deno.KvKey);
    }
    const error = await failureOf(jobOf(folder), at(folder));
    assert.ok(error._tag === "StateCorrupted" && error.segment === "manifest", error.message);
    assert.match(
      error.message,
      /^Cannot read the manifest of job "numbers" as it is missing: what is left of the job /,
    );
  }));

// ---------------------------------------------------------------------------------------------------------------------
// State and output that do not belong together

Deno.test("a state that was deleted while its outputs are there is refused by each sink", () =>
  inFolder(async (folder) => {
    await endsWell(jobOf(folder), at(folder));
    const begun = await failureOf(jobOf(folder), at(folder, "other.kv"));
    assert.ok(begun._tag === "SinkError" && begun.sink === "tens" && !begun.retryable, begun.message);
    assert.match(
      begun.message,
      /the file must be empty when a job starts for the first time .*: current value is \d+ bytes/,
    );
    for (const file of ["tens", "once"]) await Deno.remove(`${folder}/${file}.ndjson`);
    const table = await failureOf(jobOf(folder), at(folder, "third.kv"));
    assert.ok(table._tag === "SinkError" && table.sink === "table" && !table.retryable, table.message);
    assert.match(
      table.message,
      /it must not belong to another run of the job .*: current value is run \w+, this one is /,
    );
  }));

// epochs    1   2   3   4   5   6
// state     |---|  copied         |  and put back
// outputs   |---|---|---|---|---|
Deno.test("an old copy of the state is refused by each sink that is ahead of it", () =>
  inFolder(async (folder) => {
    const old = `${folder}/old`;
    const keep = (epoch: number): void => {
      if (epoch !== 2) return;
      Deno.mkdirSync(old);
      for (const { name } of Deno.readDirSync(folder)) {
        if (/^(state|.*ndjson)/.test(name) && !name.endsWith("-shm")) {
          Deno.copyFileSync(`${folder}/${name}`, `${old}/${name}`);
        }
      }
    };
    await endsWell(jobOf(folder, { onEpoch: keep }), at(folder));
    const putBack = async (names: RegExp): Promise<void> => {
      for await (const { name } of Deno.readDir(old)) {
        if (names.test(name)) {
          await Deno.copyFile(`${old}/${name}`, `${folder}/${name}`);
        }
      }
    };
    await putBack(/^state/);
    const file = await failureOf(jobOf(folder, { onEpoch: keep }), at(folder));
    assert.ok(file._tag === "StateBehindOutput" && file.sink === "tens", `${file._tag}: ${file.message}`);
    assert.ok(file.found > file.committed && file.message.includes(String(file.found)), file.message);
    await putBack(/./);
    const table = await failureOf(jobOf(folder, { onEpoch: keep }), at(folder));
    assert.ok(table._tag === "StateBehindOutput" && table.sink === "table", `${table._tag}: ${table.message}`);
    assert.ok(table.committed === 2 && table.found > 2, table.message);
  }));

Deno.test("the state of a job with other sources is refused while one of them has not ended", () =>
  inFolder(async (folder) => {
    const endless = (name: string) =>
      Job.make({
        name: "endless",
        guarantee: "exactly-once",
        flows: [
          Flow.from(Source.generate(name, { seed: 1, rate: 1_000, make: (n) => n })).pipe(
            Flow.to(Sink.ndjson("out", { path: `${folder}/out.ndjson` })),
          ),
        ],
      });
    await endsWell(endless("numbers"), { ...at(folder), mode: "available-now" });
    const error = await failureOf(endless("figures"), at(folder));
    assert.ok(error instanceof IncompatibleState, `${error._tag}: ${error.message}`);
    assert.equal(error.rule, "a split that has not ended must not go away");
    assert.match(error.message, /source "numbers" must still have split "0"/);
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Owners that have been taken over

/** A job whose only sink does as it is told. */
const jobWith = (publish: () => Effect.Effect<void, Sink.SinkError>): Job.Job<never> =>
  Job.make({
    name: "numbers",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("numbers", [1, 2, 3])).pipe(
        Flow.to(Sink.idempotent("out", {
          encode: (n: number) => n,
          byteLength: () => 8,
          open: (_context) => Effect.succeed({ marker: null, publish }),
        })),
      ),
    ],
  });

const sinkError = (retryable: boolean): Sink.SinkError =>
  new Sink.SinkError({ message: "Cannot write", sink: "out", epoch: 1, retryable, cause: null });

const takenOver = { job: "numbers", keyedPartitions: Job.runDefaults.keyedPartitions, fingerprints: {} };

for (const retryable of [false, true]) {
  // first     claim |---- publishes … is refused        Fenced, not the sink's error
  // second                 claim
  Deno.test(`an owner whose sink refuses it because it was taken over ends as fenced (retryable: ${retryable})`, () =>
    Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const provider = memoryKv();
      const isPublishing = yield* Deferred.make<void>();
      const goOn = yield* Deferred.make<void>();
      const job = jobWith(() =>
        Deferred.succeed(isPublishing, undefined).pipe(
          Effect.andThen(Deferred.await(goOn)),
          Effect.andThen(Effect.fail(sinkError(retryable))),
        )
      );
      const running = yield* Job.start(job, { state: "store", kv: provider });
      yield* Deferred.await(isPublishing);
      const kv = yield* provider.open("store");
      yield* openEpochStore(kv, takenOver);
      yield* Deferred.succeed(goOn, undefined);
      const error = yield* Effect.flip(running.await);
      assert.equal(error._tag, "Fenced", error.message);
      assert.match(error.message, /^Cannot write to the sinks of job "numbers" as another process has claimed it/);
    }))));
}

// first     claim |---- fails, starts anew ---- fails …    its own claim is taken on
// second                                           claim   and another one's is not taken back
Deno.test("a run that starts anew takes nothing back from a process that has taken the job over", () =>
  Effect.runPromise(Effect.scoped(
    Effect.gen(function* () {
      const provider = memoryKv();
      const kv = yield* provider.open("store");
      let tries = 0;
      const job = jobWith(() => Effect.suspend(() => Effect.fail(sinkError(++tries < 3))));
      const restart = Schedule.recurs(5);
      const failed = yield* Effect.flip(Job.run(job, { state: "store", kv: provider, restart }));
      assert.deepEqual([failed._tag, tries], ["SinkError", 3]);

      const isRefused = yield* Deferred.make<void>();
      const refusing = jobWith(() =>
        Effect.andThen(Deferred.succeed(isRefused, undefined), Effect.fail(sinkError(true)))
      );
      const running = yield* Job.start(refusing, {
        state: "store",
        kv: provider,
        restart: Schedule.spaced("500 millis"),
      });
      yield* Deferred.await(isRefused);
      // The run rests by now, before it starts anew.
      yield* Effect.sleep("100 millis");
      yield* openEpochStore(kv, takenOver);
      const error = yield* Effect.flip(running.await);
      assert.equal(error._tag, "Fenced", error.message);
      assert.match(error.message, /^Cannot go on with the state of job "numbers" as another process has claimed it/);
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  )));

// ---------------------------------------------------------------------------------------------------------------------
// Permissions, and what has to be switched on

const root = decodeURIComponent(new URL("../", import.meta.url).pathname);

interface Said {
  readonly say: string;
  readonly error?: string;
  readonly message: string;
}

/** How a process ends that runs a job over a few readings, as it says. */
const endOf = async (command: string, args: ReadonlyArray<string>): Promise<Said> => {
  const { stdout, stderr } = await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
  const last = new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!;
  assert.ok(last.startsWith("{"), last + new TextDecoder().decode(stderr));
  return JSON.parse(last);
};

const worker = `${root}reliability/kills/worker.ts`;
const runArgs = ["run", "--quiet", "--no-prompt", "--no-check"];

/** Runs a worker in a folder that has its input. */
const workerIn = async (folder: string, flags: ReadonlyArray<string>): Promise<Said> => {
  const paths = (await writeReadings(`${folder}/input`, 1, 20)).map(({ path }) => path);
  return await endOf("deno", [...runArgs, ...flags, worker, `${folder}/out`, ...paths]);
};

Deno.test("a program that may not write its state says which permission it needs", () =>
  inFolder(async (folder) => {
    for (const flags of [["--deny-write"], [`--deny-write=${folder}/out/state.kv`, `--allow-write=${folder}`]]) {
      const { error, message } = await workerIn(folder, [`--allow-read=${folder}`, ...flags]);
      assert.equal(error, "KvError", message);
      assert.match(
        message,
        /^Cannot open the key-value store \S+\/state\.kv: Requires write access to .*--allow-write/,
      );
    }
    const { error, message } = await workerIn(folder, [`--allow-write=${folder}`]);
    assert.equal(error, "KvError", message);
    assert.match(message, /Requires read access to .*--allow-read/);
  }));

Deno.test("a program without --unstable-kv says what to add", () =>
  inFolder(async (folder) => {
    const config = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
    const imports = Object.fromEntries(
      Object.entries(config.imports as Record<string, string>).map((
        [name, to],
      ) => [name, to.replace(/^\.\//, `file://${root}`)]),
    );
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports }));
    const flags = ["--config", `${folder}/deno.json`, "--no-lock", `--allow-read=${folder}`, `--allow-write=${folder}`];
    const { error, message } = await workerIn(folder, flags);
    assert.equal(error, "KvError", message);
    assert.match(
      message,
      / as Deno KV must be switched on, by --unstable-kv or by "unstable": \["kv"\] in deno\.json: /,
    );
    assert.equal((await workerIn(folder, [...flags, "--unstable-kv"])).say, "ended");
  }));

// ---------------------------------------------------------------------------------------------------------------------
// Disks that are full, or may not be written. A process gets file systems of its own, which are gone when it ends.

/** Runs a command in a mount namespace of its own, after a shell line that changes what is mounted; `$0` is the folder. */
const mounted = (line: string, folder: string, command: ReadonlyArray<string>): ReadonlyArray<string> => [
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  `${line} && exec "$@"`,
  folder,
  ...command,
];

/** Why there are no file systems for a process of its own here, or `null` where there are. */
const whyNoMounts = await (async (): Promise<string | null> => {
  const folder = await Deno.makeTempDir();
  try {
    const { success, stderr } = await new Deno.Command("unshare", {
      args: [...mounted('mount -t tmpfs -o size=1m tmpfs "$0"', folder, ["true"])],
    }).output();
    return success ? null : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await Deno.remove(folder);
  }
})();

/** A test that needs them; where there are none its name says why it is skipped. */
const withMounts = (name: string, body: (folder: string) => Promise<void>): void =>
  Deno.test({
    name: whyNoMounts === null ? name : `${name} (skipped, as no disk can be mounted here: ${whyNoMounts})`,
    ignore: whyNoMounts !== null,
    fn: () => inFolder(body),
  });

for (const kept of ["state", "files", "tables"] as const) {
  withMounts(
    `a disk that is full of ${kept}: the error says so, and the job goes on exactly once there is room`,
    async (folder) => {
      const [small, large] = [`${folder}/small`, `${folder}/large`];
      for (const path of [small, large]) await Deno.mkdir(path);
      const permissions = [`--allow-read=${folder}`, `--allow-write=${folder}`];
      const program = ["deno", ...runArgs, ...permissions, `${root}tests/programs/full-disk.ts`, small, large, kept];
      const { stdout, stderr } = await new Deno.Command("unshare", {
        args: [...mounted('mount -t tmpfs -o size=8m tmpfs "$0"', small, program)],
      }).output();
      const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      const lines = said.trimEnd().split("\n").map((line) => line === "" ? null : JSON.parse(line));
      assert.equal(lines.length, 3, said + errors);
      const [full, freed, compared] = lines;
      assert.equal(full.error, kept === "state" ? "KvError" : "SinkError", full.message);
      assert.match(
        full.message,
        kept === "files" ? /No space left on device/ : /there must be room on the disk: .*full/,
      );
      assert.ok(full.message.includes(small), full.message);
      assert.equal(full.retryable, true);
      assert.equal(freed.ended, "ended");
      assert.equal(compared.ended, "exact");
    },
  );
}

const readOnly = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"';

withMounts("a state on a disk that may only be read is refused, whether it has begun or not", async (folder) => {
  const paths = (await writeReadings(`${folder}/input`, 1, 20)).map(({ path }) => path);
  const out = `${folder}/out`;
  const program = ["deno", ...runArgs, `--allow-read=${folder}`, `--allow-write=${folder}`, worker, out, ...paths];
  await Deno.mkdir(out);
  const end = () => endOf("unshare", mounted(readOnly, out, program));
  for (const isBegun of [false, true]) {
    if (isBegun) assert.equal((await endOf("deno", program.slice(1))).say, "ended");
    const { error, message } = await end();
    assert.equal(error, "KvError", message);
    assert.ok(message.startsWith(`Cannot open the key-value store ${out}/state.kv as `), message);
    assert.match(message, /writ/);
  }
  assert.equal((await endOf("deno", program.slice(1))).say, "ended");
});
