import * as Schema from "@effect/schema";
import { Cause, Effect, Exit, Fiber, Stream } from "effect";
import { TestClock } from "effect/testing";
import fc from "fast-check";
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { blockBytes } from "../src/streams/sources/lines.ts";

const { Rejected, SourceError } = Source;

/** A record, or why it was rejected with its bytes, and its position. */
type Read = readonly [record: unknown, position: Source.Position];

type AnySource = Source.Source<unknown, unknown, never, unknown>;

const plain = (record: unknown): unknown =>
  record instanceof Rejected
    ? { reason: record.reason, raw: new TextDecoder().decode(record.raw), length: record.rawLength }
    : record;

const flatten = (batches: ReadonlyArray<Source.SourceBatch<unknown>>): ReadonlyArray<Read> =>
  batches.flatMap((batch) => batch.records.map((record, i): Read => [plain(record), batch.positions[i]]));

const readAll = async (
  source: AnySource,
  split: string,
  from: Source.Position | null = null,
  batchRecordsMax = 1_000,
): Promise<ReadonlyArray<Read>> =>
  flatten(await Effect.runPromise(Stream.runCollect(source.read(split, from, batchRecordsMax))));

/** What was read until the source failed, and how it failed. */
const readToFailure = async (
  source: AnySource,
  split: string,
  from: Source.Position | null = null,
): Promise<{ readonly reads: ReadonlyArray<Read>; readonly error: Source.SourceError }> => {
  const batches: Array<Source.SourceBatch<unknown>> = [];
  const exit = await Effect.runPromiseExit(
    Stream.runForEach(source.read(split, from, 1_000), (batch) => Effect.sync(() => void batches.push(batch))),
  );
  assert.ok(Exit.isFailure(exit));
  const error = Cause.squash(exit.cause);
  assert.ok(error instanceof SourceError, String(error));
  return { reads: flatten(batches), error };
};

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;

const withFolder = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  const folder = await Deno.makeTempDir();
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

const withFile = <A>(content: string | Uint8Array, use: (path: string) => Promise<A>, name = "file"): Promise<A> =>
  withFolder(async (folder) => {
    const path = `${folder}/${name}`;
    await Deno.writeFile(path, bytesOf(content));
    return await use(path);
  });

// ── csv ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const AnyRecord = Schema.Record(Schema.String, Schema.String);
const City = Schema.Struct({ city: Schema.String, people: Schema.FiniteFromString.check(Schema.isInt()) });

const table = (paths: string | ReadonlyArray<string>, options: Partial<Source.CsvSourceOptions<unknown>> = {}) =>
  Source.csv("table", { paths, schema: AnyRecord, ...options }) as AnySource;

const recordsOf = (reads: ReadonlyArray<Read>): ReadonlyArray<unknown> => reads.map(([record]) => record);
const reasonsOf = (reads: ReadonlyArray<Read>): ReadonlyArray<unknown> =>
  reads.map(([record]) => (record as { reason?: string }).reason ?? record);

Deno.test("a table yields a record per row, decoded by the names in its header", () =>
  withFile("city,people\nBern,134000\nZürich,440000", async (path) => {
    assert.deepEqual(await readAll(Source.csv("cities", { paths: path, schema: City }), path), [
      [{ city: "Bern", people: 134_000 }, 24],
      [{ city: "Zürich", people: 440_000 }, 38],
    ]);
  }));

Deno.test("quoted fields hold delimiters, doubled quotes and line breaks", () =>
  withFile('a,b\r\n"1,2","say ""hi"""\r\n"one\r\ntwo\nthree",\r\n', async (path) => {
    assert.deepEqual(await readAll(table(path), path), [
      [{ a: "1,2", b: 'say "hi"' }, 5 + 20],
      [{ a: "one\r\ntwo\nthree", b: "" }, 5 + 20 + 19],
    ]);
  }));

Deno.test("a table without a header is told its columns, one with another delimiter is told that", () =>
  withFile("1;2\n3;4,5\n", async (path) => {
    const source = table(path, { columns: ["x", "y"], delimiter: ";" });
    assert.deepEqual(recordsOf(await readAll(source, path)), [{ x: "1", y: "2" }, { x: "3", y: "4,5" }]);
  }));

Deno.test("a byte order mark before the header, or before the first of the rows, is not part of it", async () => {
  await withFile('\uFEFF"a",b\n1,\uFEFF2\n\uFEFF3,4\n', async (path) => {
    assert.deepEqual(recordsOf(await readAll(table(path), path)), [{ a: "1", b: "\uFEFF2" }, { a: "\uFEFF3", b: "4" }]);
  });
  await withFile('\uFEFF"a",b\n', async (path) => {
    assert.deepEqual(recordsOf(await readAll(table(path, { columns: ["x", "y"] }), path)), [{ x: "a", y: "b" }]);
  });
});

Deno.test("a table that is empty, has blank lines only, or has a header only yields nothing", async () => {
  for (const content of ["", "\uFEFF", "\n\r\n\n", "a,b", "a,b\n", "\na,b\r\n\r\n"]) {
    await withFile(content, async (path) => assert.deepEqual(await readAll(table(path), path), [], content));
  }
});

Deno.test("columns named as JavaScript names its own things are columns like all others", () =>
  withFile("__proto__,constructor,toString,\n1,2,3,4\n", async (path) => {
    const [[record]] = await readAll(table(path), path);
    assert.deepEqual(Object.entries(record as object), [["__proto__", "1"], ["constructor", "2"], ["toString", "3"], [
      "",
      "4",
    ]]);
    assert.equal(Object.getPrototypeOf(record), Object.prototype);
  }));

Deno.test("a header that names a column twice, lacks one that is needed or is malformed is an error of the file", async () => {
  const cases: ReadonlyArray<readonly [string | Uint8Array, RegExp]> = [
    ["city,people,city\n", /must name each column once and all .*: current value is one that has "city" twice$/],
    ["city,inhabitants\n", /current value is one that lacks "people"$/],
    ['city,pe"ople\n', /current value is one that is not CSV: unexpected quote in an unquoted field, in column 2$/],
    ['"city,people\nBern,1\n', /current value is one that has a quoted field that does not end before the file does$/],
    [Uint8Array.of(0xff, 10), /current value is one that is not UTF-8/],
  ];
  for (const [content, message] of cases) {
    await withFile(content, async (path) => {
      const { error } = await readToFailure(Source.csv("cities", { paths: path, schema: City }), path);
      assert.ok(error.message.startsWith(`Cannot read "${path}" for source "cities" as its header`), error.message);
      assert.match(error.message, message);
      assert.equal(error.retryable, false);
    });
  }
});

Deno.test("a column that may be missing from a record may be missing from the header, others may be there", () =>
  withFile("city,mayor\nBern,A\n", async (path) => {
    const schema = Schema.Struct({ city: Schema.String, people: Schema.optionalKey(Schema.NumberFromString) });
    assert.deepEqual(recordsOf(await readAll(Source.csv("cities", { paths: path, schema }), path)), [{ city: "Bern" }]);
  }));

Deno.test("a malformed row is rejected with its bytes, its column and where it begins; the rows around it are read", () => {
  const rows: ReadonlyArray<readonly [row: string, expected: unknown]> = [
    ["Bern,1", { city: "Bern", people: 1 }],
    ['Be"rn,2', 'is not CSV: unexpected quote in an unquoted field, in column 1 ("city")'],
    [
      '"Bern" Süd,3',
      'is not CSV: expected a delimiter or line break after a closing quote, in column 1 ("city")',
    ],
    ["Bern\rSüd,4", "is not CSV: a carriage return outside quotes ends no line by itself"],
    ["Bern", 'has 1 columns and not 2 as the header: "people" is the first that is missing'],
    ["Bern,6,7", "has 3 columns and not 2 as the header"],
    ['"Bern\r\nSüd",8', { city: "Bern\r\nSüd", people: 8 }],
    ["Bern,many", /^does not match the schema: .* at \["people"\]$/],
    ["Bern,1.5", /^does not match the schema: .* at \["people"\]$/],
    [" ", 'has 1 columns and not 2 as the header: "people" is the first that is missing'],
    ["Thun,11", { city: "Thun", people: 11 }],
  ];
  return withFile(["city,people", ...rows.map(([row]) => row), ""].join("\n"), async (path) => {
    const reads = await readAll(Source.csv("cities", { paths: path, schema: City }), path);
    assert.equal(reads.length, rows.length);
    let offset = 12;
    rows.forEach(([row, expected], i) => {
      const [record, position] = reads[i];
      const length = bytesOf(row).length;
      if (typeof expected === "string" || expected instanceof RegExp) {
        const { reason, raw, length: rawLength } = record as { reason: string; raw: string; length: number };
        const where = ` (record at byte ${offset})`;
        assert.ok(reason.endsWith(where), reason);
        if (typeof expected === "string") assert.equal(reason, expected + where);
        else assert.match(reason.slice(0, -where.length), expected);
        assert.deepEqual([raw, rawLength], [row, length]);
      } else {
        assert.deepEqual(record, expected);
      }
      offset += length + 1;
      assert.equal(position, offset);
    });
  });
});

Deno.test("a row that is not UTF-8 is rejected, whatever else is in its block", () => {
  const before = bytesOf("a,b\n1,2\n");
  const after = bytesOf("3,4\n");
  const content = new Uint8Array([...before, 0x22, 0xff, 0x22, 0x2c, 0x35, 10, ...after]);
  return withFile(content, async (path) => {
    assert.deepEqual(reasonsOf(await readAll(table(path), path)), [
      { a: "1", b: "2" },
      'is not UTF-8: ""\uFFFD",5" (record at byte 8)',
      { a: "3", b: "4" },
    ]);
  });
});

// A quote that is never closed costs its line, not the file:
//
//   a,b        header
//   1,"x       ← opens a field that does not end
//   2,y        ← read as a record again
//   3,z
Deno.test("a quote that is never closed costs the line in which its record began", () =>
  withFile('a,b\n1,"x\n2,y\n3,z\n', async (path) => {
    assert.deepEqual(await readAll(table(path), path), [
      [
        {
          reason: "has a quoted field that does not end before the file does (record at byte 4)",
          raw: '1,"x',
          length: 4,
        },
        9,
      ],
      [{ a: "2", b: "y" }, 13],
      [{ a: "3", b: "z" }, 17],
    ]);
  }));

Deno.test("a file that is cut within a quoted field ends with a rejection", () =>
  withFile('a,b\n1,x\n2,"y', async (path) => {
    assert.deepEqual(reasonsOf(await readAll(table(path), path)), [
      { a: "1", b: "x" },
      "has a quoted field that does not end before the file does (record at byte 8)",
    ]);
  }));

Deno.test("a quoted field may be as long as a record may be, and no longer", async () => {
  // A record of 100 bytes: a quote, 96 letters and line breaks, a quote, and ",1".
  const field = `${"x".repeat(40)}\n${"y".repeat(55)}`;
  for (const [length, ending] of [[100, "\n"], [100, "\r\n"], [101, "\n"], [101, "\r\n"]] as const) {
    const row = `"${field}${"z".repeat(length - 100)}",1`;
    assert.equal(row.length, length);
    await withFile(`a,b\n${row}${ending}2,3\n`, async (path) => {
      const reads = await readAll(table(path, { recordBytesMax: 100 }), path);
      assert.deepEqual(
        reasonsOf(reads),
        length === 100
          ? [{ a: field, b: "1" }, { a: "2", b: "3" }]
          : ["is longer than 100 bytes: it has 101 (record at byte 4)", { a: "2", b: "3" }],
      );
    });
  }
});

Deno.test("a quoted field that does not end within the bytes of a record costs its first line", async () => {
  const rest = Array.from({ length: 5_000 }, (_, i) => `${i},more`);
  await withFile(["a,b", '1,"open', ...rest, '2,"closed"', ""].join("\n"), async (path) => {
    const reads = await readAll(table(path, { recordBytesMax: 1_000 }), path);
    assert.deepEqual(reasonsOf(reads), [
      "has a quoted field that does not end within 1000 bytes (record at byte 4)",
      ...rest.map((_, i) => ({ a: String(i), b: "more" })),
      { a: "2", b: "closed" },
    ]);
  });
});

Deno.test("a row of ten megabytes is rejected without being held, with or without quotes", async () => {
  const bytes = 10 * 1_048_576;
  for (const [before, words] of [["1,", "longer"], ['1,"', "longer"], ['"1\n",', "longer"]] as const) {
    const long = `${before}${"x".repeat(bytes)}`;
    await withFile(`a,b\n${long}\n2,3\n`, async (path) => {
      let most = 0;
      const source = table(path);
      const watch = Stream.runForEach(source.read(path, null, 10), (batch) =>
        Effect.sync(() => {
          for (const record of batch.records) if (record instanceof Rejected) most = record.raw.buffer.byteLength;
        }));
      await Effect.runPromise(watch);
      assert.ok(most > 0 && most <= 2 * Source.rejectedBytesMax, `${most} bytes are kept`);
      const reads = await readAll(source, path);
      assert.match((reads[0][0] as { reason: string }).reason, new RegExp(words));
      assert.deepEqual(reads.at(-1), [{ a: "2", b: "3" }, 4 + long.length + 1 + 4]);
      const lost = reads.slice(0, -1).reduce((sum, [record]) => sum + (record as { length: number }).length, 0);
      assert.equal(lost, long.length, "every byte is in a rejection");
    });
  }
});

Deno.test("an unclosed quote in a large file takes no more memory than a record may", async () => {
  const line = `${"x".repeat(98)},\n`;
  await withFile(`a,b\n1,"open\n${line.repeat(300_000)}`, async (path) => {
    const before = Deno.memoryUsage();
    let most = 0;
    let records = 0;
    await Effect.runPromise(Stream.runForEach(table(path).read(path, null, 2_048), (batch) =>
      Effect.sync(() => {
        records += batch.records.length;
        const { external } = Deno.memoryUsage();
        most = Math.max(most, external - before.external);
      })));
    assert.equal(records, 300_001);
    assert.ok(most < 16 * 1_048_576, `${most} bytes of buffers`);
  });
});

/** A field as a careful writer writes it: in quotes when it has to be, or at will. */
const field = fc.tuple(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.string({
      unit: fc.constantFrom('"', ",", ";", "\n", "\r", "\r\n", "x", "ü", "北", "\uFEFF", " "),
      maxLength: 6,
    }),
  ),
  fc.boolean(),
);
const randomTable = fc.record({
  width: fc.integer({ min: 1, max: 4 }),
  rows: fc.array(fc.array(field, { minLength: 4, maxLength: 4 }), { maxLength: 25 }),
  delimiter: fc.constantFrom(",", ";", "\t", "|"),
  ending: fc.constantFrom("\n", "\r\n"),
  lastRowEnds: fc.boolean(),
  mark: fc.boolean(),
  /** How far before the end of a block the rows begin. */
  lead: fc.option(fc.integer({ min: 0, max: 200 }), { nil: null }),
});

/** Writes a table as RFC 4180 says, without looking at how it will be read. */
const write = ({ width, rows, delimiter, ending, lastRowEnds, mark, lead }: {
  readonly width: number;
  readonly rows: ReadonlyArray<ReadonlyArray<readonly [text: string, quoted: boolean]>>;
  readonly delimiter: string;
  readonly ending: string;
  readonly lastRowEnds: boolean;
  readonly mark: boolean;
  readonly lead: number | null;
}): { readonly text: string; readonly records: ReadonlyArray<Record<string, string>>; readonly ends: number[] } => {
  const names = ["a", "b c", '"quoted"', "line\nbreak"].slice(0, width);
  const quote = (text: string, quoted: boolean): string =>
    quoted || width === 1 || /["\r\n,;\t|\uFEFF]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const values = rows.map((row) => row.slice(0, width).map(([text, quoted]) => [text.toWellFormed(), quoted] as const));
  if (lead !== null) values.unshift(names.map((_, i) => [i === 0 ? "-".repeat(blockBytes - lead) : "", false]));
  const header = `${mark ? "\uFEFF" : ""}${names.map((name) => quote(name, false)).join(delimiter)}${ending}`;
  let text = header;
  const ends: Array<number> = [];
  let bytes = bytesOf(header).length;
  values.forEach((row, i) => {
    const line = row.map(([text, quoted]) => quote(text, quoted)).join(delimiter) +
      (i + 1 < values.length || lastRowEnds ? ending : "");
    text += line;
    bytes += bytesOf(line).length;
    ends.push(bytes);
  });
  const records = values.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i][0]])));
  return { text, records, ends };
};

Deno.test("a table is read as it was written, from every position and in batches of any size, compressed or not", async () => {
  await fc.assert(
    fc.asyncProperty(randomTable, fc.integer({ min: 1, max: 9 }), fc.nat(), async (random, batchRecordsMax, pick) => {
      const { text, records, ends } = write(random);
      const whole = records.map((record, i): Read => [record, ends[i]]);
      await withFolder(async (folder) => {
        await Deno.writeTextFile(`${folder}/t.csv`, text);
        await Deno.writeFile(`${folder}/t.csv.gz`, gzipSync(text));
        for (const path of [`${folder}/t.csv`, `${folder}/t.csv.gz`]) {
          const source = table(path, { delimiter: random.delimiter });
          assert.deepEqual(await readAll(source, path, null, batchRecordsMax), whole);
          if (whole.length === 0) continue;
          const at = pick % whole.length;
          assert.deepEqual(await readAll(source, path, ends[at], batchRecordsMax), whole.slice(at + 1));
        }
      });
    }),
    { numRuns: 150 },
  );
});

const anyCsvBytes = fc.tuple(
  fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constantFrom("1,2\n", '"', "\n", ",", "x", '"",', '"a\nb",c\n', "\r", "\r\n", "ü").map(bytesOf),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3 }) },
    ),
    { maxLength: 60 },
  ),
  fc.option(fc.integer({ min: 0, max: 60 }), { nil: null }),
).map(([parts, lead]) =>
  new Uint8Array([
    ...bytesOf(lead === null ? "" : `${"-".repeat(blockBytes - lead)},\n`),
    ...parts.flatMap((part) => [...part]),
  ])
);

Deno.test("whatever is in a file, what is read does not depend on where reading began, on batches or on blocks", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyCsvBytes,
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 9 }),
      async (content, recordBytesMax, batchRecordsMax) => {
        await withFile(content, async (path) => {
          const source = table(path, { columns: ["a", "b"], recordBytesMax });
          const whole = await readAll(source, path);
          for (let at = 0; at < whole.length; at++) {
            assert.deepEqual(
              await readAll(source, path, whole[at][1], batchRecordsMax),
              whole.slice(at + 1),
              `from ${whole[at][1]}`,
            );
          }
          // Nothing is dropped but line endings and a byte order mark: what is between two positions is one record.
          let start = 0;
          for (const [record, position] of whole) {
            const bytes = content.subarray(start, position as number);
            start = position as number;
            if (typeof (record as { reason?: unknown }).reason !== "string") continue;
            const { length } = record as { length: number };
            const text = new TextDecoder("latin1", { ignoreBOM: true }).decode(bytes)
              .replace(/^(\r?\n)+/, "").replace(/\r?\n?$/, "");
            assert.ok(length === text.length || text.startsWith("ï»¿"), `${length} of ${JSON.stringify(text)}`);
          }
          const rest = new TextDecoder().decode(content.subarray(start));
          assert.match(rest, /^[\r\n]*$/);
        });
      },
    ),
    { numRuns: 400 },
  );
});

Deno.test("a table refuses options that make no sense, and a schema that wants more than text does not compile", () => {
  assert.throws(() => table([]), RangeError);
  assert.throws(() => table("t", { delimiter: "" }), /delimiter must be one character of ASCII/);
  assert.throws(() => table("t", { delimiter: "ab" }), RangeError);
  assert.throws(() => table("t", { delimiter: '"' }), RangeError);
  assert.throws(() => table("t", { delimiter: "¦" }), RangeError);
  assert.throws(() => table("t", { recordBytesMax: 0 }), /recordBytesMax must be a whole number above 0/);
  assert.throws(() => table("t", { columns: [] }), /columns must name each column once/);
  assert.throws(() => table("t", { columns: ["a", "a"] }), RangeError);
  assert.throws(() => Source.csv("c", { paths: "c", schema: City, columns: ["city"] }), RangeError);
  assert.throws(() => table("t", { compression: "zip" as "gzip" }), /compression must be "gzip" or "none"/);
  assert.throws(() => table("t.gz", { follow: true }), {
    name: "RangeError",
    message: `Cannot make source "table" as a file that is followed must not be compressed: current value is "t.gz"`,
  });
  assert.throws(() => table("t", { follow: { pollInterval: 0 } }), /pollInterval must be finite and at least/);
  assert.throws(() => table("t", { follow: { onTruncation: "x" as "fail" } }), /onTruncation must be "fail" or/);
  // @ts-expect-error All that a file of CSV holds is text.
  Source.csv("numbers", { paths: "n", schema: Schema.Struct({ n: Schema.Number }) });
  const decoded: Source.Source<{ readonly city: string }, Source.DecodeError, never, never> = Source.csv("cities", {
    paths: "c",
    schema: City,
    follow: true,
  });
  assert.deepEqual([decoded.bounded, decoded.replayable], [false, true]);
});
