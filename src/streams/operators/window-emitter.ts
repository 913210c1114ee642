/**
 * What every window operator emits: results, what it takes back, and late records, each counted.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { Key } from "../../kv-state/key.ts";
import { beginningOfTime } from "../../windows/watermark.ts";
import type { Late, Timing, Window, WindowChange, WindowResult } from "../../windows/window.ts";
import { sideWatermark } from "./side-watermark.ts";
import type { Counters } from "./stateful.ts";

/** What the counters of a window operator are called by the timing of a result. */
const counterOf = { "early": "early", "on-time": "results", "late": "corrections" } as const;

/** Emits what a window operator has to say, and counts it. */
export class WindowEmitter {
  readonly #context: TaskContext;
  readonly #next: Receiver;
  readonly #late: Receiver | null;
  #emitted = beginningOfTime;
  /** The place in the round to come back to; NaN while it is there. */
  #place = NaN;
  /**
   * Records that came, and of those: that were let into a window that was over, that came too late, that were dropped by
   * word. Results: on time, early, late (corrections), taken back.
   */
  readonly counters = {
    records: 0,
    lateAdmitted: 0,
    late: 0,
    lateDropped: 0,
    results: 0,
    early: 0,
    corrections: 0,
    retractions: 0,
  } satisfies Counters;

  constructor(context: TaskContext, next: Receiver, late: Receiver | null) {
    this.#context = context;
    this.#next = next;
    this.#late = late;
  }

  /**
   * A result. Its event time is the last instant of the window, as in Flink, unless said otherwise. One that the watermark
   * brings about meets the watermark before that, so it is never late further on.
   */
  result(
    key: Key,
    window: Window,
    value: unknown,
    pane: number,
    timing: Timing,
    final: boolean,
    time: number = window.end - 1,
  ): void {
    this.counters[counterOf[timing]]++;
    const result: WindowResult<unknown, unknown> = { key, window, value, pane, timing, final };
    this.#next.record(result, key, time, this.#emitted);
  }

  /** A result of a window whose panes take back each other, or what takes it back. */
  change(
    key: Key,
    window: Window,
    value: unknown,
    pane: number,
    timing: Timing,
    final: boolean,
    change: "add" | "retract",
    time: number,
  ): void {
    this.counters[change === "retract" ? "retractions" : counterOf[timing]]++;
    const result: WindowChange<unknown, unknown> = { key, window, value, pane, timing, final, change };
    this.#next.record(result, key, time, this.#emitted);
  }

  /**
   * Says that what follows is brought about by the watermark's reaching this instant. What is emitted takes its place
   * there among what other partitions emit.
   */
  due(instant: number): void {
    if (Number.isNaN(this.#place)) this.#place = this.#context.ordinal;
    const before = this.#context.moveTo(instant);
    if (before !== undefined) this.reach(before);
  }

  /** Says that nothing more is due. */
  done(): void {
    if (Number.isNaN(this.#place)) return;
    this.#context.ordinal = this.#place;
    this.#place = NaN;
  }

  /** Says that what follows is brought about by a record that met this watermark, not by the watermark's advance. */
  reach(watermark: number): void {
    if (watermark > this.#emitted) this.#emitted = watermark;
  }

  /** How far results have come: to be remembered, and given to {@link reach} by a run that goes on. */
  get emitted(): number {
    return this.#emitted;
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
    this.reach(watermark);
    this.#next.watermark(this.#emitted);
    this.#late?.watermark(sideWatermark(watermark));
  }

  letter(letter: Letter): void {
    this.#next.letter(letter);
  }
}
