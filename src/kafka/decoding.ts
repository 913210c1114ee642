/**
 * Decoding the records of a log by the formats of their parts.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Effect } from "effect";
import type { Rejected } from "../streams/source.ts";
import { rejectedBytes, Undecodable, valueDecoder } from "../streams/sources/formats/value-decoder.ts";
import { inWords } from "../windows/in-words.ts";
import type { Header, LogRecord } from "./client.ts";
import type { KafkaError } from "./errors.ts";
import type { Codec } from "./format.ts";
import { KafkaRecord } from "./record.ts";
import { retrying } from "./retrying.ts";

/** What decodes some records of a partition. */
export type Decode<A> = (
  topic: string,
  partition: number,
  records: ReadonlyArray<LogRecord>,
) => Effect.Effect<ReadonlyArray<A | Rejected>, KafkaError>;

/** Decodes records, once what their formats need is loaded. */
export const decoding = <K, V, H>(
  source: string,
  key: Codec<K>,
  value: Codec<V>,
  headers: Schema.ConstraintCodec<H, unknown> | undefined,
  outageMillisMax: number,
): Decode<KafkaRecord<K, V, H>> => {
  const headersOf = headers === undefined
    ? (pairs: ReadonlyArray<Header>) => pairs as H
    : headersDecoder(headers as Schema.ConstraintDecoder<H>);
  const decodeOne = (topic: string, partition: number, record: LogRecord): KafkaRecord<K, V, H> | Rejected => {
    const { offset, timestamp } = record;
    const decodedValue = value.decode(record.value);
    if (decodedValue instanceof Undecodable) return rejected("value", decodedValue, record);
    const decodedKey = key.decode(record.key);
    if (decodedKey instanceof Undecodable) return rejected("key", decodedKey, record);
    const decodedHeaders = headersOf(record.headers);
    if (decodedHeaders instanceof Undecodable) return rejected("headers", decodedHeaders, record);
    return new KafkaRecord(topic, partition, offset, timestamp, decodedKey, decodedValue, decodedHeaders);
  };
  const decodeAll: Decode<KafkaRecord<K, V, H>> = (topic, partition, records) =>
    Effect.sync(() => {
      const decoded: Array<KafkaRecord<K, V, H> | Rejected> = [];
      for (const record of records) decoded.push(decodeOne(topic, partition, record));
      return decoded;
    });
  if (key.load === undefined && value.load === undefined) return decodeAll;
  return (topic, partition, records) =>
    Effect.all([
      key.load?.(records.map((record) => record.key)) ?? Effect.void,
      value.load?.(records.map((record) => record.value)) ?? Effect.void,
    ]).pipe(
      (loading) => retrying(`Source "${source}"`, loading, outageMillisMax),
      Effect.andThen(decodeAll(topic, partition, records)),
    );
};

/** What stands for a record of which a part cannot be decoded: the whole record, whichever part it is. */
const rejected = (part: "key" | "value" | "headers", { reason }: Undecodable, record: LogRecord): Rejected => {
  const { offset, timestamp, key, value, headers } = record;
  return rejectedBytes(`${part} at offset ${offset} ${reason}`, value, { key, headers, offset, timestamp });
};

const headersDecoder = <H>(schema: Schema.ConstraintDecoder<H>): (pairs: ReadonlyArray<Header>) => H | Undecodable => {
  const { decodeValue } = valueDecoder(schema);
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return (pairs) => {
    const texts: Array<readonly [name: string, text: string | null]> = [];
    for (const [name, value] of pairs) {
      try {
        texts.push([name, value === null ? null : utf8.decode(value)]);
      } catch {
        return new Undecodable(`are not UTF-8: ${inWords(name)}`);
      }
    }
    // As its own properties, so that one that is called "__proto__" is not lost.
    return decodeValue(Object.fromEntries(texts));
  };
};
