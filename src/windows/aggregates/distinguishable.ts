/**
 * Values that can be told apart.
 *
 * @module
 */

/**
 * What can be told apart by content. Two values are the same when they have the same type and content: 1, "1" and 1n are
 * three, the two zeros are one, and so is NaN.
 */
export type Distinguishable = string | number | bigint | boolean;

/** Refuses what the types do not admit: objects would be told apart by identity, which a restart does not keep. */
export const assertDistinguishable = (value: Distinguishable): void => {
  const type = typeof value;
  if (type !== "string" && type !== "number" && type !== "bigint" && type !== "boolean") {
    throw new TypeError(
      `Cannot count distinct values as they must be strings, numbers, bigints or booleans: current value is ${value}`,
    );
  }
};
