/**
 * What cannot be stored, as the structured clone algorithm does not copy it: functions, symbols, promises, what throws when
 * it is read, and what is nested too deeply.
 *
 * @module
 */
import { serialize } from "node:v8";
import { errorWords } from "../windows/error-words.ts";

/** Something was to be stored that cannot be. */
export class Unstorable extends Error {
  /** `what` it is, as in `a row of sink "totals"`, and the operator that it comes from. */
  constructor(what: string, readonly operator: string, cause: unknown) {
    super(
      `Cannot store ${what} as it must be something that the structured clone algorithm copies: ${errorWords(cause)}`,
      { cause },
    );
  }
}

/** Hands on what is made on the way to the store. Should making it fail, `refuse` says what it was. */
export function* storing<A>(made: Iterable<A>, refuse: (cause: unknown) => Unstorable): Generator<A, void> {
  try {
    yield* made;
  } catch (cause) {
    throw refuse(cause);
  }
}

/** Whether something can be stored. */
export const isStorable = (value: unknown): boolean => {
  try {
    serialize(value);
    return true;
  } catch {
    return false;
  }
};
