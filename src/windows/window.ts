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
  /** Whether it is already certain that no correction follows. */
  readonly final: boolean;
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
}
