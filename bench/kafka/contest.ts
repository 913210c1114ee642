/**
 * What is compared, and how each of those who take part is started.
 *
 * @module
 */
import { outOfOrderMillisMax } from "./events.ts";
import type { Client, Guarantee } from "./jobs.ts";
import { commandOf as streamsCommand, type Guarantee as StreamsGuarantee } from "./streams.ts";
import { timedWindowMillis } from "./timetable.ts";

/** Weir, loops written by hand, copies by both, and Kafka Streams. */
export const systems = ["weir", "loop", "copy", "streams"] as const;

/** One of those that can be chosen. */
export type System = typeof systems[number];

/** An input that all read. */
export interface Contest {
  readonly partitions: number;
  /** How many bytes a value has. */
  readonly bytes: number;
  /** How many records the input has. */
  readonly records: number;
  /** How many of these pass before the clock starts. */
  readonly warmUp: number;
}

/** One of those who take part, under one guarantee where it gives any. */
export type Contender =
  | Timed
  | { readonly system: "weir-copy"; readonly client: Client; readonly guarantee: Guarantee }
  | { readonly system: "loop" | "loop-copy"; readonly client: Client };

/** Those whose results have a latency. */
export type Timed =
  | { readonly system: "weir"; readonly client: Client; readonly guarantee: Guarantee }
  | { readonly system: "streams"; readonly guarantee: Guarantee };

/** What somebody who takes part is called: each has a name of its own. */
export const nameOf = (contender: Contender): string =>
  [
    contender.system,
    ..."client" in contender ? [contender.client] : [],
    ..."guarantee" in contender ? [contender.guarantee] : [],
  ].join(" ");

/** Whether it copies. */
export const isCopy = ({ system }: Contender): boolean => system === "weir-copy" || system === "loop-copy";

/** All who take part. */
export const contendersOf = (
  chosen: ReadonlyArray<System>,
  clients: ReadonlyArray<Client>,
  promised: ReadonlyArray<Guarantee>,
): ReadonlyArray<Contender> => {
  const has = (system: System): boolean => chosen.includes(system);
  return [
    ...clients.flatMap((client): ReadonlyArray<Contender> => [
      ...(has("weir") ? promised.map((guarantee) => ({ system: "weir", client, guarantee } as const)) : []),
      ...(has("loop") ? [{ system: "loop", client } as const] : []),
      ...(has("copy") && has("weir")
        ? promised.map((guarantee) => ({ system: "weir-copy", client, guarantee } as const))
        : []),
      ...(has("copy") ? [{ system: "loop-copy", client } as const] : []),
    ]),
    ...(has("streams") ? promised.map((guarantee) => ({ system: "streams", guarantee } as const)) : []),
  ];
};

/** The same guarantee in the words of Kafka Streams. */
const inStreams: Readonly<Record<Guarantee, StreamsGuarantee>> = {
  "exactly-once": "exactly_once_v2",
  "at-least-once": "at_least_once",
};

/** Where somebody reads and writes. */
export interface Topics {
  readonly brokers: ReadonlyArray<string>;
  readonly in: string;
  readonly out: string;
}

/** The id of a run of Kafka Streams, which is how its own topics begin. */
export const applicationIdOf = ({ out }: Topics): string => `app-${out}`;

/** A program of this folder, and what it is told. */
export const program = (
  name: string,
  { brokers, ...options }: { readonly brokers: ReadonlyArray<string> } & Readonly<Record<string, unknown>>,
): ReadonlyArray<string> => [
  "deno",
  "run",
  "-P=benchkafka",
  "--no-prompt",
  "--quiet",
  `bench/kafka/${name}.ts`,
  `--brokers=${brokers.join(",")}`,
  ...Object.entries(options).map(([option, value]) => `--${option}=${value}`),
];

/** The command of a run over an input that is there. It prints a line of JSON. */
export const measureCommand = async (
  contender: Contender,
  { partitions, records, warmUp }: Contest,
  topics: Topics,
  epochMillis: number,
): Promise<ReadonlyArray<string>> => {
  const kind = isCopy(contender) ? "copy" : "windows";
  switch (contender.system) {
    case "weir":
    case "weir-copy": {
      const { client, guarantee } = contender;
      const options = { client, kind, guarantee, records, warmup: warmUp, "epoch-millis": epochMillis };
      return program("run-weir", { ...topics, ...options });
    }
    case "loop":
    case "loop-copy": {
      const options = { client: contender.client, kind, partitions, records, warmup: warmUp };
      return program("run-loop", { ...topics, ...options, "commit-millis": epochMillis });
    }
    case "streams":
      return await streamsCommand({
        brokers: topics.brokers.join(","),
        in: topics.in,
        out: topics.out,
        mode: "measure",
        records,
        warmupRecords: warmUp,
        applicationId: applicationIdOf(topics),
        guarantee: inStreams[contender.guarantee],
        commitMillis: epochMillis,
        graceMillis: outOfOrderMillisMax,
      });
  }
};

/** The command of a run until it is told to stop. It prints a line of JSON as soon as it has partitions. */
export const runCommand = async (
  contender: Timed,
  topics: Topics,
  epochMillis: number,
): Promise<ReadonlyArray<string>> => {
  if (contender.system === "weir") {
    const { client, guarantee } = contender;
    const options = { client, guarantee, mode: "run", "epoch-millis": epochMillis };
    return program("run-weir", { ...topics, ...options, "window-millis": timedWindowMillis });
  }
  return await streamsCommand({
    brokers: topics.brokers.join(","),
    in: topics.in,
    out: topics.out,
    mode: "run",
    applicationId: applicationIdOf(topics),
    guarantee: inStreams[contender.guarantee],
    commitMillis: epochMillis,
    windowMillis: timedWindowMillis,
    graceMillis: outOfOrderMillisMax,
    // It stops for a shorter time, which matters here.
    collector: "g1",
  });
};
