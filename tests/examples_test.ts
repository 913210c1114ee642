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

Deno.test("late-data counts each order once or loses it once, whatever the strategy", () =>
  inFolder(async (folder) => {
    const permissions = [`--allow-read=${folder}`, `--allow-write=${folder}`];
    for (let k = 0; k < 2; k++) {
      const ended = await run(permissions, "examples/late-data/main.ts", folder);
      assertEnds(ended, 0, /^late-data: 9000 orders, \d+ late, each counted once or lost once$/);
      const late = (await Deno.readTextFile(`${folder}/late.ndjson`)).trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
      const tooLate = late.filter(({ window, watermark }) => watermark >= window.end + 120_000).length;
      assert.ok(tooLate > 0 && tooLate < late.length);
      for (const { window, watermark } of late) assert.ok(watermark >= window.end);

      const rows = new Map(
        ended.lines.slice(1, -1).map((line) => {
          const [name, lost, rows] = line.match(/^(\w+) .* (\d+) +(\d+) +\d+ kB/)!.slice(1);
          return [name, { lost: Number(lost), rows: Number(rows) }];
        }),
      );
      assert.deepEqual([...rows.keys()], ["drop", "aside", "correct", "discard", "retract"]);
      const minutes = rows.get("drop")!.rows;
      // Each late order that still counts is one more row, and two where a row of its minute is taken back.
      const corrections = late.length - tooLate;
      const lastMinute = Date.parse("2026-05-04T09:14:00Z");
      const unheardOf = late.filter(({ window, watermark }) =>
        watermark < window.end + 120_000 && window.start <= lastMinute - minutes * 60_000
      );
      const retractions = corrections - new Set(unheardOf.map(({ window }) => window.start)).size;
      assert.deepEqual(Object.fromEntries(rows), {
        drop: { lost: late.length, rows: minutes },
        aside: { lost: 0, rows: minutes },
        correct: { lost: tooLate, rows: minutes + corrections },
        discard: { lost: tooLate, rows: minutes + corrections },
        retract: { lost: tooLate, rows: minutes + corrections + retractions },
      });
    }
  }));

/** How many records come behind a watermark with a bound, and how many find their window over: by a plain loop. */
const naiveLateness = (times: ReadonlyArray<number>, bound: number, windowMillis: number) => {
  let [newest, behind, late] = [-Infinity, 0, 0];
  for (const time of times) {
    if (time < newest - bound) behind++;
    if (Math.floor(time / windowMillis + 1) * windowMillis <= newest - bound) late++;
    newest = Math.max(newest, time);
  }
  return { behind, late };
};

const chooseLateness = "examples/choose-lateness/main.ts";

/** The lines of the table: what each bound costs. */
const tableOf = (lines: ReadonlyArray<string>) =>
  lines.flatMap((line) => {
    const found = line.match(/^ *(\d+ \w+) +([\d,]+) +([\d.]+) %[ █▉▊▋▌▍▎▏]+ ([\d,]+) +([\d.]+) %/);
    if (found === null) return [];
    const [wait, behind, behindShare, late, lateShare] = found.slice(1);
    const number = (text: string) => Number(text.replaceAll(",", ""));
    return [{
      wait,
      behind: number(behind),
      behindShare: number(behindShare) / 100,
      late: number(late),
      lateShare: number(lateShare) / 100,
    }];
  });

Deno.test("choose-lateness says of the flights what a plain loop says", async () => {
  const flights = await Deno.readTextFile("examples/flights/data/departures.ndjson");
  const times = flights.trimEnd().split("\n").map((line) => Date.parse(JSON.parse(line).scheduled));
  const json = await run(["--allow-read=examples"], chooseLateness, "--json");
  assert.equal(json.code, 0, json.errors);
  const { records, choices } = JSON.parse(json.lines[0]);
  assert.equal(records, times.length);
  assert.ok(choices.length > 50);
  for (const { bound, behind, share } of choices) {
    assert.equal(behind, naiveLateness(times, bound, 1).behind, `bound ${bound}`);
    assert.equal(share, behind / times.length);
  }

  const ended = await run(["--allow-read=examples"], chooseLateness);
  assert.equal(ended.code, 0, ended.errors);
  const table = tableOf(ended.lines);
  assert.equal(table.length, 11, ended.lines.join("\n"));
  for (const { behind, behindShare, late, lateShare } of table) {
    const { bound } = choices.find((choice: { readonly behind: number }) => choice.behind === behind);
    assert.equal(late, naiveLateness(times, bound, 3_600_000).late, `bound ${bound}`);
    assert.ok(Math.abs(behindShare - behind / times.length) < 0.000_5 + 0.05 * behindShare);
    assert.ok(Math.abs(lateShare - late / times.length) < 0.000_5 + 0.05 * lateShare);
  }
  const advice = ended.lines.flatMap((line) =>
    line.match(/^At most ([\d.]+) % behind: .*"(\d+) minutes"/)?.slice(1) ?? []
  );
  assert.equal(advice.length, 6, ended.lines.join("\n"));
  for (let k = 0; k < advice.length; k += 2) {
    const [share, minutes] = [Number(advice[k]) / 100, Number(advice[k + 1])];
    const behind = (minutes: number) => naiveLateness(times, minutes * 60_000, 1).behind;
    assert.ok(behind(minutes) <= share * times.length, `${minutes} minutes are enough`);
    // Bounds are known to a sixteenth.
    assert.ok(behind(minutes * 0.9) > share * times.length, `${minutes} minutes are not far too long`);
  }
});

Deno.test("choose-lateness reads one's own data: seconds, fields in objects, lines that are no records", () =>
  inFolder(async (folder) => {
    const path = `${folder}/sample.ndjson`;
    const seconds = [100, 110, 105, 109, 130, 100, 131, 128];
    const lines = seconds.map((at) => JSON.stringify({ meta: { at } }));
    await Deno.writeTextFile(path, [...lines, "{", '{"meta":{}}', "null", '{"meta":{"at":"soon"}}', ""].join("\n"));
    const permissions = [`--allow-read=${folder}`];
    const ended = await run(permissions, chooseLateness, path, "meta.at", "--seconds", "--window", "10 seconds");
    assert.equal(ended.code, 0, ended.errors);
    assert.deepEqual(ended.lines.slice(0, 3), [
      `8 records of ${path}, by "meta.at"`,
      "4 lines without a date in it are left out",
      "4 came in order",
    ]);
    const [none, ...others] = tableOf(ended.lines);
    const { behind, late } = naiveLateness(seconds, 0, 10);
    assert.deepEqual([none.wait, none.behind, none.late], ["0 millis", behind, late]);
    assert.deepEqual([others.at(-1)!.behind, others.at(-1)!.late], [0, 0]);
  }));

Deno.test("choose-lateness says what is wrong with its arguments", async () => {
  const failing = async (...args: ReadonlyArray<string>): Promise<string> => {
    const { code, errors } = await run(["--allow-read=examples"], chooseLateness, ...args);
    assert.equal(code, 1, errors);
    return errors;
  };
  assert.match(await failing("examples/none.ndjson", "at"), /"examples\/none\.ndjson"/);
  assert.match(
    await failing("examples/flights/data/departures.ndjson", "at"),
    /^Cannot choose a bound as some record must have a date in field "at": there is none in 19,688 lines/,
  );
  assert.match(await failing("only.ndjson"), /^Give a file and the name of a field\ndeno run/);
  assert.match(await failing("--window", "soon"), /^"soon" is not the size of a window/);
});

Deno.test("dead letters are set aside, and retried with a corrected program", () =>
  inFolder(async (folder) => {
    for (let k = 0; k < 2; k++) {
      const ended = await run(readAndWrite(folder), "examples/dead-letters.ts", folder);
      assertEnds(ended, 0, "dead-letters: 5 orders, 4 averages, 1 discarded");
    }
  }));
