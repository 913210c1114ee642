/**
 * Says which modules a CPU profile has spent its time in.
 *
 * A profile is made by `deno run --cpu-prof --cpu-prof-dir=prof …` and can be opened in a browser's developer tools. This
 * prints the shares by module, waiting left out, which is often all that one wants to know.
 *
 * `deno run --allow-read bench/profile.ts [--functions] prof/<name>.cpuprofile`
 *
 * @module
 */

/** The parts of a profile that are read: a tree of functions, and which of them was running at each sample. */
interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }>;
  readonly samples: ReadonlyArray<number>;
  /** Microseconds since the sample before. */
  readonly timeDeltas: ReadonlyArray<number>;
}

/** How many lines are printed. */
const linesMax = 25;

const path = Deno.args.findLast((arg) => !arg.startsWith("--"));
if (path === undefined) {
  console.error("Cannot read a profile as its path must be given");
  Deno.exit(2);
}
const byFunction = Deno.args.includes("--functions");
const { nodes, samples, timeDeltas } = JSON.parse(await Deno.readTextFile(path)) as Profile;
const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
const micros = new Map<string, number>();
let busy = 0;
for (const [k, id] of samples.entries()) {
  const { functionName, url, lineNumber } = frames.get(id)!;
  if (functionName === "(idle)") continue;
  busy += timeDeltas[k];
  const module = url.split("/").at(-1)!;
  const name = module === "" ? functionName : byFunction ? `${functionName} ${module}:${lineNumber + 1}` : module;
  micros.set(name, (micros.get(name) ?? 0) + timeDeltas[k]);
}
console.log(`${(busy / 1e6).toFixed(2)} s of work`);
for (const [name, time] of [...micros].sort(([, a], [, b]) => b - a).slice(0, linesMax)) {
  console.log(`${(100 * time / busy).toFixed(1).padStart(5)} %  ${name}`);
}
