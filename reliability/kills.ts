/**
 * Kills the process of a job a thousand times, and checks after each kill that nothing that was acknowledged is gone, and
 * at the end of each job that its output is that of one that nobody disturbed.
 *
 * ```sh
 * deno task kills                        # 1,000 kills
 * deno task kills --kills=50 --seed=7    # as many as one wants, at the times of a seed
 * deno task kills --json                 # the last line is a summary for programs
 * ```
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Killed, killInLanes, runUndisturbed } from "./kills/killing.ts";
import { unlessMissing } from "./kills/outputs.ts";

/** Every how many kills a line says how far it is. */
const progressKills = 50;
/** One kill in so many is followed by a run with its input cut at the positions of the state. */
const restoreShare = 5;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    seed: { type: "string", default: String(1 + Math.floor(Math.random() * 999_999)) },
    json: { type: "boolean", default: false },
  },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];
if (![kills, seed].every((value) => Number.isSafeInteger(value) && value > 0)) {
  console.error("--kills and --seed take a whole number above 0");
  Deno.exit(1);
}

const folder = `.weir/kills/${seed}`;
await Deno.remove(folder, { recursive: true }).catch(unlessMissing(undefined));
const began = performance.now();
const secondsGone = (): number => (performance.now() - began) / 1_000;
const seconds = (): string => `${secondsGone().toFixed(0)} s`;
const inWords = ({ kills, jobs, epochs, unheard, restored }: Killed): string =>
  `${kills} kills over ${jobs} jobs, ${epochs} epochs acknowledged, 0 lost; ${unheard} committed and not heard of; ` +
  `${restored} states taken on and recounted`;

console.log(`kills: ${kills}, seed ${seed}`);
const undisturbed = await runUndisturbed(folder, seed);
let said = 0;
const killed = await killInLanes({
  folder,
  undisturbed,
  seed,
  kills,
  restoreShare,
  onKill: (sofar) => {
    if (sofar.kills < said + progressKills) return;
    said = sofar.kills;
    console.log(`${seconds()}: ${inWords(sofar)}`);
  },
});
console.log(`kills: ${inWords(killed)}, every output exact, in ${seconds()}`);
await Deno.remove(folder, { recursive: true });
if (values.json) {
  const records = killed.jobs * undisturbed.files.reduce((sum, { readings }) => sum + readings.length, 0);
  const { kills: crashes } = killed;
  // What is lost ends the program before it comes here.
  console.log(
    JSON.stringify({ lane: "kills", seed, runs: crashes, crashes, records, failures: 0, seconds: secondsGone() }),
  );
}
