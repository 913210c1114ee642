/**
 * What a record costs when there is ten times as much of something: keys, splits, open windows, overlap.
 *
 * Each dimension runs the same number of records at several sizes, in turn, so that a busy moment of the machine hits all
 * of them; a size is compared with the smallest of its own round. The loop beside the keys is a plain Map, whose look-ups
 * miss the processor's caches, too. Runs end with their windows open, so that no size fires more rows than another.
 *
 * `deno task bench:scaling [--json] [--rounds=N] [--only=keys [--size=1000]]`
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { Effect, Stream } from "effect";
import { cpuSeconds } from "./measure/process.ts";
import { type Spread, spread } from "./measure/spread.ts";

interface Reading {
  readonly key: string;
  readonly value: number;
  readonly at: number;
}

/** One size of a dimension. */
interface Size {
  readonly size: number;
  /** Runs it in a folder of its own. */
  readonly run: (folder: string) => Promise<void>;
}

interface Dimension {
  readonly name: string;
  readonly records: number;
  readonly sizes: ReadonlyArray<Size>;
}

/** When the first record happened: timestamps as large as real ones. */
const firstMillis = Date.UTC(2026, 0, 1);

/** Spreads an index over 32 bits. */
const scatter = (index: number): number => Math.imul(Math.imul(index, 0x9e3779b1) ^ (index >>> 3), 0x85ebca6b) >>> 0;

interface Options {
  readonly records: number;
  readonly keys?: number;
  readonly splits?: number;
  /** Among how many windows neighbouring records are spread. */
  readonly openWindows?: number;
  readonly sizeMillis?: number;
  readonly slideMillis?: number;
  readonly sessions?: boolean;
  /** Whether splits are those of a source that never ends, of which whatever is there is read. */
  readonly live?: boolean;
  /** Whether each split begins where another ends, as files of one day each do. */
  readonly oneAfterTheOther?: boolean;
}

const day = 86_400_000;

const sourceOf = (options: Options) => {
  const { records, keys = 1_000, splits = 1, openWindows = 1, sizeMillis = day, live = false, oneAfterTheOther } =
    options;
  const names = Array.from({ length: keys }, (_, k) => `key-${k}`);
  return Source.generate("readings", {
    seed: 1,
    splits,
    ...(live ? {} : { count: records }),
    make: (index, _random, split): Reading => {
      const n = oneAfterTheOther === true ? split * records / splits + index : index * splits + split;
      return {
        key: names[scatter(n) % keys],
        value: n % 100,
        at: firstMillis + n + (n % openWindows) * sizeMillis,
      };
    },
  });
};

/** Counts and sums by key and window, with the state in a file and an epoch each second. */
const onWeir = async (options: Options, folder: string): Promise<void> => {
  const { records, openWindows = 1, sizeMillis = day, slideMillis = sizeMillis, live = false, sessions } = options;
  const job = Job.make({
    name: "scaling",
    guarantee: "exactly-once",
    flows: [
      Flow.from(sourceOf(options)).pipe(
        Flow.eventTime({
          timestamp: ({ at }) => at,
          watermark: Watermark.boundedOutOfOrderness(openWindows * sizeMillis),
        }),
        Flow.keyBy(({ key }) => key),
        Flow.window("window", {
          assigner: sessions === true
            ? Window.session({ gap: sizeMillis })
            : Window.sliding({ size: sizeMillis, slide: slideMillis }),
          aggregate: { count: Aggregate.count, sum: Aggregate.sum(({ value }: Reading) => value) },
          late: "drop",
        }),
        Flow.filter(() => false),
        Flow.to(Sink.memory<unknown>("none")),
      ),
    ],
  });
  const state = `${folder}/state.kv`;
  if (!live) {
    await Effect.runPromise(Job.run(job, { state, mode: "available-now" }));
    return;
  }
  await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, { state });
    for (;;) {
      yield* Effect.sleep(1);
      const { splits } = yield* running.metrics;
      if (splits.reduce((sum, one) => sum + one.records, 0) >= records) break;
    }
    yield* running.stop;
  })));
};

/** The same by hand, with one window. */
const byHand = async (options: Options): Promise<void> => {
  const cells = new Map<string, { count: number; sum: number }>();
  await Effect.runPromise(
    Stream.runForEach(
      sourceOf(options).read("0", null, Job.runDefaults.batchRecordsMax),
      ({ records }) =>
        Effect.sync(() => {
          for (const { key, value } of records as ReadonlyArray<Reading>) {
            const cell = cells.get(key);
            if (cell === undefined) {
              cells.set(key, { count: 1, sum: value });
            } else {
              cell.count++;
              cell.sum += value;
            }
          }
        }),
    ),
  );
};

const weir = (size: number, options: Options): Size => ({ size, run: (folder) => onWeir(options, folder) });

const million = 1_000_000;
const hour = 3_600_000;
const minute = 60_000;
const dimensions: ReadonlyArray<Dimension> = [
  {
    name: "keys",
    records: 3 * million,
    sizes: [1_000, 10_000, 100_000].map((keys) => weir(keys, { records: 3 * million, keys })),
  },
  {
    name: "keys, by a hand-written loop",
    records: 3 * million,
    sizes: [1_000, 10_000, 100_000].map((keys) => ({ size: keys, run: () => byHand({ records: 3 * million, keys }) })),
  },
  {
    name: "keys of sessions",
    records: million,
    sizes: [1_000, 10_000, 100_000].map((keys) =>
      weir(keys, { records: million, keys, sessions: true, sizeMillis: hour })
    ),
  },
  {
    name: "splits that end",
    records: 2 * million,
    sizes: [1, 10, 100].map((splits) => weir(splits, { records: 2 * million, splits })),
  },
  {
    name: "splits one after the other",
    records: 2 * million,
    sizes: [1, 10, 100].map((splits) => weir(splits, { records: 2 * million, splits, oneAfterTheOther: true })),
  },
  {
    name: "splits that do not end",
    records: 2 * million,
    sizes: [1, 10, 100].map((splits) => weir(splits, { records: 2 * million, splits, live: true })),
  },
  {
    name: "open windows",
    records: 2 * million,
    sizes: [1, 10, 100].map((openWindows) =>
      weir(openWindows, { records: 2 * million, keys: 100, openWindows, sizeMillis: hour })
    ),
  },
  {
    name: "size / slide",
    records: million,
    sizes: [1, 6, 60].map((overlap) =>
      weir(overlap, { records: million, keys: 500, sizeMillis: overlap * minute / 30, slideMillis: minute / 30 })
    ),
  },
];

/** How long a run takes, by the clock and by the work of all the process's threads. */
const timed = async ({ run }: Size): Promise<{ readonly wall: number; readonly cpu: number }> => {
  const folder = await Deno.makeTempDir();
  const cpuBefore = cpuSeconds();
  const began = performance.now();
  await run(folder);
  const wall = performance.now() - began;
  const cpu = 1_000 * (cpuSeconds() - cpuBefore);
  await Deno.remove(folder, { recursive: true });
  return { wall, cpu };
};

const argument = (name: string): string | undefined =>
  Deno.args.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3);
const isJson = Deno.args.includes("--json");
const rounds = Number(argument("rounds") ?? 5);
const only = argument("only");
const onlySize = argument("size");
const report = [];
for (const { name, records, sizes: all } of dimensions) {
  if (only !== undefined && name !== only) continue;
  const sizes = all.filter(({ size }) => onlySize === undefined || size === Number(onlySize));
  const measured = sizes.map(() => new Array<{ readonly wall: number; readonly cpu: number }>());
  // The first round warms up, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const [k, size] of sizes.entries()) {
      const one = await timed(size);
      if (round > 0) measured[k].push(one);
    }
  }
  for (const [k, { size }] of sizes.entries()) {
    report.push({
      dimension: name,
      size,
      nanosPerRecord: spread(measured[k].map(({ wall }) => 1e6 * wall / records)),
      ratio: spread(measured[k].map(({ wall }, round) => wall / measured[0][round].wall)),
      cpuRatio: spread(measured[k].map(({ cpu }, round) => cpu / measured[0][round].cpu)),
    });
  }
}
if (isJson) {
  console.log(JSON.stringify({ deno: Deno.version.deno, rounds, report }, null, 2));
} else {
  for (const { dimension, size, nanosPerRecord, ratio, cpuRatio } of report) {
    const from = ({ median, min, max }: Spread, digits: number) =>
      `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
    console.log(
      `${dimension.padEnd(30)}${String(size).padStart(8)}  ${from(nanosPerRecord, 0).padEnd(22)} ns a record,  ` +
        `${from(ratio, 2).padEnd(22)} of the smallest, ${from(cpuRatio, 2)} by CPU`,
    );
  }
}
