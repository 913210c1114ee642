/**
 * Damages the files in which a small job keeps its state, in one place at a time, and looks what the job makes of it.
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { Cause, Effect, Exit, Option, References, Schedule } from "effect";
import { DatabaseSync } from "node:sqlite";
import { denoKv } from "../../src/kv-state/deno-kv.ts";
import type { Kv } from "../../src/kv-state/kv.ts";
import type { Seeded } from "../../src/testing/simulation/seeded.ts";
import { tableOf } from "./outputs.ts";
import { copyFolder } from "./verify.ts";

/** How many numbers the job reads, and how many an epoch has. */
const counts = { numbers: 600, epoch: 24 };
/** After which epoch the files are taken that are damaged. From 20 to 21 it is one bit. */
const takenAfter = { first: 6, second: 21 };
/** How long a run may take before it counts as one that hangs. */
const runMillisMax = 20_000;

/** Something that keeps state in all the ways there are: windows that fire once, again and again, and what was seen. */
const numbersJob = (folder: string, onPublish: (epoch: number) => void = () => {}): Job.Job<never> => {
  let toldEpoch = 0;
  const numbers = Flow.from(Source.generate("numbers", {
    seed: 5,
    count: counts.numbers,
    splits: 3,
    make: (index, random, split) => ({ index, split, at: index * 10, key: Math.floor(random() * 40) }),
  }));
  const running = numbers.pipe(
    Flow.keyBy(({ split }) => split),
    Flow.window("running", {
      assigner: Window.global,
      aggregate: Aggregate.count,
      trigger: Trigger.repeatedly(Trigger.afterCount(1)),
      late: "drop",
    }),
    Flow.map(({ key, value }) => `split ${key}: ${value}`),
  );
  const keyed = numbers.pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness(50) }),
    Flow.keyBy(({ key }) => key),
  );
  const sums = keyed.pipe(
    Flow.window("sums", {
      assigner: Window.tumbling("1 second"),
      aggregate: { count: Aggregate.count, sum: Aggregate.sum(({ index }: { readonly index: number }) => index) },
      late: "drop",
    }),
    Flow.map(({ key, window, value }) => `${key} from ${window.start}: ${value.count}, ${value.sum}`),
  );
  const once = keyed.pipe(
    Flow.deduplicate("once", { within: "1 minute", late: "drop" }),
    Flow.map(({ key, index }) => `${key} first as ${index}`),
  );
  const latest = keyed.pipe(Flow.to(Sink.table<{ readonly key: number; readonly index: number }>("latest", {
    path: `${folder}/latest.kv`,
    key: ({ key }) => [key],
    value: ({ index }) => index,
    kv: { open: (location) => Effect.map(denoKv.open(location), (kv) => afterTold(kv, () => toldEpoch)) },
  })));
  const to = (name: string) => Sink.ndjson<string>(name, { path: `${folder}/${name}.ndjson` });
  const told = numbers.pipe(Flow.to(Sink.idempotent<unknown, number>("told", {
    encode: () => 1,
    byteLength: () => 1,
    open: () =>
      Effect.succeed({
        marker: null,
        publish: ({ epoch }) =>
          Effect.sync(() => {
            onPublish(epoch);
            toldEpoch = epoch;
          }),
      }),
  })));
  return Job.make({
    name: "numbers",
    guarantee: "exactly-once",
    flows: [
      running.pipe(Flow.to(to("running"))),
      sums.pipe(Flow.to(to("sums"))),
      once.pipe(Flow.to(to("once"))),
      latest,
      told,
    ],
  });
};

/** Which of the files are damaged. */
export type Base = keyof Omit<Sound, "outputs">;

/** A store whose rows wait until the epoch has been told of, so that the files are always taken before. */
const afterTold = (kv: Kv, told: () => number): Kv => ({
  ...kv,
  commit: (commit) =>
    Effect.gen(function* () {
      const last = commit.mutations.at(-1)!;
      const { epoch } = (last.type === "set" ? last.value : null) as Sink.TableMarker;
      while (commit.mutations.length > 1 && told() < epoch) yield* Effect.sleep(1);
      return yield* kv.commit(commit);
    }),
});

/** How a run over damaged files has ended. */
export type Outcome =
  /** To its end, with the output of a run over sound files. */
  | { readonly ended: "exact" }
  /** To its end, with another output: what must never be. */
  | { readonly ended: "wrong"; readonly differs: string }
  | { readonly ended: "refused"; readonly error: string; readonly message: string }
  /** With a defect, or not at all. */
  | { readonly ended: "broken"; readonly message: string };

const outputsOf = async (folder: string): Promise<Readonly<Record<string, string>>> => {
  const outputs: Record<string, string> = {};
  for (const name of ["running", "sums", "once"]) outputs[name] = Deno.readTextFileSync(`${folder}/${name}.ndjson`);
  return { ...outputs, latest: JSON.stringify((await tableOf(`${folder}/latest.kv`, "latest")).rows) };
};

const exitOf = (folder: string, onPublish?: (epoch: number) => void): Promise<Exit.Exit<unknown, Job.JobError>> => {
  const running = Job.run(numbersJob(folder, onPublish), {
    state: `${folder}/state.kv`,
    keyedPartitions: 4,
    batchRecordsMax: 8,
    epochInterval: "1 hour",
    epochRecordsMax: counts.epoch,
    restart: Schedule.recurs(1),
  }).pipe(Effect.timeout(runMillisMax));
  return Effect.runPromiseExit(Effect.provideService(running, References.MinimumLogLevel, "None")) as Promise<
    Exit.Exit<unknown, Job.JobError>
  >;
};

/** Files to be damaged, and what comes of them where they are sound. */
export interface Sound {
  /** Where everything that was committed is still in the write-ahead log. */
  readonly log: string;
  /** Where all of it is in the main file. */
  readonly main: string;
  /** Where some of it is in the main file, and what came later in the log. */
  readonly both: string;
  readonly outputs: Readonly<Record<string, string>>;
}

/** A synchronous copy: nothing is written meanwhile. */
const take = (from: string, to: string): void => {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) {
    if (!name.endsWith("-shm")) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
};

/** Moves all that is in the log to the main file: closing the last connection does that. */
const checkpoint = async (folder: string): Promise<void> => {
  const kv = await Deno.openKv(`${folder}/state.kv`);
  await kv.get(["weir"]);
  kv.close();
};

/** Runs the job twice, and takes the files in between. */
export const makeSound = async (folder: string): Promise<Sound> => {
  const at = (name: string): string => `${folder}/${name}`;
  const run = async (name: string, onPublish: (epoch: number) => void): Promise<void> => {
    const exit = await exitOf(at(name), onPublish);
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause);
  };
  await run("first", (epoch) => {
    if (epoch === takenAfter.first) take(at("first"), at("second"));
    if (epoch === takenAfter.second) take(at("first"), at("log"));
  });
  await checkpoint(at("second"));
  await run("second", (epoch) => {
    if (epoch === takenAfter.second) take(at("second"), at("both"));
  });
  take(at("both"), at("main"));
  await checkpoint(at("main"));
  return { log: at("log"), main: at("main"), both: at("both"), outputs: await outputsOf(at("first")) };
};

/** Copies sound files, damages the copy, and runs the job over it. */
export const runDamaged = async (
  sound: Sound,
  base: Base,
  folder: string,
  damage: (folder: string) => void | Promise<void>,
): Promise<Outcome> => {
  await copyFolder(sound[base], folder);
  await damage(folder);
  const exit = await exitOf(folder);
  if (Exit.isFailure(exit)) {
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
    if (error === undefined || !isJobError(error)) return { ended: "broken", message: Cause.pretty(exit.cause) };
    return { ended: "refused", error: error._tag, message: error.message };
  }
  const outputs = await outputsOf(folder);
  const differs = Object.keys(outputs).find((name) => outputs[name] !== sound.outputs[name]);
  return differs === undefined ? { ended: "exact" } : { ended: "wrong", differs };
};

/** The errors that damage may end in; of a time-out or a defect nobody could say what is wrong. */
const jobErrors = ["KvError", "StateCorrupted", "IncompatibleState", "StateBehindOutput", "SinkError"];

const isJobError = (error: { readonly _tag: string }): boolean => jobErrors.includes(error._tag);

/** Changes the bytes of a file. */
export const change = (path: string, how: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array): void =>
  Deno.writeFileSync(path, how(Deno.readFileSync(path)));

/** Flips one bit, from a position on. */
export const flipBit = (random: Seeded, from = 0) => (bytes: Uint8Array<ArrayBuffer>): Uint8Array => {
  bytes[from + random.below(bytes.length - from)] ^= 1 << random.below(8);
  return bytes;
};

/** Cuts the end off. */
export const cutOff = (random: Seeded) => (bytes: Uint8Array<ArrayBuffer>): Uint8Array =>
  bytes.subarray(0, random.below(bytes.length));

/** Makes a range zero, as a disk does that has lost some of its blocks. */
export const zeroRange = (random: Seeded, lengthMax: number) => (bytes: Uint8Array<ArrayBuffer>): Uint8Array => {
  const start = random.below(bytes.length);
  return bytes.fill(0, start, start + 1 + random.below(lengthMax));
};

/** Flips one bit of one of the values of a KV file that are bytes, through the store: what no page checksum could see. */
export const flipStored = (random: Seeded) => async (folder: string): Promise<void> => {
  const kv = await Deno.openKv(`${folder}/state.kv`);
  const entries = [];
  for await (const entry of kv.list<Uint8Array<ArrayBuffer>>({ prefix: ["weir"] })) {
    if (entry.value instanceof Uint8Array) entries.push(entry);
  }
  const { key, value } = entries[random.below(entries.length)];
  await kv.set(key, flipBit(random)(value));
  kv.close();
};

/** Flips one bit of the marker of a table, below the store: there it is a value like any other. */
export const flipMarker = (random: Seeded) => (folder: string): void => {
  using database = new DatabaseSync(`${folder}/latest.kv`);
  const found = database.prepare("SELECT k, v FROM kv WHERE instr(k, CAST('weir' AS BLOB)) > 0").get()!;
  const value = flipBit(random)(found["v"] as Uint8Array<ArrayBuffer>);
  database.prepare("UPDATE kv SET v = ? WHERE k = ?").run(value, found["k"]);
};
