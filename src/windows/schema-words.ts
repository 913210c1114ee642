/**
 * What a Schema threw, in words.
 *
 * @module
 */
import { Cause } from "effect";
import { inWords } from "./in-words.ts";

/**
 * What a Schema that was run without waiting threw, on one line. It hides what its own functions throw behind a cause, and
 * so also that one of them would have had to wait.
 */
export const schemaWords = (error: unknown): string => wordsOf(innermost(error)).replaceAll(/\s*\n\s*/g, " ");

const innermost = (error: unknown): unknown =>
  error instanceof Error && Cause.isCause(error.cause) ? Cause.squash(error.cause) : error;

const wordsOf = (error: unknown): string => {
  if (Cause.isAsyncFiberError(error)) return "it must work without waiting, and one of its transformations waits";
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return inWords(error);
  }
};
