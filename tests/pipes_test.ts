/** Weir in a shell pipe: real processes, joined by real pipes. */
import assert from "node:assert/strict";
import * as Schema from "@effect/schema";
import { Source } from "@weir/streams";

/** How long a process may run before a test gives up on it. */
const runMillisMax = 30_000;

/** What a job says first where standard error is no terminal. */
const started = "pipe: started at epoch 0, state :memory:\n";

/** A process with text going in and out. */
interface Piped {
  readonly process: Deno.ChildProcess;
  readonly write: (text: string | Uint8Array<ArrayBuffer>) => Promise<void>;
  readonly end: () => Promise<void>;
  /** Reads the next piece of standard output. */
  readonly read: () => Promise<string | undefined>;
  /** Reads standard output to its end. */
  readonly rest: () => Promise<string>;
  /** Stops reading standard output. */
  readonly unread: () => Promise<void>;
  readonly ended: () => Promise<{ readonly code: number; readonly errors: string }>;
}

const start = (name: string, options: { readonly state?: string } = {}): Piped => {
  const folder = options.state === undefined ? [] : [`--allow-read=${options.state}`, `--allow-write=${options.state}`];
  const process = new Deno.Command("deno", {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-check",
      ...folder,
      ...(name.endsWith(".ts") ? [name] : ["tests/programs/pipe.ts", name]),
      ...(options.state === undefined ? [] : [`${options.state}/state.kv`]),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const timer = setTimeout(() => process.kill("SIGKILL"), runMillisMax);
  const errors = new Response(process.stderr).text();
  const writer = process.stdin.getWriter();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const read = async () => (await reader.read()).value;
  return {
    process,
    write: (text) => writer.write(typeof text === "string" ? new TextEncoder().encode(text) : text),
    end: () => writer.close(),
    read,
    rest: async () => {
      const texts: Array<string> = [];
      for (let text; (text = await read()) !== undefined;) texts.push(text);
      return texts.join("");
    },
    unread: () => reader.cancel(),
    ended: async () => {
      const { code } = await process.status;
      clearTimeout(timer);
      return { code, errors: await errors };
    },
  };
};

/** Runs a process on an input that is there as a whole. */
const filter = async (
  name: string,
  input: string | Uint8Array<ArrayBuffer>,
  options: { readonly state?: string } = {},
): Promise<{ readonly code: number; readonly lines: ReadonlyArray<string>; readonly errors: string }> => {
  const piped = start(name, options);
  const written = piped.write(input).then(piped.end);
  const text = await piped.rest();
  await written;
  assert.ok(text === "" || text.endsWith("\n"));
  return { lines: text.split("\n").slice(0, -1), ...await piped.ended() };
};

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

Deno.test("the example adds up what comes in, tells of bad lines on standard error, and ends with its input", async () => {
  const input = '{"customer":"ada","paid":3}\n{"customer":"bob","paid":5}\noops\n{"customer":"ada","paid":4}';
  const { code, lines, errors } = await filter("examples/pipe.ts", input);
  assert.deepEqual(lines.toSorted(), ['{"customer":"ada","paid":7}', '{"customer":"bob","paid":5}']);
  assert.match(errors, /^up to byte 61: the line is not JSON: /m);
  assert.match(errors, /^pipe: ended at epoch \d+ after 4 records; rows: totals 2, rejected 1$/m);
  assert.equal(code, 0);
});

Deno.test("an empty input is no error", async () => {
  const { code, lines } = await filter("copy", "");
  assert.deepEqual([code, lines], [0, []]);
});

Deno.test("every line goes through in order: empty ones, CRLF, other scripts, and a last one without its ending", async () => {
  const many = Array.from({ length: 30_000 }, (_, k) => `line ${k}`);
  const { code, lines } = await filter("copy", ["", "Zürich\r", "", "東京", ...many].join("\n"));
  assert.equal(code, 0);
  assert.deepEqual(lines, ["", "Zürich", "", "東京", ...many]);
});

Deno.test("a line is handled when it comes, not when the input ends", async () => {
  const piped = start("copy");
  for (const line of ["one", "two", "three"]) {
    await piped.write(`${line}\n`);
    assert.equal(await piped.read(), `${line}\n`);
  }
  await piped.end();
  assert.equal(await piped.rest(), "");
  assert.equal((await piped.ended()).code, 0);
});

Deno.test("when nobody reads any more the job ends at once, without another word and without an error", async () => {
  // yes | weir | head -1
  const piped = start("copy");
  let isOver = false;
  const endless = (async () => {
    while (!isOver) await piped.write("y\n".repeat(1_000));
  })().catch(() => {}); // The process has gone, as it should.
  assert.match((await piped.read())!, /^y\n/);
  await piped.unread();
  const ended = await piped.ended();
  isOver = true;
  await endless;
  assert.deepEqual(ended, { code: 0, errors: started });
});

Deno.test("a reader that stops for a while holds up the job, which holds up its writer; nothing is lost", async () => {
  // writer ═══▶ job ═══▶ reader pauses: the writer must come to a halt, too
  const piped = start("copy");
  const line = `${"x".repeat(999)}\n`;
  const linesMax = 100_000;
  let written = 0;
  let isPaused = true;
  const writing = (async () => {
    for (; isPaused && written < linesMax; written += 100) await piped.write(line.repeat(100));
    await piped.end();
  })();
  for (let before = -1; before !== written || written === 0;) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  // Two batches, some epochs and the pipes themselves, but by far not all.
  assert.ok(written > 0 && written < 20_000, `${written} lines were taken`);
  isPaused = false;
  const text = await piped.rest();
  await writing;
  assert.equal(text.length, written * line.length);
  assert.equal((await piped.ended()).code, 0);
});

Deno.test("what is no record is a dead letter with its place; what is around it is not lost", async () => {
  const bytes = new TextEncoder();
  const parts = [
    '{"n":1}\n',
    "{\n",
    '\n{"n":"2"}\n',
    `{"n":3,"x":"${"x".repeat(10_000_000)}"}\n`,
    new Uint8Array([0x22, 0xff, 0x22, 0x0a]),
    '{"n":4}\r\n{"n":',
  ].map((part) => typeof part === "string" ? bytes.encode(part) : part);
  const ends = parts.map((_, k) => parts.slice(0, k + 1).reduce((sum, { length }) => sum + length, 0));
  const { code, lines, errors } = await filter("letters", new Uint8Array(await new Blob(parts).arrayBuffer()));
  assert.equal(code, 0, errors);
  assert.deepEqual(lines, ['{"n":1}', '{"n":4}']);
  const letters = errors.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  assert.deepEqual(letters.map(({ position }) => position), [ends[1], ends[2], ends[3], ends[4], ends[5]]);
  assert.deepEqual(letters.map(({ rawLength }) => rawLength), [1, 9, parts[3].length - 1, 3, 5]);
  assert.deepEqual(letters.map(({ kept }) => kept), [1, 9, Source.rejectedBytesMax, 3, 5]);
  const [json, schema, long, utf8, cut] = letters.map(({ reason }) => reason);
  assert.match(json, /^is not JSON: /);
  assert.equal(schema, 'does not match the schema: Expected number at ["n"]');
  assert.equal(long, `is longer than 1000 bytes: it has ${parts[3].length - 1}`);
  assert.match(utf8, /^is not UTF-8: /);
  assert.match(cut, /^is not JSON: /);
});

Deno.test("CSV has a header, and comes as it comes", async () => {
  const piped = start("cities");
  await piped.write("\uFEFFpeople,ci");
  await piped.write('ty\r\n23000,"Zürich\nOerlikon"\r\n');
  assert.equal(await piped.read(), '{"city":"Zürich\\nOerlikon","people":23000}\n');
  await piped.write("many,Bern\n7\n1,Le Locle");
  await piped.end();
  assert.equal(await piped.rest(), '{"city":"Le Locle","people":1}\n');
  const { code, errors } = await piped.ended();
  assert.equal(code, 0);
  assert.match(errors, /^does not match the schema: .* at \["people"\] \(record at byte 42\)$/m);
  assert.match(errors, /^has 1 columns and not 2 as the header/m);
  assert.deepEqual((await filter("cities", "")).code, 0);
});

Deno.test("a header without what the Schema needs ends the job", async () => {
  const { code, errors } = await filter("cities", "city,country\nBern,CH\n");
  assert.equal(code, 1);
  const rule = "its header must name each column once and all that the schema needs: current value is one that lacks";
  assert.ok(errors.includes(`Cannot read standard input for source "cities" as ${rule} "people"`), errors);
});

Deno.test("lines of two sinks do not mix", async () => {
  const input = Array.from({ length: 5_000 }, (_, k) => `${k} ${"x".repeat(200)}`);
  const { code, lines } = await filter("twice", input.join("\n"));
  assert.equal(code, 0);
  assert.deepEqual(lines.toSorted(), [...input, ...input].sort());
});

Deno.test("a job that starts anew reads on at a line's beginning", async () => {
  // epoch 1: one two      epoch 2: three ✗ the sink fails      then: fo|ur   (in two pieces, before and after)
  const piped = start("failing");
  await piped.write("one\ntwo\n");
  assert.match((await piped.read())!, /^one\n/);
  await piped.write("three\nfo");
  await new Promise((resolve) => setTimeout(resolve, 600));
  await piped.write("ur\nfive\n");
  await piped.end();
  const lines = (await piped.rest()).split("\n");
  const { code, errors } = await piped.ended();
  assert.equal(code, 0, errors);
  assert.deepEqual(lines.filter((line) => line !== "two" && line !== ""), ["four", "five"]);
});

Deno.test("a job that goes on with the next input goes on in the middle of a window", () =>
  inFolder(async (state) => {
    // input     1 2 3      4 5
    // windows   └3┘ └──7──┘ └ …
    const [one, two] = [[1, 2, 3], [4, 5]].map((ns) => ns.map((n) => `${JSON.stringify({ n })}\n`).join(""));
    const first = await filter("pairs", one, { state });
    assert.match(first.errors, /^pipe: caught-up at epoch \d+ after 3 records/m);
    const second = await filter("pairs", two, { state });
    assert.deepEqual([first.lines, second.lines], [["3"], ["7"]]);
  }));

Deno.test("two sources cannot share standard input", async () => {
  const { code, errors } = await filter("both", '{"n":1}\n');
  assert.equal(code, 1);
  assert.match(errors, /standard input must be read by one source: current value is "(lines|numbers)"/);
});

Deno.test("a job that waits for input ends when it is asked to", async () => {
  const piped = start("copy");
  await piped.write("one\n");
  assert.equal(await piped.read(), "one\n");
  piped.process.kill("SIGTERM");
  const { code, errors } = await piped.ended();
  assert.deepEqual([code, errors], [0, `${started}pipe: stopped at epoch 1 after 1 records; rows: copy 1\n`]);
  await piped.unread();
  await piped.end().catch(() => {}); // Nobody reads it any more.
});

Deno.test("wrong options of standard input are refused", () => {
  assert.throws(() => Source.stdin("x", { schema: Schema.String, lineBytesMax: 0 }), RangeError);
  // @ts-expect-error There is no such format.
  const text: Source.StdinOptions<string> = { schema: Schema.String, format: "text" };
  assert.throws(() => Source.stdin("x", text), /format must be "ndjson", "lines" or "csv": current value is "text"$/);
});
