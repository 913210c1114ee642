/**
 * A target: a decoder or a stored format that is given inputs nobody would give it on purpose.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Draw } from "./draw.ts";

/** What is fuzzed. */
export interface Target {
  /** What `--target` calls it. */
  readonly name: string;
  /** What is given to what, in a few words. */
  readonly about: string;
  /** The errors that are a documented answer to a bad input, as {@link kindOf} calls them. Anything else is a failure. */
  readonly rejects: ReadonlyArray<string>;
  /**
   * How many inputs it gets where another target gets one: less for one that is slow.
   *
   * @default {1}
   */
  readonly share?: number;
  /**
   * Makes an input, gives it to the decoder, and checks what it answers. Returns in a word what became of it
   * (`"accepted"`); throws what the decoder threw, or an `AssertionError` where a promise is broken.
   */
  readonly check: (draw: Draw) => string | Promise<string>;
}

/** How the texts of refusals read in this project: what cannot be done, by which rule, and what it was instead. */
const refusal = /^Cannot [\s\S]+ as [\s\S]+: /;

/**
 * What a thrown error is called: its tag, or its class.
 *
 * A `RangeError` counts as one only if it reads like a refusal: the runtime throws them too, when its stack is full or a
 * length is beyond it.
 */
export const kindOf = (thrown: unknown): string => {
  if (typeof thrown !== "object" || thrown === null) return `a thrown ${typeof thrown}`;
  if ("_tag" in thrown) return String(thrown._tag);
  if (!(thrown instanceof Error)) return "a thrown object";
  const { name } = thrown.constructor;
  return thrown instanceof RangeError && !refusal.test(thrown.message) ? `${name} of the runtime` : name;
};

/** Does with a sound input what must not reject it. */
export const unrejected = <A>(what: () => A): A => {
  try {
    return what();
  } catch (error) {
    if (error instanceof Error && error.name === "AssertionError") throw error;
    assert.fail(`what is sound is rejected: ${error instanceof Error ? error.stack : error}`);
  }
};
