/**
 * A window: a half-open span of event time, and what is said about one key in it.
 *
 * @module
 */

/** A span of event time, from `start` (included) to `end` (not included), in epoch milliseconds. */
export interface Window {
  /** The first millisecond that is in it. */
  readonly start: number;
  /** The first millisecond after it. */
  readonly end: number;
}

/**
 * When a result was said: before the watermark reached the end of the window (`"early"`), as it did (`"on-time"`), or
 * after that (`"late"`).
 */
export type Timing = "early" | "on-time" | "late";

/** What a window says about one key, each time it fires. */
export interface WindowResult<out K, out B> {
  /** The key that it is about. */
  readonly key: K;
  /** The window that it is about. */
  readonly window: Window;
  /** What the aggregate answers. */
  readonly value: B;
  /** How many results of this key and window came before this one: 0 for the first, then its corrections. */
  readonly pane: number;
  /** Whether it came before, at or after the time when the window was over. */
  readonly timing: Timing;
  /** Whether it is already certain that no correction follows. */
  readonly final: boolean;
}

/** A result of a window whose panes retract each other: something said, or something taken back. */
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
