/**
 * Operators with state: one that goes on from what was stored says what one says that never stopped.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import assert from "node:assert/strict";
import { deserialize, serialize } from "node:v8";
import { Aggregate, Trigger, Window } from "@weir/streams";
import type { Receiver } from "../../../src/actors/receiver.ts";
import { TaskContext } from "../../../src/actors/task-context.ts";
import { mergeDeltas } from "../../../src/kv-state/compaction.ts";
import type { Delta } from "../../../src/kv-state/delta.ts";
import { CountWindowOperator } from "../../../src/streams/operators/count-window.ts";
import { DeduplicateOperator } from "../../../src/streams/operators/deduplicate.ts";
import { EventTimeOperator } from "../../../src/streams/operators/event-time.ts";
import { KeyedWindowOperator } from "../../../src/streams/operators/keyed-window.ts";
import { SlidingWindowOperator } from "../../../src/streams/operators/sliding-window.ts";
import type { Stateful } from "../../../src/streams/operators/stateful.ts";
import { TopNOperator } from "../../../src/streams/operators/top-n.ts";
import { WindowEmitter } from "../../../src/streams/operators/window-emitter.ts";
import { compose } from "../../../src/windows/aggregate.ts";
import { codec } from "../../../src/windows/aggregates/state-schema.ts";
import type { Draw } from "../draw.ts";
import type { Target } from "../target.ts";
import { key, time } from "../values.ts";

/** A record of the fuzzed operators. */
interface Value {
  readonly id: number;
  readonly n: number;
}

const aggregate = compose<Value, unknown, Aggregate.Merges>({
  count: Aggregate.count,
  sum: Aggregate.sum((value: Value) => value.n),
  some: Aggregate.collect((value: Value) => value.id, Schema.Number, { atMost: 3 }),
}) as Aggregate.Aggregate<unknown, unknown>;

const sliding = Window.sliding({ size: "60 millis", slide: "20 millis" });
const tumbling = Window.tumbling("50 millis");

type Operator = Receiver & Stateful;

/** Makes an operator that says what it says to `next`. */
type Make = (context: TaskContext, next: Receiver) => Operator;

const windowOf = (
  assigner: ConstructorParameters<typeof KeyedWindowOperator>[0]["assigner"],
  trigger: Trigger.Trigger,
  panes: "accumulating" | "discarding" | "retracting",
  allowedLateness: number,
): Make =>
(context, next) =>
  new KeyedWindowOperator({
    name: "w",
    assigner,
    aggregate,
    trigger: trigger.rule,
    panes,
    allowedLateness,
    context,
    emitter: new WindowEmitter(context, next, next),
  });

const early = Trigger.atWatermark({ early: Trigger.afterCount(2) });

/** Those that have nothing left to remember when the input is over. */
const forgetful: ReadonlyArray<Make> = [
  windowOf(Window.session({ gap: "30 millis" }), early, "retracting", 20),
  windowOf(Window.session({ gap: "30 millis" }), Trigger.atWatermark(), "accumulating", 0),
  windowOf(sliding, early, "discarding", 30),
  windowOf(Window.global, Trigger.repeatedly(Trigger.afterCount(3)), "accumulating", 0),
  windowOf(Window.calendar({ unit: "day", timeZone: "Europe/Berlin" }), early, "retracting", 40),
  ...[0, 30].flatMap((allowedLateness) =>
    [sliding, tumbling].map((assigner): Make => (context, next) =>
      new SlidingWindowOperator({
        name: "w",
        assigner,
        aggregate,
        allowedLateness,
        takesPartials: false,
        context,
        emitter: new WindowEmitter(context, next, next),
      })
    )
  ),
  ...[null, codec(Schema.Struct({ id: Schema.Number, n: Schema.Number }))].map((stored): Make => (context, next) =>
    new DeduplicateOperator({ name: "w", within: 40, stored, context, next, late: next })
  ),
];

const operators: ReadonlyArray<Make> = [
  ...forgetful,
  (context, next) =>
    new CountWindowOperator({
      name: "w",
      assigner: Window.count({ size: 6, slide: 2 }),
      aggregate,
      context,
      emitter: new WindowEmitter(context, next, next),
    }),
  ...[2, Infinity].map((entriesMax): Make => (context, next) =>
    new TopNOperator({
      name: "w",
      n: 2,
      by: (value) => (value as Value).n,
      id: (value) => (value as Value).id,
      entriesMax,
      stored: codec(Schema.Struct({ id: Schema.Number, n: Schema.Number })),
      context,
      next,
    })
  ),
  (context, next) =>
    new EventTimeOperator({
      name: "w",
      timestamp: (value) => (value as Value).n,
      strategy: { _tag: "BoundedOutOfOrderness", bound: 5 },
      idleAfter: null,
      maxDrift: null,
      splits: [0],
      context,
      next,
      eager: false,
    }),
];

/** An operator with everything that it has said. */
class Run {
  readonly said: Array<unknown> = [];
  readonly operator: Operator;

  constructor(make: Make) {
    const context = new TaskContext("job", [{ source: "s", split: "p" }], 1);
    context.now = 0;
    const { said } = this;
    this.operator = make(context, {
      record: (value, key, time, watermark) => void said.push([value, key, time, watermark]),
      watermark: (watermark) => void said.push(watermark),
      letter: (letter) => void said.push(letter.reason),
    });
  }

  /** What has changed since the last time, as a store gives it back. */
  stored(): { readonly deltas: ReadonlyArray<Delta>; readonly snapshot: unknown } {
    const deltas: Array<Delta> = [];
    this.operator.takeDeltas(0, deltas);
    return deserialize(serialize({ deltas, snapshot: this.operator.snapshot() }));
  }
}

const check = (draw: Draw): string => {
  const make = draw.oneOf(operators);
  const keys = Array.from({ length: 1 + draw.below(4) }, () => key(draw, 1));
  let watermark = -Infinity;
  const live = new Run(make);
  const step = (runs: ReadonlyArray<Run>): void => {
    if (draw.once(5)) {
      watermark = Math.max(watermark, time(draw) - 30);
      for (const { operator } of runs) operator.watermark(watermark);
      return;
    }
    const value: Value = { id: draw.below(5), n: draw.below(100) };
    const keyed = draw.oneOf(keys);
    const at = draw.once(30) ? time(draw) : draw.below(300);
    for (const { operator } of runs) operator.record(value, keyed, at, watermark);
  };
  const epochs: Array<ReadonlyArray<Delta>> = [];
  let snapshot: unknown;
  for (let epoch = draw.below(4); epoch >= 0; epoch--) {
    for (let k = draw.below(20); k > 0; k--) step([live]);
    const stored = live.stored();
    epochs.push(stored.deltas);
    snapshot = stored.snapshot;
  }
  // Some of the epochs are merged, as the compaction does.
  const merged = draw.below(epochs.length + 1);
  const restored = new Run(make);
  const deltas = [...mergeDeltas(epochs.slice(0, merged).flat(), true), ...epochs.slice(merged).flat()];
  for (const delta of deltas) restored.operator.applyDelta(delta);
  restored.operator.restore(snapshot);
  const before = live.said.length;
  for (let k = draw.below(20); k > 0; k--) step([live, restored]);
  for (const { operator } of [live, restored]) operator.watermark(Infinity);
  assert.deepEqual(restored.said, live.said.slice(before));
  assert.deepEqual(restored.operator.counters, live.operator.counters);
  if (forgetful.includes(make)) {
    for (const run of [live, restored]) {
      const left = mergeDeltas([...epochs.flat(), ...run.stored().deltas], true);
      assert.ok(left.every(({ rows }) => rows.length === 0), "what is over is still in the state");
    }
  }
  return "accepted";
};

/** Operators that stop and go on. */
export const statefulOperators: Target = {
  name: "operators",
  about: "records to every operator with state, stored at any moment, read into another one that goes on beside it",
  rejects: [],
  check,
};
