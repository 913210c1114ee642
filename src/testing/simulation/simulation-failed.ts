/**
 * The error of a simulation that found something.
 *
 * @module
 */
import type { Fault } from "./faults.ts";
import type { TraceEvent } from "./trace.ts";

/** How many events of the timeline the message shows. */
const shownEventsMax = 25;

/** What the timeline is about for whoever reads it: processes, faults, and what became visible. */
const telling = /^(starts|is killed|ends|fails|stands still|goes on|clock-|arrives late|publishes)|: [a-z]+(-[a-z]+)?$/;

/** Something is not as it should be; the message says what, and how to have it happen again. */
export class SimulationFailed extends Error {
  /** `"SimulationFailed"`. */
  override readonly name = "SimulationFailed";
  /** `"SimulationFailed"`, as other errors have it. */
  readonly _tag = "SimulationFailed";
  /** Which rule does not hold, and what is there instead. */
  readonly rule: string;
  /** The seed of the world in which it happened; null where no fault was needed for it. */
  readonly seed: number | null;
  /** As few faults as are enough for it. */
  readonly faults: ReadonlyArray<Fault>;
  /** What happened in that world, the last of it. */
  readonly timeline: ReadonlyArray<TraceEvent>;

  /** Made by `simulate`. */
  constructor(options: {
    readonly job: string;
    readonly rule: string;
    readonly seed?: number;
    readonly faults?: ReadonlyArray<Fault>;
    readonly timeline?: ReadonlyArray<TraceEvent>;
    readonly cause?: unknown;
  }) {
    const { job, rule, seed = null, faults = [], timeline = [] } = options;
    const lines = [`Cannot pass job "${job}" as ${rule}`];
    if (seed !== null) {
      lines.push(
        `  with seed ${seed}: to see it again, simulate with { seed: ${seed}, seeds: 1 } and all else as before`,
      );
      lines.push(`  ${faults.length === 0 ? "without any fault" : "these faults are enough for it:"}`);
      for (const fault of faults) lines.push(`    ${faultInWords(fault)}`);
      const told = timeline.filter(({ what }) => telling.test(what)).slice(-shownEventsMax);
      if (told.length > 0) lines.push("  what happened:");
      for (const { at, process, what } of told) {
        lines.push(
          `    ${String(at).padStart(7)} ms  ${process === "" ? "the world" : process}: ${what.split("\n")[0]}`,
        );
      }
    }
    super(lines.join("\n"), { cause: options.cause });
    this.rule = rule;
    this.seed = seed;
    this.faults = faults;
    this.timeline = timeline;
  }
}

const faultInWords = ({ port, index, kind, times }: Fault): string =>
  `${port} ${index}: ${kind}${times !== undefined && times > 1 ? `, ${times} times` : ""}`;
