/**
 * That the transactions of a producer follow each other, that one thing is done at a time, and nothing after one has failed:
 * then nobody knows what the broker knows.
 *
 * @module
 */
import { Effect } from "effect";
import type { KafkaTransaction, TransactionalProducer } from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";

/** A producer whose transactions are made by `open`, and are kept from misuse. */
export const guardedProducer = (transactionalId: string, open: () => KafkaTransaction): TransactionalProducer => {
  // While a call is under way the producer is busy, and it stays so when the call does not succeed.
  let state: "idle" | "open" | "busy" = "idle";
  let begun = 0;

  const misuse = (action: string, rule: string): Effect.Effect<never, KafkaError> =>
    Effect.fail(
      new KafkaError({
        message: `Cannot ${action} a transaction of "${transactionalId}" as ${rule}: current value is ${state}`,
        code: clientCodes.client,
        retryable: false,
      }),
    );

  /** Does something in the transaction of a turn, and leaves the producer in another state. */
  const during = (
    turn: number,
    action: string,
    next: "idle" | "open",
    what: Effect.Effect<void, KafkaError>,
  ): Effect.Effect<void, KafkaError> =>
    Effect.suspend(() => {
      if (state !== "open" || turn !== begun) return misuse(action, "it must be open, and nothing of it have failed");
      state = "busy";
      return Effect.andThen(what, Effect.sync(() => void (state = next)));
    });

  return {
    begin: Effect.suspend(() => {
      if (state !== "idle") return misuse("begin", "the one before must have ended without a failure");
      state = "open";
      const turn = ++begun;
      const { send, sendOffsets, commit, abort } = open();
      return Effect.succeed<KafkaTransaction>({
        send: (records) => during(turn, "write in", "open", send(records)),
        sendOffsets: (offsets) => during(turn, "commit offsets in", "open", sendOffsets(offsets)),
        commit: during(turn, "commit", "idle", commit),
        abort: during(turn, "abort", "idle", abort),
      });
    }),
  };
};
