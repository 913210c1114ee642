/**
 * Why a job has failed, for whoever reads its last lines.
 *
 * @module
 */
import { Cause, Option } from "effect";
import { errorWords } from "../windows/error-words.ts";
import type { JobError } from "./run.ts";

/** Where the modules of the engine are. */
const engine = new URL("../", import.meta.url).href;

const isInside = (frame: string): boolean =>
  frame.includes(engine) || /[/](npm|node_modules)[/].*\beffect[/]/.test(frame);

/**
 * The frames of a stack up to where it comes to the engine's, which say nothing to whoever wrote the function; all of them
 * where the first is the engine's own.
 */
const ownFrames = (stack: string): ReadonlyArray<string> => {
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const end = frames.findIndex(isInside);
  return end > 0 ? frames.slice(0, end) : frames;
};

const stackOf = (error: unknown): ReadonlyArray<string> => {
  try {
    return error instanceof Error && typeof error.stack === "string" ? ownFrames(error.stack) : [];
  } catch {
    return [];
  }
};

const titleOf = (error: unknown): string => {
  try {
    return error instanceof Error ? `${error.name}: ${errorWords(error)}` : errorWords(error);
  } catch {
    return errorWords(error);
  }
};

/**
 * A text whose last line says why. Where code of the job's own, or the engine, threw something, its stack comes before.
 */
export const failureText = (job: string, cause: Cause.Cause<JobError>): string => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause));
  if (error === undefined) {
    const defect = Cause.squash(cause);
    return [titleOf(defect), ...stackOf(defect), `${job}: failed with a defect: ${titleOf(defect)}`].join("\n");
  }
  const last = `${job}: failed with ${error._tag}: ${error.message}`;
  if (error._tag !== "UserCodeError") return last;
  const frames = stackOf(error.cause);
  const isOwn = frames.length > 0 && !isInside(frames[0]);
  return isOwn ? [titleOf(error.cause), ...frames, last].join("\n") : last;
};
