/**
 * What was thrown, in words.
 *
 * @module
 */
import { inWords } from "./in-words.ts";

/** What an error says of itself, or its name where it says nothing. Anything can be thrown, so this never throws. */
export const errorWords = (error: unknown): string => {
  try {
    return error instanceof Error && error.message !== "" ? String(error.message) : String(error);
  } catch {
    return inWords(error);
  }
};

/** What an error says of itself, on one line. */
export const errorLine = (error: unknown): string => errorWords(error).replaceAll(/\s*\n\s*/g, " ");
