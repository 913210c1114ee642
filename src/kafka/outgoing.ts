/**
 * Records that are to be written, cut into requests.
 *
 * @module
 */
import type { Header, OutgoingRecord } from "./client.ts";

/** About how many bytes of records one request holds, of all partitions together. */
export const requestBytesMax = 4 * 1_024 * 1_024;

/** At least what a batch of records takes beside its records, in bytes: 61 in format 2, and some to spare. */
export const batchOverheadBytes = 100;

/** At most what the numbers of a record take in format 2: lengths, differences of offset and time, count of headers. */
const recordOverheadBytes = 36;

/** At most what the lengths of a header take. */
const headerOverheadBytes = 10;

/** The bytes that a record takes alone in a batch, or a little more. */
export const recordBytes = (
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: ReadonlyArray<Header>,
): number => {
  let bytes = batchOverheadBytes + recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0);
  // A letter of a name takes three bytes at most.
  for (const [name, value] of headers) bytes += headerOverheadBytes + 3 * name.length + (value?.length ?? 0);
  return bytes;
};

/** What a topic takes. */
export interface Chunking {
  /** How many bytes a batch of one partition may have. */
  readonly batchBytesMax: number;
  readonly partitions: number;
}

/** Cuts records into requests, in their order, each of which has no more of any partition than a batch may have. */
export const chunksOf = (
  records: ReadonlyArray<OutgoingRecord>,
  { batchBytesMax, partitions }: Chunking,
): ReadonlyArray<ReadonlyArray<OutgoingRecord>> => {
  const chunks: Array<ReadonlyArray<OutgoingRecord>> = [];
  const filled = new Float64Array(partitions);
  let total = 0;
  let from = 0;
  records.forEach(({ partition, key, value, headers }, k) => {
    const bytes = recordBytes(key, value, headers);
    if (k > from && (filled[partition] + bytes > batchBytesMax || total + bytes > requestBytesMax)) {
      chunks.push(records.slice(from, k));
      from = k;
      total = 0;
      filled.fill(0);
    }
    filled[partition] += bytes;
    total += bytes;
  });
  if (from < records.length) chunks.push(records.slice(from));
  return chunks;
};
