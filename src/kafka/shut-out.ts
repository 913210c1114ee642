/**
 * Producers that were shut out.
 *
 * @module
 */
import { KafkaError } from "./errors.ts";

/** What says that another producer of the same id has been opened, or that the broker has given this one up. */
const shutOut: ReadonlySet<string> = new Set([
  "PRODUCER_FENCED",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_PRODUCER_ID_MAPPING",
  "INVALID_TXN_STATE",
  "TRANSACTIONAL_ID_NOT_FOUND",
  "UNKNOWN_PRODUCER_ID",
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "TRANSACTION_ABORTABLE",
]);

/** A producer that was shut out is done for, but as long as the claim holds the next one may succeed. */
export const shutOutMayPass = (error: KafkaError): KafkaError =>
  shutOut.has(error.code) ? new KafkaError({ message: error.message, code: error.code, retryable: true }) : error;
