/** De-duplication: all that ever came of a key is held against each record. */
import { identify } from "./key.ts";
import type { Row, Tick } from "./tick.ts";
import type { LateRecord } from "./window.ts";

export interface DeduplicatePlan {
  /** Which one of several goes on. */
  readonly keep: "first" | "last";
  /** How far the event times of duplicates are apart at most. */
  readonly within: number;
}

export interface Deduplicated<A, K> {
  readonly out: Array<Tick<A>>;
  readonly late: Array<LateRecord<A, K>>;
  readonly counters: {
    readonly records: number;
    readonly results: number;
    readonly duplicates: number;
    readonly late: number;
  };
}

/** A record that no record before it had made a duplicate, and those that are duplicates of it. */
interface Group<A> {
  readonly first: number;
  readonly last: Row<A>;
}

export const deduplicate = <A, K>(
  ticks: ReadonlyArray<Tick<A>>,
  { keep, within, key }: DeduplicatePlan & { readonly key: (value: A) => K },
): Deduplicated<A, K> => {
  const out: Array<Tick<A>> = [];
  const late: Array<LateRecord<A, K>> = [];
  const records = ticks.filter((tick) => tick.tick === "record");
  for (const id of new Set(records.map(({ value }) => identify(key(value))))) {
    const groups: Array<Group<A>> = [];
    let watermark = -Infinity;
    /** The watermark advances. What goes on by that meets the watermark before. */
    const advance = (at: number, to: number): void => {
      const over = groups.filter(({ first }) => first + within > watermark && first + within <= to);
      if (keep === "last") {
        for (const { last } of over.toSorted((a, b) => a.first - b.first)) out.push({ ...last, at, met: watermark });
      }
      watermark = Math.max(watermark, to);
    };
    for (const tick of ticks) {
      if (tick.tick === "watermark") {
        advance(tick.at, tick.watermark);
        continue;
      }
      if (identify(key(tick.value)) !== id) continue;
      advance(tick.at, tick.met);
      const { value, time } = tick;
      const near = groups.filter(({ first }) => Math.abs(first - time) <= within);
      // What is in reach of two groups belongs to the one that will be over first.
      const open = near.toSorted((a, b) => a.first - b.first).find(({ first }) => first + within > watermark);
      const tooLate = (from: number): void => {
        const window = { start: from, end: from + within };
        late.push({ value, key: key(value), timestamp: time, window, watermark, delay: watermark - time });
      };
      if (time + within <= watermark) tooLate(time);
      else if (near.length === 0) {
        groups.push({ first: time, last: tick });
        if (keep === "first") out.push({ ...tick, met: watermark });
      } else if (keep === "last") {
        if (open === undefined) tooLate(Math.min(...near.map(({ first }) => first)));
        else if (time >= open.last.time) groups[groups.indexOf(open)] = { ...open, last: tick };
      }
    }
  }
  const counters = {
    records: records.length,
    results: out.length,
    duplicates: records.length - out.length - late.length,
    late: late.length,
  };
  out.push(...ticks.filter((tick) => tick.tick === "watermark"));
  // What a step of the watermark brings about comes before that step.
  out.sort((a, b) => a.at - b.at || Number(a.tick === "watermark") - Number(b.tick === "watermark"));
  return { out, late, counters };
};
