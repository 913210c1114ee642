import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Effect } from "effect";
const keys = Number(Deno.args[0] ?? 1000), count = Number(Deno.args[1] ?? 4_000_000);
const names = Array.from({ length: keys }, (_, k) => `key-${k}`);
const make = (i: number, random: () => number) => ({ key: names[Math.floor(random() * keys)], value: i % 100, at: 1.7e12 + i });
type E = ReturnType<typeof make>;
const dir = Deno.makeTempDirSync();
const job = Job.make({ name: "bench", guarantee: "exactly-once", flows: [
  Flow.from(Source.generate("g", { seed: 1, count, make })).pipe(
    Flow.eventTime({ timestamp: (e) => e.at, watermark: Watermark.monotonic }),
    Flow.keyBy((e) => e.key),
    Flow.window("w", { assigner: Window.tumbling("600 seconds"), aggregate: { n: Aggregate.count, s: Aggregate.sum((e) => e.value) }, late: "drop" }),
    Flow.to(Sink.table("out", { path: dir + "/out.kv", key: (r) => [r.window.start, r.key], value: (r) => r.value })),
)]});
let t = performance.now();
const s = await Effect.runPromise(Job.run(job, { state: dir + "/state.kv", ...(Deno.args[2] ? { batchRecordsMax: Number(Deno.args[2]) } : {}) }));
const ms = performance.now() - t;
console.log("weir", (count / ms / 1000).toFixed(2), "M/s", ms.toFixed(0), "ms", JSON.stringify(s.metrics.epochs), JSON.stringify(s.metrics.operators));
Deno.removeSync(dir, { recursive: true });
