/**
 * A line that says how far long work has come, where somebody sits in front of a terminal.
 *
 * @module
 */
import { Clock, Effect } from "effect";

/** How often the line is written at most, in milliseconds, and how long work has to take before it is. */
const everyMillis = 250;

/** Returns to the beginning of the line, and clears it. */
const clearLine = "\r\x1b[2K";

const now = (): number => Effect.runSync(Clock.currentTimeMillis);

/** The line of one simulation. */
export class Progress {
  readonly #job: string;
  readonly #seeds: number;
  readonly #wanted: boolean = Deno.stderr.isTerminal();
  #shown = now();
  #dirty = false;

  constructor(job: string, seeds: number) {
    this.#job = job;
    this.#seeds = seeds;
  }

  /** Says how many worlds there have been. */
  show(done: number, killed: number): void {
    if (!this.#wanted || now() - this.#shown < everyMillis) return;
    this.#shown = now();
    this.#write(`${clearLine}simulate ${this.#job}: ${done} of ${this.#seeds} seeds, ${killed} processes killed`);
    this.#dirty = true;
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#dirty) this.#write(clearLine);
    this.#dirty = false;
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
