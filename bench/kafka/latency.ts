/**
 * How long a result takes at a rate: from when the record was due that lets its window close, until a `read_committed` reader
 * has seen it. A process writes, one works, and one reads.
 *
 * @module
 */
import type { Quantiles } from "../latency/latencies.ts";
import { ChildFailure, measureInChild } from "../measure/child.ts";
import { inMillis, table } from "../measure/table.ts";
import { applicationIdOf, nameOf, program, runCommand, type Timed } from "./contest.ts";
import { makeTopic, removeTopics } from "./topics.ts";
import type { Watched } from "./watch-output.ts";
import type { Scheduled } from "./write-scheduled.ts";

/** Under which conditions latencies are taken. */
export interface LatencyOptions {
  readonly brokers: ReadonlyArray<string>;
  /** What the names of all topics begin with. */
  readonly beginning: string;
  readonly partitions: number;
  readonly bytes: number;
  /** Records a second. */
  readonly rate: number;
  readonly seconds: number;
  /** For how long results do not count before. */
  readonly warmUpSeconds: number;
  readonly epochMillis: number;
}

/** How long the results of somebody took. */
export interface Latency {
  readonly name: string;
  readonly partitions: number;
  readonly bytes: number;
  readonly rate: number;
  readonly epochMillis: number;
  /** From when the record was due that closes a window until a row of it was seen. */
  readonly seen: Quantiles;
  /** How late records were when the broker had stored them: what the writer and the machine take. */
  readonly stored: Quantiles;
}

/** How long somebody may take until it runs. */
const startMillisMax = 60_000;

/** How long it is let alone before the first record is due, in milliseconds: everybody has started by then. */
const leadMillis = 4_000;

/** How long rows are awaited after the last record was due, in seconds. */
const patienceSeconds = 30;

/** A program that runs until it is told to stop. */
class Running implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #complaints: Promise<string>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#complaints = new Response(process.stderr).text();
  }

  /** Starts it, and waits for the line that says that it runs. */
  static async start(command: ReadonlyArray<string>): Promise<Running> {
    const [name, ...args] = command;
    const process = new Deno.Command(name, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    const running = new Running(process);
    const lines = process.stdout.pipeThrough(new TextDecoderStream());
    const runs = async (): Promise<boolean> => {
      for await (const text of lines) if (text.includes('"running":true')) return true;
      return false;
    };
    const timer = Promise.withResolvers<boolean>();
    const timeout = setTimeout(() => timer.resolve(false), startMillisMax);
    const hasStarted = await Promise.race([runs(), timer.promise]);
    clearTimeout(timeout);
    if (!hasStarted) {
      process.kill("SIGKILL");
      throw new ChildFailure(`Cannot run ${command.join(" ")}: ${(await running.#complaints).trim()}`);
    }
    return running;
  }

  /** Stops it, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended by itself.
    }
    await this.#process.status;
    await this.#complaints;
  }
}

/** Takes the latencies of one run. */
export const measureLatency = async (contender: Timed, options: LatencyOptions): Promise<Latency> => {
  const { brokers, partitions, bytes, rate, seconds, warmUpSeconds, epochMillis } = options;
  const name = nameOf(contender);
  const id = `${options.beginning}-${partitions}x${bytes}-${epochMillis}-${name.replaceAll(" ", "-")}`;
  const topics = { brokers, in: `${id}-in`, out: `${id}-out` };
  await makeTopic({ brokers }, topics.in, partitions);
  await makeTopic({ brokers }, topics.out, partitions);
  try {
    await using _running = await Running.start(await runCommand(contender, topics, epochMillis));
    const begin = Math.ceil(Date.now() + leadMillis);
    const all = warmUpSeconds + seconds;
    const shared = { brokers, rate, seconds: all, begin };
    const timeoutMillis = leadMillis + (all + 2 * patienceSeconds) * 1_000;
    const ended = await Promise.allSettled([
      measureInChild(program("write-scheduled", { ...shared, topic: topics.in, bytes }), {
        pinned: false,
        timeoutMillis,
      }),
      measureInChild(
        program("watch-output", {
          ...shared,
          topic: topics.out,
          "warmup-seconds": warmUpSeconds,
          "patience-seconds": patienceSeconds,
        }),
        { pinned: false, timeoutMillis },
      ),
    ]);
    for (const one of ended) if (one.status === "rejected") throw one.reason;
    const [{ stored }, { seen }] = ended.map((one) => (one as PromiseFulfilledResult<unknown>).value) as [
      Scheduled,
      Watched,
    ];
    return { name, partitions, bytes, rate, epochMillis, seen, stored };
  } finally {
    await removeTopics({ brokers }, id);
    if (contender.system === "streams") await removeTopics({ brokers }, applicationIdOf(topics));
  }
};

/** A line for each run, in milliseconds. */
export const latencyTable = (latencies: ReadonlyArray<Latency>): string =>
  table([
    ["", "records/s", "epoch", "p50", "p99", "max", "stored p99"],
    ...latencies.map(({ name, partitions, bytes, rate, epochMillis, seen, stored }) => [
      `${partitions} × ${bytes} B, ${name}`,
      String(rate),
      String(epochMillis),
      inMillis(seen.p50),
      inMillis(seen.p99),
      inMillis(seen.max),
      inMillis(stored.p99),
    ]),
  ]);
