/**
 * How many bytes a batch of records has on the log: Kafka's format of records, version 2, without compression.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { varintBytesSize, varintSize } from "../wire/byte-writer.ts";
import type { NewRecord } from "./partition-log.ts";

/** What stands in front of the records of a batch, in bytes. */
const overheadBytes = 61;

/** How many bytes a batch has. */
export const batchBytes = (records: ReadonlyArray<NewRecord>): number =>
  records.reduce((total, { timestamp, key, value, headers }, k) => {
    const body = 1 + varintSize(timestamp - records[0].timestamp) + varintSize(k) +
      varintBytesSize(key?.byteLength ?? null) + varintBytesSize(value?.byteLength ?? null) +
      varintSize(headers.length) +
      headers.reduce(
        (sum, [name, bytes]) =>
          sum + varintBytesSize(Buffer.byteLength(name)) + varintBytesSize(bytes?.byteLength ?? null),
        0,
      );
    return total + varintBytesSize(body);
  }, overheadBytes);
