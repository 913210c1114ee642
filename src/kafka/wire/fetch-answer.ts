/**
 * Reads the answer to a request to read logs: versions 11 and 12, of which the latter is "flexible".
 *
 * Both libraries read it, too, but not exactly: KafkaJS leaves out batches that have no records any more, and with them where to
 * read on; @platformatic/kafka decompresses whatever a broker sends, does not look at checksums, may run in a circle over
 * lengths below zero, and takes ten times as long.
 *
 * @module
 */
import type { AbortedTransaction, FetchedPartition } from "../client.ts";
import { protocolError } from "../protocol-errors.ts";
import type { ByteReader } from "./byte-reader.ts";
import { readBatches } from "./record-batches.ts";
import { refused } from "./refusal.ts";

/** How an answer is written, and how many bytes its batches may have. */
export interface AnswerForm {
  readonly isFlexible: boolean;
  readonly batchBytesMax: number;
}

/**
 * Reads an answer, from behind its head on.
 *
 * @throws {Refusal} If it makes no sense, or is an error as a whole.
 */
export const readFetchAnswer = (reader: ByteReader, form: AnswerForm): ReadonlyArray<FetchedPartition> => {
  reader.skip(4); // How long to keep still: brokers see to that by themselves.
  const errorCode = reader.int16();
  if (errorCode !== 0) throw refused(errorCode);
  reader.skip(4); // The session, of which there is none.
  return arrayOf(reader, form, () => {
    const topic = (form.isFlexible ? reader.compactString() : reader.string()) ?? "";
    const partitions = arrayOf(reader, form, () => readPartition(reader, topic, form));
    if (form.isFlexible) reader.skipTags();
    return partitions;
  }).flat();
};

const arrayOf = <A>(reader: ByteReader, { isFlexible }: AnswerForm, read: () => A): ReadonlyArray<A> =>
  isFlexible ? reader.compactArray(read) : reader.array(read);

const readPartition = (reader: ByteReader, topic: string, form: AnswerForm): FetchedPartition => {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  const lastStableOffset = reader.int64();
  const logStartOffset = reader.int64();
  const aborted = arrayOf(reader, form, (): AbortedTransaction => {
    const transaction = { producerId: reader.int64Text(), firstOffset: reader.int64() };
    if (form.isFlexible) reader.skipTags();
    return transaction;
  });
  reader.skip(4); // The replica that had better be read from, which nobody has asked for.
  const batches = reader.take(Math.max(0, form.isFlexible ? reader.uvarint() - 1 : reader.int32()));
  if (form.isFlexible) reader.skipTags();
  return {
    topic,
    partition,
    error: errorCode === 0 ? null : protocolError(errorCode).name,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted,
    batches: errorCode === 0 ? readBatches(batches, form.batchBytesMax) : [],
  };
};
