/**
 * De-duplication in a flow: of records that say the same thing, one.
 *
 * @module
 */
import type { Duration } from "effect";
import type { End } from "../exactly-once/sink.ts";
import { codec, describe, type StateSchema } from "../windows/aggregates/state-schema.ts";
import { millisOf, wholeAboveZero } from "../windows/millis-of.ts";
import type { Late } from "../windows/window.ts";
import type { Append, EventTime, Keyed } from "./flow-states.ts";
import { type Flow, nodeOf, type SideOutput, sideOutput, toFlow } from "./flow.ts";
import type { DeduplicateNode } from "./node.ts";

/** Which records are duplicates, and which of them goes on. */
export type DeduplicateOptions<A, K, R2, S2 extends End> =
  & {
    /** How far the event times of duplicates are apart at most. */
    readonly within: Duration.Input;
    /** Where records go that came too late to be judged: `"drop"` counts and drops them. */
    readonly late: "drop" | SideOutput<Late<A, K>, R2, S2>;
  }
  & (
    | {
      /**
       * `"first"`: the first to come goes on at once, and what comes later is dropped. `"last"`: the one with the latest
       * event time goes on, once it is known.
       *
       * @default {"first"}
       */
      readonly keep?: "first";
    }
    | {
      /** The one with the latest event time goes on, once it is known. */
      readonly keep: "last";
      /**
       * Values wait in the state, so they come with their Schema. One that it refuses ends the job with a `UserCodeError`
       * when the epoch ends.
       */
      readonly schema: StateSchema<A>;
    }
  );

/**
 * Lets one of several records through that have the same key and are `within` a while of each other in event time.
 *
 * The key says what a duplicate is: `Flow.keyBy((event) => event.id)` comes before. A record that no record before it
 * within reach has made a duplicate begins a *group*; those of its key whose event time is at most `within` away from its
 * own, before or after, are its duplicates. Duplicates begin no groups, so a record that is sent over and over goes on
 * once for each `within`.
 *
 * - `keep: "first"`: the record that begins a group goes on at once. The others are dropped, and counted as `duplicates`.
 * - `keep: "last"`: when the watermark has passed the first record by `within`, the one of the group with the latest event
 *   time goes on; of several, the one that came last. It keeps its event time, which the watermark may have passed by
 *   up to `within` by then: a window behind it needs an `allowedLateness` of that much for none to be late.
 *
 * A record that the watermark has passed by `within` can no longer be judged, and goes to `late`; so does one whose group
 * is over where the last goes on. The `window` of such a record is the while that was over: `within` from its own event
 * time, or from that of its group's first.
 *
 * What is late or a duplicate depends on the order of the records alone, never on batch sizes, timing, crashes or speed. A
 * key is remembered until the watermark has passed its record by three times `within` at most.
 *
 * `name` identifies the state. It stays the same when the code around it changes.
 *
 * @throws {RangeError} If `within` is not a whole number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import { Flow, Source, Watermark } from "@weir/streams";
 *
 * const orders = Flow.from(Source.array("orders", [{ id: "a1", at: 1_000 }, { id: "a1", at: 1_002 }])).pipe(
 *   Flow.eventTime({ timestamp: (order) => order.at, watermark: Watermark.boundedOutOfOrderness("1 minute") }),
 *   Flow.keyBy((order) => order.id),
 *   Flow.deduplicate("orders-once", { within: "1 hour", late: "drop" }),
 * );
 * ```
 */
export const deduplicate = <A, K, R2 = never, S2 extends End = never>(
  name: string,
  options: DeduplicateOptions<NoInfer<A>, NoInfer<K>, R2, S2>,
): <R, S>(
  self: Flow<A, never, R, Keyed<K>, EventTime, Append, S>,
) => Flow<A, never, R | R2, Keyed<K>, EventTime, Append, S | S2> =>
(self) => {
  const within = millisOf(`deduplicate in "${name}"`, "within", options.within, wholeAboveZero);
  const schema = options.keep === "last" ? options.schema : null;
  const late = options.late === "drop" ? null : sideOutput(options.late);
  const node: DeduplicateNode = {
    _tag: "Deduplicate",
    name,
    input: nodeOf(self),
    within,
    stored: schema === null ? null : codec(schema),
    description: `deduplicate(within=${within},keep=${schema === null ? "first" : `last ${describe(schema)}`})`,
    late,
  };
  if (late !== null) late.side.owner = node;
  return toFlow(node);
};
