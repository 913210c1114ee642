/**
 * What the job must have said of some readings: computed from the definitions, one after the other, without the engine.
 *
 * @module
 */
import { gapMillis, windowMillis } from "./job.ts";
import type { Reading } from "./readings.ts";

/** What stands in the outputs, as text that can be compared. */
export interface Answer {
  /** The readings of each file, in their order. */
  readonly read: Readonly<Record<string, ReadonlyArray<number>>>;
  /** How many readings of each file there are, and their sum. */
  readonly running: Readonly<Record<string, { readonly count: number; readonly sum: number }>>;
  /** How many readings there are in each session: by user, start and end. */
  readonly sessions: Readonly<Record<string, number>>;
  /** The sums of the windows: by user and start. */
  readonly sums: Readonly<Record<string, number>>;
}

/** What the outputs must say once the job has ended. */
export const recount = (files: ReadonlyArray<ReadonlyArray<Reading>>): Answer => {
  const read: Record<string, Array<number>> = {};
  const running: Record<string, { count: number; sum: number }> = {};
  const distinct = new Map<string, Reading>();
  for (const reading of files.flat()) {
    const { split, n, id, value } = reading;
    (read[split] ??= []).push(n);
    const total = running[split] ??= { count: 0, sum: 0 };
    total.count++;
    total.sum += value;
    distinct.set(id, reading);
  }
  const sessions: Record<string, number> = {};
  const sums: Record<string, number> = {};
  for (const [user, readings] of Map.groupBy(distinct.values(), (reading) => reading.user)) {
    const times = readings.map(({ at }) => at).sort((a, b) => a - b);
    let first = 0;
    times.forEach((at, k) => {
      if (k + 1 < times.length && times[k + 1] <= at + gapMillis) return;
      sessions[`${user} ${times[first]} ${at + gapMillis}`] = k + 1 - first;
      first = k + 1;
    });
    for (const { at, value } of readings) {
      const key = `${user} ${at - at % windowMillis}`;
      sums[key] = (sums[key] ?? 0) + value;
    }
  }
  return { read, running, sessions: byKey(sessions), sums: byKey(sums) };
};

/** Properties in the order of their names. */
export const byKey = <A>(record: Readonly<Record<string, A>>): Readonly<Record<string, A>> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1));
