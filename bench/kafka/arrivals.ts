/**
 * The clock of a run: it starts when the first record behind those that warm up is handed over.
 *
 * @module
 */
import { cpuSeconds, peakMemoryBytes } from "../measure/process.ts";

/** What a run says of itself. */
export interface Measured {
  /** How many records were measured: those that warm up are not among them. */
  readonly records: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  /** What processors have worked for it meanwhile, on all threads of the process. */
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
}

/** Counts records as they are handed over. */
export class Arrivals {
  readonly #warmUp: number;
  readonly #last: number;
  readonly #all = Promise.withResolvers<void>();
  #arrived = 0;
  #began = NaN;
  #beganCpu = NaN;

  /** Of `last` records in all, so many warm up. */
  constructor(warmUp: number, last: number) {
    this.#warmUp = warmUp;
    this.#last = last;
  }

  /** To be called for each record when it is handed over. */
  arrive(): void {
    const count = this.#arrived++;
    if (count === this.#warmUp) this.#begin();
    if (count === this.#last - 1) this.#all.resolve();
  }

  /** Whether the last one has been handed over. */
  get hasAll(): boolean {
    return this.#arrived >= this.#last;
  }

  /** Waits until the last one has been handed over. */
  get all(): Promise<void> {
    return this.#all.promise;
  }

  #begin(): void {
    this.#beganCpu = cpuSeconds();
    this.#began = performance.now();
  }

  /** To be called as soon as all is processed, published and committed. */
  end(): Measured {
    const seconds = (performance.now() - this.#began) / 1_000;
    const records = this.#last - this.#warmUp;
    return {
      records,
      seconds,
      recordsPerSecond: records / seconds,
      cpuSeconds: cpuSeconds() - this.#beganCpu,
      peakMemoryBytes: peakMemoryBytes(),
    };
  }
}
