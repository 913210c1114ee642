/**
 * How a file is followed while it grows.
 *
 * @module
 */
import type { Duration } from "effect";
import { inWords } from "../../windows/in-words.ts";
import { atLeastOne, millisOf } from "../../windows/millis-of.ts";

/** How often a followed file is looked at unless an option says otherwise, in milliseconds. */
export const pollIntervalMillisDefault = 250;

/**
 * How a file is followed while it grows, is renamed and is begun again.
 *
 * A file that is *renamed* when it is full, and begun again under its old name, is read without a gap: the old file to its
 * end, then those that came and went meanwhile, then the new one. It is told from others by its device and inode, so it is
 * found under its new name in the same folder, after a restart, too. For that its new name has to be the old one with
 * nothing but a number or a date added (`app.log.1`, `app.log-20260131`, `app-2026-01-31.log`), and it must not be
 * compressed or removed before it has been read.
 *
 * A file that is *copied and then emptied* can lose lines, as whatever is written between the copy and the cut is in
 * neither, and what was not read before the cut is only in the copy. It is noticed when the file is shorter than what was
 * read of it, or has no line that begins there. One that has grown beyond that point again by then is not noticed. So
 * rotate by renaming where nothing may be lost.
 */
export interface FollowOptions {
  /**
   * How often to look for more when there was none, by Effect's Clock.
   *
   * @default {"250 millis"}
   */
  readonly pollInterval?: Duration.Input;
  /**
   * What to do when the file is shorter than what was read of it. `"fail"` ends the job with a `SourceError` that says
   * how much was read. `"start-over"` reads it from its beginning: what was written after the last look and before the
   * cut is lost, and what is still there from before is read twice.
   *
   * @default {"fail"}
   */
  readonly onTruncation?: "fail" | "start-over";
  /**
   * What to do when a file that was rotated has gone before all of it was read. `"fail"` ends the job with a
   * `SourceError` that says from which offset on it may have had more. `"go-on"` goes on with the next file.
   *
   * @default {"fail"}
   */
  readonly onLostFile?: "fail" | "go-on";
}

/** What {@link FollowOptions} come to. */
export interface FollowRules {
  readonly pollMillis: number;
  readonly startsOver: boolean;
  readonly goesOn: boolean;
}

/** Reads the option `follow`: `null` when files are not followed. */
export const followRules = (source: string, follow: boolean | FollowOptions | undefined): FollowRules | null => {
  if (follow === undefined || follow === false) return null;
  const { pollInterval = pollIntervalMillisDefault, onTruncation = "fail", onLostFile = "fail" } = follow === true
    ? {}
    : follow;
  const check = (option: string, value: string, allowed: string): void => {
    if (value === "fail" || value === allowed) return;
    throw new RangeError(
      `Cannot make source "${source}" as ${option} must be "fail" or "${allowed}": current value is ${inWords(value)}`,
    );
  };
  check("onTruncation", onTruncation, "start-over");
  check("onLostFile", onLostFile, "go-on");
  return {
    pollMillis: millisOf(`make source "${source}"`, "pollInterval", pollInterval, atLeastOne),
    startsOver: onTruncation === "start-over",
    goesOn: onLostFile === "go-on",
  };
};
