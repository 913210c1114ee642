/**
 * The job's results as they are published, drawn over themselves in a terminal.
 *
 * The table is made of the job's own output: it follows `changes.ndjson` as the file grows, so it shows what is
 * committed and nothing else.
 *
 * @module
 */
import { linesOf, type Row } from "./outputs.ts";
import { newYorkClock, type Progress, thousands } from "./progress.ts";

const carriers: Readonly<Record<string, string>> = {
  "9E": "Endeavor",
  AA: "American",
  AS: "Alaska",
  B6: "JetBlue",
  DL: "Delta",
  EV: "ExpressJet",
  F9: "Frontier",
  FL: "AirTran",
  HA: "Hawaiian",
  MQ: "Envoy",
  OO: "SkyWest",
  UA: "United",
  US: "US Airways",
  VX: "Virgin America",
  WN: "Southwest",
  YV: "Mesa",
};

const firstDay = Date.parse("2013-07-01T00:00:00-04:00");
const days = 21;
const dayMs = 24 * 3_600_000;

/** Delays of a day, from under 10 minutes to 70 and more. */
const bars = "▁▂▃▄▅▆▇█";
const minutesPerBar = 10;

/** Lines around the carriers' rows: title, header, progress, counters and the spaces between them. */
const otherLines = 7;
const progressColumns = 30;

const escape = "\x1b[";
const paint = (code: number) => (text: string): string => Deno.noColor ? text : `${escape}${code}m${text}${escape}0m`;
const [bold, dim, red, green, yellow] = [1, 2, 31, 32, 33].map(paint);
const byDelay = (mean: number) => mean < 15 ? green : mean < 30 ? yellow : red;

/** Flights and minutes of delay, added up. */
class Sum {
  flights = 0;
  minutes = 0;

  add(row: Row, sign: 1 | -1): void {
    this.flights += sign * row.flights;
    this.minutes += sign * row.flights * row.meanDelay;
  }

  get mean(): number {
    return this.minutes / this.flights;
  }
}

/** A carrier's totals so far. */
class Carrier {
  readonly total = new Sum();
  readonly days = Array.from({ length: days }, () => new Sum());
  worst = -Infinity;
  readonly #rows = new Map<string, Row>();

  constructor(readonly code: string) {}

  /** Takes a row in, in place of the one that it corrects. */
  take(row: Row): void {
    const day = this.days[Math.floor((Date.parse(row.hour) - firstDay) / dayMs)];
    const before = this.#rows.get(row.hour);
    this.#rows.set(row.hour, row);
    for (const sum of [this.total, day]) {
      if (before !== undefined) sum.add(before, -1);
      sum.add(row, 1);
    }
    this.worst = Math.max(this.worst, row.worstDelay);
  }

  get line(): string {
    const { total: { flights, mean }, worst } = this;
    const spark = this.days.map(({ flights, mean }) =>
      flights === 0
        ? " "
        : byDelay(mean)(bars[Math.min(bars.length - 1, Math.max(0, Math.floor(mean / minutesPerBar)))])
    );
    return ` ${bold(this.code)} ${(carriers[this.code] ?? "").padEnd(16)} ${thousands(flights).padStart(7)} ` +
      `${byDelay(mean)(mean.toFixed(1).padStart(7))} ${String(worst).padStart(7)}   ${spark.join("")}`;
  }
}

/** Draws the job's results and progress over themselves. */
export class LiveTable {
  readonly #carriers = new Map<string, Carrier>();
  readonly #decoder = new TextDecoder();
  #file: Deno.FsFile | null = null;
  #rest = "";
  #linesDrawn = 0;

  constructor(readonly folder: string, readonly records: number) {
    this.#write(`${escape}?25l${escape}?7l`); // No cursor; and a line that is too long is cut, not wrapped.
    Deno.addSignalListener("SIGINT", this.#interrupted);
  }

  readonly #interrupted = (): void => {
    this[Symbol.dispose]();
    Deno.exit(130);
  };

  show(progress: Progress): void {
    this.#follow();
    const { rows } = Deno.consoleSize();
    const carriers = [...this.#carriers.values()]
      .sort((a, b) => b.total.flights - a.total.flights)
      .slice(0, Math.max(0, rows - otherLines - 1));
    const lines = [
      bold(" Three weeks of departures from New York, in the order the planes really left"),
      "",
      dim(" carrier             flights    mean   worst   mean delay, day by day"),
      ...carriers.map(({ line }) => line),
      "",
      ...this.#status(progress),
    ];
    // One write a frame, each line over the one that was there: so nothing flickers.
    const up = this.#linesDrawn > 0 ? `${escape}${this.#linesDrawn}A` : "";
    this.#write(`${up}\r${lines.map((line) => `${line}${escape}K\n`).join("")}${escape}J`);
    this.#linesDrawn = lines.length;
  }

  #status({ records, watermark, onTime, corrected, late, deadLetters }: Progress): ReadonlyArray<string> {
    const done = records / this.records;
    const filled = Math.round(done * progressColumns);
    const bar = green("█".repeat(filled)) + dim("░".repeat(progressColumns - filled));
    const clock = Number.isFinite(watermark)
      ? newYorkClock(watermark)
      : records < this.records
      ? ""
      : "the end of time";
    return [
      ` ${bar} ${String(Math.floor(done * 100)).padStart(3)} %  ${dim("watermark")} ${clock}`,
      ` ${green(thousands(onTime))} on time  ${yellow(thousands(corrected))} corrected  ` +
      `${red(thousands(late))} too late  ${dim(`${thousands(deadLetters)} cancelled`)}`,
    ];
  }

  /** Takes in what was published since the last frame. */
  #follow(): void {
    try {
      this.#file ??= Deno.openSync(`${this.folder}/changes.ndjson`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return; // The job has not come that far.
      throw error;
    }
    const chunk = new Uint8Array(65_536);
    for (let count = this.#file.readSync(chunk); count !== null; count = this.#file.readSync(chunk)) {
      this.#rest += this.#decoder.decode(chunk.subarray(0, count), { stream: true });
    }
    for (const line of linesOf(this.#rest)) {
      const row: Row = JSON.parse(line);
      const carrier = this.#carriers.get(row.carrier) ?? new Carrier(row.carrier);
      this.#carriers.set(row.carrier, carrier);
      carrier.take(row);
    }
    this.#rest = this.#rest.slice(this.#rest.lastIndexOf("\n") + 1);
  }

  #write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
  }

  /** Leaves the terminal as it was. */
  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGINT", this.#interrupted);
    this.#file?.close();
    this.#write(`${escape}?25h${escape}?7h\n`);
  }
}
