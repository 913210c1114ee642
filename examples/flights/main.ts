/**
 * The demo: runs the job from an empty state while you watch, then counts everything again and compares.
 *
 * ```sh
 * deno task demo                # in a terminal: a live table, about 15 seconds
 * deno task demo --fast         # as fast as it goes
 * deno task demo --check        # only compares what an earlier run has left
 * deno task demo --crash        # kills the process over and over
 * ```
 *
 * @module
 */
import { Effect } from "effect";
import { parseArgs } from "node:util";
import { Job } from "@weir/streams";
import { crash } from "./crash.ts";
import { departures, flightDelays } from "./job.ts";
import { differences, recount, totals } from "./recount.ts";
import { readOutputs, startEmpty } from "./outputs.ts";
import { paced } from "./paced.ts";
import { LiveTable } from "./live-table.ts";
import { PlainLines } from "./plain-lines.ts";
import { progressOf, thousands } from "./progress.ts";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    crash: { type: "boolean", default: false },
    fast: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    folder: { type: "string", default: `${import.meta.dirname}/../../.weir/demo` },
    seed: { type: "string", default: "1" },
  },
});

/** How many records a second are replayed: what a person can follow, and what a log is spared waiting for. */
const rates = { terminal: 1_500, plain: 8_000 };
/** How often the picture is drawn. */
const frameMillis = 100;
/** How many differences are printed at most. */
const differencesMax = 20;

const data = await Deno.readTextFile(`${import.meta.dirname}/data/departures.ndjson`);
const expected = recount(data);

/** Runs the job, and shows how far it is. */
const replay = async (folder: string): Promise<void> => {
  await startEmpty(folder);
  const inTerminal = Deno.stdout.isTerminal();
  const source = options.fast ? departures : paced(departures, inTerminal ? rates.terminal : rates.plain);
  using display = inTerminal ? new LiveTable(folder, expected.records) : new PlainLines(expected.records);
  const show = (metrics: Job.JobMetrics): void => display.show(progressOf(metrics));

  const program = Effect.gen(function* () {
    const running = yield* Job.start(flightDelays(folder, source), {
      state: `${folder}/state.kv`,
      epochInterval: "250 millis",
      batchRecordsMax: 64,
    });
    yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.map(running.metrics, show), frameMillis)));
    show((yield* running.await).metrics);
  });
  await Effect.runPromise(Effect.scoped(program));
};

/** Holds what the job has written against the recount, and prints how that went. */
const compare = async (folder: string): Promise<{ readonly matches: boolean; readonly closing: string }> => {
  const outputs = await readOutputs(folder);
  const found = differences(expected, outputs);
  for (const difference of found.slice(0, differencesMax)) console.log(difference);
  if (found.length > differencesMax) console.log(`… and ${found.length - differencesMax} more differences`);
  const { onTime, corrected, late, deadLetters, reports } = expected;
  const share = (count: number) => `${(count / (expected.records - deadLetters.length) * 100).toFixed(1)} %`;
  console.log(
    `recount: ${share(onTime)} on time, ${share(corrected)} corrected, ${share(late.length)} too late; ` +
      `${thousands(reports)} reports`,
  );
  const is = totals(outputs);
  return {
    matches: found.length === 0,
    closing: `demo: ${is.records} records, ${is.windows} windows, ${is.late} late, ${is.deadLetters} dead letters`,
  };
};

const folder = options.folder;
let sameAsLeftAlone = true;
if (options.crash) sameAsLeftAlone = await crash(folder, Number(options.seed));
else if (!options.check) await replay(folder);
const { matches, closing } = await compare(options.crash ? `${folder}/crashed` : folder);
const good = matches && sameAsLeftAlone;
console.log(`${closing}, ${good ? "totals match" : "totals differ"}`);
Deno.exit(good ? 0 : 1);
