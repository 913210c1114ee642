/**
 * Where a flow's values are encoded for a sink and wait for the end of their epoch.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { SinkShare } from "../../exactly-once/epoch-collector.ts";
import type { End, Sink } from "../../exactly-once/sink.ts";
import { orFail, userCodeError } from "./on-error.ts";

/** Counts the bytes that wait in all the sinks of a job, so that an epoch can be ended before they are too many. */
export interface OutputGauge {
  bytes: number;
}

/** Collects one actor's rows for one sink. */
export class SinkOperator implements Receiver {
  readonly #sink: Sink<unknown, End>;
  readonly #context: TaskContext;
  readonly #gauge: OutputGauge;
  #rows: Array<unknown> = [];
  #rounds: Array<number> = [];
  #bytes = 0;

  constructor(sink: Sink<unknown, End>, context: TaskContext, gauge: OutputGauge) {
    this.#sink = sink;
    this.#context = context;
    this.#gauge = gauge;
  }

  record(value: unknown): void {
    const { name, driver } = this.#sink;
    let bytes = 0;
    const row = orFail(this.#context, `sink "${name}"`, value, () => {
      const encoded = driver.encode(value);
      bytes = driver.byteLength(encoded);
      if (bytes >= 0) return encoded;
      throw new RangeError(`Cannot count the bytes of a row as they must be 0 or more: current value is ${bytes}`);
    });
    this.#rows.push(row);
    this.#rounds.push(this.#context.round);
    this.#bytes += bytes;
    this.#gauge.bytes += bytes;
  }

  watermark(): void {}

  letter(letter: Letter): void {
    throw userCodeError(this.#context.job, letter);
  }

  /** What was collected since the last call; null when that is nothing. */
  take(): SinkShare | null {
    if (this.#rows.length === 0) return null;
    const share: SinkShare = { sink: this.#sink.name, rows: this.#rows, rounds: this.#rounds, bytes: this.#bytes };
    this.#gauge.bytes -= this.#bytes;
    this.#rows = [];
    this.#rounds = [];
    this.#bytes = 0;
    return share;
  }
}
