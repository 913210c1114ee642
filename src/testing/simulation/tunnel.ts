/**
 * The tunnel: one job, run calmly under varied conditions and then through faults, and judged by what it wrote.
 *
 * @module
 */
import type { Context } from "effect";
import type { Guarantee } from "../../exactly-once/guarantee.ts";
import { errorWords } from "../../windows/error-words.ts";
import { calmRun, type Conditions, epochMillis, mustEnd, type Sizes, usualConditions, variations } from "./calm-run.ts";
import { compareRows, type Difference, differenceInWords, isOrder, roughly } from "../compare-rows.ts";
import type { Fault } from "./faults.ts";
import type { Tapes } from "./read-ahead.ts";
import { SimulationFailed } from "./simulation-failed.ts";
import { simulateOnce, type SimulationReport } from "./simulation.ts";
import { makeSubject, type Outputs, type Simulated, type Subject } from "./subject.ts";

/** Texts for the rows of each sink. */
type Texts = ReadonlyMap<string, ReadonlyArray<string>>;

/** What is put into the tunnel. */
export interface TunnelOptions {
  /** The name of the job. */
  readonly job: string;
  readonly simulated: Simulated<unknown>;
  readonly tapes: Tapes;
  readonly services: Context.Context<unknown>;
  readonly keyedPartitions: number;
  /** Throws if output is not right; null where it must be the same as without faults. */
  readonly invariant: ((outputs: Outputs) => void) | null;
  /** How runs are cut up. A seed has one of these. */
  readonly sizes: ReadonlyArray<Sizes>;
  readonly stepsMax: number;
}

/** What went through a world, and what was wrong with it. */
interface Judged extends SimulationReport {
  /** What an invariant threw. */
  readonly cause?: unknown;
}

/** Puts one job through all there is. */
export class Tunnel {
  /** What may be good to know. */
  readonly notes: Array<string> = [];
  readonly #options: TunnelOptions;
  readonly #usual = new Map<number, Texts>();
  readonly #operations = new Map<number, SimulationReport["operations"]>();

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  /** What is written without faults, where runs are cut up in one of the ways. */
  usual(way: number): Texts {
    let texts = this.#usual.get(way);
    if (texts === undefined) {
      texts = this.#calm(usualConditions(this.#options.sizes[way]));
      this.#usual.set(way, texts);
    }
    return texts;
  }

  #calm(conditions: Conditions): Texts {
    const { simulated, tapes, services, keyedPartitions, stepsMax, invariant } = this.#options;
    const subject = makeSubject(simulated, tapes);
    calmRun({ subject, conditions, keyedPartitions, services, stepsMax });
    if (invariant !== null) {
      const broken = holds(invariant, subject.outputs);
      if (broken !== null) {
        const rule = `its invariant must hold: current value is an output without any fault; ${broken.message}`;
        throw new SimulationFailed({ job: subject.job.name, rule, cause: broken.cause });
      }
    }
    return subject.texts();
  }

  /** Throws if what is written without faults depends on something that it should not depend on. */
  checkDeterminism(): void {
    const { sizes } = this.#options;
    const usual = this.usual(0);
    for (const { varies, only, means } of variations) {
      const other = this.#calm(varies(usualConditions(sizes[0])));
      this.#differ(usual, other, (sink, difference) => this.#unsteady(sink, difference, only, means));
    }
    for (let way = 1; way < sizes.length; way++) {
      const other = this.usual(way);
      // Partial sums meet in another order where records come together in other numbers.
      const isRounding = this.#isSame(usual, other, roughly) && !this.#isSame(usual, other, (row) => row);
      if (isRounding) {
        this.#note("sums of fractions are rounded otherwise where other numbers of records are read at once");
      }
      this.#differ(withRows(usual, roughly), withRows(other, roughly), (sink, difference) => {
        if (!isOrder(difference.difference)) {
          this.#unsteady(
            sink,
            difference,
            "how many records are read at once and how long epochs are",
            "a function keeps state of its own, or looks at how records come together",
          );
        }
        this.#note(
          `sink "${sink}": the rows of different keys come in another order where other numbers of records are read at once`,
        );
      });
    }
  }

  #note(note: string): void {
    if (!this.notes.includes(note)) this.notes.push(note);
  }

  #isSame(usual: Texts, other: Texts, as: (row: string) => string): boolean {
    let isSame = true;
    this.#differ(withRows(usual, as), withRows(other, as), (_, { difference }) => {
      isSame &&= isOrder(difference);
    });
    return isSame;
  }

  #differ(
    usual: Texts,
    other: Texts,
    found: (sink: string, difference: { readonly difference: Difference; readonly words: string }) => void,
  ): void {
    for (const [sink, expected] of usual) {
      const got = other.get(sink)!;
      const difference = compareRows(expected, got);
      if (difference !== null) {
        found(sink, { difference, words: differenceInWords(difference, expected.length, got.length) });
      }
    }
  }

  #unsteady(sink: string, { difference, words }: Found, only: string, means: string): never {
    const where = isOrder(difference) ? "comes in another order" : `differs at row ${difference.row}`;
    throw new SimulationFailed({
      job: this.#options.job,
      rule: `it must be deterministic: sink "${sink}" ${where} between two runs without faults that differ in ` +
        `${
          only === "nothing" ? only : `${only} only`
        }, so ${means} (${words}). Give an invariant of your own if that is ` +
        "as it should be",
    });
  }

  /** How a seed cuts runs up. */
  #wayOf(seed: number): number {
    return seed % this.#options.sizes.length;
  }

  /** How many operations a world without faults does at each port, where it is cut up as that of a seed. */
  operations(seed: number): SimulationReport["operations"] {
    const way = this.#wayOf(seed);
    let operations = this.#operations.get(way);
    if (operations === undefined) {
      const report = this.storm(seed, []);
      if (report.violation !== null) throw this.failed(seed, []);
      operations = report.operations;
      this.#operations.set(way, operations);
    }
    return operations;
  }

  /** Runs the job in the world of a seed, with these faults, and judges what it wrote. */
  storm(seed: number, faults: ReadonlyArray<Fault>): Judged {
    const { simulated, tapes, services, keyedPartitions, sizes, stepsMax } = this.#options;
    const subject = makeSubject(simulated, tapes);
    const report = simulateOnce({
      job: subject.job,
      seed,
      faults,
      services,
      stepsMax,
      options: { epochInterval: epochMillis, keyedPartitions, ...sizes[this.#wayOf(seed)] },
    });
    if (report.violation !== null) return { ...report, violation: this.#inWords(report) };
    return { ...report, ...this.#judge(subject, this.#wayOf(seed)) };
  }

  #inWords({ violation, summary }: SimulationReport): string {
    return summary === null && /did not come to its end/.test(violation!)
      ? mustEnd(this.#options.stepsMax)
      : `it must come to its end: ${violation}`;
  }

  #judge(subject: Subject, way: number): { readonly violation: string | null; readonly cause?: unknown } {
    const { invariant } = this.#options;
    if (invariant !== null) {
      const broken = holds(invariant, subject.outputs);
      return broken === null
        ? { violation: null }
        : { violation: `its invariant must hold: ${broken.message}`, cause: broken.cause };
    }
    const { guarantee } = subject.job;
    let violation: string | null = null;
    this.#differ(this.usual(way), subject.texts(), (sink, { difference, words }) => {
      if (allows(guarantee, subject.kinds.get(sink)!, difference)) return;
      violation ??= `its output must be the same with and without faults: sink "${sink}" has ${words}`;
    });
    return { violation };
  }

  /** What to throw: takes out faults, one by one, as long as something is still wrong. */
  failed(seed: number, faults: ReadonlyArray<Fault>): SimulationFailed {
    let enough = faults;
    for (let k = 0; k < enough.length;) {
      const fewer = enough.filter((_, index) => index !== k);
      if (this.storm(seed, fewer).violation === null) k++;
      else enough = fewer;
    }
    const report = this.storm(seed, enough);
    return new SimulationFailed({
      job: this.#options.job,
      // What happened may be due to faults that did not fire.
      rule: report.violation ?? "its output must be the same each time that one seed is run: current value is not",
      seed,
      faults: enough,
      timeline: report.timeline,
      cause: report.cause,
    });
  }
}

const withRows = (texts: Texts, as: (row: string) => string): Texts =>
  new Map([...texts].map(([sink, rows]) => [sink, rows.map(as)]));

interface Found {
  readonly difference: Difference;
  readonly words: string;
}

/** What an invariant throws; null when it holds. */
const holds = (
  invariant: (outputs: Outputs) => void,
  outputs: Outputs,
): { readonly message: string; readonly cause: unknown } | null => {
  try {
    invariant(outputs);
    return null;
  } catch (cause) {
    return { message: errorWords(cause), cause };
  }
};

/** Whether a guarantee allows the output of a sink to differ in this way where something goes wrong. */
const allows = (
  guarantee: Guarantee,
  kind: "transactional" | "idempotent" | "append-only",
  { missing, unexpected, repeated }: Difference,
): boolean => {
  if (unexpected > 0) return false;
  if (guarantee === "at-least-once") return kind === "append-only" && missing === 0;
  if (guarantee === "at-most-once") return repeated === 0;
  return false;
};
