/**
 * How long a process takes from its start to its first result: the whole of it, as whoever started it sees it.
 *
 * Each program of `bench/start/` is started in turn, over and over, and timed until it says that its result is there. What
 * an empty module takes is Deno's own share. `cold` is a start without the compiled code that Deno keeps, as after an
 * installation.
 *
 * `deno task bench:start [--json] [--rounds=N]`
 *
 * @module
 */
import { type Spread, spread } from "./measure/spread.ts";

const programs = {
  "empty module": "empty.ts",
  "effect alone": "effect.ts",
  "array to array": "memory.ts",
  "file to file, with state": "durable.ts",
} as const;

/** How many lines the file has that is read. */
const lines = 1_000;

/** Starts a program, and returns the milliseconds until it has said that its result is there. */
const timed = async (program: string, isCold: boolean): Promise<number> => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${folder}/readings.ndjson`,
    Array.from({ length: lines }, (_, n) => `{"at":${n * 10},"key":"key-${n % 10}"}\n`).join(""),
  );
  const flags = [...(isCold ? ["--no-code-cache"] : []), "--quiet", "--no-prompt", `--allow-read`, `--allow-write`];
  const began = performance.now();
  const child = new Deno.Command("deno", {
    args: ["run", ...flags, new URL(`start/${program}`, import.meta.url).pathname, folder],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const millis = performance.now() - began;
  if (!new TextDecoder().decode(value).startsWith("result")) throw new Error(`${program} did not say its result`);
  await reader.cancel();
  await child.status;
  await Deno.remove(folder, { recursive: true });
  return millis;
};

const isJson = Deno.args.includes("--json");
const rounds = Number(Deno.args.find((arg) => arg.startsWith("--rounds="))?.slice("--rounds=".length) ?? 9);
const variants = Object.entries(programs).flatMap(([name, program]) =>
  [false, true].map((isCold) => ({ name, program, isCold, millis: new Array<number>() }))
);
// The first round fills Deno's cache, and is not counted.
for (let round = 0; round <= rounds; round++) {
  for (const { program, isCold, millis } of variants) {
    const one = await timed(program, isCold);
    if (round > 0) millis.push(one);
  }
}
const report = variants.map(({ name, isCold, millis }) => ({
  program: name,
  cold: isCold,
  millis: spread(millis),
  ratioToEmpty: spread(
    millis.map((one, round) => one / variants.find((other) => other.isCold === isCold)!.millis[round]),
  ),
}));
if (isJson) {
  console.log(JSON.stringify({ deno: Deno.version.deno, rounds, report }, null, 2));
} else {
  for (const { program, cold, millis, ratioToEmpty } of report) {
    const from = ({ median, min, max }: Spread, digits: number) =>
      `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
    console.log(
      `${(program + (cold ? ", cold" : "")).padEnd(32)}${from(millis, 0).padEnd(20)} ms,  ${
        from(ratioToEmpty, 1)
      } times an empty module`,
    );
  }
}
