/** What waits in the outbox of a record. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { packRow, type Row, unpackRow } from "../../src/kafka/packed-row.ts";

const bytes = fc.option(fc.uint8Array({ maxLength: 40 }));
const names = fc.string({ unit: "binary", maxLength: 10 }).filter((name) => name.isWellFormed());
const rows: fc.Arbitrary<Row> = fc.record({
  partition: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  timestamp: fc.option(fc.maxSafeNat()),
  key: bytes,
  value: bytes,
  headers: fc.array(fc.tuple(names, bytes), { maxLength: 4 }),
});

/** With plain lists for bytes, which are views of one kind or another. */
const plain = ({ key, value, headers, ...rest }: Row) => ({
  ...rest,
  key: key && [...key],
  value: value && [...value],
  headers: headers.map(([name, value]) => [name, value && [...value]]),
});

Deno.test("a row comes back as it was, whatever it holds", () =>
  fc.assert(fc.property(rows, (row) => assert.deepEqual(plain(unpackRow(packRow(row))), plain(row)))));

Deno.test("a packed row has a character for each byte, so that it is stored as it is", () =>
  fc.assert(fc.property(rows, (row) => assert.match(packRow(row), /^[\0-\xff]*$/))));

Deno.test("a row that is longer than any before it is packed whole", () => {
  const value = new Uint8Array(3_000_000).map((_, k) => k * 7);
  const row: Row = { partition: 0, timestamp: 0, key: null, value, headers: [["ü".repeat(5_000), value]] };
  const read = unpackRow(packRow(row));
  assert.deepEqual(read.value?.length, value.length);
  assert.ok(value.every((byte, k) => read.value![k] === byte && read.headers[0][1]![k] === byte));
  assert.equal(read.headers[0][0], "ü".repeat(5_000));
});
