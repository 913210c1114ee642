import * as Schema from "@effect/schema";
import { Cause, Effect, Exit, Fiber, Stream } from "effect";
import { TestClock } from "effect/testing";
import fc from "fast-check";
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { FileError, type FileInfo, Files, type FileSystem } from "../src/streams/files.ts";
import { blockBytes } from "../src/streams/sources/formats/lines.ts";

const { Rejected, SourceError } = Source;

/** A record, or why it was rejected with its bytes, and its position. */
type Read = readonly [record: unknown, position: Source.Position];

type AnySource = Source.Source<unknown, unknown, never, unknown>;

const plain = (record: unknown): unknown =>
  record instanceof Rejected
    ? { reason: record.reason, raw: new TextDecoder().decode(record.raw), length: record.rawLength }
    : record;

const flatten = (batches: ReadonlyArray<Source.SourceBatch<unknown>>): ReadonlyArray<Read> =>
  batches.flatMap((batch) =>
    batch.records.flatMap((record, i): ReadonlyArray<Read> =>
      record instanceof Source.PositionNotice ? [] : [[plain(record), batch.positions[i]]]
    )
  );

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

const lines = (paths: string | ReadonlyArray<string>, options: Partial<Source.NdjsonSourceOptions<unknown>> = {}) =>
  Source.ndjson("lines", { paths, schema: Schema.Number, ...options }) as AnySource;

const numbers = (from: number, to: number): string => {
  let text = "";
  for (let n = from; n < to; n++) text += `${n}\n`;
  return text;
};

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]));

// ── csv ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const AnyRecord = Schema.Record(Schema.String, Schema.String);
const City = Schema.Struct({ city: Schema.String, people: Schema.FiniteFromString.check(Schema.isInt()) });

const table = (paths: string | ReadonlyArray<string>, options: Partial<Source.CsvSourceOptions<unknown>> = {}) =>
  Source.csv("table", { paths, schema: AnyRecord, ...options }) as AnySource;

const recordsOf = (reads: ReadonlyArray<Read>): ReadonlyArray<unknown> => reads.map(([record]) => record);
const reasonsOf = (reads: ReadonlyArray<Read>): ReadonlyArray<unknown> =>
  reads.map(([record]) => (record as { reason?: string }).reason ?? record);

Deno.test("a pattern that names no file is said not to be expanded", async () => {
  const source = Source.ndjson("lines", { paths: "none/*.ndjson", schema: Schema.Unknown });
  const error = await Effect.runPromise(Effect.flip(Stream.runDrain(source.read("none/*.ndjson", null, 1))));
  assert.match(error.message, /patterns are not expanded\): current value is none$/);
});

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
    ["city,inhabitants\n", /current value is one that lacks "people", its columns are "city", "inhabitants"$/],
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

Deno.test("a carriage return is kept in quotes, and is never dropped outside of them", () =>
  withFile('a,b\n1,2\n\r3,4\n5,6\r\r\n"7\r",8\r\n\r\r\n9,"\r10"\n', async (path) => {
    const stray = (byte: number) =>
      `is not CSV: a carriage return outside quotes ends no line by itself (record at byte ${byte})`;
    assert.deepEqual(reasonsOf(await readAll(table(path), path)), [
      { a: "1", b: "2" },
      stray(8),
      stray(13),
      { a: "7\r", b: "8" },
      stray(27),
      { a: "9", b: "\r10" },
    ]);
  }));

Deno.test("a byte order mark is part of a field wherever it is not the beginning of the file", () =>
  withFile('a,b\nx"x,0\n\uFEFF1,2\n\uFEFFy"y,0\n\uFEFF3,4\n', async (path) => {
    const reads = reasonsOf(await readAll(table(path), path));
    assert.deepEqual([reads[1], reads[3]], [{ a: "\uFEFF1", b: "2" }, { a: "\uFEFF3", b: "4" }]);
  }));

// 1,"a          line 1 is refused: the second field of its record is never closed
// b","c         line 2 is refused for itself: a quote within a field, and then one that opens the next
// 2,3
Deno.test("after a refused line all that comes is looked at anew", async () => {
  await withFile('a,b\n1,"a\nb","c\n2,3\n', async (path) => {
    const open = (byte: number) => `has a quoted field that does not end before the file does (record at byte ${byte})`;
    assert.deepEqual(reasonsOf(await readAll(table(path), path)), [open(4), open(9), { a: "2", b: "3" }]);
  });
  const rows = Array.from({ length: 20 }, (_, i) => `${i},x`);
  await withFile(`a,b\n1,"a\nb","c\n${rows.join("\n")}\n`, async (path) => {
    const open = (byte: number) => `has a quoted field that does not end within 20 bytes (record at byte ${byte})`;
    assert.deepEqual(reasonsOf(await readAll(table(path, { recordBytesMax: 20 }), path)), [
      open(4),
      open(9),
      ...rows.map((_, i) => ({ a: String(i), b: "x" })),
    ]);
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
    quoted || width === 1 || /["\r\n,;\t|]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
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
    { numRuns: 100 },
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
    { numRuns: 200 },
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
  assert.throws(() => Source.csv("c", { paths: "c", schema: City, columns: ["city"] }), /one that lacks "people"/);
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

// ── any file ────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a file that shrinks while it is read is an error, after the whole records that were there", async () => {
  await withFile(numbers(0, 100_000), async (path) => {
    const reads: Array<Read> = [];
    const shrink = (batch: Source.SourceBatch<unknown>) =>
      Effect.promise(async () => {
        reads.push(...flatten([batch]));
        await Deno.truncate(path, 200_000);
      });
    const exit = await Effect.runPromiseExit(Stream.runForEach(lines(path).read(path, null, 100), shrink));
    assert.ok(Exit.isFailure(exit));
    const error = Cause.squash(exit.cause) as Source.SourceError;
    assert.match(
      error.message,
      /must not shrink while it is read, and had \d+ bytes at first: .* ends after 200000 bytes$/,
    );
    assert.deepEqual(recordsOf(reads), reads.map((_, i) => i));
    assert.ok(200_000 - (reads.at(-1)![1] as number) < 7);
  });
});

Deno.test("a missing file and a folder are errors of every format, that a retry does not heal", async () => {
  for (const source of [lines("missing"), table("missing"), lines("missing", { compression: "gzip" })]) {
    const { error } = await readToFailure(source, "missing");
    assert.match(
      error.message,
      /^Cannot open "missing" for source "\w+" as there must be a file: current value is none$/,
    );
    assert.equal(error.retryable, false);
  }
  await withFolder(async (folder) => {
    for (const source of [lines(folder), table(folder), lines(folder, { compression: "gzip" })]) {
      const { error } = await readToFailure(source, folder);
      assert.match(error.message, /Is a directory/);
      assert.equal(error.retryable, false);
    }
  });
});

Deno.test("a line of ten megabytes is rejected without being held", () =>
  withFile(`1\n${"2".repeat(10 * 1_048_576)}\n3\n`, async (path) => {
    const reads = await readAll(lines(path), path);
    assert.deepEqual(reasonsOf(reads), [1, `is longer than 1048576 bytes: it has ${10 * 1_048_576}`, 3]);
    assert.equal((reads[1][0] as { raw: string }).raw.length, Source.rejectedBytesMax);
  }));

/** A disk in memory that hands out seven bytes at a time. `onInfo` runs before it is asked what a path names. */
const smallDisk = (onInfo: (path: string) => void = () => {}, tellsTime = true) => {
  const files = new Map<string, { readonly identity: string; bytes: Uint8Array }>();
  let made = 0;
  let open = 0;
  const infoOf = ({ identity, bytes }: { readonly identity: string; readonly bytes: Uint8Array }): FileInfo => ({
    sizeBytes: bytes.length,
    identity,
    isFile: true,
    madeMillis: tellsTime ? Number(identity) : null,
    modifiedMillis: tellsTime ? Number(identity) : 0,
  });
  const missing = new FileError({ message: "there is no file", reason: "missing", cause: null });
  const system: FileSystem = {
    openToRead: (path) =>
      Effect.suspend(() => {
        const file = files.get(path);
        if (file === undefined) return Effect.fail(missing);
        open++;
        return Effect.succeed({
          read: (into, offset) =>
            Effect.sync(() => {
              const part = file.bytes.subarray(offset, offset + Math.min(7, into.length));
              into.set(part);
              return part.length;
            }),
          write: () => Effect.die("it is only read"),
          info: Effect.sync(() => infoOf(file)),
          sync: Effect.void,
          close: Effect.sync(() => void open--),
        });
      }),
    openToWrite: () => Effect.die("it is only read"),
    info: (path) =>
      Effect.suspend(() => {
        onInfo(path);
        const file = files.get(path);
        return file === undefined ? Effect.fail(missing) : Effect.succeed(infoOf(file));
      }),
    list: () => Effect.sync(() => [...files.keys()].map((path) => path.slice(path.lastIndexOf("/") + 1))),
    makeFolder: () => Effect.void,
  };
  return {
    system,
    open: () => open,
    add: (path: string, text: string) => {
      const file = files.get(path) ?? { identity: String(++made), bytes: new Uint8Array() };
      file.bytes = concat(file.bytes, bytesOf(text));
      files.set(path, file);
    },
    rename: (from: string, to: string) => {
      files.set(to, files.get(from)!);
      files.delete(from);
    },
  };
};

Deno.test("every operation on a file goes through the port, so that another disk can stand in", async () => {
  const disk = smallDisk();
  disk.add("f", numbers(100, 400));
  const sources = [
    lines("f"),
    followed("f"),
    table("f", { columns: ["n"] }),
    table("f", { columns: ["n"], follow: true }),
  ];
  for (const source of sources) {
    const read = async (from: Source.Position | null) =>
      flatten(
        await Effect.runPromise(
          source.read("f", from, 100).pipe(
            Stream.takeUntil(({ lag }) => lag === 0),
            Stream.runCollect,
            Effect.provideService(Files, disk.system),
          ),
        ),
      );
    const whole = await read(null);
    assert.deepEqual(
      whole.map(([record]) => Number((record as { n?: string }).n ?? record)).slice(0, 300),
      [
        ...Array(300).keys(),
      ].map((n) => n + 100),
    );
    for (const at of [0, 1, 150, 298]) assert.deepEqual(await read(whole[at][1]), whole.slice(at + 1));
    assert.equal(disk.open(), 0, "all files are closed");
  }
});

Deno.test("where a disk does not tell when files were made, their numbers tell their order", async () => {
  const disk = smallDisk(undefined, false);
  disk.add("d/f.4", "0\n");
  disk.add("d/f", "5\n");
  disk.add("d/f.1", "4\n");
  disk.add("d/f.2", "3\n");
  disk.add("d/f.10", "-1\n");
  disk.add("d/f.3", "1\n2\n");
  const batches = await Effect.runPromise(
    followed("d/f").read("d/f", "2@6", 10).pipe(
      Stream.takeUntil(({ lag }) => lag === 0),
      Stream.runCollect,
      Effect.provideService(Files, disk.system),
    ),
  );
  assert.deepEqual(recordsOf(flatten(batches)), [2, 3, 4, 5]);
});

// f      1      renamed to f.1 …   3        ← the follower sees that the new file has been begun,
// f.1    1   2                              ← and only then the last line of the old one is there
Deno.test("a line that comes to the old file just before the new one is begun is read, too", async () => {
  let isLate = true;
  const disk = smallDisk((path) => {
    if (path !== "d/f" || !isLate || !hasNew) return;
    isLate = false;
    disk.add("d/f.1", "2\n");
  });
  let hasNew = false;
  disk.add("d/f", "1\n");
  const reads: Array<unknown> = [];
  await Effect.runPromise(
    followed("d/f").read("d/f", null, 10).pipe(
      Stream.tap((batch) =>
        Effect.sync(() => {
          reads.push(...batch.records);
          if (batch.records[0] !== 1) return;
          disk.rename("d/f", "d/f.1");
          disk.add("d/f", "3\n");
          hasNew = true;
        })
      ),
      Stream.takeUntil(({ records }) => records.includes(3)),
      Stream.runDrain,
      Effect.provideService(Files, disk.system),
    ),
  );
  assert.deepEqual(reads.filter((read) => typeof read === "number"), [1, 2, 3]);
  assert.equal(isLate, false);
  assert.equal(disk.open(), 0);
});

// ── gzip ────────────────────────────────────────────────────────────────────────────────────────────────────────────

Deno.test("a compressed file yields what it stands for; positions count the bytes that were compressed", () =>
  withFile(gzipSync(numbers(0, 5)), async (path) => {
    const source = lines(path);
    assert.deepEqual(await readAll(source, path), [[0, 2], [1, 4], [2, 6], [3, 8], [4, 10]]);
    assert.deepEqual(await readAll(source, path, 6), [[3, 8], [4, 10]]);
    assert.deepEqual(await readAll(source, path, 10), []);
    assert.match((await readToFailure(source, path, 5)).error.message, /a line must begin at the recorded position/);
    assert.match((await readToFailure(source, path, 12)).error.message, /must not be shorter than .* 12: .* 10 bytes$/);
  }, "numbers.gz"));

Deno.test("whether a file is compressed is told by its name, or by an option", async () => {
  await withFile("1\n", async (path) => {
    assert.deepEqual(await readAll(lines(path, { compression: "none" }), path), [[1, 2]]);
  }, "plain.gz");
  await withFile(gzipSync("1\n"), async (path) => {
    assert.deepEqual(await readAll(lines(path, { compression: "gzip" }), path), [[1, 2]]);
  }, "compressed");
});

Deno.test("a compressed file may consist of several members, and a record may be in two of them", () =>
  withFile(concat(gzipSync("1\n2"), gzipSync(""), gzipSync("3\n4\n")), async (path) => {
    assert.deepEqual(await readAll(lines(path), path), [[1, 2], [23, 5], [4, 7]]);
    assert.deepEqual(await readAll(lines(path), path, 2), [[23, 5], [4, 7]]);
  }, "members.gz"));

Deno.test("the lag of a compressed file is 0 at its end and not before", () =>
  withFile(gzipSync(numbers(0, 49_999)), async (path) => {
    const batches = await Effect.runPromise(Stream.runCollect(lines(path).read(path, null, 1_000)));
    assert.deepEqual(batches.findIndex(({ lag }) => lag === 0), batches.length - 1);
  }, "numbers.gz"));

Deno.test("a compressed file that was cut off yields the whole records before the cut, and then an error that says where", async () => {
  const text = numbers(0, 20_000);
  const whole = gzipSync(text);
  for (const length of [0, 5, 12, whole.length >> 1, whole.length - 9, whole.length - 1]) {
    await withFile(whole.subarray(0, length), async (path) => {
      const { reads, error } = await readToFailure(lines(path), path);
      assert.deepEqual(recordsOf(reads), reads.map((_, i) => i));
      const [, compressed, decompressed] = error.message.match(
        /cut off within its first (\d+) bytes, after (\d+) bytes were decompressed$/,
      )!;
      assert.equal(Number(compressed), length);
      const position = reads.length === 0 ? 0 : reads.at(-1)![1] as number;
      assert.equal(text.slice(0, position), numbers(0, reads.length));
      // All that was decompressed is in a record, but for the one that was cut.
      assert.ok(!text.slice(position, Number(decompressed)).includes("\n"));
      if (length > 1_000) assert.ok(reads.length > 1_000, `${reads.length} of ${length} bytes`);
      assert.ok(
        error.message.startsWith(`Cannot read on in "${path}" for source "lines" as a gzip file must be whole`),
      );
      assert.equal(error.retryable, false);
    }, "cut.gz");
  }
});

Deno.test("a compressed file that is damaged never ends without an error", async () => {
  const whole = gzipSync(numbers(0, 2_000));
  // The checksum and the length are at the end; what is before the data (time, system) decides nothing.
  for (let at = 10; at < whole.length; at += 97) {
    const damaged = whole.slice();
    damaged[at] ^= 0x10;
    await withFile(damaged, async (path) => {
      const { error } = await readToFailure(lines(path), path);
      assert.match(error.message, /current value is one that is (damaged|cut off)/);
    }, "damaged.gz");
  }
  await withFile("not compressed", async (path) => {
    assert.match((await readToFailure(lines(path), path)).error.message, /damaged \(incorrect header check\)/);
  }, "text.gz");
});

// 1 2   zeros   3        all of the second member would be missed
Deno.test("zeros may end a compressed file, and nothing may stand behind them", async () => {
  for (const zeros of [1, 100, 20_000]) {
    const filled = concat(gzipSync("1\n2\n"), new Uint8Array(zeros));
    await withFile(
      filled,
      async (path) => assert.deepEqual(recordsOf(await readAll(lines(path), path)), [1, 2]),
      "f.gz",
    );
    await withFile(concat(filled, gzipSync("3\n")), async (path) => {
      const { reads, error } = await readToFailure(lines(path), path);
      assert.deepEqual(recordsOf(reads), [1, 2]);
      assert.match(error.message, /damaged \(there is more behind zeros\)/);
    }, "damaged.gz");
  }
});

Deno.test("a file that stands for a thousand times its size is read in little memory", () =>
  withFile(gzipSync(`1\n${" ".repeat(100_000_000)}\n2\n`), async (path) => {
    const before = Deno.memoryUsage().external;
    let most = 0;
    const reads: Array<Read> = [];
    await Effect.runPromise(Stream.runForEach(lines(path).read(path, null, 1), (batch) =>
      Effect.sync(() => {
        reads.push(...flatten([batch]));
        most = Math.max(most, Deno.memoryUsage().external - before);
      })));
    assert.deepEqual(reads.map(([, position]) => position), [2, 100_000_003, 100_000_005]);
    assert.ok(most < 48 * 1_048_576, `${most} bytes of buffers`);
  }, "bomb.gz"));

// ── following ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** What is read of a followed file up to the first moment at which it says that this is all. */
const readAvailable = async (
  source: AnySource,
  path: string,
  from: Source.Position | null = null,
  batchRecordsMax = 1_000,
): Promise<ReadonlyArray<Read>> =>
  flatten(
    await Effect.runPromise(
      source.read(path, from, batchRecordsMax).pipe(Stream.takeUntil(({ lag }) => lag === 0), Stream.runCollect),
    ),
  );

/** Reads on in a followed file, for as long as its test goes on. */
const reading = (source: AnySource, path: string, from: Source.Position | null = null) => {
  const reads: Array<Read> = [];
  const lags: Array<number | undefined> = [];
  let isQuiet = false;
  const fiber = Effect.runFork(
    Stream.runForEach(source.read(path, from, 100), (batch) =>
      Effect.sync(() => {
        reads.push(...flatten([batch]));
        lags.push(batch.lag);
        isQuiet = batch.lag === 0;
      })),
  );
  const until = async (holds: () => boolean): Promise<void> => {
    for (let waits = 0; !holds(); waits++) {
      assert.ok(waits < 500, `only ${JSON.stringify(reads)} was read`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return {
    reads,
    lags,
    /** Waits until so many records have been read and it says that this is all. */
    records: (count: number) => until(() => reads.length >= count && isQuiet),
    until,
    stop: () => Effect.runPromise(Fiber.interrupt(fiber)),
    failure: async () => {
      await until(() => fiber.pollUnsafe() !== undefined);
      const exit = fiber.pollUnsafe()!;
      assert.ok(Exit.isFailure(exit));
      return Cause.squash(exit.cause) as Source.SourceError;
    },
  };
};

const append = (path: string, text: string): Promise<void> =>
  Deno.writeTextFile(path, text, { append: true, create: true });
/** Files made in the same millisecond cannot be told apart by their age. */
const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

const followed = (path: string, options: Source.FollowOptions = {}) =>
  lines(path, { follow: { pollInterval: "5 millis", ...options } });

// time   →  1\n2\n   3   \n4\n
// reads       1 2      |  3 4      a line counts once it has ended
Deno.test("a followed file yields what is added to it, each line when it has ended", () =>
  withFile("1\n2\n", async (path) => {
    const reader = reading(followed(path), path);
    await reader.records(2);
    await append(path, "3");
    await aMoment();
    await aMoment();
    assert.deepEqual(recordsOf(reader.reads), [1, 2]);
    await append(path, "3\n4\n");
    await reader.records(4);
    assert.deepEqual(recordsOf(reader.reads), [1, 2, 33, 4]);
    await reader.stop();
  }));

Deno.test("a followed file says with a lag of 0 that this is all, and can be read on from every position", () =>
  withFile("1\n2\n3", async (path) => {
    const source = followed(path);
    const first = await readAvailable(source, path);
    assert.deepEqual(recordsOf(first), [1, 2]);
    assert.deepEqual(await readAvailable(source, path, first[1][1]), []);
    await append(path, "\n4\n");
    const whole = await readAvailable(source, path);
    assert.deepEqual(recordsOf(whole), [1, 2, 3, 4]);
    for (const [i, [, position]] of whole.entries()) {
      for (const batchRecordsMax of [1, 2, 100]) {
        assert.deepEqual(await readAvailable(source, path, position, batchRecordsMax), whole.slice(i + 1));
      }
    }
    // Before it was followed its positions were offsets.
    assert.deepEqual(recordsOf(await readAvailable(source, path, 4)), [3, 4]);
  }));

Deno.test("the lag of a followed file is what is known to be behind a batch", () =>
  withFile(numbers(0, 10), async (path) => {
    const reader = reading(followed(path), path);
    await reader.records(10);
    await append(path, numbers(100, 450));
    await reader.records(360);
    // The first batch comes before the file is looked at again.
    assert.deepEqual(reader.lags.slice(-3), [150 * 4, 50 * 4, 0]);
    await reader.stop();
  }));

Deno.test("a writer that goes on is not chased", () =>
  withFile(numbers(0, 100), async (path) => {
    let written = 100;
    const grow = (batch: Source.SourceBatch<unknown>) =>
      Effect.promise(async () => {
        if (batch.lag !== 0) await append(path, numbers(written, written += 20));
      });
    const batches = await Effect.runPromise(
      followed(path).read(path, null, 10).pipe(
        Stream.tap(grow),
        Stream.takeUntil(({ lag }) => lag === 0),
        Stream.runCollect,
      ),
    );
    assert.deepEqual(recordsOf(flatten(batches)), Array.from({ length: 100 }, (_, i) => i));
  }));

Deno.test("a followed file may appear later, and so may its header", () =>
  withFolder(async (folder) => {
    const path = `${folder}/new.csv`;
    const reader = reading(table(path, { follow: { pollInterval: "5 millis" } }), path);
    await reader.records(0);
    await append(path, "a,");
    await aMoment();
    await append(path, "b\n1,");
    await aMoment();
    assert.deepEqual(reader.reads, []);
    await append(path, "2\n");
    await reader.records(1);
    assert.deepEqual(recordsOf(reader.reads), [{ a: "1", b: "2" }]);
    await reader.stop();
  }));

Deno.test("how often a followed file is looked at goes by the clock", () =>
  withFile("1\n", (path) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const reads: Array<unknown> = [];
        const source = lines(path, { follow: { pollInterval: "1 minute" } });
        yield* Stream.runForEach(source.read(path, null, 10), (batch) => Effect.sync(() => reads.push(batch.records)))
          .pipe(Effect.forkScoped);
        const pause = (millis: number) => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis)));
        const untilRead = (count: number) =>
          Effect.repeat(pause(5), { until: () => reads.length >= count, times: 2_000 });
        yield* untilRead(1);
        yield* pause(100); // It falls asleep.
        yield* Effect.promise(() => append(path, "2\n"));
        yield* TestClock.adjust("59 seconds");
        yield* pause(30);
        assert.deepEqual(reads, [[1]]);
        yield* TestClock.adjust("1 second");
        yield* untilRead(2);
        assert.deepEqual(reads, [[1], [2]]);
      }).pipe(Effect.scoped, Effect.provide(TestClock.layer())) as Effect.Effect<void>,
    )));

// app.log    1 2 | 3 (late) |        A is renamed, but its writer does not know yet
// app.log.1      | A        | A
// app.log        | empty    | 4 5    B
Deno.test("a rotated file is read to its end, with what its writer adds late, before the new one from its start", () =>
  withFolder(async (folder) => {
    const path = `${folder}/app.log`;
    await append(path, "1\n2\n");
    const reader = reading(followed(path), path);
    await reader.records(2);
    await Deno.rename(path, `${path}.1`);
    await append(path, "");
    for (let looks = 0; looks < 10; looks++) await aMoment();
    await append(`${path}.1`, "3\n");
    await reader.records(3);
    await append(path, "4\n");
    await reader.records(4);
    await append(path, "5\n");
    await reader.records(5);
    assert.deepEqual(recordsOf(reader.reads), [1, 2, 3, 4, 5]);
    await reader.stop();
    // From every position, the rest.
    for (const [i, [, position]] of reader.reads.entries()) {
      assert.deepEqual(await readAvailable(followed(path), path, position, 2), reader.reads.slice(i + 1));
    }
  }));

Deno.test("the last line of a rotated file needs no line ending", () =>
  withFolder(async (folder) => {
    const path = `${folder}/app.log`;
    await append(path, "1\n2");
    await Deno.rename(path, `${path}.1`);
    const source = followed(path);
    await append(path, "");
    await append(path, "3\n");
    const first = (await readAvailable(source, path))[0];
    assert.equal(first[0], 3, "a file that was rotated before the job began is not its");
    await Deno.remove(path);
    await Deno.rename(`${path}.1`, path);
    const reader = reading(source, path);
    await reader.records(1);
    await Deno.rename(path, `${path}.1`);
    await append(path, "3\n");
    await reader.records(3);
    assert.deepEqual(recordsOf(reader.reads), [1, 2, 3]);
    await reader.stop();
  }));

// While nobody reads:   A → app.log.3   B → app.log.2   C → app.log.1   D = app.log
Deno.test("files that came and went while nobody read are read in their order, whatever they are named by", async () => {
  const schemes: ReadonlyArray<(k: number) => string> = [
    (k) => `app.log.${4 - k}`,
    (k) => `app.log-2026013${k}`,
    (k) => `app-2026-01-3${k}.log`,
    (k) => `app.log.2026-01-3${k}T00:00:00`,
  ];
  for (const nameOf of schemes) {
    await withFolder(async (folder) => {
      const path = `${folder}/app.log`;
      await append(path, "1\n");
      const [[, position]] = await readAvailable(followed(path), path);
      await append(path, "2\n");
      for (let k = 1; k <= 3; k++) {
        await Deno.rename(path, `${folder}/${nameOf(k)}`);
        await aMoment();
        await append(path, `${k * 10}\n${k * 10 + 1}\n`);
      }
      await Deno.writeTextFile(`${folder}/app.log.bak`, "98\n");
      await Deno.writeTextFile(`${folder}/other.log.1`, "99\n");
      const rest = await readAvailable(followed(path), path, position);
      assert.deepEqual(recordsOf(rest), [2, 10, 11, 20, 21, 30, 31], nameOf(1));
      for (const [i, [, position]] of rest.entries()) {
        assert.deepEqual(await readAvailable(followed(path), path, position, 1), rest.slice(i + 1));
      }
    });
  }
});

// server1.log    a1 |   A is renamed   | a2      server10.log    b1 b2      server12.log.gz    b3
Deno.test("a log whose name begins like that of another is not taken for a rotated file of it", () =>
  withFolder(async (folder) => {
    for (const [first, second] of [["server1.log", "server10.log"], ["app.log", "app-2.log"]]) {
      const paths = [first, second].map((name) => `${folder}/${name}`);
      const source = lines(paths, { follow: { pollInterval: "5 millis" } });
      await append(paths[0], "1\n");
      const [[, position]] = await readAvailable(source, paths[0]);
      await Deno.rename(paths[0], `${paths[0]}.1`);
      await aMoment();
      await append(paths[1], "10\n11\n");
      await Deno.writeTextFile(`${paths[1]}.2026`, "12\n");
      await Deno.writeTextFile(paths[1].replace(".log", "-2026.log"), "13\n");
      await Deno.writeFile(`${folder}/server12.log.gz`, gzipSync("14\n"));
      await Deno.writeFile(`${paths[1]}.gz`, gzipSync("15\n"));
      await append(paths[0], "2\n");
      assert.deepEqual(recordsOf(await readAvailable(source, paths[0], position)), [2], first);
    }
  }));

Deno.test("a rotated file that has gone is an error that says from where on it may be missed, unless one goes on", () =>
  withFolder(async (folder) => {
    const path = `${folder}/app.log`;
    await append(path, "1\n2\n");
    const position = (await readAvailable(followed(path), path))[0][1];
    await append(`${path}.new`, "3\n");
    await Deno.rename(`${path}.new`, path);
    const { error } = await readToFailure(followed(path), path, position);
    assert.equal(
      error.message,
      `Cannot read on in "${path}" for source "lines" as the file that was read up to byte 2 must still be in its ` +
        `folder, under whatever name: current value is none in "${folder}", so what it may have had behind that byte is lost`,
    );
    assert.deepEqual([error.retryable, error.position], [false, position]);
    const goesOn = followed(path, { onLostFile: "go-on" });
    assert.deepEqual(recordsOf(await readAvailable(goesOn, path, position)), [3]);
  }));

Deno.test("a rotated file that was compressed before it was read is an error that names it, unless one goes on", () =>
  withFolder(async (folder) => {
    const path = `${folder}/app.log`;
    await append(path, "1\n");
    const position = (await readAvailable(followed(path), path))[0][1];
    await Deno.rename(path, `${path}.2`);
    await aMoment();
    await Deno.writeFile(`${path}.1.gz`, gzipSync("2\n"));
    await append(path, "3\n");
    const { error } = await readToFailure(followed(path), path, position);
    assert.match(error.message, /must be read before it is compressed: current value is ".*app\.log\.1\.gz", none of/);
    const goesOn = followed(path, { onLostFile: "go-on" });
    assert.deepEqual(recordsOf(await readAvailable(goesOn, path, position)), [3]);
  }));

Deno.test("a compressed file that was rotated before the one that is read is no concern of it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/app.log`;
    await Deno.writeFile(`${path}.2.gz`, gzipSync("0\n"));
    await aMoment();
    await append(path, "1\n");
    const reader = reading(followed(path), path);
    await reader.records(1);
    await Deno.rename(path, `${path}.1`);
    await append(path, "2\n");
    await reader.records(2);
    assert.deepEqual(recordsOf(reader.reads), [1, 2]);
    await reader.stop();
  }));

Deno.test("a followed file that is cut off is an error that says how much was read, or is read from its start", () =>
  withFile("1\n2\n3\n", async (path) => {
    const reader = reading(followed(path), path);
    await reader.records(3);
    await Deno.truncate(path, 2);
    const error = await reader.failure();
    assert.equal(
      error.message,
      `Cannot read on in "${path}" for source "lines" as the file must not be shorter than what was read of it, which ` +
        `is 6 bytes: current value is 2 bytes, so it was cut off, and what was written to it since it was last read may ` +
        `be lost`,
    );
    assert.equal(error.retryable, false);
    const position = reader.reads[2][1];
    assert.equal(position, error.position);
    assert.match((await readToFailure(followed(path), path, position)).error.message, /which is 6 bytes: .* 2 bytes/);
    const startsOver = followed(path, { onTruncation: "start-over" });
    assert.deepEqual(recordsOf(await readAvailable(startsOver, path, position)), [1]);
    // A file that has been written anew has something else where a record began.
    await Deno.writeTextFile(path, "1234567890\n");
    assert.match((await readToFailure(followed(path), path, position)).error.message, /a line must begin at/);
    assert.deepEqual(recordsOf(await readAvailable(startsOver, path, position)), [1_234_567_890]);
  }));

Deno.test("a file that was cut off and has outgrown what was read of it is noticed while it is followed", () =>
  withFile("1\n2\n3\n", async (path) => {
    const position = (await readAvailable(followed(path), path))[2][1];
    for (const from of [null, position]) {
      await Deno.writeTextFile(path, "1\n2\n3\n");
      const reader = reading(followed(path, { pollInterval: "50 millis" }), path, from);
      const startsOver = reading(followed(path, { pollInterval: "50 millis", onTruncation: "start-over" }), path, from);
      await reader.records(from === null ? 3 : 0);
      await startsOver.records(from === null ? 3 : 0);
      await Deno.writeTextFile(path, "4\n5\n6\n7\n");
      assert.match((await reader.failure()).message, /so it was cut off/);
      await startsOver.until(() => startsOver.reads.length === (from === null ? 7 : 4));
      assert.deepEqual(recordsOf(startsOver.reads).slice(-4), [4, 5, 6, 7]);
      await startsOver.stop();
    }
  }));

// file    1  \n |  cut off, 2\n3\n      where "\n" was read, on its own, is one again
Deno.test("a file that was written anew is noticed however little of it was read at last", () =>
  withFile("1", async (path) => {
    const reader = reading(followed(path, { pollInterval: "20 millis" }), path);
    await reader.until(() => reader.lags.includes(0));
    await append(path, "\n");
    await reader.records(1);
    await Deno.writeTextFile(path, "2\n3\n");
    assert.match((await reader.failure()).message, /so it was cut off/);
  }));

// file    debit,credit\n |  cut off, credit,debit\n100,2\n
Deno.test("a table of which only the header was read, and which is written anew with another, is noticed", async () => {
  const wide = `,${"x".repeat(100)}`;
  for (const more of ["", wide]) {
    await withFile(`debit,credit${more}\n`, async (path) => {
      const reader = reading(table(path, { follow: { pollInterval: "20 millis" } }), path);
      await reader.until(() => reader.lags.includes(0));
      await Deno.writeTextFile(path, `credit,debit${more}\n100,2${more}\n`);
      assert.match((await reader.failure()).message, /so it was cut off/);
      assert.deepEqual(reader.reads, []);
    });
  }
});

Deno.test("a file that is copied and emptied while it is followed is started over, where that is asked for", () =>
  withFile("a,b\n1,2\n3", async (path) => {
    const source = table(path, { follow: { pollInterval: "5 millis", onTruncation: "start-over" } });
    const reader = reading(source, path);
    await reader.records(1);
    await Deno.truncate(path, 0);
    await reader.until(() => reader.lags.length === 2);
    await append(path, "b,a\n5,6\n");
    await reader.records(2);
    // The line that had not been finished is none.
    assert.deepEqual(recordsOf(reader.reads), [{ a: "1", b: "2" }, { a: "6", b: "5" }]);
    await reader.stop();
  }));

Deno.test("each file of a rotated table has a header of its own, and one that is wrong is an error of that file", () =>
  withFolder(async (folder) => {
    const path = `${folder}/table.csv`;
    await append(path, "a,b\n1,2\n");
    const source = table(path, { follow: { pollInterval: "5 millis" } });
    const reader = reading(source, path);
    await reader.records(1);
    await Deno.rename(path, `${path}.1`);
    await append(path, "b,a\n3,4\n");
    await reader.records(2);
    assert.deepEqual(recordsOf(reader.reads), [{ a: "1", b: "2" }, { a: "4", b: "3" }]);
    assert.deepEqual(recordsOf(await readAvailable(source, path, reader.reads[0][1])), [{ a: "4", b: "3" }]);
    await aMoment();
    await Deno.rename(path, `${path}.0`);
    await append(path, "a,a\n");
    assert.match((await reader.failure()).message, /table\.csv" .* its header must .* one that has "a" twice/);
  }));

Deno.test("a folder cannot be followed, and a position that is none is refused", () =>
  withFolder(async (folder) => {
    assert.match((await readToFailure(followed(folder), folder)).error.message, /what is followed must be a file/);
    for (const position of ["5", "x@y", "-1@y", -1, 0.5]) {
      const { error } = await readToFailure(followed("f"), "f", position);
      assert.match(error.message, /its position must be an offset in a file: current value is/);
    }
  }));

// run 1   app.log is empty, or has but a header, or half a line
// then    1 2 are written, it is renamed, 3 is written to the new one
// run 2   1 2 3
Deno.test("a log that is rotated before its first record has come is found again by the next run", async () => {
  for (const [before, after] of [["", "n\n1\n2\n"], ["n\n", "1\n2\n"], ["n\n1", "\n2\n"]]) {
    await withFolder(async (folder) => {
      const path = `${folder}/app.log`;
      const kv = memoryKv();
      const out = Sink.memory<unknown>("out");
      const schema = Schema.Struct({ n: Schema.NumberFromString });
      const run = () =>
        Effect.runPromise(Job.run(
          Job.make({
            name: "early",
            guarantee: "exactly-once",
            flows: [
              Flow.from(Source.csv("log", { paths: path, schema, follow: true })).pipe(
                Flow.onError("fail"),
                Flow.map(({ n }) => n),
                Flow.to(out),
              ),
            ],
          }),
          { kv, mode: "available-now" },
        ));
      await append(path, before);
      const first = await run();
      assert.deepEqual(first.metrics.splits.map(({ records }) => records), [0], "a position is no record");
      assert.match(String(first.metrics.splits[0].position), /^0@/);
      await append(path, after);
      await Deno.rename(path, `${path}.1`);
      await aMoment();
      await append(path, "n\n3\n");
      const second = await run();
      assert.deepEqual(out.values(), [1, 2, 3], JSON.stringify(before));
      assert.deepEqual(second.metrics.splits.map(({ records }) => records), [3]);
    });
  }
});

/** What happens to a log between two looks at it. */
const logStep = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("write" as const), lines: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rotate" as const), lines: fc.constant(0) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("rotate late" as const), lines: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("half a line" as const), lines: fc.constant(0) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("run" as const), lines: fc.constant(0) }) },
);

Deno.test("a job over a log that grows and is rotated, stopped and started again at any time, has every line once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(logStep, { minLength: 3, maxLength: 14 }),
      fc.integer({ min: 1, max: 9 }),
      async (steps, batchRecordsMax) => {
        await withFolder(async (folder) => {
          const path = `${folder}/app.log`;
          const out = `${folder}/out.ndjson`;
          const kv = memoryKv();
          let written = 0;
          let half = "";
          let rotations = 0;
          const write = async (to: string, lines: number) => {
            let text = "";
            for (let i = 0; i < lines; i++) {
              const line = `${written++}\n`;
              text += half === "" ? line : line.slice(half.length);
              half = "";
            }
            await append(to, text);
          };
          const rotate = async (late: number) => {
            // Nobody rotates a log that a line is being written to in this test; another one does.
            if (half !== "") await write(path, 1);
            for (let k = rotations; k > 0; k--) await Deno.rename(`${path}.${k}`, `${path}.${k + 1}`);
            await Deno.rename(path, `${path}.1`);
            rotations++;
            await aMoment();
            await append(path, "");
            if (late > 0) {
              await run();
              await write(`${path}.1`, late);
            }
          };
          const run = () =>
            Effect.runPromise(Job.run(
              Job.make({
                name: "log",
                guarantee: "exactly-once",
                flows: [
                  Flow.from(
                    Source.ndjson("lines", {
                      paths: path,
                      schema: Schema.Number,
                      follow: { pollInterval: "2 millis" },
                    }),
                  ).pipe(Flow.onError("fail"), Flow.to(Sink.ndjson("out", { path: out }))),
                ],
              }),
              { state: "log.kv", kv, mode: "available-now", batchRecordsMax, epochRecordsMax: 7 },
            ));
          // What was rotated before a record was read is not the job's.
          await write(path, 1);
          await run();
          for (const { kind, lines } of steps) {
            if (kind === "write") await write(path, lines);
            if (kind === "rotate" || kind === "rotate late") await rotate(lines);
            if (kind === "half a line" && half === "" && String(written).length > 1) {
              half = String(written).slice(0, 1);
              await append(path, half);
            }
            if (kind === "run") await run();
          }
          if (half !== "") await write(path, 1);
          await run();
          assert.equal(await Deno.readTextFile(out), numbers(0, written));
        });
      },
    ),
    { numRuns: 25 },
  );
});
