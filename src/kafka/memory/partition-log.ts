/**
 * The log of one partition: batches of records, the transactions that are open on it, and those that were aborted.
 *
 * Bytes are copied on their way in and out, so that nobody changes what is stored.
 *
 * @module
 */
import type { AbortedTransaction, Isolation, LogBatch, LogRecord, OffsetSpec } from "../client.ts";
import { batchBytes } from "./batch-bytes.ts";

/** A record that has no offset yet. */
export type NewRecord = Omit<LogRecord, "offset">;

/** Who writes a batch. */
export interface Author {
  /** The producer's id, or `-1`. */
  readonly producerId: string;
  /** Whether the batch belongs to a transaction. */
  readonly isTransactional: boolean;
}

/** Some consecutive batches, with the aborted transactions that concern them. */
export interface LogSlice {
  readonly batches: ReadonlyArray<LogBatch>;
  readonly aborted: ReadonlyArray<AbortedTransaction>;
  /** How many bytes the batches have together. */
  readonly bytes: number;
  /** How many bytes the largest of the batches has. */
  readonly batchBytes: number;
}

/** How a transaction ends. */
export type Outcome = "commit" | "abort";

interface StoredBatch extends LogBatch {
  readonly firstOffset: number;
  readonly bytes: number;
  readonly timestampMax: number;
}

interface StoredAbort extends AbortedTransaction {
  /** The offset of the marker that ended it. */
  readonly markerOffset: number;
}

/** The log of one partition. */
export class PartitionLog {
  readonly #batches: Array<StoredBatch> = [];
  /** The first offset of each open transaction by producer, in ascending order of offsets. */
  readonly #open = new Map<string, number>();
  /** In ascending order of their markers. */
  readonly #aborts: Array<StoredAbort> = [];
  #startOffset = 0;
  #endOffset = 0;
  #timestampMax = 0;

  /** The offset of the first record that has not been deleted. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** The offset behind the last record: nothing waits to be replicated, so it is the high watermark as well. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** The offset behind the last record whose transaction has ended. */
  get stableOffset(): number {
    for (const firstOffset of this.#open.values()) return Math.max(firstOffset, this.#startOffset);
    return this.#endOffset;
  }

  /** Up to where a reader is shown batches. */
  endFor(isolation: Isolation): number {
    return isolation === "read_committed" ? this.stableOffset : this.#endOffset;
  }

  /** Writes a batch, and gives the offset of its first record. */
  append(records: ReadonlyArray<NewRecord>, { producerId, isTransactional }: Author): number {
    const firstOffset = this.#endOffset;
    if (isTransactional && !this.#open.has(producerId)) this.#open.set(producerId, firstOffset);
    this.#write(records, { producerId, isTransactional, control: null });
    return firstOffset;
  }

  /** Writes the marker that ends a producer's transaction, whether or not it has records here. */
  endTransaction(producerId: string, outcome: Outcome): void {
    const firstOffset = this.#open.get(producerId);
    if (outcome === "abort" && firstOffset !== undefined) {
      this.#aborts.push({ producerId, firstOffset, markerOffset: this.#endOffset });
    }
    this.#open.delete(producerId);
    const marker = {
      // Not later than what lies before it, so that no time finds the marker instead of a record.
      timestamp: this.#timestampMax,
      key: Uint8Array.of(0, 0, 0, outcome === "commit" ? 1 : 0),
      value: new Uint8Array(6),
      headers: [],
    };
    this.#write([marker], { producerId, isTransactional: true, control: outcome });
  }

  /** Deletes what lies before an offset. A batch stays whole as long as one of its records does. */
  deleteBefore(offset: number): void {
    this.#startOffset = Math.max(this.#startOffset, offset);
    this.#batches.splice(0, this.#indexOf(this.#startOffset));
    const aborts = this.#aborts.findIndex(({ markerOffset }) => markerOffset >= this.#startOffset);
    this.#aborts.splice(0, aborts === -1 ? this.#aborts.length : aborts);
  }

  /** Batches from the one that holds an offset on, of about `bytesMax` bytes. */
  read(offset: number, isolation: Isolation, bytesMax: number, atLeastOne: boolean): LogSlice {
    const end = this.endFor(isolation);
    const batches: Array<LogBatch> = [];
    let bytes = 0;
    let largest = 0;
    let nextOffset = offset;
    for (let at = this.#indexOf(offset); at < this.#batches.length; at++) {
      const batch = this.#batches[at];
      if (batch.nextOffset > end) break;
      if (bytes + batch.bytes > bytesMax && !(atLeastOne && batches.length === 0)) break;
      const { producerId, isTransactional, control, records } = batch;
      nextOffset = batch.nextOffset;
      batches.push({ nextOffset, producerId, isTransactional, control, records: records.map(copyPlaced) });
      bytes += batch.bytes;
      largest = Math.max(largest, batch.bytes);
    }
    const aborted = isolation === "read_uncommitted" ? [] : this.#aborts
      .filter(({ firstOffset, markerOffset }) => markerOffset >= offset && firstOffset < nextOffset)
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
    return { batches, aborted, bytes, batchBytes: largest };
  }

  /** The offset that is meant. */
  offsetAt(spec: OffsetSpec, isolation: Isolation): number {
    const end = this.endFor(isolation);
    if (spec === "earliest") return this.#startOffset;
    if (spec === "latest") return end;
    const isMeant = ({ timestamp, offset }: LogRecord): boolean =>
      timestamp >= spec.timestamp && offset >= this.#startOffset;
    for (const { timestampMax, records } of this.#batches) {
      const found = timestampMax < spec.timestamp ? undefined : records.find(isMeant);
      if (found !== undefined) return Math.min(found.offset, end);
    }
    return end;
  }

  /** What a reader sees who reads all of it. */
  visible(isolation: Isolation): ReadonlyArray<LogRecord> {
    const end = this.endFor(isolation);
    const isAborted = (batch: StoredBatch): boolean =>
      this.#aborts.some(({ producerId, firstOffset, markerOffset }) =>
        producerId === batch.producerId && firstOffset <= batch.firstOffset && batch.firstOffset < markerOffset
      );
    return this.#batches
      .filter((batch) => batch.control === null && batch.nextOffset <= end)
      .filter((batch) => isolation === "read_uncommitted" || !isAborted(batch))
      .flatMap(({ records }) => records.filter(({ offset }) => offset >= this.#startOffset).map(copyPlaced));
  }

  #write(records: ReadonlyArray<NewRecord>, batch: Pick<LogBatch, "producerId" | "isTransactional" | "control">): void {
    const firstOffset = this.#endOffset;
    this.#endOffset += records.length;
    const timestampMax = records.reduce((latest, { timestamp }) => Math.max(latest, timestamp), -Infinity);
    this.#timestampMax = Math.max(this.#timestampMax, timestampMax);
    this.#batches.push({
      ...batch,
      firstOffset,
      nextOffset: this.#endOffset,
      bytes: batchBytes(records),
      timestampMax,
      records: records.map((record, k) => ({ offset: firstOffset + k, ...copyRecord(record) })),
    });
  }

  /** Which batch holds an offset, or follows it. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle].nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const copyBytes = (bytes: Uint8Array | null): Uint8Array | null => bytes === null ? null : new Uint8Array(bytes);

const copyRecord = ({ timestamp, key, value, headers }: NewRecord): NewRecord => ({
  timestamp,
  key: copyBytes(key),
  value: copyBytes(value),
  headers: headers.map(([name, bytes]) => [name, copyBytes(bytes)]),
});

const copyPlaced = (record: LogRecord): LogRecord => ({ offset: record.offset, ...copyRecord(record) });
