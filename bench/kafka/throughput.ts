/**
 * Rounds over one input: everybody who takes part runs once in each, and what they have written is looked at.
 *
 * @module
 */
import { ChildFailure, measureInChild } from "../measure/child.ts";
import type { Measured } from "./arrivals.ts";
import {
  applicationIdOf,
  type Contender,
  type Contest,
  isCopy,
  measureCommand,
  nameOf,
  program,
  type Topics,
} from "./contest.ts";
import type { Contents } from "./events.ts";
import type { Rounds } from "./report.ts";
import type { Result as StreamsResult } from "./streams.ts";
import { makeTopic, removeTopics } from "./topics.ts";
import type { Written } from "./write-input.ts";

/** Conditions that all contests share. */
export interface Conditions {
  readonly brokers: ReadonlyArray<string>;
  /** What the names of all topics begin with. */
  readonly beginning: string;
  readonly rounds: number;
  /** How often Weir ends an epoch, and the others commit, in milliseconds. */
  readonly epochMillis: number;
  /** Whether each run is held to one core. */
  readonly pinned: boolean;
  /** Says how it goes on. */
  readonly say: (what: string) => void;
}

/** After how long a run is given up, in milliseconds. */
const timeoutMillis = 600_000;

/** A figure of Kafka Streams, whose clock stops with the last record: the commit behind it waits for its time. */
const inOurWords = ({ records, processedMillis, cpuSeconds, peakMemoryBytes }: StreamsResult): Measured => ({
  records,
  seconds: processedMillis / 1_000,
  recordsPerSecond: records / processedMillis * 1_000,
  cpuSeconds,
  peakMemoryBytes,
});

/** That somebody has written something else than was to be written. */
class WrongRows extends Error {}

const compare = (name: string, found: Contents, wanted: Contents): void => {
  const text = ({ rows, count, sum, digest }: Contents): string =>
    `${rows} rows of ${count} and ${sum} in all, with the digest ${digest}`;
  if (text(found) !== text(wanted)) {
    throw new WrongRows(`${name} has written ${text(found)}; there must be ${text(wanted)}`);
  }
};

/** What the rounds of a contest have brought. */
export interface Outcome {
  readonly rounds: Rounds;
  /** Whether somebody has failed, and is not among them. */
  readonly hasFailed: boolean;
  readonly versions: ReadonlySet<string>;
}

/** Writes an input of so many records, and has everybody read it, in turn. */
export const compete = async (
  { records, ...shape }: Contest,
  contenders: ReadonlyArray<Contender>,
  conditions: Conditions,
): Promise<Outcome> => {
  const { brokers, beginning, epochMillis, pinned, say } = conditions;
  const { partitions, bytes } = shape;
  const id = `${beginning}-${partitions}x${bytes}x${records}`;
  const topicIn = `${id}-in`;
  await makeTopic({ brokers }, topicIn, partitions);
  say(`${partitions} × ${bytes} B: ${records} records are written`);
  const written = await measureInChild(program("write-input", { brokers, topic: topicIn, records, bytes }), {
    pinned: false,
    timeoutMillis,
  }) as Written;
  const contest: Contest = { ...shape, records: written.records };
  const measured = new Map<string, Array<Measured>>(contenders.map((contender) => [nameOf(contender), []]));
  const versions = new Set<string>();

  const run = async (contender: Contender, topics: Topics): Promise<void> => {
    const name = nameOf(contender);
    const command = await measureCommand(contender, contest, topics, epochMillis);
    const figure = await measureInChild(command, { pinned, timeoutMillis });
    const kind = isCopy(contender) ? "copy" : "rows";
    const found = await measureInChild(program("read-output", { brokers, topic: topics.out, kind }), {
      pinned: false,
      timeoutMillis,
    }) as Contents;
    compare(name, found, isCopy(contender) ? written.copy : written.windows);
    if (contender.system === "streams") {
      const { kafka, java } = figure as StreamsResult;
      versions.add(`Kafka Streams ${kafka}, Java ${java}`);
      measured.get(name)!.push(inOurWords(figure as StreamsResult));
    } else {
      measured.get(name)!.push(figure as Measured);
    }
  };

  try {
    for (let round = 0; round < conditions.rounds; round++) {
      // Who is first changes from round to round, so that none always runs behind the same one.
      for (let k = 0; k < contenders.length; k++) {
        const contender = contenders[(k + round) % contenders.length];
        const name = nameOf(contender);
        if (!measured.has(name)) continue;
        const what = `${partitions} × ${bytes} B, round ${round + 1} of ${conditions.rounds}: ${name}`;
        const topics = { brokers, in: topicIn, out: `${id}-${round}-${name.replaceAll(" ", "-")}` };
        await makeTopic({ brokers }, topics.out, partitions);
        try {
          await run(contender, topics);
          const { recordsPerSecond, cpuSeconds, records } = measured.get(name)!.at(-1)!;
          say(`${what}: ${recordsPerSecond.toFixed(0)}/s, ${(cpuSeconds / records * 1e6).toFixed(2)} µs CPU a record`);
        } catch (error) {
          if (!(error instanceof ChildFailure || error instanceof WrongRows)) throw error;
          measured.delete(name);
          console.error(`${what}: ${error.message}`);
        } finally {
          await removeTopics({ brokers }, topics.out);
          if (contender.system === "streams") await removeTopics({ brokers }, applicationIdOf(topics));
        }
      }
    }
  } finally {
    await removeTopics({ brokers }, topicIn);
  }
  return { rounds: measured, hasFailed: measured.size < contenders.length, versions };
};
