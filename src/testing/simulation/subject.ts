/**
 * What is simulated: a job in a world of its own, fed from tapes, and what can be seen of its output.
 *
 * @module
 */
import type { End, Sink } from "../../exactly-once/sink.ts";
import { graphOf, type Job, replaceEnds } from "../../streams/job.ts";
import { canonical } from "../canonical.ts";
import type { SinkRef } from "../harness.ts";
import { replayed, type Tapes } from "./read-ahead.ts";
import { watch, Watched } from "../watched-sink.ts";

/**
 * A job with sinks that are kept as they are, and what these hold.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import { Flow, Job, Sink, Source } from "@weir/streams";
 * import { simulate, SimulationFailed } from "@weir/streams/testing";
 *
 * // A sink that does not look at the epoch, and so repeats rows after a crash.
 * const make = () => {
 *   const sent: Array<string> = [];
 *   const sink = Sink.transactional("sent", {
 *     encode: (word: string) => word,
 *     byteLength: (row) => row.length,
 *     open: (_context) =>
 *       Effect.succeed({ marker: null, publish: ({ rows }) => Effect.sync(() => void sent.push(...rows)) }),
 *   });
 *   const words = Source.array("words", ["to", "be", "or", "not", "to", "be"]);
 *   const job = Job.make({ name: "words", guarantee: "exactly-once", flows: [Flow.from(words).pipe(Flow.to(sink))] });
 *   return { job, outputs: { sent: () => sent } };
 * };
 * await assert.rejects(simulate(make), SimulationFailed);
 * ```
 */
export interface WithOutputs<R> {
  /** The job. */
  readonly job: Job<R>;
  /** What each of these sinks holds, as anybody who reads it would see it, by the name of the sink. */
  readonly outputs: Readonly<Record<string, () => ReadonlyArray<unknown>>>;
}

/** What can be simulated: a job, or what makes one anew for each simulated world, with sinks to be kept if wanted. */
export type Simulated<R> = Job<R> | (() => Job<R> | WithOutputs<R>);

/** What a simulated job has written. */
export interface Outputs {
  /** The rows of a sink, in order: the values that it was given or, of a sink that was kept, what it says that it holds. */
  readonly rows: <A>(sink: SinkRef<A>) => ReadonlyArray<A>;
}

/** A job as it is put into one world. */
export interface Subject {
  readonly job: Job<unknown>;
  readonly outputs: Outputs;
  /** Texts for the rows of each sink, by its name: what its own `encode` made of the values. */
  readonly texts: () => ReadonlyMap<string, ReadonlyArray<string>>;
  /** The sinks by name, for the promises that they make. */
  readonly kinds: ReadonlyMap<string, Sink<unknown, End>["driver"]["kind"]>;
}

/** The job and the kept sinks of what can be simulated. */
export const partsOf = <R>(simulated: Simulated<R>): WithOutputs<R> => {
  const made = typeof simulated === "function" ? simulated() : simulated;
  return "outputs" in made ? made : { job: made, outputs: {} };
};

/** Makes a job for one world. */
export const makeSubject = (simulated: Simulated<unknown>, tapes: Tapes): Subject => {
  const { job, outputs } = partsOf(simulated);
  const watched = new Map<string, Watched>();
  const kinds = new Map(graphOf(job).sinks.map(({ sink }) => [sink.name, sink.driver.kind]));
  for (const name of Object.keys(outputs)) {
    if (kinds.has(name)) continue;
    throw new RangeError(
      `Cannot simulate job "${job.name}" as outputs must be those of its sinks: current value is "${name}"`,
    );
  }
  const replaced = replaceEnds(job, {
    source: (source) => replayed(source, tapes),
    sink: (sink) => {
      if (Object.hasOwn(outputs, sink.name)) return sink;
      const one = new Watched();
      watched.set(sink.name, one);
      return watch(sink, one);
    },
  });
  return {
    job: replaced,
    kinds,
    outputs: {
      rows: <A>(sink: SinkRef<A>) => {
        const name = typeof sink === "string" ? sink : sink.name;
        const rows = watched.get(name)?.values ?? outputs[name]?.();
        if (rows !== undefined) return rows as ReadonlyArray<A>;
        throw new RangeError(
          `Cannot read a sink as the job must have one of that name, its sinks are ` +
            `${[...kinds.keys()].map((one) => `"${one}"`).join(", ")}: current value is "${name}"`,
        );
      },
    },
    texts: () =>
      new Map([...kinds.keys()].map((name) => [
        name,
        (watched.get(name)?.rows ?? outputs[name]()).map((row) => canonical(row)),
      ])),
  };
};
