/**
 * Five ways to treat late data, side by side on one input: what each reports, and what it costs.
 *
 * ```sh
 * deno run -P examples/late-data/main.ts
 * ```
 *
 * @module
 */
import { Effect } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

const [folder = ".weir/late-data"] = Deno.args;
const lateFile = `${folder}/late.ndjson`;

/** Ten orders a second for a quarter of an hour. Most come at once, some after up to half a minute, a few still later. */
const count = 9_000;
const opening = Date.parse("2026-05-04T09:00:00Z");
const orders = Source.generate("orders", {
  seed: 4,
  count,
  make: (index, random) => {
    const kind = random();
    const delayMillisMax = kind < 0.9 ? 2_000 : kind < 0.98 ? 30_000 : 240_000;
    return { shop: "north", at: opening + index * 100 - Math.floor(random() * delayMillisMax) };
  },
});

// ---------------------------------------------------------------------------------------------------------------------
// What all have in common: orders a minute. Results wait five seconds for stragglers.

const input = Flow.from(orders).pipe(
  Flow.eventTime({ timestamp: (order) => order.at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
  Flow.keyBy((order) => order.shop),
);
const perMinute = { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count };
/** How long the last three keep a minute after it is over. */
const allowedLateness = "2 minutes";

type Result = Window.WindowResult<string, number>;
type Change = Window.WindowChange<string, number>;

// 1. Drop: one row a minute, for ever. What comes later is counted as lost.
const dropped = Sink.memory<Result>("drop");
const drop = input.pipe(
  Flow.window("drop", { ...perMinute, late: "drop" }),
  Flow.to(dropped),
);

// 2. Set aside: the same rows, and the late orders in a file of their own, to be booked by somebody else.
const setAside = Sink.memory<Result>("aside");
const aside = input.pipe(
  Flow.window("aside", { ...perMinute, late: Sink.ndjson("late orders", { path: lateFile }) }),
  Flow.to(setAside),
);

// 3. Correct: a minute is kept, and each late order says it anew. The last row of a minute is the one that counts.
const corrected = Sink.memory<Result>("correct");
const correct = input.pipe(
  Flow.window("correct", { ...perMinute, allowedLateness, late: "drop" }),
  Flow.to(corrected),
);

// 4. Say what is new: the rows of a minute add up.
const added = Sink.memory<Result>("discard");
const discard = input.pipe(
  Flow.window("discard", { ...perMinute, allowedLateness, panes: "discarding", late: "drop" }),
  Flow.to(added),
);

// 5. Take back: each correction comes with the row that it replaces, to be subtracted.
const changed = Sink.memory<Change>("retract");
const retract = input.pipe(
  Flow.window("retract", { ...perMinute, allowedLateness, panes: "retracting", late: "drop" }),
  Flow.to(changed),
);

// ---------------------------------------------------------------------------------------------------------------------
// Run all of them on the same records, and look at what they said.

await Deno.mkdir(folder, { recursive: true });
await Deno.remove(lateFile).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
const job = Job.make({ name: "late-data", guarantee: "exactly-once", flows: [drop, aside, correct, discard, retract] });
const { metrics } = await Effect.runPromise(Job.run(job, { state: ":memory:" }));

const late = (await Deno.readTextFile(lateFile)).split("\n").slice(0, -1).map((line) =>
  JSON.parse(line) as { readonly window: Window.Window }
);

/** A minute that had to be corrected. */
const minute = opening + 3 * 60_000;
const isThen = ({ window }: { readonly window: Window.Window }): boolean => window.start === minute;
const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0);
/** The first few of a list. */
const firstOf = (list: ReadonlyArray<string>): string =>
  list.length <= 4 ? list.join(" ") : `${list.slice(0, 3).join(" ")} … ${list.at(-1)}`;

interface Strategy {
  readonly name: string;
  /** What it says about one minute. */
  readonly says: string;
  /** How many orders a reader of its rows ends up with. */
  readonly counted: number;
  /** How long after its end a minute stands for ever, by event time. */
  readonly final: string;
  /** What the reader does with a row. */
  readonly reader: string;
}

const strategies: ReadonlyArray<Strategy> = [
  {
    name: "drop",
    says: firstOf(dropped.values().filter(isThen).map(({ value }) => String(value))),
    counted: sum(dropped.values().map(({ value }) => value)),
    final: "5 s",
    reader: "appends it",
  },
  {
    name: "aside",
    says: `${firstOf(setAside.values().filter(isThen).map(({ value }) => String(value)))}, and ` +
      `${late.filter(isThen).length} in the file`,
    counted: sum(setAside.values().map(({ value }) => value)) + late.length,
    final: "5 s",
    reader: "appends it, and books the file",
  },
  {
    name: "correct",
    says: firstOf(corrected.values().filter(isThen).map(({ value }) => String(value))),
    counted: sum([...new Map(corrected.values().map(({ window, value }) => [window.start, value])).values()]),
    final: "125 s",
    reader: "overwrites the minute's row",
  },
  {
    name: "discard",
    says: firstOf(added.values().filter(isThen).map(({ value }) => `+${value}`)),
    counted: sum(added.values().map(({ value }) => value)),
    final: "125 s",
    reader: "adds it to the minute",
  },
  {
    name: "retract",
    says: firstOf(
      changed.values().filter(isThen).map(({ change, value }) => `${change === "add" ? "+" : "-"}${value}`),
    ),
    counted: sum(changed.values().map(({ change, value }) => change === "add" ? value : -value)),
    final: "125 s",
    reader: "adds it or subtracts it",
  },
];

const line = (name: string, says: string, numbers: ReadonlyArray<string>, reader: string): string =>
  `${name.padEnd(9)}${says.padEnd(25)}${numbers.map((number) => number.padStart(9)).join("")}  ${reader}`;

console.log(line("", "says about 09:03", ["lost", "rows", "written", "final in"], "who reads a row"));
let matches = true;
for (const { name, says, counted, final, reader } of strategies) {
  const { rows, bytes } = metrics.sinks.find(({ sink }) => sink === name)!;
  const lost = metrics.operators[name].lateDropped;
  console.log(line(name, says, [String(lost), String(rows), `${(bytes / 1_024).toFixed(0)} kB`, final], reader));
  matches &&= counted + lost === count;
}
console.log(
  `late-data: ${count} orders, ${late.length} late, ` +
    (matches ? "each counted once or lost once" : "some counted twice or not at all"),
);
Deno.exit(matches ? 0 : 1);
