/**
 * Waits for the rows of windows that close by a schedule, as a `read_committed` reader, and says how late it has seen them. It
 * prints a line of JSON.
 *
 * ```sh
 * deno run -P=benchkafka --no-prompt --quiet bench/kafka/watch-output.ts --brokers=127.0.0.1:9092 --topic=out \
 *   --rate=20000 --seconds=20 --begin=1700000000000
 * ```
 *
 * - `--begin=MILLIS --rate=N --seconds=N`: by which schedule the input is written
 * - `--warmup-seconds=5`: for how long windows do not count
 * - `--patience-seconds=30`: for how long rows are awaited after the last record was due
 *
 * The latency of a row is counted from when the record was due that lets its window close. Where a window waits for all
 * partitions, each of them has such a record, which is due within a fraction of a millisecond of the first.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { Effect } from "effect";
import * as Kafka from "@weir/streams/kafka";
import { Latencies, type Quantiles } from "../latency/latencies.ts";
import { numberOption, refuse } from "../measure/options.ts";
import { type Row, users } from "./events.ts";
import { Timetable } from "./timetable.ts";
import { readTopic } from "./topic-reader.ts";
import { wallMillis } from "./wall-clock.ts";

/** What is printed. */
export interface Watched {
  readonly windows: number;
  /** From when the record was due that closes a window until its row was seen, in milliseconds. */
  readonly seen: Quantiles;
}

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    topic: { type: "string" },
    rate: { type: "string" },
    seconds: { type: "string" },
    begin: { type: "string" },
    "warmup-seconds": { type: "string", default: "5" },
    "patience-seconds": { type: "string", default: "30" },
  },
});
const topic = values.topic ?? refuse("--topic is needed");
const brokers = values.brokers ?? refuse("--brokers is needed");
const begin = numberOption(values, "begin", 0);
const seconds = numberOption(values, "seconds", 1);
const tooLate = begin + (seconds + numberOption(values, "patience-seconds", 1)) * 1_000;
const timetable = new Timetable(begin, numberOption(values, "rate", 1), seconds);
const windows = timetable.windows(numberOption(values, "warmup-seconds", 0) * 1_000);
const closes = new Map(windows.map(({ start, closes }) => [start, closes]));

/** How long a broker waits for records, in milliseconds. */
const waitMillisMax = 100;

const decoder = new TextDecoder();

const watch = Effect.gen(function* () {
  const client = yield* Kafka.cluster({ brokers: brokers.split(",") }).open;
  const wanted = windows.length * users;
  const seen = new Latencies(wanted, 0);
  const rows = new Set<string>();
  yield* readTopic(client, topic, {
    waitMillisMax,
    take: (records) => {
      const now = wallMillis();
      for (const { value } of records) {
        const { user, start } = JSON.parse(decoder.decode(value!)) as Row;
        const closed = closes.get(start);
        if (closed === undefined) continue;
        const before = rows.size;
        rows.add(`${user} ${start}`);
        if (rows.size > before) seen.add(before, now - closed);
      }
    },
    isDone: () => {
      if (rows.size >= wanted) return true;
      if (wallMillis() > tooLate) throw new Error(`Cannot go on as ${wanted} rows must come: ${rows.size} have come`);
      return false;
    },
  });
  const watched: Watched = { windows: windows.length, seen: seen.quantiles };
  console.log(JSON.stringify(watched));
});
await Effect.runPromise(Effect.scoped(watch));
