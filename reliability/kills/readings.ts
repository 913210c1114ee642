/**
 * The input of the jobs that are maltreated here: files of readings, out of order and with repetitions.
 *
 * @module
 */
import { Seeded } from "../../src/testing/simulation/seeded.ts";

/** A line of a file. */
export interface Reading {
  /** The file. */
  readonly split: string;
  /** The how many-th line of it, from 0. */
  readonly n: number;
  readonly id: string;
  readonly user: string;
  /** Event time, in milliseconds. */
  readonly at: number;
  readonly value: number;
}

/** A file of readings, with what it holds. */
export interface InputFile {
  readonly path: string;
  readonly readings: ReadonlyArray<Reading>;
  /** The position after each line, in bytes. */
  readonly ends: ReadonlyArray<number>;
}

/** By how much a reading is older than the newest before it in its file, at most. */
export const disorderMillis = 2_000;

const users = ["ada", "bob", "cyd", "dan", "eve"];

/** One in so many readings is said again, in another file and in another place. */
const repetition = 10;

/** The readings of a seed, about `count` of them in each of three files. */
export const readingsOf = (seed: number, count: number): ReadonlyMap<string, ReadonlyArray<Reading>> => {
  const random = new Seeded(seed);
  const splits = ["a", "b", "c"];
  const lines: ReadonlyArray<Array<Omit<Reading, "n" | "split"> & { readonly order: number }>> = splits.map(() => []);
  splits.forEach((split, s) => {
    // Files of different lengths over the same time.
    const length = Math.floor(count * (1 - s / 5));
    for (let k = 0; k < length; k++) {
      // Now and then a user is silent for long enough to end a session.
      const at = Math.floor(k * 300 * count / length) + random.below(300);
      const order = at + random.below(disorderMillis);
      const user = users[random.below(users.length)];
      const reading = { id: `${split}${k}`, user, at, value: random.below(100), order };
      lines[s].push(reading);
      if (random.below(repetition) === 0) {
        lines[random.below(splits.length)].push({ ...reading, order: at + random.below(disorderMillis) });
      }
    }
  });
  return new Map(splits.map((split, s) => [
    split,
    lines[s].sort((a, b) => a.order - b.order).map(({ order: _, ...reading }, n) => ({ split, n, ...reading })),
  ]));
};

/** Writes the readings of a seed to a folder. */
export const writeReadings = async (
  folder: string,
  seed: number,
  count: number,
): Promise<ReadonlyArray<InputFile>> => {
  await Deno.mkdir(folder, { recursive: true });
  const files: Array<InputFile> = [];
  for (const [split, readings] of readingsOf(seed, count)) {
    const path = `${folder}/${split}.ndjson`;
    let text = "";
    const ends = readings.map((reading) => (text += `${JSON.stringify(reading)}\n`).length);
    await Deno.writeTextFile(path, text);
    files.push({ path, readings, ends });
  }
  return files;
};
