/** The examples, run as a person runs them: as programs, with no more permissions than they need. */
import assert from "node:assert/strict";

/** A program that has ended. */
interface Ended {
  readonly code: number;
  readonly lines: ReadonlyArray<string>;
  readonly errors: string;
}

const run = async (permissions: ReadonlyArray<string>, ...args: ReadonlyArray<string>): Promise<Ended> => {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "--quiet", "--no-prompt", ...permissions, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, lines: text.trimEnd().split("\n"), errors };
};

const flights = "examples/flights/main.ts";
const readAndWrite = (folder: string) => [`--allow-read=examples,${folder}`, `--allow-write=${folder}`];

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

/** What the demo says of the three weeks that it comes with. */
const totals = "demo: 19688 records, 3432 windows, 181 late, 573 dead letters";

const assertEnds = ({ code, lines, errors }: Ended, expected: number, last: string | RegExp): void => {
  const said = `${lines.join("\n")}\n${errors}`;
  if (typeof last === "string") assert.equal(lines.at(-1), last, said);
  else assert.match(lines.at(-1)!, last, said);
  assert.equal(code, expected, said);
};

Deno.test("hello counts words without any permission", async () => {
  const { code, lines, errors } = await run([], "examples/hello.ts");
  assert.equal(code, 0, errors);
  assert.deepEqual(lines.toSorted(), [
    "minute 0: be 2",
    "minute 0: not 1",
    "minute 0: or 1",
    "minute 0: to 2",
    "minute 1: is 1",
    "minute 1: question 1",
    "minute 1: that 1",
    "minute 1: the 1",
  ]);
});

Deno.test("the demo's totals match those of a recount, and plain lines stay plain", () =>
  inFolder(async (folder) => {
    const ended = await run(readAndWrite(folder), flights, "--folder", folder);
    assertEnds(ended, 0, `${totals}, totals match`);
    assert.ok(!ended.lines.join("\n").includes("\x1b"));
    assert.match(ended.lines.at(-2)!, /77\.3 % on time, 21\.7 % corrected, 0\.9 % too late/);
  }));

Deno.test("the demo starts from empty state each time", () =>
  inFolder(async (folder) => {
    for (let k = 0; k < 2; k++) {
      const ended = await run(readAndWrite(folder), flights, "--fast", "--folder", folder);
      assertEnds(ended, 0, `${totals}, totals match`);
    }
  }));

Deno.test("the demo notices a row, a late flight or a dead letter that is not as it should be", () =>
  inFolder(async (folder) => {
    const check = () => run(readAndWrite(folder), flights, "--check", "--folder", folder);
    assertEnds(await run(readAndWrite(folder), flights, "--fast", "--folder", folder), 0, /totals match$/);
    assertEnds(await check(), 0, `${totals}, totals match`);

    const key = ["hourly", "UA", "2013-07-10T14:00:00.000Z"];
    const tamper = async (change: (row: { worstDelay: number }) => { worstDelay: number }) => {
      using kv = await Deno.openKv(`${folder}/hourly.kv`);
      await kv.set(key, change((await kv.get<{ worstDelay: number }>(key)).value!));
    };
    await tamper((row) => ({ ...row, worstDelay: row.worstDelay + 1 }));
    const wrongRow = await check();
    assertEnds(wrongRow, 1, `${totals}, totals differ`);
    assert.match(
      wrongRow.lines[0],
      /^UA 2013-07-10T14:00:00\.000Z: the job says \d+ flights.*, the recount \d+ flights/,
    );
    await tamper((row) => ({ ...row, worstDelay: row.worstDelay - 1 }));
    assertEnds(await check(), 0, /totals match$/);

    for (const name of ["late", "dead-letters", "changes"]) {
      const path = `${folder}/${name}.ndjson`;
      const text = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, text.slice(text.indexOf("\n") + 1));
      assertEnds(await check(), 1, /totals differ$/);
      await Deno.writeTextFile(path, text);
    }
  }));

Deno.test("the demo's process is killed six times, and nothing is lost or doubled", () =>
  inFolder(async (folder) => {
    const ended = await run([...readAndWrite(folder), "--allow-run=deno"], flights, "--crash", "--folder", folder);
    assertEnds(ended, 0, `${totals}, totals match`);
    const epochsOf = (pattern: RegExp) =>
      ended.lines.flatMap((line) => line.match(pattern)?.[1] ?? []).map((epoch) => Number(epoch));
    const killed = epochsOf(/^kill \d +epoch +(\d+)/);
    assert.equal(new Set(killed).size, 6, ended.lines.join("\n"));
    const resumed = epochsOf(/^ +resume +epoch +(\d+)/);
    assert.equal(resumed.length, 6);
    // What was told is committed: it is there after the kill, and perhaps one epoch more.
    resumed.forEach((epoch, k) => assert.ok(epoch >= killed[k] && epoch <= killed[k] + 1, ended.lines.join("\n")));
    assert.equal(ended.lines.filter((line) => line.includes("equal when sorted")).length, 4);
  }));

Deno.test("campaign-metrics counts every impression, and keeps late clicks", () =>
  inFolder(async (folder) => {
    const ended = await run(
      [`--allow-read=${folder}`, `--allow-write=${folder}`],
      "examples/campaign-metrics/main.ts",
      folder,
    );
    assertEnds(
      ended,
      0,
      "campaign-metrics: 20000 events, 339 windows, 1244 clicks, 23 late, totals match",
    );
    const late = (await Deno.readTextFile(`${folder}/corrections.ndjson`)).trimEnd().split("\n");
    for (const line of late) {
      const { type, servedAt, clickedAt } = JSON.parse(line);
      assert.equal(type, "click");
      assert.ok(clickedAt - servedAt > 120_000);
    }
  }));
