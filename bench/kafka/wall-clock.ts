/**
 * The time of day, which all processes of a machine have in common.
 *
 * @module
 */

/** Epoch milliseconds, with their fractions. */
export const wallMillis = (): number => performance.timeOrigin + performance.now();
