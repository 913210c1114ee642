/**
 * What a kind of random pipeline must say of itself to take part in simulations.
 */
import type fc from "fast-check";
import type { Job } from "@weir/streams";
import type { JobMetrics } from "../../src/streams/metrics.ts";
import type { Guarantee } from "./guarantee.ts";
import type { Outside } from "./outside.ts";

/** What a check is told of the run. */
export interface Run {
  /** What could be read from the job at its end. */
  readonly metrics: JobMetrics;
  /** Whether sources were held up by a fault, so that splits were silent though they had something to say. */
  readonly sourcesFailed: boolean;
  /** Whether there was more than one run: in one of what is available, splits without news count as idle. */
  readonly inPasses: boolean;
  /** Whether there were processes that went on after others had taken the job over. */
  readonly hadZombies: boolean;
}

/** A pipeline that was drawn, ready to be run in any number of worlds. */
export interface Drawn {
  /** How it reads, for whoever has to understand one that fails. */
  readonly write: (guarantee: Guarantee) => string;
  /** How many records it is fed. */
  readonly records: number;
  /** Whether it may be run through what is available first, and then to its end, with the same answer. */
  readonly inPasses: boolean;
  /** Whether its rows come in one order, whatever goes wrong: its sources are bounded and do not pace themselves. */
  readonly inOrder: boolean;
  /** Its job, with its sinks outside. */
  readonly job: (outside: Outside, guarantee: Guarantee) => Job.Job<never>;
  /** Throws unless a job that came to its end has left outside, and counted, what it must. */
  readonly check: (outside: Outside, guarantee: Guarantee, run: Run) => void;
  /**
   * The same pipeline over the input up to where each split of a source was read, by how many records. Left out where what comes of
   * it depends on when records are read.
   */
  readonly cut?: (countOf: (source: string, split: number) => number) => Drawn;
}

/** Of how much work a batch and an epoch are. */
export interface Coarseness {
  readonly batchRecordsMax: number;
  readonly epochRecordsMax: number;
  /** In virtual milliseconds. */
  readonly epochMillis: number;
}

/** A kind of pipeline. Its plans are data. */
export interface Pipeline<Plan> {
  readonly name: string;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  readonly plans: fc.Arbitrary<Plan>;
  /** Below what its settings do not go. Default: they go down to a record and some milliseconds. */
  readonly settingsMin?: Partial<Coarseness>;
  readonly draw: (plan: Plan) => Drawn;
}
