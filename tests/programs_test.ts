/** What a program says on standard error when its job starts, fails, starts anew, or has nothing left to do. */
import assert from "node:assert/strict";

interface Said {
  readonly code: number;
  readonly lines: ReadonlyArray<string>;
  /** What went to standard output. */
  readonly output: string;
}

/** Runs a program, and gives what it says. */
const run = async (...args: ReadonlyArray<string>): Promise<Said> => {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "--quiet", "--no-prompt", ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, lines: text(stderr).trimEnd().split("\n"), output: text(stdout) };
};

/** Runs the program in a folder, as often as wanted, and gives what it says the last time. */
const said = async (how: string, times = 1): Promise<Said> => {
  const folder = await Deno.makeTempDir();
  const args = [`--allow-read=${folder}`, `--allow-write=${folder}`, "tests/programs/cities.ts", folder, how];
  try {
    for (let k = 1; k < times; k++) await run(...args);
    const { lines, ...rest } = await run(...args);
    return { ...rest, lines: lines.map((line) => line.replaceAll(folder, "FOLDER")) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

Deno.test("a program whose job cannot read says so in one line", async () => {
  const message = 'Cannot open "FOLDER/none.ndjson" for source "cities" as there must be a file: current value is none';
  assert.deepEqual(await said("missing"), {
    code: 1,
    lines: ["cities: started at epoch 0, state FOLDER/state.kv", `cities: failed with SourceError: ${message}`],
    output: "",
  });
});

Deno.test("a program whose function throws shows the function's own frames, and says why last", async () => {
  const { code, lines } = await said("throws");
  assert.equal(code, 1);
  assert.equal(lines[0], "cities: started at epoch 0, state FOLDER/state.kv");
  assert.equal(lines[1], "TypeError: no such city");
  assert.match(lines[2], /^ +at refuse \(.*\/tests\/programs\/cities\.ts:\d+:\d+\)$/);
  assert.ok(lines.slice(2, -1).every((line) => line.includes("/tests/programs/cities.ts:")), lines.join("\n"));
  assert.match(lines.at(-1)!, /^cities: failed with UserCodeError: Job "cities" failed in .*: no such city$/);
});

Deno.test("a program says once that its job has started, and each time that it starts anew, and gives it its services", async () => {
  const { code, lines } = await said("passes");
  assert.equal(code, 0);
  assert.deepEqual(lines, [
    "cities: started at epoch 0, state FOLDER/state.kv",
    "cities: SourceError: Cannot reach the cities; restart 1 in 100 ms",
    "cities: SourceError: Cannot reach the cities; restart 2 in 200 ms",
    "cities: ended at epoch 1 after 1 records; rows: out 1",
  ]);
});

Deno.test("a program whose job had ended before says that nothing was read", async () => {
  const { code, lines } = await said("ends", 2);
  assert.equal(code, 0);
  assert.equal(lines[0], "cities: started at epoch 1, state FOLDER/state.kv");
  assert.match(lines[1], /^cities: had ended before this start, so nothing was read \(.*\); rows: out 1$/);
  assert.equal(lines.length, 2);
});

Deno.test("a program says last what its job has dropped, and why", async () => {
  const { code, lines } = await run("tests/programs/late-cities.ts", "drop");
  assert.equal(code, 0);
  assert.equal(
    lines.at(-1),
    "visits: ended at epoch 1 after 6 records; rows: out 2; dropped: 2 late, 1 with errors, 1 unrouted",
  );
});

Deno.test("what goes to a sink of its own is not dropped", async () => {
  const { code, lines } = await run("tests/programs/late-cities.ts", "keep");
  assert.equal(code, 0);
  assert.equal(lines.at(-1), "visits: ended at epoch 1 after 6 records; rows: out 2, others 1, dead 1, late 2");
});

Deno.test("what a program logs goes to standard error, and its job's output alone to standard output", async () => {
  const { code, lines, output } = await run("tests/programs/logging.ts");
  assert.deepEqual([code, output], [0, "1\n2\n"]);
  assert.deepEqual(lines.filter((line) => /WARN.*looks at/.test(line)).map((line) => line.at(-1)), ["1", "2"]);
});

Deno.test("a program whose client of Kafka may not read the environment says what to do about it", async () => {
  const { code, lines } = await run("--allow-net=127.0.0.1", "tests/programs/unreachable.ts");
  assert.equal(code, 1);
  const rule =
    "KafkaJS must be allowed to read its variables of the environment, or be shown an empty one (--ignore-env)";
  const current = 'Requires env access to "KAFKAJS_DEBUG_PROTOCOL_BUFFERS"';
  assert.ok(lines.at(-1)!.includes(`as ${rule}: current value is ${current}`), lines.join("\n"));
});
