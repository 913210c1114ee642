/**
 * Writes the input of a benchmark to a topic that is there. It prints a line of JSON, which says what must come of it.
 *
 * ```sh
 * deno run -P=benchkafka --no-prompt --quiet bench/kafka/write-input.ts --brokers=127.0.0.1:9092 --topic=in \
 *   --records=1000000 --bytes=100
 * ```
 *
 * It is written by Weir's own idempotent producer, in batches of 64 KiB, as a producer makes them that waits a little.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { Effect } from "effect";
import * as Kafka from "@weir/streams/kafka";
import { numberOption, refuse } from "../measure/options.ts";
import { closingEvent, type Contents, eventOf, Expectation, jsonOf } from "./events.ts";

/** What is printed. */
export interface Written {
  /** How many records the topic holds now, with those that close all windows. */
  readonly records: number;
  /** What the windows must say. */
  readonly windows: Contents;
  /** What a copy must hold. */
  readonly copy: Contents;
  readonly seconds: number;
}

/** How many bytes of values a batch has. */
const batchBytes = 65_536;

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    topic: { type: "string" },
    records: { type: "string" },
    bytes: { type: "string", default: "100" },
  },
});
const topic = values.topic ?? refuse("--topic is needed");
const brokers = values.brokers ?? refuse("--brokers is needed");
const records = numberOption(values, "records", 1);
const bytes = numberOption(values, "bytes", 1);

const encoder = new TextEncoder();

const write = Effect.gen(function* () {
  const client = yield* Kafka.cluster({ brokers: brokers.split(",") }).open;
  const { partitions } = (yield* client.topics([topic])).get(topic) ?? refuse(`there is no topic ${topic}`);
  const producer = yield* client.idempotentProducer({ compression: "none" });
  const began = performance.now();
  const expectation = new Expectation();
  const keys = new Map<string, { readonly key: Uint8Array; readonly partition: number }>();
  const filled = new Float64Array(partitions);
  let waiting: Array<Kafka.OutgoingRecord> = [];
  let keyBytes = 0;
  let valueBytes = 0;

  const take = (event: ReturnType<typeof eventOf>, partition: number, key: Uint8Array): void => {
    const value = encoder.encode(jsonOf(event, bytes));
    waiting.push({ topic, partition, timestamp: event.at, key, value, headers: [] });
    filled[partition] += value.length;
    keyBytes += key.length;
    valueBytes += value.length;
  };

  for (let n = 0; n < records; n++) {
    const event = eventOf(n);
    let place = keys.get(event.user);
    if (place === undefined) {
      const key = encoder.encode(event.user);
      keys.set(event.user, place = { key, partition: client.partitionOf(key, partitions) });
    }
    take(event, place.partition, place.key);
    expectation.add(event);
    if (filled[place.partition] < batchBytes) continue;
    yield* producer.send(waiting);
    waiting = [];
    filled.fill(0);
  }
  const closing = closingEvent(records);
  for (let partition = 0; partition < partitions; partition++) {
    take(closing, partition, encoder.encode(closing.user));
  }
  yield* producer.send(waiting);
  const written: Written = {
    records: records + partitions,
    windows: expectation.contents,
    copy: { rows: records + partitions, count: keyBytes, sum: valueBytes, digest: 0 },
    seconds: (performance.now() - began) / 1_000,
  };
  console.log(JSON.stringify(written));
});
await Effect.runPromise(Effect.scoped(write));
