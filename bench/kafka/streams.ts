/**
 * The job of the Kafka benchmark on Kafka Streams: builds the Java part if it is older than its sources, says how a run of it
 * is started, and runs it.
 *
 * The job reads records of a topic whose key is a user and whose value is JSON, such as
 * `{"user":"user-123","amount":37,"at":1700000000123,"pad":"xxxx"}`. By user and tumbling window of the time `at` it counts
 * them and sums their amounts, and when a window has closed it writes `{"user":…,"start":…,"count":…,"sum":…}` to another
 * topic, whose key is the user. Each window is written once. Beside it there is a loop of a bare consumer and a bare producer,
 * which copies records and keeps nothing: the limit of what Java's client can do in one thread.
 *
 * What a person should know who compares numbers with it:
 *
 * - **When a window closes.** Kafka Streams has a time for each partition, and closes the windows of a partition as that
 *   partition goes on. A partition without a user of a later window keeps its windows open, whatever the other ones do.
 * - **When a run ends.** The clock runs from the instant at which the first record is handed to the topology to the instant
 *   at which the offsets that are committed cover the topic: these are asked of the broker, each ten milliseconds, once the
 *   last record has arrived. As a commit comes once an interval, a run ends up to an interval after its last record;
 *   `processedMillis` has no such remainder. A few seconds of records say little.
 * - **Warm-up.** Java compiles what it runs, and a run of 200,000 records is over before it has. The first records of a run
 *   are left out of the measurement by `warmupRecords`, such as 500,000.
 * - **The changelog.** A store in memory is written to a topic, once a commit for each total that has changed, as the cache is
 *   larger than what changes between two commits. `suppress` has a store of its own in memory and a changelog of its own.
 * - **`emit: "window-close"`** does without the second store, but reads closed windows out of the first one, once a second of
 *   the clock on the wall: what closes in the last second of an input is not written, and a store in memory has to keep
 *   windows by far longer than they are open. It is here to be compared; the job is run with `suppress`.
 * - **Retention.** Brokers delete records by the time that the records say. With times of years ago the topics need
 *   `retention.ms=-1`, or the broker the setting `log.retention.ms=-1`; else a run comes to stand still after some minutes.
 *   The changelogs are given a retention of a hundred years here.
 * - **After a crash.** A group waits for a member that was killed, for 45 seconds unless the settings say otherwise:
 *   `consumer.session.timeout.ms`, which brokers bound from below by `group.min.session.timeout.ms`, and with it
 *   `consumer.heartbeat.interval.ms`.
 * - Topics have to exist before a run; Kafka Streams makes its changelogs, and leaves them to the broker.
 *
 * @module
 */
import { ChildFailure, measureInChild } from "../measure/child.ts";
import { changedMillis, modifiedMillis, succeeds } from "../measure/java-part.ts";

const folder = new URL("./streams/", import.meta.url);
const target = new URL("./target/", folder);
const pathOf = (url: URL): string => decodeURIComponent(url.pathname);

/** Why Kafka Streams cannot be run here, in words for a person. */
export class StreamsUnavailable extends Error {
  override readonly name = "StreamsUnavailable";
}

/** That a run of Kafka Streams has given no measurement. */
export class StreamsFailure extends Error {
  override readonly name = "StreamsFailure";
}

/** Whether offsets and results are committed in one transaction, or one after the other. */
export type Guarantee = "exactly_once_v2" | "at_least_once";

/** What is run: the job until its input is committed, the job until SIGTERM, or the bare loop. */
export type Mode = "measure" | "run" | "loop";

/** What is run, and how. */
export interface StreamsOptions {
  /** Where brokers are, such as `127.0.0.1:9092`. */
  readonly brokers: string;
  /** The topic of the input. */
  readonly in: string;
  /** The topic of the output. */
  readonly out: string;
  /** What is run. @default "measure" */
  readonly mode?: Mode;
  /** How many records to await. Needed by "measure"; a "loop" without it copies until it is ended. */
  readonly records?: number;
  /** How many of these records pass before the clock starts. @default 0 */
  readonly warmupRecords?: number;
  /** The group of the consumer, by which a later run goes on. @default A new one for each run */
  readonly applicationId?: string;
  /** What is promised of the output. @default "exactly_once_v2" */
  readonly guarantee?: Guarantee;
  /** How many threads share the partitions. The loop has one. @default 1 */
  readonly threads?: number;
  /** How often is committed, as Weir's epoch is. @default 1000 */
  readonly commitMillis?: number;
  /** The folder of RocksDB and of locks. @default A temporary one that the run deletes */
  readonly stateDir?: string;
  /** Where totals are kept. Both have a changelog. @default "memory" */
  readonly store?: "memory" | "rocksdb";
  /** How a window is held back until it closes. @default "suppress" */
  readonly emit?: "suppress" | "window-close";
  /** The size of windows. @default 10000 */
  readonly windowMillis?: number;
  /** How late a record may be, by the time of its partition. @default 0 */
  readonly graceMillis?: number;
  /** The cache in front of stores, shared by all threads. @default 536870912 */
  readonly cacheBytes?: number;
  /** Any other setting of Kafka Streams, such as `consumer.max.poll.records`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How much memory Java's heap has, from its start. @default 2048 */
  readonly heapMebibytes?: number;
  /** "parallel" has the least to do; "g1" stops for a shorter time, which matters to latency. @default "parallel" */
  readonly collector?: "parallel" | "g1";
}

/** What a run says of itself. */
export interface Result {
  /** How many records were measured. */
  readonly records: number;
  /** From the first of them to the commit that covers the input. */
  readonly millis: number;
  /** Records by these milliseconds. */
  readonly recordsPerSecond: number;
  /** From the first of them until the last one was handed to the topology. */
  readonly processedMillis: number;
  /** From the start of the virtual machine to the first record of all. */
  readonly startupMillis: number;
  /** What processors have worked for it, on all threads of the process. */
  readonly cpuSeconds: number;
  /** How many records were written, those of the warm-up included. */
  readonly results: number;
  /** How many records were not measured. */
  readonly warmupRecords: number;
  /** The most memory that the process has had, or 0 where the system does not say. */
  readonly peakMemoryBytes: number;
  /** The version of Kafka Streams. */
  readonly kafka: string;
  /** The version of Java. */
  readonly java: string;
}

const mavenBuild = async (args: ReadonlyArray<string>): Promise<{ success: boolean; said: string }> => {
  const { success, stdout } = await new Deno.Command("mvn", {
    args: ["-q", "-B", ...args, "-f", pathOf(new URL("./pom.xml", folder)), "clean", "process-classes"],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  return { success, said: new TextDecoder().decode(stdout) };
};

/**
 * Builds the Java part with Maven, unless what was built last is newer than every source. The network is used only if
 * something is not there yet.
 *
 * @throws {StreamsUnavailable} If Java or Maven is missing, or if Maven cannot build
 */
export const buildStreams = async (): Promise<void> => {
  if (!(await succeeds("java", ["-version"]))) {
    throw new StreamsUnavailable("Kafka Streams needs Java 17 or newer, and there is no command `java`");
  }
  // This file is written last, and only by a build that came to its end.
  const built = new URL("./built", target);
  if (await modifiedMillis(built) > await changedMillis(folder, "streams")) return;
  if (!(await succeeds("mvn", ["-version"]))) {
    throw new StreamsUnavailable("The Java part is built by Maven, and there is no command `mvn`");
  }
  if (!(await mavenBuild(["-o"])).success) {
    const { success, said } = await mavenBuild([]);
    if (!success) throw new StreamsUnavailable(`Maven could not build the Java part:\n${said}`);
  }
  await Deno.writeTextFile(built, "");
};

const javaSettings = ({ heapMebibytes = 2_048, collector = "parallel" }: StreamsOptions): ReadonlyArray<string> => [
  `-Xms${heapMebibytes}m`,
  `-Xmx${heapMebibytes}m`,
  // Those of Kafka's own scripts, or those that have the least to do.
  ...(collector === "g1" ? ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"] : ["-XX:+UseParallelGC"]),
  "-XX:-UsePerfData",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
];

/**
 * The command that runs the job or the loop. It prints a line of JSON: a {@linkcode Result} at its end, or, with the mode
 * "run", `{"running":true}` as soon as it has partitions. What was built has to be there: see {@linkcode buildStreams}.
 */
export const commandOf = async (options: StreamsOptions): Promise<ReadonlyArray<string>> => {
  const libraries = (await Deno.readTextFile(new URL("./classpath.txt", target))).trim();
  const classes = pathOf(new URL("./classes/", target));
  const given: ReadonlyArray<readonly [string, string | number | undefined]> = [
    ["brokers", options.brokers],
    ["in", options.in],
    ["out", options.out],
    ["mode", options.mode],
    ["records", options.records],
    ["warmup-records", options.warmupRecords],
    ["application-id", options.applicationId],
    ["guarantee", options.guarantee],
    ["threads", options.threads],
    ["commit-interval-millis", options.commitMillis],
    ["state-dir", options.stateDir],
    ["store", options.store],
    ["emit", options.emit],
    ["window-millis", options.windowMillis],
    ["grace-millis", options.graceMillis],
    ["cache-bytes", options.cacheBytes],
    ...Object.entries(options.settings ?? {}).map(([name, value]) => [`config.${name}`, value] as const),
  ];
  return [
    "java",
    ...javaSettings(options),
    "-cp",
    `${classes}:${libraries}`,
    "streams.Main",
    ...given.flatMap(([name, value]) => value === undefined ? [] : [`--${name}=${value}`]),
  ];
};

/** How a run is held and ended. */
export interface RunOptions {
  /** Whether the process is held to the first core. @default false */
  readonly pinned?: boolean;
  /** After how long it is ended, as a failure. @default 600000 */
  readonly timeoutMillis?: number;
}

/**
 * Builds what has to be built, runs the job or the loop once in a process of its own, and gives what it says.
 *
 * @throws {StreamsUnavailable} If Java or Maven is missing, or if Maven cannot build
 * @throws {StreamsFailure} If the run fails, or does not end in time
 */
export const runStreams = async (
  options: StreamsOptions & { readonly mode?: "measure" | "loop"; readonly records: number },
  { pinned = false, timeoutMillis = 600_000 }: RunOptions = {},
): Promise<Result> => {
  await buildStreams();
  try {
    return await measureInChild(await commandOf(options), { pinned, timeoutMillis }) as Result;
  } catch (error) {
    if (error instanceof ChildFailure) throw new StreamsFailure(error.message, { cause: error });
    throw error;
  }
};
