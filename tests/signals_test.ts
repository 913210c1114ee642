/** A program that runs a job ends well when it is asked to, and goes on from there at its next start. */
import assert from "node:assert/strict";

/** As in `programs/ticking.ts`. */
const windowSize = 500;

const program = "tests/programs/ticking.ts";

/** How long a program may run before a test gives up on it. */
const runMillisMax = 30_000;

interface Ended {
  readonly code: number;
  /** Numbers handled over the life of the job, as the closing line says. */
  readonly numbers: number;
  readonly errors: string;
}

/** Sends a signal to a process and all that it has started, as a terminal does. */
const signalGroup = async (pid: number, signal: Deno.Signal): Promise<void> => {
  const { success } = await new Deno.Command("deno", {
    args: ["eval", "--quiet", `Deno.kill(${-pid}, "${signal}")`],
    stdin: "null",
  }).output();
  assert.ok(success);
};

/** Starts the job, and sends it a signal once it has committed some epochs. */
const runUntil = async (
  signal: Deno.Signal,
  how: { readonly folder: string; readonly task: boolean; readonly group: boolean; readonly epochs?: number },
): Promise<Ended> => {
  const { folder, task, group, epochs = 6 } = how;
  const run = [
    "run",
    "--quiet",
    "--no-prompt",
    `--allow-read=${folder}`,
    `--allow-write=${folder}`,
    program,
    folder,
  ];
  const child = new Deno.Command("deno", {
    args: task ? ["task", "--quiet", "--eval", `deno ${run.join(" ")}`] : run,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
    detached: true, // in a process group of its own
  }).spawn();
  const errors = new Response(child.stderr).text();
  const timer = setTimeout(() => signalGroup(child.pid, "SIGKILL"), runMillisMax);
  let from: number | null = null;
  let isSent = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const epoch = Number(text.trimEnd().split("\n").at(-1));
    from ??= epoch;
    if (isSent || epoch < from + epochs) continue;
    isSent = true;
    if (group) await signalGroup(child.pid, signal);
    else child.kill(signal);
  }
  clearTimeout(timer);
  const { code } = await child.status;
  const said = await errors;
  return {
    code,
    numbers: Number(said.match(/^ticking: stopped at epoch \d+ after (\d+) records/m)?.[1]),
    errors: said,
  };
};

const linesOf = async (path: string): Promise<ReadonlyArray<string>> => {
  const text = await Deno.readTextFile(path);
  assert.ok(text.endsWith("\n"));
  return text.trimEnd().split("\n");
};

/** Whether each number is there once and in order, and each window that is over has been counted once. */
const assertOutputs = async (folder: string, numbers: number): Promise<void> => {
  const rows = (await linesOf(`${folder}/numbers.ndjson`)).map(Number);
  assert.equal(rows.length, numbers);
  rows.forEach((row, index) => assert.equal(row, index));

  const counts = (await linesOf(`${folder}/counts.ndjson`)).map((line) => JSON.parse(line));
  // The watermark has come to the last number, and the windows that it has not passed are open.
  const windows = Math.floor((numbers - 1) / windowSize);
  const expected = Array.from(
    { length: windows },
    (_, k) => ["even", "odd"].map((key) => ({ key, start: k * windowSize, count: windowSize / 2 })),
  ).flat();
  const order = (a: typeof expected[number], b: typeof expected[number]) =>
    a.start - b.start || (a.key < b.key ? -1 : 1);
  assert.deepEqual(counts.toSorted(order), expected);
};

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

/** Ends the job so, twice. */
const specify = (signal: Deno.Signal, how: { readonly task: boolean; readonly group: boolean }) =>
  inFolder(async (folder) => {
    let before = 0;
    for (let starts = 0; starts < 2; starts++) {
      const { code, numbers, errors } = await runUntil(signal, { folder, ...how });
      assert.equal(code, 0, errors);
      assert.ok(numbers > before, errors);
      before = numbers;
      await assertOutputs(folder, numbers);
    }
  });

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends a program after a last epoch, and the next start goes on from there`, () =>
    specify(signal, { task: false, group: false }));

  Deno.test(`${signal} to \`deno task\` alone does the same`, () => specify(signal, { task: true, group: false }));
}

Deno.test("Ctrl-C in a terminal reaches \`deno task\` and the program, and still ends it after a last epoch", () =>
  specify("SIGINT", { task: true, group: true }));

Deno.test("a program that is killed between two that end well loses and doubles nothing", () =>
  inFolder(async (folder) => {
    const how = { folder, task: false, group: false };
    assert.equal((await runUntil("SIGINT", how)).code, 0);
    assert.equal((await runUntil("SIGKILL", how)).code, 137);
    const { code, numbers, errors } = await runUntil("SIGTERM", how);
    assert.equal(code, 0, errors);
    await assertOutputs(folder, numbers);
  }));
