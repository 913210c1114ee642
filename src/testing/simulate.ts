/**
 * Simulating: a job of one's own, put through all that can go wrong.
 *
 * It is like a wind tunnel: the job stands still, and the world around it is made to blow from every side, as often as
 * wanted and each time the same way.
 *
 * @module
 */
import { Context, Effect } from "effect";
import type { WithServices } from "../streams/with-services.ts";
import { inWords } from "../windows/in-words.ts";
import type { Sizes } from "./simulation/calm-run.ts";
import { drawFaults } from "./simulation/draw-faults.ts";
import { type FaultKind, kindsOf } from "./simulation/faults.ts";
import { Progress } from "./simulation/progress.ts";
import { type GivenRecords, readAhead } from "./simulation/read-ahead.ts";
import { SimulationFailed } from "./simulation/simulation-failed.ts";
import { type Outputs, partsOf, type Simulated } from "./simulation/subject.ts";
import { Tunnel } from "./simulation/tunnel.ts";

/** What a simulation does unless it is told otherwise. */
export const simulateDefaults = {
  /** How many worlds there are. */
  seeds: 100,
  /** The first seed. */
  seed: 1,
  /** How many faults a world has at most, as in the option `faults`. */
  faults: { most: 4 },
  /** How many records are held in memory. */
  recordsMax: 1_000_000,
  /** How many slices the keys are dealt out to: fewer than in a run, as each has a share in every step. */
  keyedPartitions: 4,
} as const;

/** How a job is simulated. */
export interface SimulateOptions {
  /** How many worlds, with a seed each. Default: 100. */
  readonly seeds?: number;
  /** The seed of the first world; those after it count up. Default: 1. */
  readonly seed?: number;
  /** What goes wrong. */
  readonly faults?: {
    /** Which kinds of faults. Default: all. */
    readonly kinds?: ReadonlyArray<FaultKind>;
    /** How many in one world at most. Default: 4. */
    readonly most?: number;
  };
  /**
   * The records of sources, by name: an array, or one for each split. Sources that never end, or that cannot be read
   * twice, must be given some; others are read if they are not.
   */
  readonly records?: Readonly<Record<string, GivenRecords>>;
  /** How many records all sources may have, as they are held in memory. Default: 1,000,000. */
  readonly recordsMax?: number;
  /**
   * Throws if what was written is not right. Default: every world must write the same as one without faults.
   *
   * With one of your own the job need not be deterministic.
   */
  readonly invariant?: (outputs: Outputs) => void;
  /** How many slices the keys are dealt out to. Default: 4. */
  readonly keyedPartitions?: number;
}

/** What was simulated, when nothing was wrong with it. */
export interface SimulateReport {
  /** How many worlds there were. */
  readonly seeds: number;
  /** How many records each of them read, at least. */
  readonly records: number;
  /** How many rows each sink was given where nothing went wrong. */
  readonly rows: Readonly<Record<string, number>>;
  /** How many processes there were in all: one for each world, and one more for each that had to be replaced or had a rival. */
  readonly processes: number;
  /** How many processes were killed. */
  readonly killed: number;
  /** How often each kind of fault has happened. */
  readonly faults: Readonly<{ [Kind in FaultKind]?: number }>;
  /** What may be good to know, such as that the order of rows depends on how many records are read at once. */
  readonly notes: ReadonlyArray<string>;
}

/**
 * Runs a job in many simulated worlds: processes are killed, stores lose answers, sinks are slow or fail, clocks jump and
 * rivals take over, in any order that a seed draws. Whatever happens, what the job writes must be the same as if nothing
 * had. The same seed does the same again.
 *
 * The job's sources are read once, before, and replayed inside. Its sinks are replaced by ones that keep their promise and
 * remember what they are given. To put sinks of your own to the test, hand over a function that makes a job with sinks on
 * storage in memory, and says what these hold: the function is called once for each world. A job whose functions
 * keep state of their own also has to be made by a function; any other can be handed over as it is. Services are shared by
 * all worlds.
 *
 * Nothing in a job may wait for the world outside, such as for a promise: give it services that answer at once.
 *
 * Before anything goes wrong the job is run several times without faults, each time under conditions that differ in one
 * thing only. Where its output differs it is not deterministic, and you are told on what it depends.
 *
 * Rejects with {@link SimulationFailed} if something is not as it should be, and with what the job fails with where it
 * fails without any fault. Under at-least-once rows of append-only sinks may be repeated, and under at-most-once rows may
 * be missing.
 *
 * @param simulated The job, or a function that makes it.
 * @throws {RangeError} If an option is out of its range; if a source that never ends, or cannot be read twice (`Source.stdin`), is
 * given no records; or if there are more records
 * than `recordsMax`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
 * import { simulate } from "@weir/streams/testing";
 *
 * const clicks = Array.from({ length: 100 }, (_, k) => ({ user: `user ${k % 7}`, at: k * 1_000 }));
 * const job = Job.make({
 *   name: "clicks",
 *   guarantee: "exactly-once",
 *   flows: [
 *     Flow.from(Source.array("clicks", clicks)).pipe(
 *       Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
 *       Flow.keyBy(({ user }) => user),
 *       Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
 *       Flow.to(Sink.table("counts", { path: "counts.kv", key: ({ key }) => [key], value: ({ value }) => value })),
 *     ),
 *   ],
 * });
 * const { rows, killed } = await simulate(job, { seeds: 20 });
 * assert.equal(rows.counts, 14);
 * assert.ok(killed > 0);
 * ```
 */
export async function simulate<R>(
  simulated: Simulated<R>,
  ...optionsWithServices: WithServices<R, SimulateOptions>
): Promise<SimulateReport> {
  const options: SimulateOptions & { readonly services?: Context.Context<R> } = optionsWithServices[0] ?? {};
  const { seeds, seed, kinds, most, recordsMax, keyedPartitions } = checked(options);
  const services = (options.services ?? Context.empty()) as Context.Context<unknown>;
  const { job } = partsOf(simulated as Simulated<unknown>);
  const tapes = await readAhead({
    job,
    given: options.records ?? {},
    recordsMax,
    services,
    onUnsteady: (rule) => {
      throw new SimulationFailed({ job: job.name, rule });
    },
  });
  const records = [...tapes.values()].flatMap((splits) => [...splits.values()]).reduce(
    (sum, { records }) => sum + records.length,
    0,
  );
  const tunnel = new Tunnel({
    job: job.name,
    simulated: simulated as Simulated<unknown>,
    tapes,
    services,
    keyedPartitions,
    invariant: options.invariant ?? null,
    sizes: sizesFor(records),
    stepsMax: stepsMin + records * stepsPerRecord,
  });
  const usual = tunnel.usual(0);
  // What looks at the real clock sees another time.
  await Effect.runPromise(Effect.sleep(apartMillis));
  if (options.invariant === undefined) tunnel.checkDeterminism();

  const progress = new Progress(job.name, seeds);
  const faults: { [Kind in FaultKind]?: number } = {};
  let processes = 0;
  let killed = 0;
  try {
    for (let k = 0; k < seeds; k++) {
      const planned = drawFaults(seed + k, most, kinds, tunnel.operations(seed + k));
      const report = tunnel.storm(seed + k, planned);
      for (const { kind } of report.fired) faults[kind] = (faults[kind] ?? 0) + 1;
      processes += report.processes;
      killed += report.killed;
      if (report.violation !== null) throw tunnel.failed(seed + k, report.fired);
      progress.show(k + 1, killed);
      // Others may have their turn.
      await Effect.runPromise(Effect.yieldNow);
    }
  } finally {
    progress.clear();
  }
  return {
    seeds,
    records,
    rows: Object.fromEntries([...usual].map(([name, rows]) => [name, rows.length])),
    processes,
    killed,
    faults,
    notes: records === 0 ? [withoutRecords, ...tunnel.notes] : tunnel.notes,
  };
}

/** What is noted where there was nothing to be processed. */
const withoutRecords = "the sources had no records, so next to nothing was tried: give some in the option records";

/** How many tasks a world may run, beside those for each record, before it counts as one that does not end. */
const stepsMin = 300_000;
/** How many tasks a world may run for each record. */
const stepsPerRecord = 200;
/** How long the first two runs are apart on the real clock, in milliseconds. */
const apartMillis = 2;

const checked = (options: SimulateOptions) => {
  const { seeds, seed, recordsMax, keyedPartitions } = { ...simulateDefaults, ...options };
  const { kinds, most = simulateDefaults.faults.most } = options.faults ?? {};
  const allKinds = [...new Set(Object.values(kindsOf).flat())];
  const wanted = kinds ?? allKinds;
  for (
    const [name, value, least] of [
      ["seeds", seeds, 1],
      ["seed", seed, 0],
      ["faults.most", most, 0],
      ["recordsMax", recordsMax, 0],
      ["keyedPartitions", keyedPartitions, 1],
    ] as const
  ) {
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new RangeError(
      `Cannot simulate a job as ${name} must be a whole number from ${least} on: current value is ${inWords(value)}`,
    );
  }
  for (const kind of wanted) {
    if (allKinds.includes(kind)) continue;
    throw new RangeError(
      `Cannot simulate a job as faults.kinds must be some of ${allKinds.join(", ")}: current value is ${inWords(kind)}`,
    );
  }
  return { seeds, seed, kinds: wanted, most, recordsMax, keyedPartitions };
};

/** Several ways to cut a run into batches and epochs, so that records meet each of their borders. */
const sizesFor = (records: number): ReadonlyArray<Sizes> => {
  const part = (of: number): number => Math.max(1, Math.ceil(records / of));
  return [
    { batchRecordsMax: 2_048, queueRecordsMax: 16_384, epochRecordsMax: part(10) },
    { batchRecordsMax: part(20), queueRecordsMax: 16_384, epochRecordsMax: part(7) },
    { batchRecordsMax: part(100), queueRecordsMax: part(50), epochRecordsMax: part(4) },
  ];
};
