/**
 * Values made by Effects: some at once, in order.
 *
 * @module
 */
import { Cause, Effect, Exit } from "effect";
import type { Batch } from "../../actors/message.ts";
import type { Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import { type Key, type KeyId, keyId } from "../../kv-state/key.ts";
import type { UserCodeError } from "../errors.ts";
import type { MapEffectNode } from "../node.ts";

/**
 * Runs the Effects of a batch and hands their results on in the order of its records.
 *
 * Records of one key run one after the other. The batch is over when the last result has been handed on, so a watermark
 * or barrier behind it never overtakes a record.
 */
export const mapEffectBatch = (options: {
  readonly batch: Batch;
  readonly node: MapEffectNode;
  readonly name: string;
  readonly context: TaskContext;
  readonly next: Receiver;
  readonly onThrow: (thrown: unknown) => UserCodeError;
}): Effect.Effect<void, UserCodeError, unknown> =>
  Effect.gen(function* () {
    const { batch, node, name, context, next, onThrow } = options;
    const { size, values, keys, times, watermarks, positions } = batch.columns;
    const exits: Array<Exit.Exit<unknown, unknown>> = new Array(size);
    const run = (i: number): Effect.Effect<void, never, unknown> =>
      Effect.suspend(() => node.f(values[i])).pipe(
        Effect.exit,
        Effect.map((exit) => void (exits[i] = exit)),
      );
    const lanes = new Map<KeyId, Array<number>>();
    for (let i = 0; i < size; i++) {
      // A record without a key is alone in its lane.
      const lane = keys[i] === undefined ? `lane ${i}` : keyId(keys[i] as Key);
      const sofar = lanes.get(lane);
      if (sofar === undefined) lanes.set(lane, [i]);
      else sofar.push(i);
    }
    yield* Effect.forEach(
      lanes.values(),
      (lane) => Effect.forEach(lane, run, { discard: true }),
      { concurrency: node.concurrency, discard: true },
    );
    yield* Effect.try({
      try: () => {
        exits.forEach((exit, i) => {
          context.position = positions[i];
          if (Exit.isSuccess(exit)) {
            next.record(exit.value, keys[i], times[i], watermarks[i]);
            return;
          }
          const failure = exit.cause.reasons.find(Cause.isFailReason);
          if (failure !== undefined) next.letter(context.letter(name, failure.error, values[i], false));
          else next.letter(context.letter(name, Cause.squash(exit.cause), values[i], true));
        });
        for (const letter of batch.letters) next.letter(letter);
      },
      catch: onThrow,
    });
  });
