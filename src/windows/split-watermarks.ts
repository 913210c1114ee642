/**
 * The watermark of several splits together.
 *
 * A convoy is as fast as the slowest ship that still sails: splits that have ended or lie idle do not hold it back, and
 * it never turns around, whoever joins or sets sail again.
 *
 * @module
 */
import { DelayHistogram } from "./delay-histogram.ts";
import {
  beginningOfTime,
  endOfTime,
  timestampMax,
  type WatermarkFollower,
  type WatermarkStrategy,
} from "./watermark.ts";

const active = 0;
const idle = 1;
const ended = 2;

/** No split. */
const nobody = -1;

/** What is remembered of a split. */
export interface SplitWatermarkState {
  /** The greatest timestamp seen. */
  readonly greatest: number;
  /** Where its own watermark is. */
  readonly own: number;
  readonly ended: boolean;
  /** The state of the strategy, and its kind. */
  readonly strategy: readonly [tag: WatermarkStrategy["_tag"], state: unknown];
}

/**
 * Keeps the watermark of each split and the merged one: the least of those that are neither idle nor ended. When all are
 * idle or ended it is the greatest that any of them has come to; when all have ended it is {@link endOfTime}. It never
 * goes down.
 */
export class SplitWatermarks {
  /** How far records were behind, over all splits. */
  readonly delays: DelayHistogram = new DelayHistogram();
  readonly #tag: WatermarkStrategy["_tag"];
  /** How far watermarks are behind the greatest timestamps; where followers say where they are, this is not used. */
  readonly #bound: number;
  readonly #followers: ReadonlyArray<WatermarkFollower> | null;
  readonly #greatest: Float64Array;
  /** What followers have said; not used where there is a bound, which makes the common case cheap. */
  readonly #said: Float64Array;
  readonly #status: Uint8Array;
  /** The split that holds the others back, if one is known to, and how far it can go before another one does. */
  #slowest = nobody;
  #next = beginningOfTime;
  #considered = beginningOfTime;
  #merged = beginningOfTime;

  constructor(strategy: WatermarkStrategy, splits: number) {
    this.#tag = strategy._tag;
    this.#bound = "bound" in strategy ? strategy.bound : 0;
    this.#followers = "follow" in strategy ? Array.from({ length: splits }, () => strategy.follow()) : null;
    this.#greatest = new Float64Array(splits).fill(beginningOfTime);
    this.#said = new Float64Array(splits).fill(beginningOfTime);
    this.#status = new Uint8Array(splits);
  }

  /** The watermark of all splits together. */
  get merged(): number {
    return this.#merged;
  }

  /** The watermark of one split; {@link endOfTime} when it has ended. */
  of(split: number): number {
    return this.#status[split] === ended ? endOfTime : this.#own(split);
  }

  #own(split: number): number {
    return this.#followers === null ? this.#greatest[split] - this.#bound : this.#said[split];
  }

  /** Whether {@link consider} must be called before a record is observed. */
  get considers(): boolean {
    return this.#followers !== null;
  }

  /**
   * Has the strategy look at a record, before it is observed.
   *
   * @throws {RangeError} If the strategy says what is not a date. What a strategy's own function throws is not caught.
   */
  consider(split: number, value: unknown, timestamp: number): void {
    const watermark = this.#followers![split].next(value, timestamp);
    if (!(watermark <= timestampMax)) {
      throw new RangeError(
        `Cannot move a watermark as it must be a date in epoch milliseconds: current value is ${watermark}`,
      );
    }
    this.#considered = watermark;
  }

  /** Notes a record's timestamp; a split that was idle is so no more. Returns true when the merged watermark has moved. */
  observe(split: number, timestamp: number): boolean {
    const greatest = this.#greatest[split];
    if (this.#status[split] === idle) this.#wake(split);
    if (timestamp < greatest) {
      this.delays.add(greatest - timestamp);
      if (this.#followers === null) return false;
    } else {
      this.delays.addInOrder();
      this.#greatest[split] = timestamp;
    }
    let before = greatest - this.#bound;
    let own = timestamp - this.#bound;
    if (this.#followers !== null) {
      before = this.#said[split];
      own = this.#considered;
      if (own <= before) return false;
      this.#said[split] = own;
    }
    // Only a split that held the merged watermark back can move it.
    if (before > this.#merged || own <= this.#merged) return false;
    // The others need not be looked at before it has caught up with one of them: they never go back.
    if (split !== this.#slowest || own > this.#next) return this.#recompute();
    this.#merged = own;
    return true;
  }

  #wake(split: number): void {
    this.#status[split] = active;
    this.#slowest = nobody;
  }

  /**
   * Notes the timestamps of some records of a split, of which the strategy need not be asked. Notes beside each the watermark
   * that it meets.
   */
  observeAll(split: number, timestamps: Float64Array, watermarks: Float64Array, rows: Uint32Array): void {
    let k = 0;
    if (this.#status.length === 1 && this.#status[split] === active && this.#own(split) <= this.#merged) {
      // Nobody holds a split back that is alone.
      const bound = this.#bound;
      let greatest = this.#greatest[split];
      let merged = this.#merged;
      let inOrder = 0;
      for (; k < rows.length; k++) {
        const row = rows[k];
        const timestamp = timestamps[row];
        watermarks[row] = merged;
        if (timestamp < greatest) {
          this.delays.add(greatest - timestamp);
          continue;
        }
        inOrder++;
        greatest = timestamp;
        if (timestamp - bound > merged) merged = timestamp - bound;
      }
      this.delays.addInOrder(inOrder);
      this.#greatest[split] = greatest;
      this.#merged = merged;
    }
    for (; k < rows.length; k++) {
      const row = rows[k];
      watermarks[row] = this.#merged;
      this.observe(split, timestamps[row]);
    }
  }

  /**
   * Moves the watermark of a split up to an instant that is known otherwise, as a record of a later time would. Returns
   * true when the merged watermark has moved.
   *
   * @throws {RangeError} If it is not a date.
   */
  raise(split: number, watermark: number): boolean {
    if (!(Math.abs(watermark) <= timestampMax)) {
      throw new RangeError(
        `Cannot move a watermark as it must be a date in epoch milliseconds: current value is ${watermark}`,
      );
    }
    if (this.#status[split] === idle) this.#wake(split);
    if (watermark > this.#own(split)) {
      this.#said[split] = watermark;
      if (this.#followers === null) this.#greatest[split] = watermark + this.#bound;
    }
    return this.#recompute();
  }

  /** Notes that a split has ended. Returns true when the merged watermark has moved. */
  end(split: number): boolean {
    this.#status[split] = ended;
    return this.#recompute();
  }

  /** Notes that a split is idle, or is so no more. Returns true when the merged watermark has moved. */
  setIdle(split: number, isIdle: boolean): boolean {
    const status = isIdle ? idle : active;
    if (this.#status[split] === ended) return false;
    // Who listens to silences says it of every split, whenever one of them has changed.
    if (this.#status[split] === status && this.#slowest !== nobody) return false;
    this.#status[split] = status;
    return this.#recompute();
  }

  /** Whether a split does not hold the merged watermark back. */
  isPassive(split: number): boolean {
    return this.#status[split] !== active;
  }

  #recompute(): boolean {
    let least = endOfTime;
    let next = endOfTime;
    let slowest = nobody;
    let furthest = beginningOfTime;
    let isActive = false;
    let isIdle = false;
    for (let split = 0; split < this.#status.length; split++) {
      const own = this.#own(split);
      if (this.#status[split] === active) {
        isActive = true;
        if (own < least) {
          next = least;
          least = own;
          slowest = split;
        } else if (own < next) {
          next = own;
        }
      } else {
        if (this.#status[split] === idle) isIdle = true;
        if (own > furthest) furthest = own;
      }
    }
    this.#slowest = slowest;
    this.#next = next;
    const merged = !isActive && isIdle ? furthest : least;
    if (merged <= this.#merged) return false;
    this.#merged = merged;
    return true;
  }

  /** Notes that there are no splits and that none is to come. */
  endAll(): void {
    this.#merged = endOfTime;
  }

  /** What to remember of a split. */
  snapshot(split: number): SplitWatermarkState {
    return {
      greatest: this.#greatest[split],
      own: this.#own(split),
      ended: this.#status[split] === ended,
      strategy: [this.#tag, this.#followers === null ? null : this.#followers[split].snapshot()],
    };
  }

  /**
   * Goes on from an earlier {@link snapshot} of a split. Splits are awake then; a strategy of another kind starts afresh.
   */
  restore(split: number, { greatest, own, ended: hasEnded, strategy: [tag, state] }: SplitWatermarkState): void {
    this.#greatest[split] = greatest;
    this.#said[split] = own;
    if (hasEnded) this.#status[split] = ended;
    this.#slowest = nobody;
    if (tag === this.#tag && this.#followers !== null) this.#followers[split].restore(state);
  }

  /** Says where the merged watermark was. It is kept by itself, as splits that were added or idle would pull it back. */
  restoreMerged(merged: number): void {
    this.#merged = merged;
  }
}
