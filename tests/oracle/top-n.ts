/** Rankings: after each record all entries of its key are ranked anew, and compared with what was said before. */
import { identify } from "./key.ts";
import type { Tick } from "./tick.ts";

export interface TopNPlan {
  readonly n: number;
  /** How many ids of a key are kept. */
  readonly entriesMax: number;
}

export interface Rank<A, K> {
  readonly key: K;
  readonly rank: number;
  readonly value: A;
}

/** The record of an id, and when it came to its number. */
interface Entry<A> {
  readonly value: A;
  readonly since: number;
}

export const topN = <A, K>(
  ticks: ReadonlyArray<Tick<A>>,
  options: TopNPlan & {
    readonly key: (value: A) => K;
    readonly by: (value: A) => number;
    readonly id: (value: A) => number;
  },
): {
  readonly said: Array<Rank<A, K>>;
  readonly counters: { readonly records: number; readonly results: number; readonly forgotten: number };
} => {
  const { n, entriesMax, key, by, id } = options;
  const said: Array<Rank<A, K>> = [];
  const rankings = new Map<string, ReadonlyArray<Entry<A>>>();
  const records = ticks.filter((tick) => tick.tick === "record");
  let forgotten = 0;
  records.forEach(({ value }, now) => {
    const before = rankings.get(identify(key(value))) ?? [];
    const own = before.find((entry) => id(entry.value) === id(value));
    const since = own !== undefined && by(own.value) === by(value) ? own.since : now;
    const after = [...before.filter((entry) => entry !== own), { value, since }]
      .sort((a, b) => by(b.value) - by(a.value) || a.since - b.since);
    forgotten += after.splice(entriesMax).length;
    rankings.set(identify(key(value)), after);
    after.slice(0, n).forEach((entry, k) => {
      // A record that says the same as the one before is another record.
      if (before[k]?.value !== entry.value) said.push({ key: key(value), rank: k + 1, value: entry.value });
    });
  });
  return { said, counters: { records: records.length, results: said.length, forgotten } };
};
