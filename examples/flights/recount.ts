/**
 * The same totals by a plain loop, to hold the job's output against. It shares no code with Weir.
 *
 * @module
 */
import { linesOf, type Outputs, type Row } from "./outputs.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** How long after its end an hour is reported, and how long after that it is corrected. */
const boundMs = 5 * minuteMs;
const latenessMs = 3 * hourMs;

/** What can be said about the flights of a file. */
export interface Recount {
  readonly records: number;
  /** Flights that were there when their hour was first reported, and flights that corrected it. */
  readonly onTime: number;
  readonly corrected: number;
  /** Flights that came too late even for that, and flights that never left, by their names. */
  readonly late: ReadonlyArray<string>;
  readonly deadLetters: ReadonlyArray<string>;
  readonly hourly: ReadonlyArray<Row>;
  /** How often a row was reported, in all. */
  readonly reports: number;
}

interface Flight {
  readonly carrier: string;
  readonly flight: number;
  readonly origin: string;
  readonly scheduled: string;
  readonly delay: number | null;
}

const nameOf = ({ carrier, flight, origin, scheduled }: Flight): string =>
  `${carrier} ${flight} from ${origin}, ${scheduled}`;

/** Counts the flights of a file, line by line. */
export const recount = (ndjson: string): Recount => {
  const hours = new Map<string, { delays: Array<number>; reports: number }>();
  const late: Array<string> = [];
  const deadLetters: Array<string> = [];
  let onTime = 0;
  let corrected = 0;
  let records = 0;
  let newest = -Infinity;
  for (const line of linesOf(ndjson)) {
    records++;
    const flight: Flight = JSON.parse(line);
    if (flight.delay === null) {
      deadLetters.push(nameOf(flight));
      continue;
    }
    const scheduled = Date.parse(flight.scheduled);
    const hour = scheduled - scheduled % hourMs;
    const overdue = newest - boundMs - (hour + hourMs);
    newest = Math.max(newest, scheduled);
    if (overdue >= latenessMs) {
      late.push(nameOf(flight));
      continue;
    }
    const key = `${flight.carrier} ${new Date(hour).toISOString()}`;
    const row = hours.get(key) ?? { delays: [], reports: 0 };
    hours.set(key, row);
    row.delays.push(flight.delay);
    if (overdue >= 0) {
      corrected++;
      row.reports++;
    } else {
      onTime++;
      row.reports = 1; // However many flights: they are reported together, once the hour is over.
    }
  }
  const hourly = [...hours].map(([key, { delays, reports }]) => ({
    carrier: key.split(" ")[0],
    hour: key.split(" ")[1],
    flights: delays.length,
    meanDelay: delays.reduce((sum, delay) => sum + delay, 0) / delays.length,
    worstDelay: Math.max(...delays),
    pane: reports - 1,
  }));
  const reports = hourly.reduce((sum, { pane }) => sum + pane + 1, 0);
  return { records, onTime, corrected, late, deadLetters, hourly, reports };
};

/** What the job's output adds up to. Every record must be in it somewhere. */
export const totals = ({ hourly, files }: Outputs) => {
  const late = linesOf(files["late.ndjson"]).length;
  const deadLetters = linesOf(files["dead-letters.ndjson"]).length;
  const flights = hourly.reduce((sum, row) => sum + row.flights, 0);
  return { records: flights + late + deadLetters, windows: hourly.length, late, deadLetters };
};

/** What a recount and the job's output do not agree about, in words; empty when they agree. */
export const differences = (expected: Recount, { hourly, files }: Outputs): ReadonlyArray<string> => {
  const found: Array<string> = [];
  const show = (row: Row | undefined): string =>
    row === undefined
      ? "no row"
      : `${row.flights} flights, mean ${row.meanDelay}, worst ${row.worstDelay}, pane ${row.pane}`;

  const byKey = (rows: ReadonlyArray<Row>) => new Map(rows.map((row) => [`${row.carrier} ${row.hour}`, row]));
  const wanted = byKey(expected.hourly);
  const got = byKey(hourly);
  for (const key of new Set([...wanted.keys(), ...got.keys()])) {
    const [is, shouldBe] = [show(got.get(key)), show(wanted.get(key))];
    if (is !== shouldBe) found.push(`${key}: the job says ${is}, the recount ${shouldBe}`);
  }

  const reports = linesOf(files["changes.ndjson"]);
  if (reports.length !== expected.reports) {
    found.push(`changes: the job says ${reports.length} lines, the recount ${expected.reports}`);
  }
  const last = byKey(reports.map((line) => JSON.parse(line)));
  for (const [key, row] of got) {
    if (show(last.get(key)) !== show(row)) {
      found.push(`${key}: the file's last change is ${show(last.get(key))}, the table's row ${show(row)}`);
    }
  }

  const compare = (what: string, is: ReadonlyArray<string>, shouldBe: ReadonlyArray<string>): void => {
    const rest = new Map<string, number>();
    for (const name of shouldBe) rest.set(name, (rest.get(name) ?? 0) + 1);
    for (const name of is) rest.set(name, (rest.get(name) ?? 0) - 1);
    for (const [name, count] of rest) {
      if (count > 0) found.push(`${what}: ${name} is missing`);
      if (count < 0) found.push(`${what}: ${name} should not be there`);
    }
  };
  compare("late", linesOf(files["late.ndjson"]).map((line) => nameOf(JSON.parse(line).value)), expected.late);
  compare(
    "dead letters",
    linesOf(files["dead-letters.ndjson"]).map((line) => nameOf(JSON.parse(JSON.parse(line).raw))),
    expected.deadLetters,
  );
  return found;
};
