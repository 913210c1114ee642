/**
 * Asking again what a broker has not done because it was not ready: the only answers after which an adapter does so.
 *
 * @module
 */
import { Effect, Schedule } from "effect";
import type { Refusal } from "./refusal.ts";

/** The pause before it is asked again, in milliseconds. */
const pauseMillis = 20;

/**
 * What a coordinator says that has done nothing, and will be able to in a moment: it has just taken over, or the markers of the
 * transaction before are still being written, which is usual behind a commit.
 */
const settlingCodes = [
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  "CONCURRENT_TRANSACTIONS",
];

/** Asks again while the answer has one of some codes, for a bounded time. */
export const whileSettling = <A>(
  asking: Effect.Effect<A, Refusal>,
  millisMax: number,
  codes: ReadonlyArray<string> = settlingCodes,
): Effect.Effect<A, Refusal> =>
  Effect.retry(asking, {
    while: ({ code }) => codes.includes(code),
    schedule: Schedule.spaced(pauseMillis).pipe(Schedule.upTo({ duration: millisMax })),
  });
