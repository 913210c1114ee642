/**
 * What is run side by side, and how each of them is started.
 *
 * @module
 */
import { flinkCommand } from "./flink.ts";

/** Weir, the peer, and the loop that a person would write by hand, which keeps nothing and is the limit. */
export type System = "weir" | "flink" | "loop";

/** Where Flink keeps what its operators remember: objects in memory, or a RocksDB. Weir has one kind of state. */
export type FlinkState = "heap" | "rocksdb";

/** What becomes of rows. */
export type SinkKind = "none" | "file";

/** What is compared: one query under the same conditions. */
export interface Contest {
  readonly query: string;
  readonly events: number;
  readonly seed: number;
  readonly parallelism: number;
  readonly state: FlinkState;
  readonly sink: SinkKind;
  readonly epochMillis: number;
}

/** What a system says of its run. */
export interface Measured {
  readonly eventsPerSecond: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly results: number;
  readonly peakMemoryBytes: number;
}

/** What Flink says besides. */
export interface MeasuredFlink extends Measured {
  readonly flink: string;
  readonly java: string;
  readonly collectors: string;
}

/** How many events warm up a process of Deno's, and the one of Java's, which compiles later. */
const warmUpEventsMax = 300_000;
const javaWarmUpEventsMax = 1_500_000;

const program = (path: string) => ["deno", "run", "-P=nexmark", "--no-prompt", "--quiet", path];

/** The command that runs a system once. It prints a line of JSON. */
export const commandOf = (
  system: System,
  { query, events, seed, parallelism, state, sink, epochMillis }: Contest,
): Promise<ReadonlyArray<string>> | ReadonlyArray<string> => {
  const options = [`--query=${query}`, `--events=${events}`, `--seed=${seed}`];
  const warmUp = (max: number) => `--warmup=${Math.min(Math.ceil(events / 2), max)}`;
  const kept = [`--sink=${sink}`, `--epoch-millis=${epochMillis}`];
  switch (system) {
    case "weir":
      return [...program("bench/nexmark/run-query.ts"), ...options, ...kept, warmUp(warmUpEventsMax)];
    case "flink":
      return flinkCommand([
        ...options,
        ...kept,
        warmUp(javaWarmUpEventsMax),
        `--parallelism=${parallelism}`,
        `--state=${state}`,
      ]);
    case "loop":
      return [...program("bench/peers/loop.ts"), ...options, warmUp(warmUpEventsMax)];
  }
};
