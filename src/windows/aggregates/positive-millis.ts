/**
 * Durations that aggregates are told.
 *
 * @module
 */
import { Duration } from "effect";

/** A duration in milliseconds, greater than zero and finite. */
export const positiveMillis = (action: string, what: string, input: Duration.Input): number => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(input));
  if (!Number.isFinite(millis) || millis <= 0) {
    throw new RangeError(
      `Cannot ${action} as ${what} must be a finite number of milliseconds above 0: current value is ${millis}`,
    );
  }
  return millis;
};
