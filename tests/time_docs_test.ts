/** The page about time, and its pictures: complete, up to date, and pictures of what they say. */
import assert from "node:assert/strict";
import { draw } from "../docs/time/draw.ts";
import { generate, outdated } from "../docs/time/generate.ts";
import { observe } from "../docs/time/observe.ts";
import { record, type Scenario, steps } from "../docs/time/scenario.ts";
import { parts } from "../docs/time/scenarios.ts";
import { bodyOf, pipelineOf } from "../docs/time/snippets.ts";

const files = generate();
const page = async (): Promise<string> => (await files).get("time.md")!;
const pictures = async (): Promise<ReadonlyArray<readonly [path: string, svg: string]>> =>
  [...await files].filter(([path]) => path.endsWith(".svg"));

const scenarios: ReadonlyArray<Scenario> = parts.flatMap((part) => part.scenarios);

/** What is wrong with a text as XML: elements nest, attributes are quoted and there once, signs are escaped. */
const faultIn = (xml: string): string | null => {
  const open: Array<string> = [];
  let roots = 0;
  let rest = xml;
  while (rest !== "") {
    const tag = rest.match(/^<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/);
    const text = rest.match(/^[^<]+/);
    if (tag === null && text === null) return `no tag: ${rest.slice(0, 40)}`;
    const found = tag ?? text!;
    if (/&(?!(amp|lt|gt|quot|#\d+);)/.test(found[0])) return `a sign that is not escaped: ${found[0]}`;
    if (text !== null && open.length === 0 && text[0].trim() !== "") return `text outside: ${text[0]}`;
    if (tag !== null) {
      const [, closes, name, attributes, isEmpty] = tag;
      const names = [...attributes.matchAll(/([\w:-]+)="/g)].map(([, attribute]) => attribute);
      if (new Set(names).size < names.length) return `an attribute twice: ${tag[0]}`;
      if (closes === "" && open.length === 0 && roots++ > 0) return `a second root: ${name}`;
      if (closes !== "" && open.pop() !== name) return `closes what is not open: ${name}`;
      if (closes === "" && isEmpty === "") open.push(name);
    }
    rest = rest.slice(found[0].length);
  }
  return open.length > 0 ? `not closed: ${open.join(", ")}` : roots === 1 ? null : "no root";
};

Deno.test("every kind of window, trigger, pane mode and watermark has a picture on the page", async () => {
  const expected = {
    windows: [
      ...["tumbling", "sliding", "session", "session-gap-per-record", "session-bridged", "global", "count-tumbling"],
      ...["count-sliding", "calendar", "custom", "processing-time"],
    ],
    triggers: [
      ...["at-watermark", "early-count", "early-event-time", "early-processing-time", "late-each", "late-batched"],
      ...["once", "repeatedly", "first-of", "all-of", "on-time-always"],
    ],
    panes: ["accumulating", "discarding", "retracting", "retracting-session"],
    watermarks: ["one-split", "two-splits", "idle-split", "alignment", "punctuated", "lateness"],
    windowsOfWindows: ["windows-of-windows"],
    duplicates: ["deduplicate-first", "deduplicate-last"],
  };
  const text = await page();
  for (const name of Object.values(expected).flat()) {
    assert.ok((await files).has(`time/pictures/${name}.svg`), name);
    assert.ok(text.includes(`(time/pictures/${name}.svg)`), name);
  }
  assert.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length, "names are given once");
});

Deno.test("the page and its pictures are what the engine says now", async () => {
  assert.deepEqual(await outdated(await files), [], "run deno task docs:time");
});

Deno.test("a page or a picture that differs, is missing or is left over is noticed", async () => {
  const changed = new Map(await files);
  changed.set("time.md", `${await page()}!`);
  changed.set("time/pictures/new.svg", "<svg/>");
  changed.delete("time/pictures/once.svg");
  assert.deepEqual(await outdated(changed), ["time.md", "time/pictures/new.svg", "time/pictures/once.svg"]);
});

Deno.test("every picture is well-formed, and says in words what it shows", async () => {
  for (const broken of ["<a>", "<a/><b/>", "<a><b></a></b>", '<a b="1" b="2"/>', "<a>&</a>", "<a b=1/>", "a", ""]) {
    assert.notEqual(faultIn(broken), null, broken);
  }
  assert.equal(faultIn('<a b="1">x &amp; y<c/></a>\n'), null);
  for (const [path, svg] of await pictures()) {
    assert.equal(faultIn(svg), null, path);
    assert.match(svg, /<title id="t">[^<]+<\/title>\n<desc id="d">[^<]+The input ends\.[^<]*<\/desc>/, path);
    assert.match(svg, /aria-labelledby="t d"/, path);
    assert.ok(svg.length < 20_000, `${path} is small`);
    for (const [, number] of svg.matchAll(/="(-?\d+\.\d+)"/g)) assert.match(number, /\.\d$/, `${path} is rounded`);
  }
});

Deno.test("a picture has a mark for each record, a bar for each pane, and a sign for what is late, waits, is a duplicate or taken back", async () => {
  for (const scenario of scenarios) {
    const moments = await observe(scenario);
    const svg = draw(scenario, moments);
    const count = (pattern: RegExp): number => [...svg.matchAll(pattern)].length;
    const rows = moments.flatMap(({ rows }) => rows);
    const records = moments.filter(({ step }) => step._tag === "Record");
    const late = records.filter(({ isLate }) => isLate);
    const duplicates = records.filter(({ isDuplicate }) => isDuplicate).length;
    const waiting = records.filter(({ isWaiting }) => isWaiting).length;
    const passed = moments.flatMap(({ passed }) => passed).length;
    const fired = (timing: string) => rows.filter((row) => row.change !== "retract" && row.timing === timing).length;
    const back = rows.filter(({ change }) => change === "retract").length;
    assert.equal(records.length, scenario.steps.filter(({ _tag }) => _tag === "Record").length, scenario.name);
    // The marks of the legend are smaller.
    assert.equal(
      count(/(r="10"|width="20") [^>]*class="dot"/g),
      records.length - late.length - duplicates - waiting,
      scenario.name,
    );
    assert.equal(count(/(r="10"|width="20") [^>]*class="missed"/g), late.length, scenario.name);
    assert.equal(count(/(r="10"|width="20") [^>]*class="twin"/g), duplicates, scenario.name);
    assert.equal(count(/(r="10"|width="20") [^>]*class="waiting"/g), waiting, scenario.name);
    assert.equal(count(/r="9" class="passed"/g), passed, scenario.name);
    for (const timing of ["early", "on-time", "late"]) {
      assert.equal(count(new RegExp(`class="bar ${timing}"`, "g")), fired(timing), `${scenario.name}: ${timing}`);
    }
    assert.equal(count(/class="bar back"/g), back, scenario.name);
    assert.equal(count(/class="strike"/g), back, scenario.name);
    assert.equal(count(/, final<\/tspan>/g), rows.filter(({ final }) => final).length, scenario.name);
    assert.ok(rows.length + passed > 0, scenario.name);
  }
});

// north       3    15  24*         (* waits until the south is at 8)
// south         4          8  17
Deno.test("a record of a split that is too far ahead is not read before the others have caught up", async () => {
  const moments = await observe(scenarios.find(({ name }) => name === "alignment")!);
  const read = moments.map(({ splits }) => splits.map(({ records }) => records));
  assert.deepEqual(moments.map(({ isWaiting }) => isWaiting), [false, false, false, true, false, false, false, false]);
  assert.deepEqual(read.slice(2, 5), [[2, 1], [2, 1], [3, 2]]);
});

// event time  0         10        20        30
// tens        [---7----)[----5---)              the result of [10, 20) comes when the watermark is at 24
// twenties    [--------12--------)
Deno.test("windows of windows hold every result of the windows before them", async () => {
  const rows = (await observe(scenarios.find(({ name }) => name === "windows-of-windows")!)).flatMap(({ rows }) =>
    rows
  );
  const spans = (length: number) => rows.filter(({ window }) => window.end - window.start === length);
  for (const { window, value } of spans(20_000)) {
    const parts = spans(10_000).filter((one) => one.window.start >= window.start && one.window.end <= window.end);
    assert.equal(parts.reduce((sum, part) => sum + part.value, 0), value);
  }
  assert.equal(spans(20_000).length, 2);
});

// key k       4  9  1           17          the first of [4-10, 4+10] or its last; 17 is beyond
Deno.test("of duplicates the first goes on at once, or the last once the watermark has passed the first by 10 seconds", async () => {
  const passedBy = async (name: string) =>
    (await observe(scenarios.find((one) => one.name === name)!)).map(({ passed }) =>
      passed.map(({ at }) => at / 1_000)
    );
  assert.deepEqual(await passedBy("deduplicate-first"), [[4], [], [], [12], [17], [], []]);
  assert.deepEqual(await passedBy("deduplicate-last"), [[], [], [], [], [9], [12, 17], [30]]);
});

// event time  0         10        20
//             a    c    |  b      |
// watermark             12 when c comes: it is late
Deno.test("what is observed after a record is what the engine said because of it", async () => {
  const [tumbling] = scenarios.filter(({ name }) => name === "tumbling");
  const moments = await observe({ ...tumbling, steps: steps(record(1, 3), record(12, 4), record(5, 2)) });
  assert.deepEqual(
    moments.map(({ step, isLate, watermark, rows }) => [
      step._tag,
      isLate,
      watermark,
      rows.map(({ window, value }) => [window.start, value]),
    ]),
    [
      ["Record", false, 1_000, []],
      ["Record", false, 12_000, [[0, 3]]],
      ["Record", true, 12_000, []],
      ["End", false, Infinity, [[10_000, 4]]],
    ],
  );
});

// clock       1    6    11   12   21   24   (no record at 11 and 21)
// windows     [---------)[---------)[------
Deno.test("windows of the clock speak when their time has come, though no record comes", async () => {
  const [clock] = scenarios.filter(({ name }) => name === "processing-time");
  const said = (await observe(clock)).flatMap(({ step, rows }) => rows.map(({ value }) => [step._tag, value]));
  assert.deepEqual(said, [["Clock", 7], ["Clock", 2], ["End", 5]]);
});

Deno.test("the panes of one window: the last says everything, new ones add up to it, and what is not taken back is it", async () => {
  const rowsOf = async (name: string) =>
    (await observe(scenarios.find((one) => one.name === name)!)).flatMap(({ rows }) => rows)
      .filter(({ window }) => window.start === 0);
  const values = async (name: string) => (await rowsOf(name)).map(({ value }) => value);
  const all = 3 + 4 + 2 + 1;
  assert.equal((await values("accumulating")).at(-1), all);
  assert.equal((await values("discarding")).reduce((sum, value) => sum + value), all);
  const changes = await rowsOf("retracting");
  assert.equal(changes.reduce((sum, { change, value }) => change === "retract" ? sum - value : sum + value, 0), all);
});

/** Code whatever its layout: on the page it has more room. */
const squeeze = (code: string): string => code.replace(/\s+/g, "").replace(/,(?=[)}\]])/g, "");

Deno.test("the code on the page is the code that ran", async () => {
  const text = squeeze(await page());
  for (const part of parts) {
    const code = await Deno.readTextFile(new URL(`../docs/time/scenarios/${part.file}`, import.meta.url));
    for (const { name } of part.scenarios) {
      const shown = pipelineOf(code, name);
      assert.match(shown, /^(keyed\(readings\)|Flow\.from\(readings\))\.pipe\([\s\S]*\)$/, name);
      assert.ok(text.includes(squeeze(`\`\`\`ts\n${shown};\n\`\`\`\n![`)), name);
    }
    assert.throws(() => pipelineOf(code, "none"), /There is no pipeline of "none"/);
  }
  assert.equal(bodyOf('/**\n * x\n */\nimport { a,\n b } from "c";\n\nconst d = 1;\n'), "const d = 1;");
});

Deno.test("every link of the page leads to a heading or a file", async () => {
  const text = await page();
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[^a-z0-9 -]/g, "").replaceAll(" ", "-")
  );
  assert.equal(new Set(anchors).size, anchors.length, "headings differ");
  for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith("#")) assert.ok(anchors.includes(target.slice(1)), target);
    else assert.ok((await files).has(target), target);
  }
});
