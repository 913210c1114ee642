/**
 * What a Schema threw, in words.
 *
 * @module
 */
import { Cause } from "effect";
import { errorLine } from "./error-words.ts";

/**
 * What a Schema that was run without waiting threw, on one line. It hides what its own functions throw behind a cause, and
 * so also that one of them would have had to wait.
 */
export const schemaWords = (error: unknown): string => {
  const inner = innermost(error);
  return Cause.isAsyncFiberError(inner)
    ? "it must work without waiting, and one of its transformations waits"
    : errorLine(inner);
};

const innermost = (error: unknown): unknown =>
  error instanceof Error && Cause.isCause(error.cause) ? Cause.squash(error.cause) : error;
