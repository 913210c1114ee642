/**
 * What every window operator emits: results, corrections and late records, each counted.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { Key } from "../../kv-state/key.ts";
import { beginningOfTime } from "../../windows/watermark.ts";
import type { Late, Window, WindowResult } from "../../windows/window.ts";
import type { Counters } from "./stateful.ts";

/** Emits what a window operator has to say, and counts it. */
export class WindowEmitter {
  readonly #next: Receiver;
  readonly #late: Receiver | null;
  #emitted = beginningOfTime;
  /** On-time results, corrections, and records that came too late; of those, how many were dropped by word. */
  readonly counters: Counters = { records: 0, results: 0, corrections: 0, late: 0, lateDropped: 0 };

  constructor(next: Receiver, late: Receiver | null) {
    this.#next = next;
    this.#late = late;
  }

  /**
   * The first result of a key and window. Its event time is the last instant of the window, as in Flink. It meets the
   * watermark before the one that made the window fire, so it is never late further on.
   */
  result(key: Key, window: Window, value: unknown, pane: number, final: boolean): void {
    this.counters.results++;
    const result: WindowResult<unknown, unknown> = { key, window, value, pane, timing: "on-time", final };
    this.#next.record(result, key, window.end - 1, this.#emitted);
  }

  /** A result of a window that has fired before (or had nothing to fire), because a late record changed it. */
  correction(key: Key, window: Window, value: unknown, pane: number, watermark: number): void {
    this.counters.corrections++;
    if (watermark > this.#emitted) this.#emitted = watermark;
    const result: WindowResult<unknown, unknown> = { key, window, value, pane, timing: "late", final: false };
    this.#next.record(result, key, window.end - 1, this.#emitted);
  }

  /** A record none of whose windows can be changed any more. */
  late(value: unknown, key: Key, timestamp: number, window: Window, watermark: number): void {
    this.counters.late++;
    if (this.#late === null) {
      this.counters.lateDropped++;
      return;
    }
    const delay = watermark - timestamp;
    const late: Late<unknown, unknown> = { value, key, timestamp, window, watermark, delay };
    this.#late.record(late, undefined, NaN, beginningOfTime);
  }

  watermark(watermark: number): void {
    if (watermark > this.#emitted) this.#emitted = watermark;
    this.#next.watermark(this.#emitted);
  }

  letter(letter: Letter): void {
    this.#next.letter(letter);
  }
}
