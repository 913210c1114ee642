import assert from "node:assert/strict";
import fc from "fast-check";
import { AccumulatorTable } from "../src/kv-state/accumulator-table.ts";
import { type Key, keyHash, type KeyId, keyId } from "../src/kv-state/key.ts";
import { KeyIndex } from "../src/kv-state/key-index.ts";
import { RowSet } from "../src/kv-state/row-set.ts";

/** Ids as keys have them, from so few that most come again. */
const ids: fc.Arbitrary<KeyId> = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.constantFrom(NaN, 0, -0, Infinity, 0.1, true, false, 0n, 1n, 2n ** 70n, "", "0", "true", "NaN", "\u0000[n1;]"),
  fc.string({ maxLength: 2, unit: fc.constantFrom("a", "b", "\u0000", "\ud800") }),
);

/** Ways to hash, worse and worse. Equal ids have equal hashes, which is all that is asked. */
const hashings: Readonly<Record<string, (id: KeyId) => number>> = {
  "its own hash": keyHash,
  "three hashes": (id) => keyHash(id) % 3,
  "the greatest hashes": (id) => 0xffffffff - keyHash(id) % 5,
  "hashes of one partition": (id) => keyHash(id) - keyHash(id) % 32,
  "hashes that differ in their upper bits": (id) => (keyHash(id) % 7) * 2 ** 29,
  "one hash": () => 7,
};

for (const [name, hash] of Object.entries(hashings)) {
  Deno.test(`an index says what a Map says: ${name}`, () =>
    fc.assert(fc.property(fc.array(ids, { maxLength: 200, size: "max" }), ids, (keys, other) => {
      const index = new KeyIndex();
      const model = new Map<KeyId, number>();
      for (const id of keys) {
        assert.equal(index.find(id, hash(id)), model.get(id) ?? -1);
        if (model.has(id)) continue;
        model.set(id, model.size);
        assert.equal(index.add(id, hash(id)), model.get(id));
      }
      for (const id of [...keys, other]) assert.equal(index.find(id, hash(id)), model.get(id) ?? -1);
      // A Map takes -0 for 0, so it is compared as such.
      assert.deepEqual(index.ids.map((id) => (Object.is(id, -0) ? 0 : id)), [...model.keys()]);
    })));
}

Deno.test("an index of many keys finds each, and nothing else", () => {
  const index = new KeyIndex();
  for (let key = 0; key < 50_000; key++) index.add(key, keyHash(key));
  for (let key = 0; key < 50_000; key++) assert.equal(index.find(key, keyHash(key)), key);
  for (let key = 50_000; key < 100_000; key++) assert.equal(index.find(key, keyHash(key)), -1);
});

/** Keys of every kind. */
const keys: fc.Arbitrary<Key> = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 2 },
    ids as fc.Arbitrary<Key>,
    fc.uint8Array({ maxLength: 2 }),
    fc.array(tie("key"), { maxLength: 2 }),
  ),
})).key;

// add, add, touch, delta, add, touch, touch, delta, …
//              └ what was touched since the last one: each row once, with the numbers that it has now
Deno.test("a delta holds each row that was touched since the last one, once, and the keys that are new", () => {
  const touches = fc.array(fc.tuple(keys, fc.integer()), { maxLength: 120, size: "max" });
  fc.assert(fc.property(fc.array(touches, { maxLength: 4 }), (epochs) => {
    const table = new AccumulatorTable({ width: 2, objects: [] });
    const copy = new AccumulatorTable({ width: 2, objects: [] });
    const model = new Map<KeyId, { key: Key; row: number; number: number }>();
    for (const epoch of epochs) {
      const known = model.size;
      const touched = new Map<number, number>();
      for (const [key, number] of epoch) {
        const id = keyId(key);
        let kept = model.get(id);
        if (kept === undefined) {
          model.set(id, kept = { key, row: model.size, number });
          assert.equal(table.add(id, key, keyHash(id)), kept.row);
        }
        kept.number = number;
        const row = table.find(id, keyHash(id));
        table.numbers[2 * row + 1] = number;
        table.touch(row);
        touched.set(kept.row, number);
      }
      const delta = table.takeDelta("table", 3, 60_000);
      assert.equal(delta === null, touched.size === 0);
      if (delta === null) continue;
      const rows = [...touched.keys()].sort((a, b) => a - b);
      assert.deepEqual([...delta.rows], rows);
      assert.deepEqual([...delta.numbers], rows.flatMap((row) => [0, touched.get(row)!]));
      assert.equal(delta.firstNewRow, known);
      assert.deepEqual(delta.newKeys, [...model.values()].slice(known).map(({ key }) => key));
      copy.apply(delta);
    }
    assert.equal(table.takeDelta("table", 3, 60_000), null);
    for (const restored of [table, copy]) {
      assert.deepEqual(restored.keys, [...model.values()].map(({ key }) => key));
      for (const [id, { row, number }] of model) {
        assert.equal(restored.find(id, keyHash(id)), row);
        assert.equal(restored.numbers[2 * row + 1], number);
      }
    }
  }));
});

Deno.test("a set of rows gives each row once, in order, and is empty then", () => {
  const rows = fc.array(fc.oneof(fc.nat({ max: 70 }), fc.nat({ max: 5_000 })), { maxLength: 200, size: "max" });
  fc.assert(fc.property(fc.array(rows, { maxLength: 3 }), (batches) => {
    const set = new RowSet();
    for (const batch of batches) {
      set.reserve(5_001);
      assert.ok(set.isEmpty);
      for (const row of batch) set.add(row);
      assert.equal(set.isEmpty, batch.length === 0);
      assert.deepEqual([...set.take()], [...new Set(batch)].sort((a, b) => a - b));
    }
    assert.deepEqual(set.take(), new Uint32Array(0));
  }));
});
