/**
 * What a job of Weir takes of the machine while there is no news.
 *
 * @module
 */
import { measureInChild } from "../measure/child.ts";
import { table } from "../measure/table.ts";
import { program } from "./contest.ts";
import type { Client } from "./jobs.ts";
import type { Idle } from "./run-weir.ts";
import { makeTopic, removeTopics } from "./topics.ts";

/** What a job takes, by a library and over some partitions. */
export interface IdleJob extends Idle {
  readonly client: Client;
  readonly partitions: number;
}

/** How many records there are before the silence, so that there is state. */
const records = 10_000;

/** Runs a job over a topic that has some records and gets no more. */
export const measureIdle = async (options: {
  readonly brokers: ReadonlyArray<string>;
  readonly beginning: string;
  readonly client: Client;
  readonly partitions: number;
  readonly seconds: number;
}): Promise<IdleJob> => {
  const { brokers, client, partitions, seconds } = options;
  const id = `${options.beginning}-idle-${partitions}-${client}`;
  const topics = { in: `${id}-in`, out: `${id}-out` };
  const timeoutMillis = (seconds + 60) * 1_000;
  await makeTopic({ brokers }, topics.in, partitions);
  await makeTopic({ brokers }, topics.out, partitions);
  try {
    await measureInChild(program("write-input", { brokers, topic: topics.in, records }), {
      pinned: false,
      timeoutMillis,
    });
    const idle = await measureInChild(
      program("run-weir", { brokers, ...topics, client, mode: "idle", seconds }),
      { pinned: false, timeoutMillis },
    ) as Idle;
    return { client, partitions, ...idle };
  } finally {
    await removeTopics({ brokers }, id);
  }
};

/** A line for each job. */
export const idleTable = (jobs: ReadonlyArray<IdleJob>): string =>
  table([
    ["idle", "of a core", "requests/s"],
    ...jobs.map(({ client, partitions, cpuShare, requestsPerSecond }) => [
      `${client}, ${partitions} partitions`,
      `${(100 * cpuShare).toFixed(2)} %`,
      requestsPerSecond.toFixed(1),
    ]),
  ]);
