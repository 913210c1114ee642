/**
 * A second opinion about windows: what a pipeline must answer, worked out as naively as possible.
 *
 * It shares no code with the engine. Where the engine keeps slices, heaps, timers and accumulators, this keeps plain lists
 * and works everything out again from the records, so that whoever doubts a result can follow it by hand. It is slow on
 * purpose.
 *
 * Every node of a pipeline is worked out as a whole: a list of its *ticks*, each either a record or a step of the
 * watermark, in the order in which they happen. Windows are then worked out key by key.
 */
import { eventTime, readingOrder, records, untimed } from "./oracle/reading.ts";
import { type Counters, type LateRecord, type Result, window, type WindowPlan } from "./oracle/window.ts";

export * from "./oracle/assigner.ts";
export * from "./oracle/calendar.ts";
export * from "./oracle/deduplicate.ts";
export { identify } from "./oracle/key.ts";
export * from "./oracle/reading.ts";
export * from "./oracle/stateless.ts";
export * from "./oracle/summary.ts";
export type * from "./oracle/tick.ts";
export * from "./oracle/top-n.ts";
export * from "./oracle/trigger.ts";
export * from "./oracle/window.ts";

/** What a job must answer that reads splits, and aggregates them in one window. */
export const aggregate = <A, K, B>(
  options: WindowPlan<A, B> & {
    readonly splits: ReadonlyArray<ReadonlyArray<A>>;
    /** Left out where the flow has no event time. */
    readonly timestamp?: (value: A) => number;
    readonly bound?: number;
    readonly key: (value: A) => K;
  },
): {
  readonly results: Array<Result<K, B>>;
  readonly late: Array<LateRecord<A, K>>;
  readonly counters: Counters;
} => {
  const { splits, timestamp, bound = 0 } = options;
  const ticksOf = () => {
    if (timestamp === undefined) {
      const reading = readingOrder(splits, () => [], splits.map(() => []));
      return untimed(records(reading), reading);
    }
    const reading = readingOrder(splits, (value) => [[timestamp(value)]], splits.map(() => [bound]));
    return eventTime(records(reading), splits.map((_, split) => split), reading, timestamp, bound);
  };
  const { results, ...others } = window(ticksOf(), options);
  return { results: results.flatMap((tick) => tick.tick === "record" ? [tick.value] : []), ...others };
};
