/**
 * Runs one of Weir's jobs over a topic. What it measures is the last line that it prints, as JSON.
 *
 * ```sh
 * deno run -P=benchkafka --no-prompt --quiet bench/kafka/run-weir.ts --client=kafkajs --brokers=127.0.0.1:9092 \
 *   --in=in --out=out --records=1000001
 * ```
 *
 * - `--client=kafkajs|platformatic`: by which library
 * - `--kind=windows`: the windows, or a `copy`
 * - `--guarantee=exactly-once|at-least-once`
 * - `--mode=measure`: how long it takes for all records (the default); `run`: until SIGTERM, with the line
 *   `{"running":true}` as soon as it has partitions; `idle`: what it takes while there is no news
 * - `--records=N --warmup=0`: to measure: how many records there are, and how many of these pass before the clock starts
 * - `--seconds=10`: for how long it is idle
 * - `--epoch-millis=1000`: how long an epoch lasts
 * - `--window-millis=10000`: how long a window is
 *
 * @module
 */
import { Socket } from "node:net";
import { parseArgs } from "node:util";
import { Effect } from "effect";
import { Job } from "@weir/streams";
import { numberOption, refuse, wordOption } from "../measure/options.ts";
import { cpuSeconds } from "../measure/process.ts";
import { Arrivals, type Measured } from "./arrivals.ts";
import { windowMillis } from "./events.ts";
import { clients, copyJob, guarantees, windowsJob } from "./jobs.ts";

/** What a run of Weir says of itself. */
export interface MeasuredWeir extends Measured {
  /** What its epochs have cost, those of the warm-up included. */
  readonly epochs: Job.EpochMetrics;
}

/** What a job takes while there is no news. */
export interface Idle {
  readonly seconds: number;
  /** User and system time of all threads, as a share of one core. */
  readonly cpuShare: number;
  /** How many requests a second it sends to brokers. */
  readonly requestsPerSecond: number;
}

const { values } = parseArgs({
  options: {
    client: { type: "string", default: "kafkajs" },
    kind: { type: "string", default: "windows" },
    guarantee: { type: "string", default: "exactly-once" },
    mode: { type: "string", default: "measure" },
    brokers: { type: "string" },
    in: { type: "string" },
    out: { type: "string" },
    records: { type: "string" },
    warmup: { type: "string", default: "0" },
    seconds: { type: "string", default: "10" },
    "epoch-millis": { type: "string", default: "1000" },
    "window-millis": { type: "string", default: String(windowMillis) },
  },
});
const make = wordOption(values, "kind", ["windows", "copy"]) === "windows" ? windowsJob : copyJob;
const jobOptions = {
  brokers: (values.brokers ?? refuse("--brokers is needed")).split(","),
  client: wordOption(values, "client", clients),
  in: values.in ?? refuse("--in is needed"),
  out: values.out ?? refuse("--out is needed"),
  guarantee: wordOption(values, "guarantee", guarantees),
  windowMillis: numberOption(values, "window-millis", 1),
};
const epochInterval = numberOption(values, "epoch-millis", 1);

/** Where jobs keep their state. */
const stateFolder = ".weir";

/** How often it is looked whether a job has partitions, in milliseconds. */
const lookMillis = 50;

/** How long a job is let alone before it counts as idle, in milliseconds. */
const settleMillis = 3_000;

/** Runs a job until something has been done, and then stops it. */
const runWhile = async <A>(
  arrive: () => void,
  use: (running: Job.RunningJob) => Effect.Effect<A>,
): Promise<readonly [used: A, summary: Job.JobSummary]> => {
  await Deno.mkdir(stateFolder, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: stateFolder, prefix: "kafka-" });
  const program = Effect.gen(function* () {
    const running = yield* Job.start(make({ ...jobOptions, arrive }), { state: `${folder}/state.kv`, epochInterval });
    const ended = Effect.andThen(running.await, Effect.die(new Error("the job has ended by itself")));
    const used = yield* Effect.raceFirst(use(running), ended);
    return [used, yield* running.stop] as const;
  });
  try {
    return await Effect.runPromise(Effect.scoped(program));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

/** Waits until a job has partitions. */
const untilRunning = ({ metrics }: Job.RunningJob): Effect.Effect<void> =>
  Effect.gen(function* () {
    while ((yield* metrics).splits.length === 0) yield* Effect.sleep(lookMillis);
  });

const modes: Readonly<Record<string, () => Promise<void>>> = {
  measure: async () => {
    const arrivals = new Arrivals(numberOption(values, "warmup", 0), numberOption(values, "records", 1));
    const [, { metrics }] = await runWhile(() => arrivals.arrive(), () => Effect.promise(() => arrivals.all));
    const measured: MeasuredWeir = { ...arrivals.end(), epochs: metrics.epochs };
    console.log(JSON.stringify(measured));
  },
  run: async () => {
    const told = Promise.withResolvers<void>();
    Deno.addSignalListener("SIGTERM", () => told.resolve());
    await runWhile(() => {}, (running) =>
      Effect.gen(function* () {
        yield* untilRunning(running);
        console.log(JSON.stringify({ running: true }));
        yield* Effect.promise(() => told.promise);
      }));
  },
  idle: async () => {
    const seconds = numberOption(values, "seconds", 1);
    const requests = countWrites();
    const [idle] = await runWhile(() => {}, (running) =>
      Effect.gen(function* () {
        yield* untilRunning(running);
        yield* Effect.sleep(settleMillis);
        const before = { cpu: cpuSeconds(), requests: requests(), at: performance.now() };
        yield* Effect.sleep(seconds * 1_000);
        const passed = (performance.now() - before.at) / 1_000;
        const idle: Idle = {
          seconds: passed,
          cpuShare: (cpuSeconds() - before.cpu) / passed,
          requestsPerSecond: (requests() - before.requests) / passed,
        };
        return idle;
      }));
    console.log(JSON.stringify(idle));
  },
};

/** Counts what is written to sockets from now on: both libraries write a request at once. */
const countWrites = (): () => number => {
  const { write } = Socket.prototype;
  let writes = 0;
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
    writes++;
    return write.apply(this, args);
  } as typeof write;
  return () => writes;
};

await modes[wordOption(values, "mode", Object.keys(modes))]();
Deno.exit(0);
