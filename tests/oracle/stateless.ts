/** Operators without state. */
import type { Tick } from "./tick.ts";

/** Makes any number of values of each. Those of one record meet the same watermark. */
export const flatMap = <A, B>(ticks: ReadonlyArray<Tick<A>>, f: (value: A) => ReadonlyArray<B>): Array<Tick<B>> =>
  ticks.flatMap((tick): Array<Tick<B>> =>
    tick.tick === "watermark" ? [tick] : f(tick.value).map((value) => ({ ...tick, value }))
  );

/** Joins flows. A record meets the least of the watermarks that the flows have reached by then. */
export const merge = <A>(...flows: ReadonlyArray<ReadonlyArray<Tick<A>>>): Array<Tick<A>> => {
  const current = flows.map(() => -Infinity);
  const merged: Array<Tick<A>> = [];
  const all = flows.flatMap((ticks, flow) => ticks.map((tick) => ({ tick, flow })));
  // The sort is stable: of one reading event, the first flow's ticks come first.
  all.sort((a, b) => a.tick.at - b.tick.at);
  for (const { tick, flow } of all) {
    if (tick.tick === "record") {
      // The flow's own watermark is the one that the record met there, even if a twin has moved it since.
      const others = current.filter((_, k) => k !== flow);
      merged.push({ ...tick, met: Math.min(tick.met, ...others) });
      continue;
    }
    const before = Math.min(...current);
    current[flow] = tick.watermark;
    const after = Math.min(...current);
    if (after > before) merged.push({ tick: "watermark", at: tick.at, watermark: after });
  }
  return merged;
};
