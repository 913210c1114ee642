/**
 * Writes records to a topic by a schedule: record `n` is due at an instant that was fixed at the start, whoever is late. It
 * prints a line of JSON.
 *
 * ```sh
 * deno run -P=benchkafka --no-prompt --quiet bench/kafka/write-scheduled.ts --brokers=127.0.0.1:9092 --topic=in \
 *   --rate=20000 --seconds=20 --begin=1700000000000
 * ```
 *
 * - `--begin=MILLIS`: when the first record is due, in epoch milliseconds
 * - `--bytes=100`: how many bytes a value has
 *
 * @module
 */
import { parseArgs } from "node:util";
import { Effect } from "effect";
import * as Kafka from "@weir/streams/kafka";
import { Latencies, type Quantiles } from "../latency/latencies.ts";
import { numberOption, refuse } from "../measure/options.ts";
import { jsonOf } from "./events.ts";
import { wallMillis } from "./wall-clock.ts";
import { Timetable } from "./timetable.ts";

/** What is printed. */
export interface Scheduled {
  readonly records: number;
  /** How late records were when the broker had stored them, in milliseconds. */
  readonly stored: Quantiles;
}

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    topic: { type: "string" },
    rate: { type: "string" },
    seconds: { type: "string" },
    begin: { type: "string" },
    bytes: { type: "string", default: "100" },
  },
});
const topic = values.topic ?? refuse("--topic is needed");
const brokers = values.brokers ?? refuse("--brokers is needed");
const bytes = numberOption(values, "bytes", 1);
const timetable = new Timetable(
  numberOption(values, "begin", 0),
  numberOption(values, "rate", 1),
  numberOption(values, "seconds", 1),
);
const count = timetable.records;

/** How long the program sleeps when nothing is due, in milliseconds. */
const napMillis = 1;

/** How many records are written at once. */
const recordsMax = 4_096;

const encoder = new TextEncoder();

const write = Effect.gen(function* () {
  const client = yield* Kafka.cluster({ brokers: brokers.split(",") }).open;
  const { partitions } = (yield* client.topics([topic])).get(topic) ?? refuse(`there is no topic ${topic}`);
  const producer = yield* client.idempotentProducer({ compression: "none" });
  const places = new Map<string, { readonly key: Uint8Array; readonly partition: number }>();
  const placeOf = (user: string): { readonly key: Uint8Array; readonly partition: number } => {
    const known = places.get(user);
    if (known !== undefined) return known;
    const key = encoder.encode(user);
    const place = { key, partition: client.partitionOf(key, partitions) };
    places.set(user, place);
    return place;
  };
  const recordOf = (n: number): Kafka.OutgoingRecord => {
    const event = timetable.eventOf(n);
    const value = encoder.encode(jsonOf(event, bytes));
    return { topic, ...placeOf(event.user), timestamp: event.at, value, headers: [] };
  };
  const stored = new Latencies(count, 0);
  for (let next = 0; next < count;) {
    const end = Math.min(count, next + recordsMax, timetable.dueBy(wallMillis()));
    if (end <= next) {
      yield* Effect.sleep(napMillis);
      continue;
    }
    yield* producer.send(Array.from({ length: end - next }, (_, k) => recordOf(next + k)));
    const now = wallMillis();
    for (; next < end; next++) stored.add(next, now - timetable.dueAt(next));
  }
  const scheduled: Scheduled = { records: count, stored: stored.quantiles };
  console.log(JSON.stringify(scheduled));
});
await Effect.runPromise(Effect.scoped(write));
