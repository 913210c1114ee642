/**
 * A wrong pipeline does not compile, and the last line of the message says what is wrong.
 *
 * Each file in `types/` is one wrong pipeline, except for `right.ts`, whose pipelines compile without annotations, and for
 * `shared.ts`.
 */
import assert from "node:assert/strict";

/** The last line of each wrong pipeline's only error, without its full stop. */
const rules: Readonly<Record<string, string | RegExp>> = {
  "no-event-time":
    `Type '"none: call Flow.eventTime first"' is not assignable to type '"event time: a flow is given it once"'`,
  "trigger-without-event-time":
    `Type '"none: call Flow.eventTime first"' is not assignable to type '"event time: a flow is given it once"'`,
  // The compiler names the parts of a union in the order in which it met them.
  "condition-as-trigger":
    /^Type '"a condition: wrap it in Trigger.repeatedly, Trigger.once or Trigger.atWatermark\(\{ early \}\)"' is not assignable/,
  "merged-without-event-time":
    `Type '"none: call Flow.eventTime first"' is not assignable to type '"event time: a flow is given it once"'`,
  "event-time-twice":
    `Type '"event time: a flow is given it once"' is not assignable to type '"none: call Flow.eventTime first"'`,
  "no-key": `Type '"none: call Flow.keyBy first"' is not assignable to type '"keyed"'`,
  "merged-keys-differ": `Type 'string' is not assignable to type 'never'`,
  "window-of-corrections":
    `Type '"update: call Flow.changelog to take each correction as a record"' is not assignable to type '"append"'`,
  "window-of-early-results":
    `Type '"update: call Flow.changelog to take each correction as a record"' is not assignable to type '"append"'`,
  "window-of-retractions":
    `Type '"update: call Flow.changelog to take each correction as a record"' is not assignable to type '"append"'`,
  "sliding-without-merge":
    `Type '"windows overlap or grow together: give them an aggregate that merges"' is not assignable to type ` +
    `'"each record in one window"'`,
  "pre-aggregate-without-merge": `Type 'true' is not assignable to type ` +
    `'"not given: only an aggregate that merges can be folded before records are routed"'`,
  "session-without-merge":
    `Type '"windows overlap or grow together: give them an aggregate that merges"' is not assignable to type ` +
    `'"each record in one window"'`,
  "deduplicate-without-event-time":
    `Type '"none: call Flow.eventTime first"' is not assignable to type '"event time: a flow is given it once"'`,
  "deduplicate-without-key": `Type '"none: call Flow.keyBy first"' is not assignable to type '"keyed"'`,
  "deduplicate-last-without-schema": /^Property 'schema' is missing in type /,
  "top-n-without-key": `Type '"none: call Flow.keyBy first"' is not assignable to type '"keyed"'`,
  "ranks-appended":
    `Type '"update: call Flow.changelog to take each correction as a record"' is not assignable to type '"append"'`,
  "overlapping-without-merge":
    `Type '"windows overlap or grow together: give them an aggregate that merges"' is not assignable to type ` +
    `'"each record in one window"'`,
  "late-missing": /^Property 'late' is missing in type /,
  "late-not-ended": `Type '"none: call Flow.to last"' is not assignable to type '"given"'`,
  "no-sink": `Type '"none: call Flow.to last"' is not assignable to type '"given"'`,
  "wrong-column": `Type '"a"' is not assignable to type '"at" | "user"'`,
  "wrong-rows": `Type 'Click' is not assignable to type 'number'`,
  "error-not-handled-at-sink": `Type 'DecodeError' is not assignable to type 'never'`,
  "error-not-handled-at-window": `Type 'LookUpFailed' is not assignable to type 'never'`,
  "append-only-either-guarantee":
    `Type '"append-only: it may repeat output, which guarantee at-least-once allows"' is not assignable to type '"idempotent"'`,
  "append-only-sink":
    `Type '"append-only: it may repeat output, which guarantee at-least-once allows"' is not assignable to type '"idempotent"'`,
  "append-only-late-sink":
    `Type '"append-only: it may repeat output, which guarantee at-least-once allows"' is not assignable to type '"idempotent"'`,
  "append-only-late-flow":
    `Type '"append-only: it may repeat output, which guarantee at-least-once allows"' is not assignable to type '"idempotent"'`,
  "append-only-dead-letters":
    `Type '"append-only: it may repeat output, which guarantee at-least-once allows"' is not assignable to type '"idempotent"'`,
  "acknowledged-source-exactly-once":
    `Type '"acknowledged source: what got no answer is sent again, which guarantee at-least-once allows"' is not ` +
    `assignable to type '"idempotent"'`,
  "live-source-exactly-once":
    `Type '"live source: it cannot replay, which guarantee at-most-once allows"' is not assignable to type '"idempotent"'`,
  "kafka-without-transactions-exactly-once":
    `Type '"append-only: it may repeat output, which guarantee at-least-once allows"' is not assignable to type '"idempotent"'`,
  "kafka-error-not-handled": `Type 'DecodeError' is not assignable to type 'never'`,
  "kafka-wrong-key": `Type 'number' is not assignable to type 'string'`,
  "kafka-key-without-format": `Type 'string' is not assignable to type '"none: give the sink a format for keys"'`,
  "kafka-tombstone-not-nullable": `Type 'null' is not assignable to type 'string'`,
  "live-source-at-least-once":
    /^Type '"live source: it cannot replay, which guarantee at-most-once allows"' is not assignable to type /,
};

const folder = new URL("types/", import.meta.url);

/** An error that the compiler found in one of the files. */
interface TypeError {
  readonly file: string;
  /** The last line of the message proper: what follows it quotes code. */
  readonly last: string;
  readonly text: string;
}

/** Checks all of the files at once, as most of the time goes into checking what they import. */
const check = async (): Promise<ReadonlyArray<TypeError>> => {
  const { stderr } = await new Deno.Command("deno", {
    args: ["check", "--quiet", folder.pathname],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const texts = new TextDecoder().decode(stderr).split(/^(?=TS\d+ \[ERROR\]: )/m).filter((text) =>
    text.startsWith("TS")
  );
  return texts.map((text) => {
    const place = text.match(/^ *at file:\S*\/([^/]+)\.ts:\d+:\d+$/m);
    assert.ok(place !== null, text);
    const lines = text.replace(/^TS\d+ \[ERROR\]: /, "").split("\n");
    // The message ends where the code begins that it is about: the line before the one that underlines it.
    const underline = lines.findIndex((line) => /^ *(\^|~+)$/.test(line));
    return { file: place[1], last: lines[underline - 2].trim().replace(/\.$/, ""), text };
  });
};

const checked = check();

for (const [name, rule] of Object.entries(rules)) {
  Deno.test(`does not compile: ${name}`, async () => {
    const source = await Deno.readTextFile(new URL(`${name}.ts`, folder));
    const found = (await checked).filter(({ file }) => file === name);
    const texts = `${source}\n${found.map(({ text }) => text).join("\n")}`;
    assert.equal(found.length, 1, texts);
    // Which of the two kinds that exactly-once admits is named depends on the order in which the compiler met them.
    const last = found[0].last.replace(/'"transactional"'$/, `'"idempotent"'`);
    if (typeof rule === "string") assert.equal(last, rule, texts);
    else assert.match(last, rule, texts);
  });
}

Deno.test("compiles without annotations: right", async () => {
  const found = (await checked).filter(({ file }) => file === "right" || file === "shared");
  assert.deepEqual(found.map(({ text }) => text), []);
});

Deno.test("every wrong pipeline is held to a rule", async () => {
  const files = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name.replace(/\.ts$/, ""));
  assert.deepEqual(files.sort(), [...Object.keys(rules), "right", "shared"].sort());
});

Deno.test("what the README says of wrong pipelines is what a test holds", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  const [, table] = readme.match(/## What does not compile\n([\s\S]*?)\n## /)!;
  const said = [...table.matchAll(/\| `(.*?)\.?` +\|$/gm)].map(([, message]) => message);
  assert.ok(said.length > 5);
  for (const message of said) {
    const beginning = message.replace(/…$/, "");
    const held = Object.values(rules).some((rule) =>
      typeof rule === "string" ? rule === message : rule.test(beginning)
    );
    assert.ok(held, message);
  }
});
