/**
 * Which of the records on a log a reader is shown.
 *
 * @module
 */
import type { FetchedPartition, LogRecord } from "./client.ts";

/** What a reader gets of an answer. */
export interface Visible {
  /** The records from the wanted offset on that are visible. */
  readonly records: ReadonlyArray<LogRecord>;
  /** Where to read on: behind control records and what was aborted or compacted, too. */
  readonly nextOffset: number;
}

/**
 * The records of an answer from an offset on, without control records and, where the broker lists aborted transactions,
 * without theirs. As in the Java client, a transaction of the list begins with the batch that reaches its first offset, and
 * ends with the next abort marker of its producer.
 */
export const visibleRecords = (fetched: FetchedPartition, from: number): Visible => {
  const waiting = fetched.aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<string>();
  const parts: Array<ReadonlyArray<LogRecord>> = [];
  let next = 0;
  let nextOffset = from;
  for (const batch of fetched.batches) {
    while (next < waiting.length && waiting[next].firstOffset < batch.nextOffset) {
      aborting.add(waiting[next++].producerId);
    }
    nextOffset = Math.max(nextOffset, batch.nextOffset);
    if (batch.control !== null) {
      if (batch.control === "abort") aborting.delete(batch.producerId);
    } else if (!(batch.isTransactional && aborting.has(batch.producerId))) {
      const { records } = batch;
      if (records.length > 0) parts.push(records[0].offset >= from ? records : notBefore(records, from));
    }
  }
  return { records: parts.length === 1 ? parts[0] : parts.flat(), nextOffset };
};

const notBefore = (records: ReadonlyArray<LogRecord>, from: number): ReadonlyArray<LogRecord> =>
  records.filter(({ offset }) => offset >= from);
