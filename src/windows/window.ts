/**
 * A window: a half-open span of time, and its results about one key.
 *
 * @module
 */

/**
 * A span of time, from `start` (included) to `end` (not included), in epoch milliseconds: of event time, or of the clock
 * for windows that follow it.
 */
export interface Window {
  /** The first millisecond that is in it. */
  readonly start: number;
  /** The first millisecond after it. */
  readonly end: number;
}

/**
 * When a result was due.
 *
 * - `"early"`: before the end of the window
 * - `"on-time"`: at its end, or at the end of the input if that came first
 * - `"late"`: after its end
 *
 * What time it is, is for the watermark to say, or for the clock in windows that follow it. Where the watermark passes
 * several instants at once each result has the timing of its own: one that was due before the end is early, though it
 * comes out together with that of the end. A window of a number of records is always on time.
 */
export type Timing = "early" | "on-time" | "late";

/** A result: what a window emits about one key each time it fires. */
export interface WindowResult<out K, out B> {
  /** The key that it is about. */
  readonly key: K;
  /** The window that it is about. */
  readonly window: Window;
  /** What the aggregate answers. */
  readonly value: B;
  /** How many results of this key and window came before this one: 0 for the first, then its corrections. */
  readonly pane: number;
  /** Whether it was due before, at or after the end of the window. */
  readonly timing: Timing;
  /**
   * Whether it is already certain that no correction follows.
   *
   * A window whose last record is in an early pane fires no more, so it has no final result: use
   * `Trigger.atWatermark({ onTime: "always" })` where you wait for one. With an allowed lateness a window closes that much
   * after its end, and only what fires then, or at the end of the input, is final: there may be nothing left to fire.
   */
  readonly final: boolean;
}

/** A result of a window whose panes retract each other, or what takes one back. */
export interface WindowChange<out K, out B> extends WindowResult<K, B> {
  /**
   * `"add"` for a result; `"retract"` takes back the result of the same key, window and pane, whose value it repeats. A
   * retraction comes before what replaces it, and is never final.
   */
  readonly change: "add" | "retract";
}

/** A record that came when every window it belongs to had been closed and its allowed lateness was over. */
export interface Late<out A, out K> {
  /** The record. */
  readonly value: A;
  /** The record's key. */
  readonly key: K;
  /** The record's event time, in epoch milliseconds. */
  readonly timestamp: number;
  /** The last window that the record would have belonged to. */
  readonly window: Window;
  /** The watermark that the record missed, in epoch milliseconds. */
  readonly watermark: number;
  /** How far the watermark was past the record's event time, in milliseconds. */
  readonly delay: number;
}
