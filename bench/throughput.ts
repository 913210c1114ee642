/**
 * How fast a windowed count and sum runs, as a ratio to a hand-written loop over the same data in the same run.
 *
 * The pipeline is generator, keyBy, tumbling count and sum, with one-second epochs kept in a KV file. The loop reads the
 * same generator and does the same arithmetic in plain Maps; it keeps nothing and recovers nothing, so it is the limit.
 *
 * `deno task bench [--json] [--rounds=N] [--keys=1000]`
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Effect, Stream } from "effect";
import { spread } from "./measure/spread.ts";

interface Reading {
  readonly key: string;
  readonly value: number;
  readonly at: number;
}

interface Scenario {
  readonly name: string;
  readonly keys: number;
  readonly records: number;
  readonly windowMillis: number;
  /** Whether the run ends with its windows open, so that what is measured is the steady state with every key alive. */
  readonly leaveOpen: boolean;
}

const scenarios: ReadonlyArray<Scenario> = [
  {
    name: "1,000 keys, results to a KV table",
    keys: 1_000,
    records: 6_000_000,
    windowMillis: 600_000,
    leaveOpen: false,
  },
  { name: "1,000,000 live keys", keys: 1_000_000, records: 6_000_000, windowMillis: 1e9, leaveOpen: true },
];

const sourceOf = ({ keys, records, leaveOpen }: Scenario) => {
  const names = Array.from({ length: keys }, (_, k) => `key-${k}`);
  // A multiplicative hash walks through the keys in no order that would help a cache.
  const make = (index: number): Reading => ({
    key: names[(Math.imul(index, 0x9e3779b1) >>> 0) % keys],
    value: index % 100,
    at: epochMillis + index,
  });
  return Source.generate("readings", leaveOpen ? { seed: 1, make } : { seed: 1, count: records, make });
};

/** When the first record happened: timestamps as large as real ones. */
const epochMillis = Date.UTC(2026, 0, 1);

/** How many records the loop is handed at a time: as many as Weir reads at once. */
const batchRecords = Job.runDefaults.batchRecordsMax;

/** The loop that a person would write. Returns the seconds it took. */
const handWritten = async (scenario: Scenario): Promise<number> => {
  const { records, windowMillis } = scenario;
  const windows = new Map<number, Map<string, { count: number; sum: number }>>();
  let results = 0;
  const count = (batch: ReadonlyArray<Reading>): void => {
    for (const { key, value, at } of batch) {
      const start = at - at % windowMillis;
      let window = windows.get(start);
      if (window === undefined) {
        for (const [open, counts] of windows) {
          results += counts.size;
          windows.delete(open);
        }
        windows.set(start, window = new Map());
      }
      const counts = window.get(key);
      if (counts === undefined) {
        window.set(key, { count: 1, sum: value });
      } else {
        counts.count++;
        counts.sum += value;
      }
    }
  };
  const began = performance.now();
  await Effect.runPromise(
    sourceOf(scenario).read("0", null, batchRecords).pipe(
      Stream.take(Math.ceil(records / batchRecords)),
      Stream.runForEach((batch) => Effect.sync(() => count(batch.records as ReadonlyArray<Reading>))),
    ),
  );
  if (results < 0) throw new Error("the loop must not be optimised away");
  return (performance.now() - began) / 1_000;
};

interface Measured {
  readonly seconds: number;
  readonly records: number;
  readonly commitShare: number;
  readonly publishShare: number;
  readonly stateBytesPerKey: number;
}

/** The same on Weir, with its state in a file. */
const onWeir = async (scenario: Scenario): Promise<Measured> => {
  const folder = await Deno.makeTempDir();
  const { records, windowMillis, leaveOpen, keys } = scenario;
  const job = Job.make({
    name: "bench",
    guarantee: "exactly-once",
    flows: [
      Flow.from(sourceOf(scenario)).pipe(
        Flow.eventTime({ timestamp: (reading) => reading.at, watermark: Watermark.monotonic }),
        Flow.keyBy((reading) => reading.key),
        Flow.window("per-key", {
          assigner: Window.tumbling(windowMillis),
          aggregate: { count: Aggregate.count, sum: Aggregate.sum((reading) => reading.value) },
          late: "drop",
        }),
        Flow.to(Sink.table("results", {
          path: `${folder}/results.kv`,
          key: (result) => [result.window.start, result.key],
          value: (result) => result.value,
        })),
      ),
    ],
  });
  const began = performance.now();
  const program = Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, { state: `${folder}/state.kv`, epochInterval: "1 second" });
    if (!leaveOpen) return yield* running.await;
    for (;;) {
      yield* Effect.sleep(5);
      const { splits } = yield* running.metrics;
      if (splits.length > 0 && splits[0].records >= records) break;
    }
    return yield* running.stop;
  }));
  const summary = await Effect.runPromise(program);
  const seconds = (performance.now() - began) / 1_000;
  const { epochs, splits } = summary.metrics;
  await Deno.remove(folder, { recursive: true });
  return {
    seconds,
    records: splits[0].records,
    commitShare: epochs.commitMillis / 1_000 / seconds,
    publishShare: epochs.publishMillis / 1_000 / seconds,
    stateBytesPerKey: epochs.bytes / keys,
  };
};

const isJson = Deno.args.includes("--json");
const rounds = Number(Deno.args.find((arg) => arg.startsWith("--rounds="))?.slice("--rounds=".length) ?? 5);
const report = [];
const only = Deno.args.find((arg) => arg.startsWith("--keys="))?.slice("--keys=".length);
for (const scenario of scenarios) {
  if (only !== undefined && scenario.keys !== Number(only)) continue;
  const loop: Array<number> = [];
  const weir: Array<Measured> = [];
  // The first round of each warms up, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    if (!isJson && Deno.stderr.isTerminal()) console.error(`${scenario.name}: round ${round} of ${rounds}`);
    const seconds = await handWritten(scenario);
    const measured = await onWeir(scenario);
    if (round === 0) continue;
    loop.push(seconds);
    weir.push(measured);
  }
  const loopRates = loop.map((seconds) => scenario.records / seconds);
  const weirRates = weir.map(({ records, seconds }) => records / seconds);
  report.push({
    scenario: scenario.name,
    keys: scenario.keys,
    records: scenario.records,
    rounds,
    loopRecordsPerSecond: spread(loopRates),
    weirRecordsPerSecond: spread(weirRates),
    ratio: spread(weirRates.map((rate, k) => rate / loopRates[k])),
    commitShareOfTime: spread(weir.map(({ commitShare }) => commitShare)),
    publishShareOfTime: spread(weir.map(({ publishShare }) => publishShare)),
    writtenBytesPerKey: spread(weir.map(({ stateBytesPerKey }) => stateBytesPerKey)),
  });
}
if (isJson) {
  console.log(JSON.stringify({ cores: navigator.hardwareConcurrency, deno: Deno.version.deno, report }, null, 2));
} else {
  const millions = (rate: number): string => `${(rate / 1e6).toFixed(2)} M/s`;
  for (const one of report) {
    const { ratio } = one;
    console.log(
      `${one.scenario}: Weir ${millions(one.weirRecordsPerSecond.median)}, loop ${
        millions(one.loopRecordsPerSecond.median)
      }, ` +
        `ratio ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)}), ` +
        `commits ${(100 * one.commitShareOfTime.median).toFixed(0)} % of the time`,
    );
  }
}
