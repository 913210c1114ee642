/**
 * Reads a sample of your data, and says what each bound of a watermark would cost: the longer results wait for records that
 * are out of order, the fewer come too late.
 *
 * ```sh
 * deno run -P examples/choose-lateness/main.ts                        # the flights that come with the demo
 * deno run -P examples/choose-lateness/main.ts your.ndjson timestamp  # lines of JSON, in the order in which they came
 * ```
 *
 * `timestamp` is the name of the field with the event time: epoch milliseconds or a date as text. With a dot it leads into
 * an object (`meta.at`).
 *
 * - `--seconds`: numbers are epoch seconds
 * - `--window "10 minutes"`: the size of the windows for which to count what comes too late; default 1 hour
 * - `--json`: every bound, for programs
 *
 * @module
 */
import { Duration, Effect, Option } from "effect";
import { parseArgs } from "node:util";
import { Job, Watermark } from "@weir/streams";
import { lateness, nameOf, type Sample, tooLate } from "./sample.ts";

/** The shares of records behind the watermark for which the table has a line. */
const shares = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.000_1, 0];
/** The shares for which there is a recommendation. */
const recommended = [0.05, 0.01, 0.001];
/** How long the bar of all records is. */
const barLetters = 24;

/** Ends the program with an explanation. */
const fail = (message: string): never => {
  console.error(message);
  Deno.exit(1);
};

const readArguments = (): { readonly sample: Sample; readonly windowMillis: number; readonly json: boolean } => {
  const usage =
    'deno run -P examples/choose-lateness/main.ts [file.ndjson field] [--seconds] [--window "1 hour"] [--json]';
  try {
    const { values, positionals } = parseArgs({
      args: Deno.args,
      allowPositionals: true,
      options: {
        seconds: { type: "boolean", default: false },
        window: { type: "string", default: "1 hour" },
        json: { type: "boolean", default: false },
      },
    });
    if (positionals.length !== 0 && positionals.length !== 2) throw new Error("Give a file and the name of a field");
    const [path = "examples/flights/data/departures.ndjson", field = "scheduled"] = positionals;
    const size = Option.map(Duration.fromInput(values.window as Duration.Input), Duration.toMillis);
    if (Option.isNone(size) || !Number.isSafeInteger(size.value) || size.value <= 0) {
      throw new Error(`"${values.window}" is not the size of a window, such as "10 minutes"`);
    }
    return { sample: { path, field, inSeconds: values.seconds }, windowMillis: size.value, json: values.json };
  } catch (error) {
    return fail(`${(error as Error).message}\n${usage}`);
  }
};

const run = (job: Job.Job<never>): Promise<Job.JobMetrics> =>
  Effect.runPromise(
    Job.run(job, { state: ":memory:" }).pipe(
      Effect.map(({ metrics }) => metrics),
      Effect.catch((error) => Effect.sync(() => fail(error.message))),
    ),
  );

const count = (number: number): string => number.toLocaleString("en");
const percent = (share: number): string =>
  `${share === 0 || share >= 0.1 ? (share * 100).toFixed(share === 0 ? 0 : 1) : (share * 100).toPrecision(2)} %`;

/** A duration as people say it, rounded up, so that what is waited for has come. */
const inWords = (millis: number): string => {
  const units = [["hours", 3_600_000], ["minutes", 60_000], ["seconds", 1_000], ["millis", 1]] as const;
  const [unit, length] = units.find(([, length]) => millis >= 10 * length) ?? units[3];
  const whole = Math.ceil(millis / length);
  return `${whole} ${whole === 1 ? unit.slice(0, -1) : unit}`;
};

/** A bar, to an eighth of a letter. */
const bar = (share: number): string => {
  const eighths = Math.ceil(share * barLetters * 8);
  return "█".repeat(Math.floor(eighths / 8)) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
};

/** A number of records, their share, and a bar as long. */
const part = (records: number, all: number): string =>
  `${count(records).padStart(9)}${percent(records / all).padStart(9)}  ${bar(records / all).padEnd(barLetters)}`;

const { sample, windowMillis, json } = readArguments();

const statistics = await run(lateness(sample));
const [delays] = Object.values(statistics.lateness);
const lines = statistics.splits.reduce((sum, { records }) => sum + records, 0);
if (delays.records === 0) {
  fail(
    `Cannot choose a bound as some record must have a date in field "${sample.field}": there is none in ${
      count(lines)
    } lines`,
  );
}

const choices = Watermark.tradeOff(delays);
/** The shortest bound with which no more than a share of the records come behind the watermark. */
const boundFor = (share: number): Watermark.TradeOff => choices.find((choice) => choice.share <= share)!;

if (json) {
  console.log(JSON.stringify({ records: delays.records, inOrder: delays.inOrder, choices }));
  Deno.exit();
}

const shown = [...new Set(shares.map(boundFor))];
const { operators } = await run(tooLate(sample, shown.map(({ bound }) => bound), windowMillis));

console.log(`${count(delays.records)} records of ${sample.path}, by "${sample.field}"`);
if (lines > delays.records) console.log(`${count(lines - delays.records)} lines without a date in it are left out`);
console.log(`${count(delays.inOrder)} came in order\n`);
const window = inWords(windowMillis);
const line = (wait: string, ...parts: ReadonlyArray<string>): string =>
  (wait.padStart(13) + parts.map((text) => text.padEnd(20 + barLetters)).join("")).trimEnd();
console.log(line("results wait", "    behind the watermark", `    too late for windows of ${window}`));
for (const { bound, behind } of shown) {
  const late = operators[nameOf(bound)].late;
  console.log(line(inWords(bound), part(behind, delays.records), part(late, delays.records)));
}

console.log();
for (const share of recommended) {
  const { bound } = boundFor(share);
  const late = percent(operators[nameOf(bound)].late / delays.records);
  console.log(
    `At most ${share * 100} % behind: Watermark.boundedOutOfOrderness("${inWords(bound)}"), and ${late} too late for ` +
      `windows of ${window}.`,
  );
}
console.log(
  "A shorter bound loses no more if allowedLateness makes up for it: results come sooner, and are corrected.",
);
