/** Checking output: what is missing, doubled, invented or out of order is found, and where. */
import assert from "node:assert/strict";
import { Effect, Schema } from "effect";
import fc from "fast-check";
import { Flow, Job, Sink, Source } from "@weir/streams";
import { checkExactlyOnce, type CheckOptions, NotExactlyOnce } from "@weir/streams/testing";
import { canonical } from "../src/testing/canonical.ts";

interface Row {
  readonly city: string;
  readonly n: number;
}

const rows: ReadonlyArray<Row> = Array.from({ length: 30 }, (_, n) => ({ city: ["Bern", "Genf", "Chur"][n % 3], n }));

const inFile = async (name: string, text: string, body: (path: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    await body(`${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
};

const linesOf = (rows: ReadonlyArray<unknown>): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const refused = async <A>(options: CheckOptions<A>): Promise<NotExactlyOnce> => {
  try {
    await checkExactlyOnce(options);
  } catch (error) {
    if (error instanceof NotExactlyOnce) return error;
    throw error;
  }
  return assert.fail("nothing was found");
};

Deno.test("a missing, a doubled and an invented row are each found, with their lines", () => {
  const written = [...rows.slice(0, 7), ...rows.slice(8, 12), rows[3], ...rows.slice(12), { city: "Bern", n: 99 }];
  return inFile("out.ndjson", linesOf(written), async (path) => {
    const { message, report } = await refused({ output: { ndjson: path }, expected: rows });
    assert.deepEqual(report, {
      rows: 31,
      expected: 30,
      missing: { count: 1, first: [{ row: '{"city":"Genf","n":7}', place: "expected row 8" }] },
      duplicated: { count: 1, first: [{ row: '{"city":"Bern","n":3}', place: "line 12" }] },
      unexpected: { count: 1, first: [{ row: '{"city":"Bern","n":99}', place: "line 31" }] },
      outOfOrder: { count: 0, first: [] },
    });
    assert.equal(
      message,
      [
        "Cannot accept the output as every expected row must be there exactly once: current value is 31 rows where 30 were " +
        "expected, 1 missing, 1 duplicated, 1 unexpected",
        "  missing:",
        '    expected row 8: {"city":"Genf","n":7}',
        "  duplicated:",
        '    line 12: {"city":"Bern","n":3}',
        "  unexpected:",
        '    line 31: {"city":"Bern","n":99}',
      ].join("\n"),
    );
  });
});

Deno.test("every row once passes, in any order, and rows that are expected several times must be there as often", () =>
  inFile("out.ndjson", linesOf([...rows, rows[0]].toReversed()), async (path) => {
    const { rows: count } = await checkExactlyOnce({ output: { ndjson: path }, expected: [...rows, rows[0]] });
    assert.equal(count, 31);
    const { report } = await refused({ output: { ndjson: path }, expected: [...rows, rows[0], rows[0]] });
    assert.deepEqual(report.missing, {
      count: 1,
      first: [{ row: '{"city":"Bern","n":0}', place: "expected row 32" }],
    });
  }));

Deno.test("a line that was cut, and one that is no JSON, are found where they are", () =>
  inFile("out.ndjson", `${linesOf(rows.slice(0, 2))}oh no\n\n${linesOf([rows[2]])}{"city":"Be`, async (path) => {
    const { report } = await refused({ output: { ndjson: path }, expected: rows.slice(0, 3) });
    assert.deepEqual(report.unexpected.first.map(({ place }) => place), ["line 3", "line 6"]);
    for (const { row } of report.unexpected.first) assert.match(row, /^is not JSON: /);
    assert.equal(report.missing.count, 0);
  }));

Deno.test("rows of a file are compared as JSON writes them, or decoded", () => {
  const at = new Date(0);
  return inFile("out.ndjson", '{"at":"1970-01-01T00:00:00.000Z","n":1}\n', async (path) => {
    await checkExactlyOnce({ output: { ndjson: path }, expected: [{ n: 1, at, left: undefined }] });
    const schema = Schema.Struct({ at: Schema.DateFromString, n: Schema.Number });
    await checkExactlyOnce({ output: { ndjson: path, schema }, expected: [{ at, n: 1 }] });
    await refused({ output: { ndjson: path, schema }, expected: [{ at: new Date(1), n: 1 }] });
    // @ts-expect-error -- what is expected has the type of the Schema
    await refused({ output: { ndjson: path, schema }, expected: [{ at: 0, n: 1 }] });
  });
});

Deno.test("rows of CSV are objects of text, with the line at which they end", () =>
  inFile("out.csv", 'city,n\nBern,1\n"Gen\nf",2\nChur,\nBern,1\n', async (path) => {
    const { report } = await refused({
      output: { csv: path },
      expected: [{ n: 1, city: "Bern" }, { city: "Gen\nf", n: 2 }, { city: "Chur", n: null }],
    });
    assert.deepEqual(report.duplicated, { count: 1, first: [{ row: '{"city":"Bern","n":"1"}', place: "line 6" }] });
    assert.equal(report.missing.count + report.unexpected.count, 0);
  }));

Deno.test("a table is checked by its rows, without the marker of the sink", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/table.kv`;
    const table = Sink.table<Row>("cities", { path, key: ({ city, n }) => [city, n], value: ({ n }) => ({ n }) });
    const job = Job.make({
      name: "cities",
      guarantee: "exactly-once",
      flows: [Flow.from(Source.array("rows", rows)).pipe(Flow.to(table))],
    });
    await Effect.runPromise(Job.run(job, { state: ":memory:" }));
    const expected = rows.map(({ city, n }) => ({ key: [city, n], value: { n } }));
    const output = { table: path, prefix: ["cities"] };
    assert.equal((await checkExactlyOnce({ output, expected })).rows, 30);
    const { report } = await refused({ output, expected: expected.slice(1) });
    assert.deepEqual(report.unexpected.first, [{ row: '{"key":["Bern",0],"value":{"n":0}}', place: "row 1" }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("in exact order the first row out of place is found, and what is missing is not called out of order", async () => {
  const swapped = [...rows];
  [swapped[4], swapped[20]] = [swapped[20], swapped[4]];
  const expected = () => rows;
  await checkExactlyOnce({ output: { rows }, expected, order: "exact" });
  const { report } = await refused({ output: { rows: swapped }, expected, order: "exact" });
  assert.deepEqual(report.outOfOrder, { count: 1, first: [{ row: '{"city":"Chur","n":20}', place: "row 5" }] });
  await checkExactlyOnce({ output: { rows: swapped }, expected });

  const gap = await refused({ output: { rows: rows.toSpliced(10, 2) }, expected, order: "exact" });
  assert.deepEqual(gap.report.missing.first.map(({ place }) => place), ["expected row 11", "expected row 12"]);
  assert.equal(gap.report.outOfOrder.count, 0);
  const short = await refused({ output: { rows: rows.slice(0, 28) }, expected, order: "exact" });
  assert.deepEqual(short.report.missing.first.map(({ place }) => place), ["expected row 29", "expected row 30"]);
  const long = await refused({ output: { rows: [...rows, rows[0]] }, expected, order: "exact" });
  assert.deepEqual(long.report.duplicated, { count: 1, first: [{ row: '{"city":"Bern","n":0}', place: "row 31" }] });
});

Deno.test("by key only the order of the rows of one key counts", async () => {
  const key = ({ city }: Row) => city;
  const byCity = [...rows].sort((a, b) => a.city < b.city ? -1 : a.city > b.city ? 1 : a.n - b.n);
  await checkExactlyOnce({ output: { rows: byCity }, expected: rows, order: "by key", key });
  const swapped = [...byCity];
  [swapped[2], swapped[3]] = [swapped[3], swapped[2]];
  const { report } = await refused({ output: { rows: swapped }, expected: rows, order: "by key", key });
  assert.deepEqual(report.outOfOrder, { count: 1, first: [{ row: '{"city":"Bern","n":6}', place: "row 4" }] });
  const gap = await refused({ output: { rows: byCity.slice(1) }, expected: rows, order: "by key", key });
  assert.deepEqual([gap.report.missing.count, gap.report.outOfOrder.count], [1, 0]);
  await assert.rejects(checkExactlyOnce({ output: { rows }, expected: rows, order: "by key" }), { name: "RangeError" });
});

Deno.test("expected rows may come from a generator, and output from an asynchronous one; only some are shown", async () => {
  function* some() {
    yield* rows;
  }
  const slowly = async function* () {
    for (const row of rows.slice(0, 5)) yield await Promise.resolve(row);
  };
  const { message, report } = await refused({ output: { rows: slowly() }, expected: some(), shownMax: 2 });
  assert.deepEqual(report.missing.first.map(({ place }) => place), ["expected row 6", "expected row 7"]);
  assert.match(message, /\n {4}and 23 more$/);
});

Deno.test("of whatever is taken out, doubled and put in, as much is found, and no more", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(9), { maxLength: 30 }),
      fc.array(fc.nat(12), { maxLength: 30 }),
      fc.constantFrom("none" as const, "exact" as const),
      async (expected, got, order) => {
        const count = (list: ReadonlyArray<number>, n: number) => list.filter((one) => one === n).length;
        let [missing, unknown, tooMany] = [0, 0, 0];
        for (let n = 0; n <= 12; n++) {
          missing += Math.max(0, count(expected, n) - count(got, n));
          const more = Math.max(0, count(got, n) - count(expected, n));
          tooMany += more;
          if (count(expected, n) === 0) unknown += more;
        }
        const isRight = order === "none" ? missing + tooMany === 0 : canonical(expected) === canonical(got);
        const checking = checkExactlyOnce({ output: { rows: got }, expected, order });
        if (isRight) return void await checking;
        const { report } = await checking.then(() => assert.fail("nothing was found"), (error) =>
          error as NotExactlyOnce);
        assert.equal(report.missing.count, missing);
        assert.deepEqual([report.duplicated.count, report.unexpected.count], [tooMany - unknown, unknown]);
        assert.equal(report.outOfOrder.count, missing + tooMany === 0 ? 1 : 0);
        assert.deepEqual([report.rows, report.expected], [got.length, expected.length]);
      },
    ),
    { numRuns: 500, seed: 20_260_101 },
  ));
