/** What a program says on standard error when its job fails, starts anew, or has nothing left to do. */
import assert from "node:assert/strict";

/** Runs the program in a folder, as often as wanted, and gives what it says the last time. */
const said = async (
  how: string,
  times = 1,
): Promise<{ readonly code: number; readonly lines: ReadonlyArray<string> }> => {
  const folder = await Deno.makeTempDir();
  const args = ["run", "--quiet", "--no-prompt", `--allow-read=${folder}`, `--allow-write=${folder}`];
  const command = new Deno.Command("deno", {
    args: [...args, "tests/programs/cities.ts", folder, how],
    env: { NO_COLOR: "1" },
  });
  try {
    for (let k = 1; k < times; k++) await command.output();
    const { code, stderr } = await command.output();
    return { code, lines: new TextDecoder().decode(stderr).replaceAll(folder, "FOLDER").trimEnd().split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

Deno.test("a program whose job cannot read says so in one line", async () => {
  const message = 'Cannot open "FOLDER/none.ndjson" for source "cities" as there must be a file: current value is none';
  assert.deepEqual(await said("missing"), { code: 1, lines: [`cities: failed with SourceError: ${message}`] });
});

Deno.test("a program whose function throws shows the function's own frames, and says why last", async () => {
  const { code, lines } = await said("throws");
  assert.equal(code, 1);
  assert.equal(lines[0], "TypeError: no such city");
  assert.match(lines[1], /^ +at refuse \(.*\/tests\/programs\/cities\.ts:\d+:\d+\)$/);
  assert.ok(lines.slice(1, -1).every((line) => line.includes("/tests/programs/cities.ts:")), lines.join("\n"));
  assert.match(lines.at(-1)!, /^cities: failed with UserCodeError: Job "cities" failed in .*: no such city$/);
});

Deno.test("a program says each time that its job starts anew, and gives the job its services", async () => {
  const { code, lines } = await said("passes");
  assert.equal(code, 0);
  assert.deepEqual(lines, [
    "cities: SourceError: Cannot reach the cities; restart 1 in 100 ms",
    "cities: SourceError: Cannot reach the cities; restart 2 in 200 ms",
    "cities: ended at epoch 1 after 1 records; rows: out 1",
  ]);
});

Deno.test("a program whose job had ended before says that nothing was read", async () => {
  const { code, lines } = await said("ends", 2);
  assert.equal(code, 0);
  assert.match(lines.join("\n"), /^cities: had ended before this start, so nothing was read \(.*\); rows: out 1$/);
});
