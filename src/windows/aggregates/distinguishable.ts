/**
 * Values that can be told apart.
 *
 * @module
 */
import { inWords } from "../in-words.ts";

/**
 * What can be told apart by content. Two values are the same when they have the same type and content: 1, "1" and 1n are
 * three, the two zeros are one, and so is NaN.
 */
export type Distinguishable = string | number | bigint | boolean;

/** Whether a value can be told apart by its content. */
export const isDistinguishable = (value: unknown): value is Distinguishable => {
  const type = typeof value;
  return type === "string" || type === "number" || type === "bigint" || type === "boolean";
};

/** Refuses what the types do not admit: objects would be told apart by identity, which a restart does not keep. */
export const assertDistinguishable = (value: Distinguishable): void => {
  if (!isDistinguishable(value)) {
    throw new TypeError(
      `Cannot count distinct values as they must be strings, numbers, bigints or booleans: current value is ${
        inWords(value)
      }`,
    );
  }
};
