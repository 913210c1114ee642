/**
 * How a file is followed while it grows.
 *
 * @module
 */
import type { Duration } from "effect";
import { inWords } from "../../../windows/in-words.ts";
import { atLeastOne, millisOf } from "../../../windows/millis-of.ts";

/** How often a followed file is looked at unless an option says otherwise, in milliseconds. */
export const pollIntervalMillisDefault = 250;

/**
 * How a file is followed while it grows, is rotated or is cut off.
 *
 * **Rotation by renaming** loses nothing. When the path names another file, the old one is read to its end, then those that
 * came and went meanwhile, then the new one from its start. The old one is left only when something has been written to
 * the next, as its writer may be told of the rotation late. Files are told apart by device, inode and the time at which
 * they were made, so a job that starts again finds the one it was in under its new name: from the
 * first epoch on that was committed. For all that
 *
 * - rotated files stay in the folder, uncompressed, until they have been read (`delaycompress` of logrotate does that);
 * - the new name is the old one with a number or a date added: `app.log.1`, `app.log-20260131`, `app-2026-01-31.log`.
 *   So `app-2.log` beside `app.log` is taken for a rotated file of it, unless the same source follows it, too;
 * - nobody writes to the old file once the new one has been written to.
 *
 * **Copying and emptying** a file (`copytruncate`) can lose lines: those that are written between the copy and the cut are
 * in neither file, and those that were not read before the cut are in the copy, which is not read. That a file was cut off
 * is noticed by its length, or when something else stands where was read last. One that has grown beyond that place again
 * while no job ran, and has a line that begins just there, is not noticed. So rotate by renaming where nothing may be lost.
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
