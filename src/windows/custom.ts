/**
 * Windows that a function of one's own gives.
 *
 * @module
 */
import type { OneWindow, SeveralWindows, SpansAssigner } from "./assigner.ts";
import { inWords } from "./in-words.ts";
import type { Window } from "./window.ts";

/** What {@link custom} is told. */
export interface CustomOptions<in A, O extends boolean = boolean> {
  /**
   * Names the meaning of `assign`: state that was written under another name is not read. It changes when the windows do.
   */
  readonly name: string;
  /** The window of a record, or its windows, each of which holds the record's event time. It depends on nothing else. */
  readonly assign: (timestamp: number, value: A) => Window | ReadonlyArray<Window>;
  /**
   * Whether a record may be in several windows. The window's aggregate must merge then.
   *
   * @default {false}
   */
  readonly overlapping?: O;
}

/** Checks what a function said of a record. */
const check = (windows: ReadonlyArray<Window | null | undefined>, timestamp: number, overlapping: boolean): void => {
  const fail = (rule: string, value: unknown): never => {
    throw new RangeError(`Cannot assign a record to its windows as ${rule}: current value is ${value}`);
  };
  if (windows.length === 0) fail("there must be at least one", "none");
  if (!overlapping && windows.length > 1) fail("there must be one unless overlapping is true", windows.length);
  windows.forEach((window, k) => {
    if (typeof window !== "object" || window === null) return fail("each must be { start, end }", inWords(window));
    const { start, end } = window;
    const written = `[${start}, ${end})`;
    if (!(Number.isFinite(start) && Number.isFinite(end) && start < end)) {
      fail("each must be a finite span that is not empty", written);
    }
    if (!(start <= timestamp && timestamp < end)) fail(`each must hold the timestamp ${timestamp}`, written);
    if (windows.some((other, j) => j < k && other!.start === start && other!.end === end)) {
      fail("they must differ", `${written} twice`);
    }
  });
};

/**
 * Windows that a function gives: shifts, trading sessions, seasons.
 *
 * The function is asked for each record. What it says must be a finite span that holds the record's event time, and the
 * same whenever it is asked again. If it says anything else, that is treated as if it had thrown: the job fails with the
 * record's coordinates, or the record becomes a dead letter where the flow says `Flow.onError(…, { defects: true })`.
 *
 * @throws {RangeError} If the name is empty; when a record is assigned, if there is no window, several without
 * `overlapping`, one twice, or one that is not a finite span with the record's event time in it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * const hour = 3_600_000;
 * const shifts = Window.custom({
 *   name: "day and night shift, from 6 and 18 o'clock UTC",
 *   assign: (timestamp) => {
 *     const start = Math.floor((timestamp - 6 * hour) / (12 * hour)) * 12 * hour + 6 * hour;
 *     return { start, end: start + 12 * hour };
 *   },
 * });
 * assert.deepEqual(shifts.assign(7 * hour, null), [{ start: 6 * hour, end: 18 * hour }]);
 * ```
 */
export const custom = <A = unknown, const O extends boolean = false>(
  options: CustomOptions<A, O>,
): SpansAssigner<A, O extends true ? SeveralWindows : OneWindow> => {
  const { name, assign } = options;
  if (name === "") throw new RangeError(`Cannot make a window as its name must not be empty: current value is ""`);
  const overlapping: boolean = options.overlapping ?? false;
  const kind: OneWindow | SeveralWindows = overlapping
    ? "windows overlap or grow together: give them an aggregate that merges"
    : "each record in one window";
  return {
    _tag: "Spans",
    windows: kind as O extends true ? SeveralWindows : OneWindow,
    time: "event time",
    fingerprint: `custom(${JSON.stringify(name)}${overlapping ? ",overlapping" : ""})`,
    assign: (timestamp, value) => {
      const said = assign(timestamp, value);
      const windows: ReadonlyArray<Window> = Array.isArray(said) ? said : [said];
      check(windows, timestamp, overlapping);
      return windows;
    },
  };
};
