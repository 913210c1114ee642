/**
 * How many bytes a batch of records has on the log: Kafka's format of records, version 2, without compression.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { NewRecord } from "./partition-log.ts";

/** What stands in front of the records of a batch, in bytes. */
const overheadBytes = 61;

/** How many bytes a whole number has in zigzag coding, seven bits a byte. */
const varintBytes = (value: number): number => {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  let bytes = 1;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
};

const lengthAndBytes = (length: number | undefined): number => varintBytes(length ?? -1) + (length ?? 0);

/** How many bytes a batch has. */
export const batchBytes = (records: ReadonlyArray<NewRecord>): number =>
  records.reduce((total, { timestamp, key, value, headers }, k) => {
    const body = 1 + varintBytes(timestamp - records[0].timestamp) + varintBytes(k) +
      lengthAndBytes(key?.byteLength) + lengthAndBytes(value?.byteLength) + varintBytes(headers.length) +
      headers.reduce(
        (sum, [name, bytes]) => sum + lengthAndBytes(Buffer.byteLength(name)) + lengthAndBytes(bytes?.byteLength),
        0,
      );
    return total + lengthAndBytes(body);
  }, overheadBytes);
