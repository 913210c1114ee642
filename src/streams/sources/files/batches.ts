/**
 * Collects the records of a file into batches.
 *
 * @module
 */
import type { Position, Rejected, SourceBatch } from "../../source.ts";
import { blank, type Records } from "../formats/records.ts";

/** Collects decoded records until a batch is full. */
export class Batches<A> {
  #records: Array<A | Rejected> = [];
  #positions: Array<Position> | Float64Array;

  constructor(
    readonly cut: Records<A>,
    readonly batchRecordsMax: number,
    /** What stands behind the offset in a position; null where the position is the offset. */
    readonly suffix: string | null,
    /** How many bytes are known to lie behind an offset. */
    readonly lagAt: (offset: number) => number,
  ) {
    this.#positions = this.#newPositions();
  }

  /** The next full batch, or the last one; `null` when more bytes are needed or there is nothing left. */
  next(): SourceBatch<A> | null {
    const { cut, batchRecordsMax, suffix } = this;
    while (cut.next()) {
      const record = cut.decode();
      if (record === blank) continue;
      this.#positions[this.#records.length] = suffix === null ? cut.position : cut.position + suffix;
      if (this.#records.push(record) === batchRecordsMax) return this.#take(this.lagAt(cut.position));
    }
    return cut.ended ? this.flush(this.lagAt(cut.position)) : null;
  }

  /** What has been collected, if anything. */
  flush(lag: number): SourceBatch<A> | null {
    return this.#records.length > 0 ? this.#take(lag) : null;
  }

  #take(lag: number): SourceBatch<A> {
    const records = this.#records;
    const positions = this.#positions;
    this.#records = [];
    this.#positions = this.#newPositions();
    return {
      records,
      positions: positions instanceof Float64Array ? positions.subarray(0, records.length) : positions,
      lag,
    };
  }

  #newPositions(): Array<Position> | Float64Array {
    return this.suffix === null ? new Float64Array(this.batchRecordsMax) : [];
  }
}
