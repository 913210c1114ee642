/**
 * Dead letters as records of a topic.
 *
 * @module
 */
import type { DeadLetter } from "../streams/dead-letter.ts";
import type { KeyedMessage } from "./sink.ts";

/** A dead letter as a record that a sink of bytes takes. */
export interface DeadLetterMessage extends KeyedMessage<Uint8Array | null, Uint8Array | null> {
  /** Those of the record that it was, and behind them those that {@link deadLetter} adds. */
  readonly headers: ReadonlyArray<readonly [name: string, value: Uint8Array | string | null]>;
}

/**
 * A dead letter as a record for a topic of dead letters: the key, value and headers that the record had, byte for byte, and
 * behind its own headers what is known of it.
 *
 * | header           | what it says                                                                         |
 * | ---------------- | ------------------------------------------------------------------------------------ |
 * | `weir.source`    | the source that it came from                                                         |
 * | `weir.split`     | the split; of a Kafka source `"<topic>-<partition>"`                                 |
 * | `weir.offset`    | its own offset there; null where the source has none                                 |
 * | `weir.timestamp` | its own timestamp, in epoch milliseconds; null where the source has none             |
 * | `weir.operator`  | which operator refused it                                                            |
 * | `weir.reason`    | why, in words                                                                        |
 * | `weir.form`      | what the value is: `DeadLetter.rawForm`                                              |
 *
 * What no source has read as bytes, because an operator further on refused it, has no key: its value is what that operator was
 * given, as JSON. What was cut (`DeadLetter.raw`) stays so. The record is written with the time at which it is written, as a
 * topic may soon delete what is old.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import * as Schema from "@effect/schema";
 * import { Flow, Job, Sink } from "@weir/streams";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const broker = Kafka.memoryBroker({ topics: { orders: 1, dead: 1 } });
 * broker.append("orders", 0, { key: "ada", value: '{"cents":' });
 * const cluster = Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker });
 * const bytes = Kafka.nullable(Kafka.bytes());
 *
 * const flow = Flow.from(
 *   Kafka.source("orders", {
 *     cluster,
 *     topics: "orders",
 *     value: Kafka.json(Schema.Struct({ cents: Schema.Number })),
 *     bounded: true,
 *   }),
 * ).pipe(
 *   Flow.onError((letters) =>
 *     letters.pipe(
 *       Flow.map(Kafka.deadLetter),
 *       Flow.to(Kafka.sink("dead", { cluster, topic: "dead", key: bytes, value: bytes })),
 *     )
 *   ),
 *   Flow.to(Sink.memory("out")),
 * );
 * const job = Job.make({ name: "orders", guarantee: "exactly-once", flows: [flow] });
 * await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 *
 * const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);
 * const [{ key, value, headers }] = broker.records("dead");
 * assert.deepEqual([text(key), text(value)], ["ada", '{"cents":']);
 * assert.deepEqual(headers.slice(0, 3).map(([name, value]) => [name, text(value)]), [
 *   ["weir.source", "orders"],
 *   ["weir.split", "orders-0"],
 *   ["weir.offset", "0"],
 * ]);
 * ```
 */
export const deadLetter = (letter: DeadLetter<unknown>): DeadLetterMessage => {
  const { key, raw, rawForm, headers, source, split, offset, timestamp, operator, reason } = letter;
  return {
    key,
    // An empty value is none that is missing: it would be no tombstone any more.
    value: rawForm === "none" ? null : raw,
    headers: [
      ...headers,
      ["weir.source", source],
      ["weir.split", split],
      ["weir.offset", offset === null ? null : String(offset)],
      ["weir.timestamp", timestamp === null ? null : String(timestamp)],
      ["weir.operator", operator],
      ["weir.reason", reason],
      ["weir.form", rawForm],
    ],
  };
};
