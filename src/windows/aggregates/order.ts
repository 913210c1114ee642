/**
 * Orders of numbers in which NaN has a place.
 *
 * @module
 */

/** Whether `a` comes before `b`. Neither does where they are level. */
export type Order = (a: number, b: number) => boolean;

/** The least first, NaN last. */
export const ascending: Order = (a, b) => a < b || (Number.isNaN(b) && !Number.isNaN(a));

/** The greatest first, NaN last. */
export const descending: Order = (a, b) => a > b || (Number.isNaN(b) && !Number.isNaN(a));
