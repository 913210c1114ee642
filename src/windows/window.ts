/**
 * A window: a half-open span of event time, and what is said about one key in it.
 *
 * @module
 */

/** A span of event time, from `start` (included) to `end` (not included), in epoch milliseconds. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

/** What a window says about one key, each time it fires. */
export interface WindowResult<out K, out B> {
  readonly key: K;
  readonly window: Window;
  readonly value: B;
  /** How many results of this key and window came before this one: 0 for the first, then its corrections. */
  readonly pane: number;
  /** Whether it is already certain that no correction follows. */
  readonly final: boolean;
}

/** A record that came when every window it belongs to had been closed and its allowed lateness was over. */
export interface Late<out A, out K> {
  readonly value: A;
  readonly key: K;
  /** The record's event time, in epoch milliseconds. */
  readonly timestamp: number;
  /** The last window that the record would have belonged to. */
  readonly window: Window;
  /** The watermark that the record missed, in epoch milliseconds. */
  readonly watermark: number;
}
