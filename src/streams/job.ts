/**
 * A job: flows that run together, under one guarantee.
 *
 * @module
 */
import { admits, type EndsOf, type Guarantee } from "../exactly-once/guarantee.ts";
import { InvalidJob } from "./errors.ts";
import { copyGraph, type Replacements } from "./copy-graph.ts";
import { type CompleteFlow, endsOf } from "./flow.ts";
import { fingerprintsOf, type Graph, layOut } from "./graph.ts";
import type { SinkNode } from "./node.ts";

/** A job, ready to be run. `R` is what its functions need from the outside. */
export interface Job<out R> {
  /** Exists for the compiler alone. */
  readonly "~weir/Job": { readonly services: R };
  /** A stable name: the job's state is kept under it. */
  readonly name: string;
  /** What is promised about output when the process dies. */
  readonly guarantee: Guarantee;
}

/** What a job is inside. */
interface JobImpl extends Job<never> {
  readonly graph: Graph;
  /** Where its flows end, in the order in which they were given. */
  readonly ends: ReadonlyArray<SinkNode>;
}

/** The services that some flows need. */
export type ServicesOf<F extends ReadonlyArray<CompleteFlow<unknown, unknown>>> = F[number]["~weir/Flow"]["services"];

/**
 * Makes a job of flows that end in sinks.
 *
 * It is the default export of a module, so that tools and workers can load it. Under `"exactly-once"` a flow that may
 * repeat its output, or that comes from a source that cannot replay, does not compile.
 *
 * @throws {InvalidJob} If there is no flow; if a name is empty or has a "#" in it, or two sources, two sinks or two keyed
 * operators (windows, `deduplicate`, `topN`) share one; if `maxDrift` is given after the first Effect or window; or if the
 * compiler was told to overlook what the guarantee refuses.
 *
 * @example
 * ```ts
 * import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
 *
 * export default Job.make({
 *   name: "clicks",
 *   guarantee: "exactly-once",
 *   flows: [
 *     Flow.from(Source.array("clicks", [{ user: "ada", at: 1_000 }])).pipe(
 *       Flow.eventTime({ timestamp: (click) => click.at, watermark: Watermark.monotonic }),
 *       Flow.keyBy((click) => click.user),
 *       Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
 *       Flow.to(Sink.memory("counts")),
 *     ),
 *   ],
 * });
 * ```
 */
export const make = <
  const G extends Guarantee,
  const F extends ReadonlyArray<CompleteFlow<unknown, EndsOf<G>>>,
>(options: {
  /** A stable name: the job's state is kept under it. */
  readonly name: string;
  /** What is promised about output when the process dies. */
  readonly guarantee: G;
  /** Every flow of the job, each ending in a sink. */
  readonly flows: F;
}): Job<ServicesOf<F>> => {
  const { name, guarantee, flows } = options;
  const refuse = (rule: string): never => {
    throw new InvalidJob({ message: `Cannot make job "${name}" as ${rule}`, job: name, rule });
  };
  if (flows.length === 0) refuse("it must have a flow that ends in a sink: current value is no flow");
  const ends = flows.flatMap(endsOf);
  const graph = layOut(name, ends);
  // The compiler has seen to this, unless it was told to look away.
  for (const { sink } of graph.sinks) {
    if (sink.driver.kind === "append-only" && !admits(guarantee, "append-only")) {
      refuse(`an exactly-once job must not write to an append-only sink: current value is "${sink.name}"`);
    }
  }
  for (const { source } of graph.sources) {
    const isAcknowledged = source.replayable === "until-acknowledged";
    if (source.replayable !== true && !admits(guarantee, isAcknowledged ? "acknowledged source" : "live source")) {
      refuse(`guarantee "${guarantee}" needs sources that replay: current value is "${source.name}"`);
    }
  }
  for (const node of graph.nodes) {
    // Elsewhere its watermarks come to the ingest too late to hold a split back in time.
    if (node._tag === "EventTime" && node.maxDrift !== null && graph.stageOf(node).kind !== "ingest") {
      refuse("maxDrift needs an event time that is stamped before the first Effect and window: current value is not");
    }
  }
  const job: Omit<JobImpl, "~weir/Job"> = { graph, ends, name, guarantee };
  return job as JobImpl;
};

/** A job like another one, but for its sources and sinks. Those that take their places must have their names. */
export const replaceEnds = <R>(job: Job<R>, replacements: Replacements): Job<R> => {
  const { name, guarantee, ends } = job as unknown as JobImpl;
  const replaced = copyGraph(ends, replacements);
  const copy: Omit<JobImpl, "~weir/Job"> = { graph: layOut(name, replaced), ends: replaced, name, guarantee };
  return copy as unknown as Job<R>;
};

/** The graph of a job. */
export const graphOf = (job: Job<unknown>): Graph => (job as JobImpl).graph;

/** What the state of each stateful operator of a job depends on. */
export const fingerprints = (job: Job<unknown>): Readonly<Record<string, string>> => fingerprintsOf(graphOf(job));
