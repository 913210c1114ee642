import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader } from "../src/kv-state/byte-reader.ts";
import { ByteWriter } from "../src/kv-state/byte-writer.ts";
import { numbersBytesMin, readNumbers, writeNumbers } from "../src/kv-state/number-column.ts";
import { readRows, writeRows } from "../src/kv-state/row-column.ts";
import { readValues, writeValues } from "../src/kv-state/value-column.ts";

/** Numbers as aggregates have them, and those with which an encoding could go wrong. */
const number = fc.oneof(
  fc.integer({ min: -3, max: 300 }),
  fc.integer({ min: 1.7e12, max: 1.7e12 + 70_000 }),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 1e300, 2 ** 32, 2 ** 32 - 1, 0.1),
  fc.double(),
);

/** Columns most of whose numbers are alike. */
const column = fc.oneof(
  fc.array(number, { minLength: 1, maxLength: 40 }),
  fc.array(fc.integer({ min: 0, max: 70_000 }), { minLength: 1, maxLength: 40 }),
  fc.tuple(number, fc.integer({ min: 1, max: 40 })).map(([one, length]) => new Array<number>(length).fill(one)),
);

const written = (write: (writer: ByteWriter) => void): Uint8Array => {
  const writer = new ByteWriter();
  write(writer);
  return writer.written;
};

Deno.test("numbers come back as they were written, the two zeros and NaN included", () => {
  fc.assert(
    fc.property(column, fc.integer({ min: 1, max: 3 }), fc.nat({ max: 2 }), (numbers, stride, first) => {
      const table = new Float64Array(first + numbers.length * stride).fill(7);
      numbers.forEach((one, k) => table[first + k * stride] = one);
      const bytes = written((writer) => writeNumbers(writer, table, first, stride, numbers.length));
      assert.ok(bytes.length >= numbersBytesMin && bytes.length <= numbersBytesMin + 8 * (numbers.length - 1));
      const read = new Float64Array(table.length).fill(7);
      const reader = new ByteReader(bytes);
      readNumbers(reader, read, first, stride, numbers.length);
      assert.equal(reader.left, 0);
      assert.deepEqual([...read], [...table]);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("whole numbers take the bytes that their range asks for", () => {
  const bytesOf = (...numbers: ReadonlyArray<number>): number =>
    written((writer) => writeNumbers(writer, Float64Array.from(numbers), 0, 1, numbers.length)).length;
  const head = 9; // the size of each, and the least
  assert.equal(bytesOf(5, 5, 5, 5), head);
  assert.equal(bytesOf(1e12, 1e12 + 255), head + 2);
  assert.equal(bytesOf(1e12, 1e12 + 256), head + 2 * 2);
  assert.equal(bytesOf(-1, 65_535, 0), head + 3 * 4);
  assert.equal(bytesOf(0, 2 ** 32), 1 + 2 * 8);
  assert.equal(bytesOf(0, 0.5), 1 + 2 * 8);
  assert.equal(bytesOf(0, -0), 1 + 2 * 8);
});

Deno.test("rows come back as they were written, and take what their gaps ask for", () => {
  const ids = fc.uniqueArray(fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 80_000 }), fc.nat({ max: 2 ** 32 - 1 })));
  fc.assert(fc.property(ids, (numbers) => {
    const rows = Uint32Array.from(numbers).sort();
    const bytes = written((writer) => writeRows(writer, rows));
    const read = new Uint32Array(rows.length);
    const reader = new ByteReader(bytes);
    readRows(reader, read);
    assert.equal(reader.left, 0);
    assert.deepEqual(read, rows);
  }));
  const bytesOf = (...rows: ReadonlyArray<number>): number =>
    written((writer) => writeRows(writer, Uint32Array.from(rows))).length;
  assert.equal(bytesOf(), 0);
  assert.equal(bytesOf(7, 8, 9, 10), 2);
  assert.equal(bytesOf(7, 9, 10, 265), 2 + 3);
  assert.equal(bytesOf(7, 8, 264), 2 + 2 * 2);
  assert.equal(bytesOf(7, 8, 65_544), 2 + 2 * 4);
});

const valuesRead = (
  values: ReadonlyArray<unknown>,
): { readonly read: ReadonlyArray<unknown>; readonly bytes: number } => {
  const bytes = written((writer) => writeValues(writer, values));
  const reader = new ByteReader(bytes);
  const read = readValues(reader, values.length);
  assert.equal(reader.left, 0);
  return { read, bytes: bytes.length };
};

/** Values of which most have one shape, as the rows of one table have. */
const alike: fc.Arbitrary<ReadonlyArray<unknown>> = fc.tuple(
  fc.uniqueArray(fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom("__proto__", "7", "length")), { maxLength: 4 }),
  fc.array(fc.tuple(fc.anything({ withDate: true, withMap: true, withSet: true, maxDepth: 2 }), number), {
    maxLength: 20,
  }),
  fc.nat({ max: 5 }),
).map(([names, parts, way]) =>
  parts.map(([anything, one], k) => {
    const entries = names.map((name, at) => [name, at % 2 === 0 ? one : at === 1 ? anything : { one, name }]);
    if (way === 0) return anything;
    if (way === 1) return names.map((name, at) => at % 2 === 0 ? one : name);
    if (way === 2) return [anything, Object.fromEntries(entries), [one, one]];
    // Now and then one is not like the others.
    return Object.fromEntries(way === 3 && k === 9 ? entries.toReversed() : entries);
  })
);

Deno.test("values come back as they were written, whatever their shape", () => {
  fc.assert(
    fc.property(alike, (values) => {
      // What the structured clone algorithm makes of values is what is promised.
      assert.deepEqual(valuesRead(values).read, structuredClone(values));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("of values of one shape, names are written once", () => {
  const rows = Array.from(
    { length: 1_000 },
    (_, k) => [[k, 2 * k], { auction: 1_000 + k, price: k % 100, open: true }],
  );
  const { read, bytes } = valuesRead(rows);
  assert.deepEqual(read, rows);
  assert.ok(bytes < 1_000 * 10, `${bytes}`);
});

Deno.test("what looks like others but is not is written as a clone", () => {
  const many = (value: unknown): Array<unknown> => new Array(20).fill(value);
  // deno-lint-ignore no-sparse-arrays
  const hole = [, 1];
  const named = Object.assign([1], { name: 2 });
  const gapAndName = Object.assign(new Array(1), { name: 2 });
  const proto = JSON.parse('{ "__proto__": 1, "a": 2 }');
  for (
    const value of [
      hole,
      named,
      gapAndName,
      proto,
      new Uint8Array([1, 2]),
      new Date(5),
      [],
      {},
      null,
      undefined,
    ]
  ) {
    assert.deepEqual(valuesRead(many(value)).read, structuredClone(many(value)));
  }
  assert.throws(() => valuesRead(many({ call: () => 1 })), Error);
  // What holds itself comes back without an end, too, though it begins with copies.
  interface Cyclic {
    readonly a: number;
    self?: Cyclic;
  }
  const cyclic: Cyclic = { a: 1 };
  cyclic.self = cyclic;
  let [one] = valuesRead(many(cyclic)).read as ReadonlyArray<Cyclic>;
  for (let k = 0; k < 100; k++) one = one.self!;
  assert.equal(one.a, 1);
});

Deno.test("whole numbers and texts come back as they were written", () => {
  const whole = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(127, 128, 2 ** 49, Number.MAX_SAFE_INTEGER));
  fc.assert(fc.property(fc.array(fc.tuple(whole, fc.string({ unit: "binary" }))), (parts) => {
    const bytes = written((writer) => {
      for (const [number, text] of parts) {
        writer.whole(number);
        writer.text(`${text}\ud800`);
      }
    });
    const reader = new ByteReader(bytes);
    for (const [number, text] of parts) {
      assert.equal(reader.whole(), number);
      assert.equal(reader.text(), `${text}\ud800`);
    }
    assert.equal(reader.left, 0);
  }));
});

Deno.test("bytes that were never written are refused", () => {
  const refuses = (bytes: ReadonlyArray<number>, read: (reader: ByteReader) => unknown): void =>
    assert.throws(() => read(new ByteReader(Uint8Array.from(bytes))), TypeError);
  refuses([], (reader) => reader.byte());
  refuses([0x80], (reader) => reader.whole());
  refuses([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], (reader) => reader.whole());
  refuses([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], (reader) => reader.whole());
  refuses([9, 65], (reader) => reader.text());
  refuses([3, 1, 2], (reader) => reader.bytes());
  refuses([3, 0, 0, 0, 0, 0, 0, 0, 0], (reader) => readNumbers(reader, new Float64Array(1), 0, 1, 1));
  refuses([1, 5, 0], (reader) => readRows(reader, new Uint32Array(2)));
  refuses([4, 5, 0xff, 0xff, 0xff, 0xff], (reader) => readRows(reader, new Uint32Array(2)));
  refuses([3, 5, 1, 1, 1], (reader) => readRows(reader, new Uint32Array(2)));
});

Deno.test("an object that many values share is written once", () => {
  const shared = { text: "x".repeat(10_000) };
  const values = Array.from({ length: 100 }, (_, at) => ({ at, shared }));
  const bytes = written((writer) => writeValues(writer, values));
  assert.ok(bytes.length < 2 * shared.text.length, `${bytes.length} bytes`);
  assert.deepEqual(readValues(new ByteReader(bytes), values.length), values);
});
