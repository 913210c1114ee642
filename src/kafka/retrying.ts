/**
 * Trying again what a cluster did not do, for a bounded time.
 *
 * @module
 */
import { Clock, Effect } from "effect";
import type { KafkaError } from "./errors.ts";
import { Outage } from "./outage.ts";

/** The first pause before something is tried again, in milliseconds; it doubles each time. */
export const retryPauseMillisMin = 100;

/** The longest pause, in milliseconds. */
export const retryPauseMillisMax = 2_000;

/** The pause behind the n-th failure in a row (from 1 on), in milliseconds. */
export const retryPauseMillis = (failures: number): number =>
  Math.min(retryPauseMillisMin * 2 ** (failures - 1), retryPauseMillisMax);

/**
 * Whether the same request may succeed a little later. After a topic was made, and after a broker has started, brokers may not
 * know a topic for a moment, so to who has seen it that is no last word.
 */
export const mayPass = ({ retryable, code }: KafkaError): boolean =>
  retryable || code === "UNKNOWN_TOPIC_OR_PARTITION" || code === "UNKNOWN_TOPIC_ID";

/**
 * Tries again what may pass, until it has failed for `millisMax`. Who is hindered, as in `Source "orders"`, is named in the log;
 * where that is `null`, whoever asks says it.
 */
export const retrying = <A, R>(
  who: string | null,
  what: Effect.Effect<A, KafkaError, R>,
  millisMax: number,
): Effect.Effect<A, KafkaError, R> =>
  Effect.gen(function* () {
    const outage = who === null ? null : new Outage(who, millisMax);
    const until = (yield* Clock.currentTimeMillis) + millisMax;
    for (let failures = 1;; failures++) {
      const result = yield* Effect.result(what);
      if (result._tag === "Success") {
        yield* outage?.passed ?? Effect.void;
        return result.success;
      }
      const pause = retryPauseMillis(failures);
      if (!mayPass(result.failure) || (yield* Clock.currentTimeMillis) + pause > until) return yield* result.failure;
      yield* outage?.failed(result.failure.message) ?? Effect.void;
      yield* Effect.sleep(pause);
    }
  });
