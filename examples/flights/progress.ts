/**
 * How far the job is, in the words of the demo.
 *
 * @module
 */
import type { Job } from "@weir/streams";

/** How far the job is. */
export interface Progress {
  readonly epoch: number;
  readonly records: number;
  /** Where to read on in the file, in bytes. */
  readonly position: number;
  /** Event time has come this far, in epoch milliseconds; -Infinity before the first flight. */
  readonly watermark: number;
  readonly onTime: number;
  readonly corrected: number;
  readonly late: number;
  readonly deadLetters: number;
}

/** Reads the progress from a job's metrics. */
export const progressOf = ({ epochs, splits, operators, watermarks }: Job.JobMetrics): Progress => {
  const records = splits.reduce((sum, split) => sum + split.records, 0);
  const sumOf = (counter: string) =>
    Object.values(operators).reduce((sum, counters) => sum + (counters[counter] ?? 0), 0);
  const [corrected, late, deadLetters] = ["corrections", "late", "deadLetters"].map(sumOf);
  return {
    epoch: epochs.epoch,
    records,
    position: Number(splits[0]?.position ?? 0),
    watermark: Math.max(-Infinity, ...Object.values(watermarks)),
    // Each flight that came after its hour was reported makes one correction; the others were there in time.
    onTime: Math.max(0, records - corrected - late - deadLetters),
    corrected,
    late,
    deadLetters,
  };
};

/** How far New York was behind UTC in these weeks. */
const offsetMs = 4 * 3_600_000;

/** An instant on New York's clocks: `Mon, 01 Jul 2013 05:00`. */
export const newYorkClock = (instant: number): string => new Date(instant - offsetMs).toUTCString().slice(0, 22);

/** A number with thousands separators. */
export const thousands = (value: number): string => value.toLocaleString("en-US");
