/**
 * What a loop is, that a person would write by hand around a client of Kafka.
 *
 * @module
 */
import type { Arrivals, Measured } from "../arrivals.ts";

/** What a loop is to do. */
export interface LoopOptions {
  readonly brokers: ReadonlyArray<string>;
  readonly in: string;
  readonly out: string;
  /** How many partitions both topics have. */
  readonly partitions: number;
  /** How often offsets are committed, in milliseconds. */
  readonly commitMillis: number;
  readonly arrivals: Arrivals;
}

/** Runs until all records have been handed over and what has come of them is written and committed. */
export type Loop = (options: LoopOptions) => Promise<Measured>;
