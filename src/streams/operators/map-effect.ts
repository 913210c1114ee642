/**
 * Values made by Effects: some at once, in order.
 *
 * @module
 */
import { Cause, Effect, Exit } from "effect";
import type { Marks } from "../../actors/marks.ts";
import type { Batch } from "../../actors/message.ts";
import type { Delivery } from "../../actors/replay.ts";
import type { Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { type Key, type KeyId, keyId } from "../../kv-state/key.ts";
import { inWords } from "../../windows/in-words.ts";
import type { MapEffectNode } from "../node.ts";

/**
 * Runs the Effects of a batch, and gives the delivery of their results in the place of its records.
 *
 * Records of one key run one after the other. The batch is over when the last Effect is, so a watermark or barrier behind
 * it never overtakes a record.
 */
export const mapEffectBatch = (options: {
  readonly batch: Batch;
  readonly node: MapEffectNode;
  readonly name: string;
  readonly context: TaskContext;
  readonly receiver: Receiver;
  readonly marks: Marks;
}): Effect.Effect<Delivery, never, unknown> =>
  Effect.gen(function* () {
    const { batch, node, name, context, receiver, marks } = options;
    const { columns: { size, values, keys, times, watermarks }, selection } = batch;
    const exits: Array<Exit.Exit<unknown, unknown>> = new Array(size);
    const run = (row: number): Effect.Effect<void, never, unknown> =>
      Effect.suspend(() => effectOf(node.f(values[row]))).pipe(
        Effect.exit,
        Effect.map((exit) => void (exits[row] = exit)),
      );
    const lanes = new Map<KeyId, Array<number>>();
    for (const row of selection) {
      // A record without a key is alone in its lane.
      const lane = keys[row] === undefined ? `lane ${row}` : keyId(keys[row] as Key);
      const sofar = lanes.get(lane);
      if (sofar === undefined) lanes.set(lane, [row]);
      else sofar.push(row);
    }
    yield* Effect.forEach(
      lanes.values(),
      (lane) => Effect.forEach(lane, run, { discard: true }),
      { concurrency: node.concurrency, discard: true },
    );
    const deliver = (row: number): void => {
      const exit = exits[row];
      if (Exit.isSuccess(exit)) {
        receiver.record(exit.value, keys[row], times[row], watermarks[row]);
        return;
      }
      const failure = exit.cause.reasons.find(Cause.isFailReason);
      if (failure !== undefined) receiver.letter(context.letter(name, failure.error, values[row], false));
      else receiver.letter(context.letter(name, Cause.squash(exit.cause), values[row], true));
    };
    return { batch, receiver, receive: null, marks, deliver };
  });

/** An Effect that a function gave. Types do not see everything: run, a promise would end the fiber, not the Effect. */
const effectOf = (given: Effect.Effect<unknown, unknown, unknown>): Effect.Effect<unknown, unknown, unknown> => {
  if (Effect.isEffect(given)) return given;
  throw new TypeError(`Cannot run a record as its function must give an Effect: current value is ${inWords(given)}`);
};
