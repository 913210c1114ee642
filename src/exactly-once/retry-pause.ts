/**
 * The pause before a failed commit is tried again.
 *
 * @module
 */
import { Effect } from "effect";

/** The pause before the second retry, in milliseconds; it doubles from there. */
export const retryPauseMs = 10;

/**
 * Waits before a retry, counted from 1. The first follows at once, because most failures have passed by then; after that
 * another connection is likely to hold the lock, and waiting is what helps.
 */
export const pauseBeforeRetry = (retry: number): Effect.Effect<void> =>
  retry <= 1 ? Effect.void : Effect.sleep(retryPauseMs * 2 ** (retry - 2));
