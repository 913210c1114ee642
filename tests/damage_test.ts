/** Files that a disk has damaged: the answer is the right one or an error that says what is damaged, never a wrong number. */
import assert from "node:assert/strict";
import {
  type Base,
  change,
  cutOff,
  flipBit,
  flipMarker,
  flipStored,
  makeSound,
  type Outcome,
  runDamaged,
  type Sound,
  zeroRange,
} from "../reliability/kills/damage.ts";
import { Seeded } from "../src/testing/simulation/seeded.ts";
import type { Sink } from "@weir/streams";

const seed = Number(Deno.env.get("WEIR_SEED") ?? 1);

let folder: string;
let sound: Sound;

/** Files in memory are files, too, and nobody has to wait until each is on a disk. */
const inMemory = "/dev/shm";

Deno.test.beforeAll(async () => {
  const isThere = await Deno.stat(inMemory).then(({ isDirectory }) => isDirectory, () => false);
  folder = await Deno.makeTempDir(isThere ? { dir: inMemory } : {});
  sound = await makeSound(folder);
});

Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

const pagesOf = (folder: string): string => `${folder}/state.kv`;
const logOf = (folder: string): string => `${folder}/state.kv-wal`;

/** The most bytes that are made zero at once: two pages. */
const zeroBytesMax = 8_192;

/** How often each ending was seen: `"exact"`, or the tag of the error. */
type Tally = Readonly<Record<string, number>>;

/** Damages copies of the files, one after the other, and checks that each is answered well. */
const damage = async (
  times: number,
  base: Base,
  how: (folder: string) => void | Promise<void>,
): Promise<Tally> => {
  const tally: Record<string, number> = {};
  for (let k = 0; k < times; k++) {
    const outcome = await runDamaged(sound, base, `${folder}/damaged`, how);
    const kind = answered(outcome, `damage ${k} of ${base}, seed ${seed}`);
    tally[kind] = (tally[kind] ?? 0) + 1;
  }
  return tally;
};

/** What an outcome is called, if it is one that may be. */
const answered = (outcome: Outcome, which: string): string => {
  switch (outcome.ended) {
    case "exact":
      return "exact";
    case "wrong":
      return assert.fail(`${which}: the job ended, but "${outcome.differs}" is not what it must be`);
    case "broken":
      return assert.fail(`${which}: ${outcome.message}`);
    case "refused": {
      const { error, message } = outcome;
      if (error === "StateCorrupted") {
        assert.match(message, /^Cannot read (segment \S+|the manifest) of job "numbers" as /);
      }
      if (error === "KvError") assert.ok(message.includes(pagesOf(`${folder}/damaged`)), `${which}: ${message}`);
      return error;
    }
  }
};

const sum = (tally: Tally): number => Object.values(tally).reduce((sum, count) => sum + count, 0);

Deno.test("sound files are taken on, wherever SQLite has put what was committed", async () => {
  for (const base of ["log", "main", "both"] as const) assert.deepEqual(await damage(1, base, () => {}), { exact: 1 });
});

Deno.test("an output that is not as it must be is noticed", async () => {
  const outcome = await runDamaged(
    sound,
    "main",
    `${folder}/damaged`,
    (folder) => change(`${folder}/running.ndjson`, flipBit(new Seeded(seed))),
  );
  assert.deepEqual(outcome, { ended: "wrong", differs: "running" });
});

Deno.test("350 bits flipped in the pages of the file: the right answer, or an error that says what is damaged", async () => {
  const random = new Seeded(seed);
  const flip = (folder: string): void => change(pagesOf(folder), flipBit(random));
  const alone = await damage(250, "main", flip);
  const withLog = await damage(100, "both", flip);
  assert.equal(sum(alone) + sum(withLog), 350);
  // Bits in free space and in pages that the log replaces change nothing; the others are noticed.
  assert.ok(alone.exact > 0 && alone.StateCorrupted > 0, JSON.stringify(alone));
  assert.ok(withLog.exact > 0, JSON.stringify(withLog));
});

Deno.test("300 bits flipped in stored values: each is noticed, with the name of its segment", async () => {
  assert.deepEqual(await damage(300, "main", flipStored(new Seeded(seed + 1))), { StateCorrupted: 300 });
});

// SQLite believes its log up to the first frame that is damaged. What is left is the state of an earlier epoch, and the
// sinks know of later ones.
Deno.test("350 bits flipped in the log: the job is where it was, or the sinks say that it has gone back", async () => {
  const random = new Seeded(seed + 2);
  const flip = (folder: string): void => change(logOf(folder), flipBit(random));
  for (const base of ["log", "both"] as const) {
    const tally = await damage(175, base, flip);
    assert.ok(tally.StateBehindOutput > 0, JSON.stringify(tally));
  }
});

Deno.test("a log that was cut, and ranges that are zero", async () => {
  const random = new Seeded(seed + 3);
  const zero = zeroRange(random, zeroBytesMax);
  for (const base of ["log", "both"] as const) {
    const cut = await damage(50, base, (folder) => change(logOf(folder), cutOff(random)));
    assert.ok(cut.StateBehindOutput > 0, JSON.stringify(cut));
    await damage(50, base, (folder) => change(logOf(folder), zero));
  }
  await damage(50, "main", (folder) => change(pagesOf(folder), zero));
  const cut = await damage(50, "main", (folder) => change(pagesOf(folder), cutOff(random)));
  assert.ok(cut.KvError > 0, JSON.stringify(cut));
});

// Rows of a table are a program's own, and have no checksum. But what says how far the table has got must not lead astray.
Deno.test("100 bits flipped in what says how far a table has got: no row is lost, or the table is refused", async () => {
  const flip = flipMarker(new Seeded(seed + 4));
  const tally = await damage(100, "both", flip);
  assert.ok(tally.exact > 0 && sum(tally) > tally.exact, JSON.stringify(tally));
});

// 20 and 21 differ by one bit where the marker is stored. The manifest says that epoch 21 is yet to be published.
Deno.test("a table that says it is one epoch further on than its rows is refused", async () => {
  const outcome = await runDamaged(sound, "both", `${folder}/damaged`, async (folder) => {
    using kv = await Deno.openKv(`${folder}/latest.kv`);
    const key = ["weir", "table", "numbers", "latest"];
    const { value: marker } = await kv.get<Sink.TableMarker>(key);
    assert.deepEqual([marker!.epoch, marker!.complete], [20, true]);
    await kv.set(key, { ...marker, epoch: 21 });
  });
  assert.ok(outcome.ended === "refused" && outcome.error === "SinkError", JSON.stringify(outcome));
  assert.match(
    outcome.message,
    /it must hold more than the \d+ rows of epoch 20 once it is further on: .* epoch 21 with/,
  );
});
