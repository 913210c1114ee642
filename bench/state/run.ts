/**
 * One process of the state benchmark: it fills a state with keys, or goes on from one.
 *
 * `run.ts --folder=F --keys=N` fills, where there is no state in the folder, with one record a key, and stops.
 * Otherwise it goes on, measures how long that takes, and then has `--changed` of the keys change in each of `--epochs`
 * epochs. It prints one line of JSON.
 *
 * @module
 */
import { Aggregate, Flow, Job, Sink, Watermark, Window } from "@weir/streams";
import { Effect } from "effect";
import { cpuSeconds, peakMemoryBytes } from "../measure/process.ts";
import { Steps } from "./steps.ts";

const option = (name: string, otherwise: number): number =>
  Number(Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise);

const folder = Deno.args.find((arg) => arg.startsWith("--folder="))!.slice("--folder=".length);
const keys = option("keys", 1_000_000);
const changed = option("changed", 10_000);
const epochs = option("epochs", 32);

/** The epochs that warm up before anything counts. */
const warmUpEpochs = 8;

interface Reading {
  readonly key: string;
  readonly value: number;
}

const keyAt = (k: number): string => `key-${k}`;

/** When all records happened: what is measured is the steady state with every key alive. */
const at = Date.UTC(2026, 0, 1);
const windowMillis = 1e9;

/** How many records an epoch has: the last one ends it, when all others have had their effect. */
const epochRecords = changed + 1;

/** First a record of each key, then, epoch by epoch, `changed` keys that lie evenly among all. */
const readingAt = (n: number): Reading => {
  if (n < keys) return { key: keyAt(n), value: n % 100 };
  const epoch = Math.floor((n - keys) / epochRecords);
  const stride = Math.floor(keys / changed);
  return { key: keyAt((((n - keys) % epochRecords) * stride + epoch) % keys), value: n % 100 };
};

const jobOf = (steps: Steps) =>
  Job.make({
    name: "state",
    guarantee: "exactly-once",
    flows: [
      Flow.from(steps.source(readingAt)).pipe(
        Flow.eventTime({ timestamp: () => at, watermark: Watermark.monotonic }),
        Flow.keyBy((reading) => reading.key),
        Flow.window("per-key", {
          assigner: Window.tumbling(windowMillis),
          aggregate: { count: Aggregate.count, sum: Aggregate.sum((reading) => reading.value) },
          late: "drop",
        }),
        Flow.to(Sink.memory("results")),
      ),
    ],
  });

const gc = (globalThis as { gc?: () => void }).gc ?? (() => {});

/** What is in memory once all that may go has gone: memory outside the heap goes some time after its owner was collected. */
const memoryBytes = async (): Promise<number> => {
  let bytes = Infinity;
  for (;;) {
    gc();
    const { heapUsed, external } = Deno.memoryUsage();
    if (heapUsed + external > 0.999 * bytes) return heapUsed + external;
    bytes = heapUsed + external;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

/** What a key itself takes: its text, and a place in a list. */
const keyBytes = async (): Promise<number> => {
  const before = await memoryBytes();
  // As many as make other things small; a list of known length has no free places.
  const some = Array.from({ length: Math.min(keys, 1_000_000) }, (_, k) => readingAt(k).key);
  const bytes = await memoryBytes() - before;
  return bytes / some.length;
};

/** The longest time for which nothing else could run, while something is looked at. */
class LongestBlock {
  millis = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => this.#tick(), 1);

  #tick(): void {
    const now = performance.now();
    this.millis = Math.max(this.millis, now - this.#last);
    this.#last = now;
  }

  reset(): void {
    this.millis = 0;
    this.#last = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** What one epoch cost, from the record that ended it until it was stored. */
interface Epoch {
  readonly millis: number;
  readonly cpuMillis: number;
  readonly bytes: number;
  readonly longestBlockMillis: number;
}

const state = `${folder}/state.kv`;
const isThere = await Deno.stat(state).then(() => true, () => false);
const bytesOfKey = await keyBytes();
const memoryBefore = await memoryBytes();
const steps = new Steps(keys);
const began = performance.now();
const cpuBefore = cpuSeconds();

const fill = Effect.scoped(Effect.gen(function* () {
  const running = yield* Job.start(jobOf(steps), { state, epochInterval: "1 second" });
  const block = new LongestBlock();
  yield* Effect.promise(() => steps.stored(keys));
  const seconds = (performance.now() - began) / 1_000;
  block.stop();
  const memory = (yield* Effect.promise(memoryBytes)) - memoryBefore;
  const { metrics } = yield* running.stop;
  return {
    did: "fill",
    keys,
    seconds,
    cpuSeconds: cpuSeconds() - cpuBefore,
    epochs: metrics.epochs.committed,
    commitMillis: metrics.epochs.commitMillis,
    longestBlockMillis: block.millis,
    keyBytes: bytesOfKey,
    stateBytes: memory / keys - bytesOfKey,
    fileBytes: (yield* Effect.promise(() => Deno.stat(state))).size,
    peakMemoryBytes: peakMemoryBytes(),
  };
}));

const goOn = Effect.scoped(Effect.gen(function* () {
  const running = yield* Job.start(jobOf(steps), { state, epochInterval: "1 hour", epochRecordsMax: epochRecords });
  yield* Effect.promise(() => steps.asked());
  const recoveryMillis = steps.askedAt - began;
  const recoveryCpuMillis = 1_000 * (cpuSeconds() - cpuBefore);
  const memory = (yield* Effect.promise(memoryBytes)) - memoryBefore;
  const counted = Effect.map(running.metrics, ({ operators }) => operators["per-key"].records);
  let expected = yield* counted;
  let end = Number((yield* running.metrics).splits[0].position);
  const block = new LongestBlock();
  const measured: Array<Epoch> = [];
  let cpuAll = 0;
  for (let epoch = 0; epoch < warmUpEpochs + epochs; epoch++) {
    if (epoch === warmUpEpochs) cpuAll = cpuSeconds();
    steps.release(end + changed);
    expected += changed;
    while ((yield* counted) < expected) yield* Effect.sleep(1);
    const { epochs: before } = yield* running.metrics;
    block.reset();
    const cpu = cpuSeconds();
    const beganEpoch = performance.now();
    steps.release(end += epochRecords);
    expected++;
    yield* Effect.promise(() => steps.stored(end));
    const { epochs: after } = yield* running.metrics;
    measured.push({
      millis: performance.now() - beganEpoch,
      cpuMillis: 1_000 * (cpuSeconds() - cpu),
      bytes: after.bytes - before.bytes,
      longestBlockMillis: block.millis,
    });
  }
  const cpuMillisWithRecords = 1_000 * (cpuSeconds() - cpuAll) / epochs;
  block.stop();
  yield* running.stop;
  return {
    did: "go on",
    keys,
    changed,
    recoveryMillis,
    recoveryCpuMillis,
    keyBytes: bytesOfKey,
    stateBytes: memory / keys - bytesOfKey,
    cpuMillisWithRecords,
    epochs: measured.slice(warmUpEpochs),
    peakMemoryBytes: peakMemoryBytes(),
  };
}));

console.log(JSON.stringify(await Effect.runPromise<unknown, unknown>(isThere ? goOn : fill)));
