/**
 * Latencies: every one is kept, so that the rarest are exact.
 *
 * @module
 */

/** Some quantiles of latencies, in milliseconds. */
export interface Quantiles {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Keeps latencies in memory that is there beforehand, so that measuring makes no garbage. */
export class Latencies {
  readonly #millis: Float64Array;
  readonly #ignored: number;
  #size = 0;

  /** What records before `ignored` have brought about is not counted: they warm the program up. */
  constructor(capacity: number, ignored: number) {
    this.#millis = new Float64Array(capacity);
    this.#ignored = ignored;
  }

  /** Notes the latency of what record `n` has brought about. */
  add(n: number, millis: number): void {
    if (n >= this.#ignored) this.#millis[this.#size++] = millis;
  }

  get quantiles(): Quantiles {
    if (this.#size > this.#millis.length) {
      throw new RangeError(`Cannot tell quantiles as at most ${this.#millis.length} latencies fit: ${this.#size} came`);
    }
    const sorted = this.#millis.slice(0, this.#size).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
    return { samples: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
  }
}
