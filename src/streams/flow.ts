/**
 * A flow: what a person composes, from a source through operators to sinks.
 *
 * A flow is only a description. Nothing runs until a job that holds it is run, and a flow used twice is one flow with two
 * consumers. Its type carries what decides whether a pipeline makes sense: whether it has event time, what it is keyed
 * by, which errors are not handled yet, whether it corrects what it said, and where it ends.
 *
 * @module
 */
import { type Duration, type Effect, Pipeable } from "effect";
import type { Append, EventTime, Keyed, NoEventTime, NotKeyed } from "./flow-states.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { Acknowledged, End, LiveOnly, Sink } from "../exactly-once/sink.ts";
import type { Key } from "../kv-state/key.ts";
import { inWords } from "../windows/in-words.ts";
import { aboveZero, millisOf } from "../windows/millis-of.ts";
import type { WatermarkStrategy } from "../windows/watermark.ts";
import type { BranchNode, Node, OnErrorNode, SideNode, SinkNode } from "./node.ts";
import type { Source } from "./source.ts";

/**
 * A stream of values on its way to a sink.
 *
 * - `A`: the values
 * - `E`: errors that are not handled yet; a flow ends in a sink only when this is `never`
 * - `R`: the services that its functions need
 * - `K`: `Keyed<K>` or `NotKeyed`
 * - `T`: `EventTime` or `NoEventTime`
 * - `M`: `Append` when every value stands for ever, `Update` when a later one may correct an earlier one
 * - `S`: the kinds of the sinks and sources attached so far, side outputs included
 */
export interface Flow<out A, out E, out R, out K, out T, out M, out S> extends Pipeable.Pipeable {
  /** Exists for the compiler alone. */
  readonly "~weir/Flow": {
    readonly value: A;
    readonly error: E;
    readonly services: R;
    readonly key: K;
    readonly time: T;
    readonly changes: M;
    readonly ends: S;
    readonly sink: "none: call Flow.to last";
  };
}

/** A flow that ends in a sink: what a job is made of. */
export interface CompleteFlow<out R, out S> {
  /** Exists for the compiler alone. */
  readonly "~weir/Flow": { readonly services: R; readonly ends: S; readonly sink: "given" };
}

/** The side output of an operator, before it is composed any further. */
export type SideFlow<A> = Flow<A, never, never, NotKeyed, NoEventTime, Append, never>;

class FlowImpl extends Pipeable.Class {
  constructor(readonly node: Node) {
    super();
  }
}

class CompleteFlowImpl {
  constructor(readonly ends: ReadonlyArray<SinkNode>) {}
}

// A flow's type parameters exist for the compiler alone; these functions are where the two worlds meet.

/** The flow of a node's output. */
export const toFlow = (node: Node): never => new FlowImpl(node) as never;
/** The node whose output a flow is. */
export const nodeOf = (flow: Flow<unknown, unknown, unknown, unknown, unknown, unknown, unknown>): Node =>
  (flow as unknown as FlowImpl).node;
const toComplete = <R, S>(ends: ReadonlyArray<SinkNode>): CompleteFlow<R, S> => new CompleteFlowImpl(ends) as never;

/** The sinks in which a complete flow ends. */
export const endsOf = (flow: CompleteFlow<unknown, unknown>): ReadonlyArray<SinkNode> =>
  (flow as unknown as CompleteFlowImpl).ends;

/**
 * The records of a source.
 *
 * When the source decodes them by a Schema the flow has the error `DecodeError`, to be handled with {@link onError}.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const words = Flow.from(Source.array("words", ["a", "stream", "that", "ends"]));
 * ```
 */
export const from = <A, E, R, S>(
  source: Source<A, E, R, S>,
): Flow<A, E, R, NotKeyed, NoEventTime, Append, S extends LiveOnly | Acknowledged ? S : never> =>
  toFlow({ _tag: "Source", source: source as Source<unknown, unknown, unknown, unknown> });

/**
 * Makes one value of each.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const lengths = Flow.from(Source.array("words", ["a", "stream"])).pipe(Flow.map((word) => word.length));
 * ```
 */
export const map = <A, B>(
  f: (value: NoInfer<A>) => B,
): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<B, E, R, K, T, M, S> =>
(self) => toFlow({ _tag: "Map", input: nodeOf(self), f: f as (value: unknown) => unknown });

/**
 * Keeps the values that a predicate holds for. Where the predicate says of which type a value is then (`value is B`), the
 * flow is one of those.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const words = Flow.from(Source.array("words", ["a", "stream", null]));
 * const long = words.pipe(
 *   Flow.filter((word): word is string => word !== null),
 *   Flow.filter((word) => word.length > 3),
 * );
 * ```
 */
export const filter: {
  <A, B extends A>(
    predicate: (value: NoInfer<A>) => value is B,
  ): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<B, E, R, K, T, M, S>;
  <A>(
    predicate: (value: NoInfer<A>) => boolean,
  ): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<A, E, R, K, T, M, S>;
} = <A>(
  predicate: (value: NoInfer<A>) => boolean,
): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<A, E, R, K, T, M, S> =>
(self) => toFlow({ _tag: "Filter", input: nodeOf(self), f: predicate as (value: unknown) => boolean });

/**
 * Makes any number of values of each. They are made at once, so the number should be modest.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const letters = Flow.from(Source.array("words", ["a", "stream"])).pipe(Flow.flatMap((word) => word.split("")));
 * ```
 */
export const flatMap = <A, B>(
  f: (value: NoInfer<A>) => Iterable<B>,
): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<B, E, R, K, T, M, S> =>
(self) => toFlow({ _tag: "FlatMap", input: nodeOf(self), f: f as (value: unknown) => Iterable<unknown> });

/** How many Effects of one batch run at once unless `mapEffect` is told otherwise. */
export const mapEffectConcurrency = 16;

/**
 * Makes one value of each by an Effect, such as a look-up in another system.
 *
 * At most `concurrency` Effects (default 16) run at once. Values leave in the order in which they came, and in a keyed
 * flow those of one key also run one after the other. A typed failure becomes an error of the flow, to be handled with
 * {@link onError}. After a crash an Effect may run again for the same value.
 *
 * @throws {RangeError} If `concurrency` is not a whole number above 0.
 *
 * @example
 * ```ts
 * import { Effect } from "effect";
 * import { Flow, Source } from "@weir/streams";
 *
 * const enriched = Flow.from(Source.array("ids", [1, 2, 3])).pipe(
 *   Flow.mapEffect((id) => Effect.succeed({ id, name: `user ${id}` }), { concurrency: 4 }),
 * );
 * ```
 */
export const mapEffect = <A, B, E2, R2>(
  f: (value: NoInfer<A>) => Effect.Effect<B, E2, R2>,
  options?: { readonly concurrency?: number },
): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<B, E | E2, R | R2, K, T, M, S> =>
(self) => {
  const { concurrency = mapEffectConcurrency } = options ?? {};
  if (!Number.isSafeInteger(concurrency) || concurrency <= 0) {
    throw new RangeError(
      `Cannot map with Effects as concurrency must be a whole number above 0: current value is ${inWords(concurrency)}`,
    );
  }
  return toFlow({
    _tag: "MapEffect",
    input: nodeOf(self),
    f: f as (value: unknown) => Effect.Effect<unknown, unknown, unknown>,
    concurrency,
  });
};

/** How records of type `A` are stamped: see {@link eventTime}. */
export interface EventTimeOptions<in A> {
  /** The event time of a record, in epoch milliseconds. */
  readonly timestamp: (value: A) => number;
  /** How the watermark of each split follows its records. */
  readonly watermark: WatermarkStrategy<A>;
  /**
   * How long a split may be silent before it is idle. Default: silent splits are waited for.
   *
   * Only the time counts in which the job was ready to read and the source had nothing: not the time in which a slow
   * consumer or a commit held the job up, and not that in which the split was paused. An idle split does not hold the
   * watermark back. When all are idle the watermark goes to where the furthest of them is, and the flow is idle as a
   * whole: a merge with another flow does not wait for it. Records that wake a split may be late; the watermark does not
   * go back for them. Any record that is read wakes it, also one that a filter before this then drops.
   *
   * Splits that are bounded and not paced are never idle, but for one case: in a run of what is available, a split of which
   * that run reads nothing is, whatever the length.
   */
  readonly idleAfter?: Duration.Input;
  /**
   * How far the watermark of a split may be ahead of the least one, over all flows of the job that say this, before the
   * split is not read until the others have caught up. Default: no bound.
   *
   * So a window far ahead is not opened for one split while another is far behind. A split is never further ahead than
   * this and what one turn of at most 1,024 records adds. A split that is silent holds the others up until it is idle:
   * give `idleAfter` with it. Bounded sources are read in the order of their watermarks anyway, see
   * {@link eventTime}.
   */
  readonly maxDrift?: Duration.Input;
}

/**
 * Stamps each record with its event time, in epoch milliseconds, and says how far behind records may come.
 *
 * Each split has a watermark of its own, and the flow's is the least of them. A timestamp that is not a finite number
 * within the range of dates is treated as if `timestamp` had thrown: the job fails with the record's coordinates, or
 * the record becomes a dead letter where the flow says `Flow.onError(…, { defects: true })`.
 *
 * Bounded sources are read in the order of the watermarks that are known before the first Effect and the first keyed
 * operator. Where none are, one split is read to its end before the next begins.
 *
 * @throws {RangeError} If `idleAfter` or `maxDrift` is not finite and above 0.
 *
 * @example
 * ```ts
 * import { Flow, Source, Watermark } from "@weir/streams";
 *
 * const readings = Flow.from(Source.array("readings", [{ at: 0, celsius: 20 }, { at: 60_000, celsius: 21 }])).pipe(
 *   Flow.eventTime({
 *     timestamp: (reading) => reading.at,
 *     watermark: Watermark.boundedOutOfOrderness("30 seconds"),
 *   }),
 * );
 * ```
 */
export const eventTime = <A>(
  options: EventTimeOptions<NoInfer<A>>,
): <E, R, K, M, S>(self: Flow<A, E, R, K, NoEventTime, M, S>) => Flow<A, E, R, K, EventTime, M, S> =>
(self) =>
  toFlow({
    _tag: "EventTime",
    input: nodeOf(self),
    timestamp: options.timestamp as (value: unknown) => number,
    watermark: options.watermark as WatermarkStrategy,
    idleAfter: positiveMillis("idleAfter", options.idleAfter),
    maxDrift: positiveMillis("maxDrift", options.maxDrift),
  });

const positiveMillis = (option: string, input: Duration.Input | undefined): number | null =>
  input === undefined
    ? null
    : millisOf("stamp a flow", option, input, { ...aboveZero, words: "finite and above 0 milliseconds" });

/**
 * Groups records: those of one key meet in one keyed partition, in order.
 *
 * A key is a string, number, bigint, boolean, bytes, or a tuple of keys. Anything else, such as `null` or a `Date` that the
 * types did not see, is treated as if `key` had thrown: the job fails with the record's coordinates, or the record becomes
 * a dead letter where the flow says `Flow.onError(…, { defects: true })`.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const byCarrier = Flow.from(Source.array("flights", [{ carrier: "UA", from: "EWR" }])).pipe(
 *   Flow.keyBy((flight) => [flight.carrier, flight.from]),
 * );
 * ```
 */
export const keyBy = <A, const K2 extends Key>(
  key: (value: NoInfer<A>) => K2,
): <E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<A, E, R, Keyed<K2>, T, M, S> =>
(self) => toFlow({ _tag: "KeyBy", input: nodeOf(self), f: key as (value: unknown) => Key });

/**
 * Where a side output goes: to a sink, or through a flow of its own to one, as in
 * `(side) => side.pipe(Flow.map(…), Flow.to(sink))`.
 */
export type SideOutput<A, R2, S2 extends End> = Sink<A, S2> | ((side: SideFlow<A>) => CompleteFlow<R2, S2>);

/** Composes the flow of a side output, before its owner exists. */
export const sideOutput = <A, R2, S2 extends End>(
  output: SideOutput<A, R2, S2>,
): { readonly side: SideNode; readonly ends: ReadonlyArray<SinkNode> } => {
  const side: SideNode = { _tag: "Side", owner: null };
  const compose = typeof output === "function" ? output : to(output);
  return { side, ends: endsOf(compose(toFlow(side))) };
};

/**
 * Handles the errors of the flow so far: records that do not match their Schema, and failures of `mapEffect`.
 *
 * - a sink, or a flow to one: each becomes a dead letter with its coordinates. `Sink.deadLetters` keeps them where they can
 *   be listed and retried
 * - `"fail"`: the first one fails the job
 * - `"drop"`: they are counted and dropped
 *
 * With `defects: true` that also goes for records at which a function of the pipeline threw; otherwise such a record
 * fails the job.
 *
 * @example
 * ```ts
 * import { Schema } from "effect";
 * import { Flow, Sink, Source } from "@weir/streams";
 *
 * const schema = Schema.Struct({ id: Schema.Number });
 * const orders = Flow.from(Source.ndjson("orders", { paths: "orders.ndjson", schema })).pipe(
 *   Flow.onError(Sink.console("rejected")),
 *   Flow.map((order) => order.id),
 * );
 * ```
 */
export const onError = <E, R2 = never, S2 extends End = never>(
  handling: "fail" | "drop" | SideOutput<DeadLetter<NoInfer<E>>, R2, S2>,
  options?: { readonly defects?: boolean },
): <A, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>) => Flow<A, never, R | R2, K, T, M, S | S2> =>
(self) => {
  const node: OnErrorNode = {
    _tag: "OnError",
    input: nodeOf(self),
    defects: options?.defects ?? false,
    handling: typeof handling === "string" ? handling : sideOutput(handling),
  };
  if (typeof node.handling === "object") node.handling.side.owner = node;
  return toFlow(node);
};

/**
 * Joins the records of another flow to this one, as they come. The watermark is the lesser of the two.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const both = Flow.from(Source.array("web", ["a"])).pipe(Flow.merge(Flow.from(Source.array("app", ["b"]))));
 * ```
 */
export const merge = <A2, E2, R2, K2, T2, M2, S2>(
  that: Flow<A2, E2, R2, K2, T2, M2, S2>,
): <A, E, R, K, T, M, S>(
  self: Flow<A, E, R, K, T, M, S>,
) => Flow<A | A2, E | E2, R | R2, K | K2, T | T2, M | M2, S | S2> =>
(self) => toFlow({ _tag: "Merge", inputs: [nodeOf(self), nodeOf(that)] });

/** What a branch carries: where its predicate narrows the type, the narrower one. */
// deno-lint-ignore no-explicit-any -- matches a predicate over any value
export type Branched<A, P> = P extends (value: any) => value is infer B ? Extract<A, B> | (B & A) : A;

/**
 * Splits a flow: each record goes to the first case that holds for it, or to `otherwise`.
 *
 * A branch that ends in no sink drops its records, and the job counts them.
 *
 * @example
 * ```ts
 * import { Flow, Source } from "@weir/streams";
 *
 * const { small, otherwise } = Flow.from(Source.array("amounts", [1, 50, 1_000])).pipe(
 *   Flow.branch({ small: (amount) => amount < 100 }),
 * );
 * ```
 */
export const branch = <A, const C extends { readonly [name: string]: (value: NoInfer<A>) => boolean }>(
  cases: C,
): <R, K, T, M, S>(
  self: Flow<A, never, R, K, T, M, S>,
) => {
  readonly [name in keyof C | "otherwise"]: Flow<name extends keyof C ? Branched<A, C[name]> : A, never, R, K, T, M, S>;
} =>
(self) => {
  const names = Object.keys(cases);
  const otherwise: SideNode = { _tag: "Side", owner: null };
  const node: BranchNode = {
    _tag: "Branch",
    input: nodeOf(self),
    cases: names.map((name) => ({
      f: cases[name] as (value: unknown) => boolean,
      side: { _tag: "Side", owner: null },
    })),
    otherwise,
  };
  otherwise.owner = node;
  const flows: Record<string, unknown> = { otherwise: toFlow(otherwise) };
  node.cases.forEach(({ side }, k) => {
    side.owner = node;
    flows[names[k]] = toFlow(side);
  });
  return flows as never;
};

/**
 * Takes each correction of an updating flow as a record of its own, so that append-only operators accept it.
 *
 * @example
 * ```ts
 * import { Aggregate, Flow, Source, Watermark, Window } from "@weir/streams";
 *
 * const changes = Flow.from(Source.array("clicks", [{ user: "ada", at: 1_000 }])).pipe(
 *   Flow.eventTime({ timestamp: (click) => click.at, watermark: Watermark.monotonic }),
 *   Flow.keyBy((click) => click.user),
 *   Flow.window("clicks", {
 *     assigner: Window.tumbling("1 minute"),
 *     aggregate: Aggregate.count,
 *     allowedLateness: "1 hour",
 *     late: "drop",
 *   }),
 *   Flow.changelog,
 * );
 * ```
 */
export const changelog = <A, E, R, K, T, M, S>(self: Flow<A, E, R, K, T, M, S>): Flow<A, E, R, K, T, Append, S> =>
  self as Flow<A, E, R, K, T, never, S>;

/**
 * Ends a flow in a sink. Its errors must be handled by then.
 *
 * A flow can end in several sinks: pipe it to each, and give the job all of them.
 *
 * @example
 * ```ts
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 *
 * const words = Flow.from(Source.array("words", ["a", "stream"]));
 * const job = Job.make({
 *   name: "words",
 *   guarantee: "at-least-once",
 *   flows: [words.pipe(Flow.to(Sink.console("words"))), words.pipe(Flow.to(Sink.memory("copy")))],
 * });
 * ```
 */
export const to = <A, S2 extends End>(
  sink: Sink<A, S2>,
): <R, K, T, M, S>(self: Flow<A, never, R, K, T, M, S>) => CompleteFlow<R, S | S2> =>
(self) => toComplete([{ _tag: "Sink", input: nodeOf(self), sink: sink as Sink<unknown, S2> }]);
