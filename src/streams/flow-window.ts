/**
 * Windows in a flow: records of one key, grouped and aggregated.
 *
 * @module
 */
import type { Duration } from "effect";
import type { End } from "../exactly-once/sink.ts";
import { type Aggregate, type AggregateShape, type CannotMerge, compose, type Merges } from "../windows/aggregate.ts";
import {
  type Assigner,
  type AssignerOf,
  type ByEventTime,
  describeAssigner,
  type OneWindow,
  type SeveralWindows,
  type WithoutEventTime,
} from "../windows/assigner.ts";
import { inWords } from "../windows/in-words.ts";
import { millisOf, notNegative } from "../windows/millis-of.ts";
import {
  atWatermark,
  describeTrigger,
  type FiresOnce,
  type FiresRepeatedly,
  type Trigger,
} from "../windows/trigger.ts";
import type { Late, WindowChange, WindowResult } from "../windows/window.ts";
import type { Append, EventTime, Keyed, NoEventTime, Update } from "./flow-states.ts";
import { type Flow, nodeOf, type SideOutput, sideOutput, toFlow } from "./flow.ts";
import type { Node, Panes, PreAggregateNode, WindowNode } from "./node.ts";
import { isSaidOnce } from "./said-once.ts";

export type { Panes };

/** The windows that an aggregate will do for: all if it merges, else those that put each record in one window. */
export type WindowsFor<M> = [M] extends [Merges] ? OneWindow | SeveralWindows : OneWindow;

/** What assigner and trigger ask of a flow: event time if either of them does, or nothing. */
export type TimeFor<W> = ByEventTime extends W ? EventTime : EventTime | NoEventTime;

/**
 * Whether a window corrects its results. It does when it fires more than once (early, or late within an allowed lateness)
 * and its results are about everything so far; results about what is new stand for ever.
 */
export type ChangesOf<L, F, P> = [P] extends ["discarding"] ? Append
  : [P] extends ["retracting"] ? Update
  : [L] extends [undefined] ? ([F] extends [FiresOnce] ? Append : Update)
  : Update;

/** What a window emits: results, or, where panes retract each other, changes. */
export type WindowOutput<K, B, P> = [P] extends ["retracting"] ? WindowChange<K, B> : WindowResult<K, B>;

/** What a type error about `preAggregate` ends in. */
export type OnlyIfMerges = "not given: only an aggregate that merges can be folded before records are routed";

/** How records are grouped and aggregated. */
export interface WindowOptions<
  A,
  K,
  B,
  M extends Merges | CannotMerge,
  W extends ByEventTime | WithoutEventTime,
  C extends ByEventTime | WithoutEventTime,
  R2,
  S2 extends End,
  L,
  F extends FiresOnce | FiresRepeatedly,
  P,
> {
  /** Which windows a record belongs to. */
  readonly assigner: AssignerOf<A, WindowsFor<M>, W>;
  /** One aggregate, or several under names. */
  readonly aggregate: AggregateShape<A, B, M>;
  /** When a window fires. Default: `Trigger.atWatermark()`, when the watermark reaches its end. */
  readonly trigger?: Trigger<F, C>;
  /**
   * What a result is about where a window fires more than once: `"accumulating"` everything so far, `"discarding"` what is
   * new since the result before, `"retracting"` everything so far, taking back the result before.
   *
   * @default {"accumulating"}
   */
  readonly panes?: P;
  /** How long a window that is over can still be corrected, in event time. Default: not at all. */
  readonly allowedLateness?: L;
  /**
   * Whether records of one key that are read together are aggregated before they are routed by key: good where few keys
   * have most of the records and the queue of their partition runs full. It saves little or no time in one process. Results are the same, but for the rounding of
   * numbers that are added up in another grouping. It is for tumbling and sliding windows of event time with the default
   * trigger and panes, and for aggregates that merge.
   *
   * @default {false}
   */
  readonly preAggregate?: [M] extends [Merges] ? boolean : OnlyIfMerges;
  /** Where records go that came too late: `"drop"` counts and drops them. */
  readonly late: "drop" | SideOutput<Late<A, K>, R2, S2>;
}

/**
 * Aggregates the records of each key in windows.
 *
 * A window fires when its `trigger` says so, by default once, when the watermark reaches its end. With `allowedLateness`
 * a record that comes later still, but before the watermark has passed the end by that much, is counted in, and the
 * window fires again, with one more `pane`. When a window closes, at its end plus the allowed lateness, what is in no pane
 * yet fires in a last one. Records later than that go to `late`. A flow whose windows may fire again is an
 * updating one, unless its panes are `"discarding"`.
 *
 * The event time of a result is the last millisecond of its window, `end - 1`; for a global window that of its latest
 * record. So results can be windowed again: they are in the window that holds their own, and are not late there.
 *
 * A late record may join sessions that have fired already. Their results stay, under their old spans, unless `panes` are
 * `"retracting"`.
 *
 * What is late depends on the order of the records alone, never on batch sizes, timing, crashes or speed.
 *
 * Where a function of the assigner throws, the record is a defect: the job fails, or `Flow.onError(…, { defects: true })`
 * makes it a dead letter. Where a function of the aggregate throws the job fails in any case, with a `UserCodeError`.
 *
 * `name` identifies the state. It stays the same when the code around it changes.
 *
 * @throws {RangeError} If `allowedLateness` is negative or not finite, or given where nothing is ever late: in windows by
 * the clock and in the global one; if `panes` are `"discarding"` and the trigger asks for a pane at the end in any case, as
 * an aggregate has no answer about no record; if a window of a number of records is given a trigger, panes or an allowed
 * lateness; or if `preAggregate` is asked of a window that it is not for.
 *
 * @example
 * ```ts
 * import { Aggregate, Flow, Source, Watermark, Window } from "@weir/streams";
 *
 * const perMinute = Flow.from(Source.array("clicks", [{ user: "ada", at: 1_000 }, { user: "ada", at: 2_000 }])).pipe(
 *   Flow.eventTime({ timestamp: (click) => click.at, watermark: Watermark.monotonic }),
 *   Flow.keyBy((click) => click.user),
 *   Flow.window("clicks-per-minute", {
 *     assigner: Window.tumbling("1 minute"),
 *     aggregate: { clicks: Aggregate.count },
 *     late: "drop",
 *   }),
 *   Flow.map(({ key, window, value }) => `${key} clicked ${value.clicks} times from ${window.start}`),
 * );
 * ```
 */
export const window = <
  A,
  K,
  B,
  M extends Merges | CannotMerge,
  W extends ByEventTime | WithoutEventTime,
  C extends ByEventTime | WithoutEventTime = WithoutEventTime,
  R2 = never,
  S2 extends End = never,
  L extends Duration.Input | undefined = undefined,
  F extends FiresOnce | FiresRepeatedly = FiresOnce,
  const P extends Panes = "accumulating",
>(
  name: string,
  options: WindowOptions<NoInfer<A>, NoInfer<K>, B, M, W, C, R2, S2, L, F, P>,
): <R, S, T extends TimeFor<W | C>>(
  self: Flow<A, never, R, Keyed<K>, T, Append, S>,
) => Flow<WindowOutput<K, B, P>, never, R | R2, Keyed<K>, T, ChangesOf<L, F, P>, S | S2> =>
(self) => {
  const lateness = options.allowedLateness === undefined
    ? 0
    : millisOf(`make window "${name}"`, "allowedLateness", options.allowedLateness, notNegative);
  const assigner = options.assigner as unknown as Assigner<unknown>;
  if (assigner._tag === "Count") {
    for (const option of ["trigger", "panes", "allowedLateness"] as const) {
      const value = options[option];
      if (value === undefined) continue;
      throw new RangeError(
        `Cannot make window "${name}" as a window of records fires when it is full, and takes no ${option}: current ` +
          `value is ${option === "trigger" ? describeTrigger(options.trigger!.rule) : inWords(value)}`,
      );
    }
  }
  if (assigner.time === "no event time" && lateness > 0) {
    throw new RangeError(
      `Cannot make window "${name}" as nothing is ever late in it: current value of allowedLateness is ${lateness}`,
    );
  }
  const { rule: trigger } = options.trigger ?? atWatermark();
  const panes = options.panes ?? "accumulating";
  if (panes === "discarding" && trigger._tag === "AtWatermark" && trigger.onTimeAlways) {
    throw new RangeError(
      `Cannot make window "${name}" as onTime: "always" needs panes that say everything so far: current value is ` +
        `"discarding"`,
    );
  }
  const late = options.late === "drop" ? null : sideOutput(options.late);
  const aggregate = compose(options.aggregate as AggregateShape<A, B>) as Aggregate<unknown, unknown>;
  const input = nodeOf(self);
  const node: WindowNode = {
    _tag: "Window",
    name,
    input: options.preAggregate === true ? preAggregated(name, input, { assigner, trigger, panes, aggregate }) : input,
    assigner,
    aggregate,
    trigger,
    panes,
    allowedLateness: lateness,
    late,
  };
  if (late !== null) late.side.owner = node;
  return toFlow(node);
};

/** Puts pre-aggregation before a window. */
const preAggregated = (
  name: string,
  input: Node,
  window: Pick<WindowNode, "assigner" | "trigger" | "panes" | "aggregate">,
): PreAggregateNode => {
  const { assigner, aggregate } = window;
  const refuse = (rule: string, current: string): never => {
    throw new RangeError(`Cannot make window "${name}" as preAggregate needs ${rule}: current value is ${current}`);
  };
  if (assigner._tag !== "Sliding" || assigner.time !== "event time") {
    return refuse("tumbling or sliding windows of event time", describeAssigner(assigner));
  }
  if (!isSaidOnce(window)) {
    const { trigger, panes } = window;
    return refuse("the default trigger and accumulating panes", `${describeTrigger(trigger)}, panes ${inWords(panes)}`);
  }
  if (aggregate.merging !== "merges") return refuse("an aggregate that merges", aggregate.fingerprint);
  return { _tag: "PreAggregate", name, input, assigner, aggregate };
};
