/**
 * Takes out of the program, one at a time, what its promises depend on, and looks whether the tests notice.
 *
 * Each mutant is made in a copy of the project, in a temporary folder. The tests that are likely to notice are run first;
 * a mutant that survives has been through all of `deno task test`. `deno task mutants --only=fence-write,fence-flip` runs
 * some of them, `--jobs=2` two at a time. It ends with a table, and with an error if a mutant survived.
 *
 * Types are not checked in the copies: what counts is whether a test fails.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { mutants } from "./mutants/list.ts";
import { type Mutant, mutate } from "./mutants/mutant.ts";

/** How long some tests may take before they count as hung, in milliseconds. */
const likelyMillisMax = 600_000;

/** How long all of them may take. */
const allMillisMax = 2_700_000;

/** Folders that are no part of the program. */
const left = [".git", ".weir", "node_modules", "coverage", "target"];

/** This test notices every mutant: it looks for the texts that they replace. */
const checkOfMutants = "tests/mutants_test.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

const fail = (message: string): never => {
  console.error(message);
  Deno.exit(2);
};

const options = new Map(Deno.args.map((arg) => {
  const [, name, value] = arg.match(/^--(only|jobs)=(.+)$/) ?? fail(
    `Cannot make mutants as an option must be --only= or --jobs=: current value is ${arg}`,
  );
  return [name, value];
}));

const names = options.get("only")?.split(",");
const unknown = names?.find((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown !== undefined) fail(`Cannot make a mutant as it must be in the list: current value is ${unknown}`);
const chosen = mutants.filter(({ name }) => names?.includes(name) ?? true);
const jobs = Number(options.get("jobs") ?? "1");
if (!(Number.isInteger(jobs) && jobs > 0)) fail(`Cannot make mutants as --jobs must be a whole number above 0`);

/** The files with the mutants in them. Made first, so that one that the code has moved away from is told at once. */
const texts = new Map<Mutant, string>();
for (const mutant of mutants) texts.set(mutant, mutate(mutant, await Deno.readTextFile(root + mutant.file)));

const copy = async (from: string, to: string): Promise<void> => {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (left.includes(name) || `${from}${name}` === root + checkOfMutants) continue;
    if (isDirectory) await copy(`${from}${name}/`, `${to}${name}/`);
    else await Deno.copyFile(`${from}${name}`, `${to}${name}`);
  }
};

/** What some tests said. */
type Verdict =
  | { readonly _tag: "Passed" }
  | { readonly _tag: "Failed"; readonly test: string }
  | { readonly _tag: "TimedOut" }
  /** It survived the likely tests, and all of them fail without a mutant, too. */
  | { readonly _tag: "Undecided"; readonly without: string };

// deno-lint-ignore no-control-regex -- colours begin with an escape
const colours = /\x1b\[[0-9;]*m/g;

/** The test that failed, from a report. */
const failedTest = (report: string): string =>
  report.match(/^(.+?) => \.\/(tests\/\S+?)(?::\d+)*$/m)?.slice(1, 3).reverse().join(": ") ??
    report.match(/^error: .*$/m)?.[0] ?? "a failure without a name";

const test = async (folder: string, files: ReadonlyArray<string>, millisMax: number): Promise<Verdict> => {
  const child = new Deno.Command("deno", {
    args: ["test", "-P=test", "--no-prompt", "--no-check", "--fail-fast", "--quiet", ...files],
    cwd: folder,
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, millisMax);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (success) return { _tag: "Passed" };
  if (isLate) return { _tag: "TimedOut" };
  const decoder = new TextDecoder();
  const report = `${decoder.decode(stdout)}\n${decoder.decode(stderr)}`.replaceAll(colours, "");
  return { _tag: "Failed", test: failedTest(report) };
};

/** Runs some tests with a mutant in a copy. */
const testWith = async (
  mutant: Mutant,
  folder: string,
  files: ReadonlyArray<string>,
  millisMax: number,
): Promise<Verdict> => {
  const path = folder + mutant.file;
  const original = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, texts.get(mutant)!);
  try {
    return await test(folder, files, millisMax);
  } finally {
    await Deno.writeTextFile(path, original);
  }
};

/** What all tests say without a mutant. They take long, so they are run once, and only if a mutant comes so far. */
let allWithout: Promise<Verdict> | null = null;

/** The likely tests, then all of them. */
const run = async (folder: string, mutant: Mutant): Promise<Verdict> => {
  for (const file of mutant.likely) {
    const verdict = await testWith(mutant, folder, [file], likelyMillisMax);
    if (verdict._tag !== "Passed") return verdict;
  }
  allWithout ??= test(folder, ["tests"], allMillisMax);
  const without = await allWithout;
  if (without._tag !== "Passed") return { _tag: "Undecided", without: inWords(without) };
  return await testWith(mutant, folder, ["tests"], allMillisMax);
};

const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(0)} s`;

interface Row {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  readonly took: string;
}

const inWords = (verdict: Verdict): string => {
  switch (verdict._tag) {
    case "Passed":
      return "SURVIVED";
    case "Failed":
      return `killed by ${verdict.test}`;
    case "TimedOut":
      return "killed by time-out";
    case "Undecided":
      return `SURVIVED the likely tests; without it all tests say: ${verdict.without}`;
  }
};

/** Runs the chosen mutants in copies below a folder. Returns the exit code. */
const runAll = async (scratch: string): Promise<number> => {
  const folders = await Promise.all(Array.from({ length: Math.min(jobs, chosen.length) }, async (_, k) => {
    await copy(root, `${scratch}${k}/`);
    return `${scratch}${k}/`;
  }));

  // A test that fails anyway would kill everything.
  const began = performance.now();
  const likely = [...new Set(chosen.flatMap((mutant) => mutant.likely))];
  const baseline = await test(folders[0], likely, allMillisMax);
  if (baseline._tag !== "Passed") {
    console.error(`Cannot make mutants as the tests must pass without: ${inWords(baseline)}`);
    return 2;
  }
  console.log(`Without a mutant the ${likely.length} likely files of tests pass, in ${seconds(began)}`);

  const rows: Array<Row> = [];
  const queue = chosen.slice();
  await Promise.all(folders.map(async (folder) => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const { name, breaks } = mutant;
      const before = performance.now();
      const verdict = await run(folder, mutant);
      const row: Row = { mutant, verdict, took: seconds(before) };
      rows.push(row);
      console.log(`${rows.length}/${chosen.length} ${name} (${breaks}): ${inWords(verdict)}, ${row.took}`);
    }
  }));

  rows.sort((a, b) => chosen.indexOf(a.mutant) - chosen.indexOf(b.mutant));
  console.log(`\n| mutant | what it breaks | what became of it | |\n| --- | --- | --- | --- |`);
  for (const { mutant: { name, breaks }, verdict, took } of rows) {
    console.log(`| ${name} | ${breaks} | ${inWords(verdict)} | ${took} |`);
  }
  const survivors = rows.filter(({ verdict }) => verdict._tag === "Passed" || verdict._tag === "Undecided").map((
    { mutant },
  ) => mutant.name);
  console.log(
    `\n${rows.length} mutants, ${rows.length - survivors.length} killed` +
      (survivors.length === 0 ? "" : `, SURVIVED: ${survivors.join(", ")}`),
  );
  return survivors.length === 0 ? 0 : 1;
};

const scratch = `${await Deno.makeTempDir({ prefix: "weir-mutants-" })}/`;
try {
  Deno.exitCode = await runAll(scratch);
} finally {
  await Deno.remove(scratch, { recursive: true });
}
