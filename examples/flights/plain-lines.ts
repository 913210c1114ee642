/**
 * Progress where there is no terminal: a line every few days of event time.
 *
 * @module
 */
import { newYorkClock, type Progress, thousands } from "./progress.ts";

const everyMs = 3 * 24 * 3_600_000;

/** Prints a line when event time has come far enough, and one at the end. */
export class PlainLines {
  #due = -Infinity;

  constructor(readonly records: number) {}

  show(progress: Progress): void {
    const { records, watermark } = progress;
    if (records === 0 || records < this.records && watermark < this.#due) return;
    if (this.#due === Infinity) return;
    this.#due = records < this.records ? watermark + everyMs : Infinity;
    console.log(
      [
        Number.isFinite(watermark) ? newYorkClock(watermark) : "the end".padEnd(22),
        `${thousands(records).padStart(6)} records`,
        `${thousands(progress.onTime).padStart(6)} on time`,
        `${thousands(progress.corrected).padStart(5)} corrected`,
        `${thousands(progress.late).padStart(3)} too late`,
        `${thousands(progress.deadLetters).padStart(3)} cancelled`,
      ].join("  "),
    );
  }

  [Symbol.dispose](): void {}
}
