/**
 * What state costs: memory a key, epochs in which little of much has changed, and how long a job takes to go on.
 *
 * A state is filled with a record a key; the window is a tumbling count and sum that stays open. Then processes of their own
 * go on from it, as after a crash: the time is counted from the start of the job until its source is asked for records. In
 * each of them 10,000 keys change in every epoch, and an epoch is measured from the record that ends it until it is stored.
 * The same is done with 10,000 keys, all of which change.
 *
 * `deno task bench:state [--json] [--rounds=3] [--keys=1000000] [--large]`; `--large` adds ten million keys, which takes some
 * minutes and 2.5 GB of memory.
 *
 * @module
 */
import { type Spread, spread } from "./measure/spread.ts";
import { inMillis, inPrefixes, table } from "./measure/table.ts";

const option = (name: string, otherwise: number): number =>
  Number(Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise);

const isJson = Deno.args.includes("--json");
const rounds = option("rounds", 3);
const changed = 10_000;
const epochs = 32;
const sizes = [changed, option("keys", 1_000_000), ...(Deno.args.includes("--large") ? [10_000_000] : [])];

/** The heap that a process may have, in megabytes: ten million keys of text take about half of a gigabyte. */
const heapMegabytesMax = 6_000;

interface Filled {
  readonly seconds: number;
  readonly keyBytes: number;
  readonly stateBytes: number;
  readonly fileBytes: number;
  readonly longestBlockMillis: number;
  readonly peakMemoryBytes: number;
}

interface Continued {
  readonly recoveryMillis: number;
  readonly recoveryCpuMillis: number;
  readonly keyBytes: number;
  readonly stateBytes: number;
  readonly cpuMillisWithRecords: number;
  readonly epochs: ReadonlyArray<
    {
      readonly millis: number;
      readonly cpuMillis: number;
      readonly bytes: number;
      readonly longestBlockMillis: number;
    }
  >;
  readonly peakMemoryBytes: number;
}

const run = async (folder: string, keys: number): Promise<unknown> => {
  const { stdout, success } = await new Deno.Command("deno", {
    args: [
      "run",
      "-P=bench",
      "--no-prompt",
      "--quiet",
      `--v8-flags=--expose-gc,--max-old-space-size=${heapMegabytesMax}`,
      new URL("./state/run.ts", import.meta.url).pathname,
      `--folder=${folder}`,
      `--keys=${keys}`,
      `--changed=${changed}`,
      `--epochs=${epochs}`,
    ],
    stderr: "inherit",
  }).output();
  if (!success) Deno.exit(1);
  return JSON.parse(new TextDecoder().decode(stdout));
};

/** What was measured with one number of keys. */
interface Lane {
  readonly keys: number;
  readonly filled: Filled;
  readonly continued: Array<Continued>;
}

const root = await Deno.makeTempDir();
const lanes: Array<Lane> = [];
for (const keys of sizes) {
  const folder = `${root}/${keys}`;
  await Deno.mkdir(folder);
  lanes.push({ keys, filled: await run(folder, keys) as Filled, continued: [] });
}
// In turn, so that whatever else the machine does falls on all of them.
for (let round = 0; round < rounds; round++) {
  for (const { keys, continued } of lanes) continued.push(await run(`${root}/${keys}`, keys) as Continued);
}
await Deno.remove(root, { recursive: true });

const of = (lane: Lane, what: (one: Continued) => number): Spread => spread(lane.continued.map(what));
const medianOf = (one: Continued, what: (epoch: Continued["epochs"][number]) => number): number =>
  spread(one.epochs.map(what)).median;

const report = lanes.map((lane, k) => {
  const { keys, filled } = lane;
  /** The same rounds compared. */
  const ratio = (what: (epoch: Continued["epochs"][number]) => number): Spread =>
    spread(lane.continued.map((one, round) => medianOf(one, what) / medianOf(lanes[0].continued[round], what)));
  return {
    keys,
    fillSeconds: filled.seconds,
    fileBytesPerKey: filled.fileBytes / keys,
    keyBytes: filled.keyBytes,
    stateBytesPerKey: of(lane, ({ stateBytes }) => stateBytes),
    recoveryMillis: of(lane, ({ recoveryMillis }) => recoveryMillis),
    recoveryCpuMillis: of(lane, ({ recoveryCpuMillis }) => recoveryCpuMillis),
    epochMillis: of(lane, (one) => medianOf(one, ({ millis }) => millis)),
    epochCpuMillis: of(lane, (one) => medianOf(one, ({ cpuMillis }) => cpuMillis)),
    epochBytes: of(lane, (one) => medianOf(one, ({ bytes }) => bytes)),
    longestBlockMillis: of(lane, (one) => Math.max(...one.epochs.map(({ longestBlockMillis }) => longestBlockMillis))),
    ...(k === 0 ? {} : {
      epochMillisRatio: ratio(({ millis }) => millis),
      epochCpuRatio: ratio(({ cpuMillis }) => cpuMillis),
    }),
    peakMemoryBytes: Math.max(filled.peakMemoryBytes, ...lane.continued.map((one) => one.peakMemoryBytes)),
  };
});

if (isJson) {
  const machine = { cores: navigator.hardwareConcurrency, deno: Deno.version.deno };
  console.log(JSON.stringify({ ...machine, rounds, changed, report }, null, 2));
} else {
  const shown = ({ median, min, max }: Spread, show: (value: number) => string): string =>
    `${show(median)} (${show(min)} to ${show(max)})`;
  const plain = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
  console.log(table([
    ["keys", "state B/key", "recovery ms", "epoch ms", "ratio", "epoch CPU ms", "ratio", "epoch bytes", "peak MB"],
    ...report.map((lane) => [
      inPrefixes(lane.keys),
      shown(lane.stateBytesPerKey, plain),
      shown(lane.recoveryMillis, inMillis),
      shown(lane.epochMillis, inMillis),
      lane.epochMillisRatio === undefined ? "" : shown(lane.epochMillisRatio, plain),
      shown(lane.epochCpuMillis, inMillis),
      lane.epochCpuRatio === undefined ? "" : shown(lane.epochCpuRatio, plain),
      plain(lane.epochBytes.median),
      (lane.peakMemoryBytes / 1e6).toFixed(0),
    ]),
  ]));
  console.log(
    `A key itself takes ${plain(report[1].keyBytes)} bytes. In each epoch ${inPrefixes(changed)} keys changed; ` +
      "a ratio compares with the first line, in which those are all.",
  );
}
