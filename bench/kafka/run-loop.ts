/**
 * Runs a loop that a person would write by hand, once, over a topic that has been written. It prints a line of JSON.
 *
 * ```sh
 * deno run -P=benchkafka --no-prompt --quiet bench/kafka/run-loop.ts --client=kafkajs --brokers=127.0.0.1:9092 \
 *   --in=in --out=out --partitions=1 --records=1000001
 * ```
 *
 * - `--client=kafkajs|platformatic`: around which library
 * - `--kind=windows`: windows, or a `copy`
 * - `--partitions=N`: how many both topics have
 * - `--records=N --warmup=0`: how many records there are, and how many of these pass before the clock starts
 * - `--commit-millis=1000`: how often offsets are committed
 *
 * @module
 */
import { parseArgs } from "node:util";
import { numberOption, refuse, wordOption } from "../measure/options.ts";
import { Arrivals } from "./arrivals.ts";
import type { Loop } from "./loops/loop.ts";

const { values } = parseArgs({
  options: {
    client: { type: "string", default: "kafkajs" },
    kind: { type: "string", default: "windows" },
    brokers: { type: "string" },
    in: { type: "string" },
    out: { type: "string" },
    partitions: { type: "string" },
    records: { type: "string" },
    warmup: { type: "string", default: "0" },
    "commit-millis": { type: "string", default: "1000" },
  },
});
const topicIn = values.in ?? refuse("--in is needed");
const out = values.out ?? refuse("--out is needed");
const brokers = (values.brokers ?? refuse("--brokers is needed")).split(",");
const client = wordOption(values, "client", ["kafkajs", "platformatic"]);
const kind = wordOption(values, "kind", ["windows", "copy"]);
const partitions = numberOption(values, "partitions", 1);
const records = numberOption(values, "records", 1);
const warmUp = numberOption(values, "warmup", 0);
const commitMillis = numberOption(values, "commit-millis", 1);

// Only the library that is used is loaded.
const loops: { readonly windowsLoop: Loop; readonly copyLoop: Loop } = client === "kafkajs"
  ? await import("./loops/kafkajs.ts")
  : await import("./loops/platformatic.ts");
const loop = kind === "windows" ? loops.windowsLoop : loops.copyLoop;
const measured = await loop({
  brokers,
  in: topicIn,
  out,
  partitions,
  commitMillis,
  arrivals: new Arrivals(warmUp, records),
});
console.log(JSON.stringify(measured));
Deno.exit(0);
