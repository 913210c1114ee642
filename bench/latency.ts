/**
 * How long a result takes at a rate that leaves the machine time: inside the engine, and until it is published.
 *
 * Records come by a schedule, 50,000 a second; what is counted begins when a record was *due*. A result's latency ends
 * when the function behind the operator gets it, its publication when the sink has stored it. Epochs of a second are made
 * durable in a KV file meanwhile. The last row is the source alone, read by an empty loop: what timers, the machine and
 * whoever else runs on it take.
 *
 * `deno task bench:latency [--json] [--rate=50000] [--seconds=10] [--only=window] [--published-every=10]`
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Trigger, Watermark, Window } from "@weir/streams";
import { Effect, Stream } from "effect";
import process from "node:process";
import { Latencies, type Quantiles } from "./latency/latencies.ts";
import { Schedule, scheduled } from "./latency/schedule.ts";
import { timed } from "./latency/timed-sink.ts";

interface Reading {
  readonly n: number;
  readonly key: number;
  readonly value: number;
  readonly at: number;
}

/** What is measured of one pipeline. */
interface Measured {
  readonly pipeline: string;
  /** How late records were when the source read them. */
  readonly read: Quantiles;
  readonly result: Quantiles;
  readonly published: Quantiles;
  /** How many cores the process kept busy, with all of its threads. */
  readonly cpuShare: number;
  readonly epochs: number;
}

const argument = (name: string): string | undefined =>
  Deno.args.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3);

const rate = Number(argument("rate") ?? 50_000);
const seconds = Number(argument("seconds") ?? 10);

/** How long the program warms up before anything counts. */
const warmUpSeconds = 3;

const keys = 1_000;
const windowMillis = 100;
const epochMillis = 1_000;

/** When the first record happened: timestamps as large as real ones. */
const firstMillis = Date.UTC(2026, 0, 1);

const ignored = rate * warmUpSeconds;
const count = ignored + rate * seconds;
const noted = () => new Latencies(count, ignored);

/** What a pipeline is made of. */
interface Bench {
  readonly schedule: Schedule;
  readonly source: ReturnType<typeof scheduled<Reading>>;
  readonly result: Latencies;
  readonly published: Latencies;
  readonly path: string;
}

/** A result, and the record that has brought it about. */
interface Caused {
  readonly n: number;
  readonly value: unknown;
}

/** Notes that a result is there. */
const note = ({ schedule, result }: Bench) => (caused: Caused): Caused => {
  result.add(caused.n, performance.now() - schedule.dueAt(caused.n));
  return caused;
};

const toFile = ({ schedule, published, path }: Bench) =>
  Flow.to(timed(Sink.ndjson<Caused>("rows", { path }), { schedule, published, numberOf: ({ n }) => n }));

const events = ({ source }: Bench) =>
  Flow.from(source).pipe(
    Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
  );

/** Of the results of operators that answer each record one in this many is published: a file of them all is a load of its own. */
const publishedEvery = Number(argument("published-every") ?? 10);

const pipelines: Readonly<Record<string, (bench: Bench) => Job.Job<never>>> = {
  // A window's result is brought about by the first record whose event time is past its end.
  window: (bench) =>
    Job.make({
      name: "window",
      guarantee: "exactly-once",
      flows: [
        events(bench).pipe(
          Flow.keyBy(({ key }) => key),
          Flow.window("per-key", {
            assigner: Window.tumbling(windowMillis),
            aggregate: { count: Aggregate.count, sum: Aggregate.sum(({ value }: Reading) => value) },
            late: "drop",
          }),
          Flow.map(({ window, value }): Caused => ({ n: bench.schedule.firstAt(window.end - firstMillis), value })),
          Flow.map(note(bench)),
          toFile(bench),
        ),
      ],
    }),
  "each record": (bench) =>
    Job.make({
      name: "each-record",
      guarantee: "exactly-once",
      flows: [
        events(bench).pipe(
          Flow.keyBy(({ key }) => key),
          Flow.window("running", {
            assigner: Window.tumbling("1 minute"),
            aggregate: { count: Aggregate.count, last: Aggregate.max(({ n }: Reading) => n) },
            trigger: Trigger.repeatedly(Trigger.afterCount(1)),
            panes: "accumulating",
            late: "drop",
          }),
          Flow.map(({ value }): Caused => ({ n: value.last ?? 0, value: value.count })),
          Flow.map(note(bench)),
          Flow.filter(({ n }) => n % publishedEvery === 0),
          toFile(bench),
        ),
      ],
    }),
  deduplicate: (bench) =>
    Job.make({
      name: "deduplicate",
      guarantee: "exactly-once",
      flows: [
        events(bench).pipe(
          Flow.keyBy(({ n }) => n - n % 2),
          Flow.deduplicate("once", { within: "1 second", late: "drop" }),
          Flow.map(({ n, value }): Caused => ({ n, value })),
          Flow.map(note(bench)),
          Flow.filter(({ n }) => n % publishedEvery === 0),
          toFile(bench),
        ),
      ],
    }),
};

const made = (schedule: Schedule, read: Latencies) =>
  scheduled({
    schedule,
    count,
    read,
    make: (n): Reading => ({
      n,
      key: (Math.imul(n, 0x9e3779b1) >>> 0) % keys,
      value: n % 100,
      at: firstMillis + schedule.millisOf(n),
    }),
  });

const measure = async (pipeline: string): Promise<Measured> => {
  const folder = await Deno.makeTempDir();
  const schedule = new Schedule(rate);
  const read = noted();
  const bench: Bench = {
    schedule,
    source: made(schedule, read),
    result: noted(),
    published: noted(),
    path: `${folder}/rows.ndjson`,
  };
  const share = cpuShare();
  const { metrics } = await Effect.runPromise(
    Job.run(pipelines[pipeline](bench), { state: `${folder}/state.kv`, epochInterval: epochMillis }),
  );
  const busy = share();
  await Deno.remove(folder, { recursive: true });
  return {
    pipeline,
    read: read.quantiles,
    result: bench.result.quantiles,
    published: bench.published.quantiles,
    cpuShare: busy,
    epochs: metrics.epochs.committed,
  };
};

/** How late records are when nobody but an empty loop reads them. */
const alone = async (): Promise<{ readonly read: Quantiles; readonly cpuShare: number }> => {
  const read = noted();
  const source = made(new Schedule(rate), read);
  const share = cpuShare();
  await Effect.runPromise(Stream.runDrain(source.read("all", null, Job.runDefaults.batchRecordsMax)));
  return { cpuShare: share(), read: read.quantiles };
};

/** Begins to count how many cores the process keeps busy, with all of its threads. */
const cpuShare = (): () => number => {
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpuBefore);
    return (user + system) / 1_000 / (performance.now() - began);
  };
};

const isJson = Deno.args.includes("--json");
const only = argument("only");
const report: Array<Measured> = [];
for (const pipeline of Object.keys(pipelines)) {
  if (only === undefined || only === pipeline) report.push(await measure(pipeline));
}
const bare = await alone();

if (isJson) {
  const settings = { rate, seconds, warmUpSeconds, keys, windowMillis, epochMillis, publishedEvery };
  console.log(JSON.stringify({ deno: Deno.version.deno, settings, report, sourceAlone: bare }, null, 2));
} else {
  const inWords = ({ p50, p99, p999, max }: Quantiles): string =>
    [p50, p99, p999, max].map((millis) => millis.toFixed(1).padStart(8)).join("");
  console.log(`${rate} records a second for ${seconds} s, epochs of ${epochMillis} ms; milliseconds`);
  console.log(`${"".padEnd(28)}${["p50", "p99", "p99.9", "max"].map((head) => head.padStart(8)).join("")}`);
  const busy = ({ cpuShare }: { readonly cpuShare: number }): string => `   ${cpuShare.toFixed(2)} cores`;
  for (const { pipeline, read, result, published, cpuShare } of report) {
    console.log(`${`${pipeline}: read`.padEnd(28)}${inWords(read)}${busy({ cpuShare })}`);
    console.log(`${`${pipeline}: result`.padEnd(28)}${inWords(result)}`);
    console.log(`${`${pipeline}: published`.padEnd(28)}${inWords(published)}`);
  }
  console.log(`${"source alone: read".padEnd(28)}${inWords(bare.read)}${busy(bare)}`);
}
