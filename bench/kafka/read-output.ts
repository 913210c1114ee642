/**
 * Reads a topic as a `read_committed` reader sees it, and says what it holds. It prints a line of JSON.
 *
 * ```sh
 * deno run -P=benchkafka --no-prompt --quiet bench/kafka/read-output.ts --brokers=127.0.0.1:9092 --topic=out --kind=rows
 * ```
 *
 * - `--kind=rows`: what windows say, row by row; `copy`: how many records and bytes
 *
 * @module
 */
import { parseArgs } from "node:util";
import { Effect } from "effect";
import * as Kafka from "@weir/streams/kafka";
import { refuse, wordOption } from "../measure/options.ts";
import { type Contents, Tally } from "./events.ts";
import { readTopic } from "./topic-reader.ts";

const { values } = parseArgs({
  options: { brokers: { type: "string" }, topic: { type: "string" }, kind: { type: "string", default: "rows" } },
});
const topic = values.topic ?? refuse("--topic is needed");
const brokers = values.brokers ?? refuse("--brokers is needed");
const kind = wordOption(values, "kind", ["rows", "copy"]);

const decoder = new TextDecoder();

const contents = Effect.gen(function* () {
  const client = yield* Kafka.cluster({ brokers: brokers.split(",") }).open;
  const { partitions } = (yield* client.topics([topic])).get(topic) ?? refuse(`there is no topic ${topic}`);
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const ends = yield* client.offsets(topic, all, "latest", "read_committed");
  const tally = new Tally();
  let records = 0;
  let keyBytes = 0;
  let valueBytes = 0;
  yield* readTopic(client, topic, {
    waitMillisMax: 500,
    take: (fetched) => {
      for (const { key, value } of fetched) {
        records++;
        keyBytes += key?.length ?? 0;
        valueBytes += value?.length ?? 0;
        if (kind === "rows") tally.add(JSON.parse(decoder.decode(value!)));
      }
    },
    isDone: (offsets) => all.every((partition) => offsets.get(partition)! >= ends.get(partition)!),
  });
  const found: Contents = kind === "rows"
    ? tally.contents
    : { rows: records, count: keyBytes, sum: valueBytes, digest: 0 };
  return found;
});
console.log(JSON.stringify(await Effect.runPromise(Effect.scoped(contents))));
