/** Cells that come and go: where they are found, when they have their turns, and that what is stored of them is all of it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Delta } from "../src/kv-state/delta.ts";
import { type Key, keyId } from "../src/kv-state/key.ts";
import { contentHash, copyOfKey, isSameKey } from "../src/kv-state/same-key.ts";
import { CellIndex } from "../src/streams/operators/cell-index.ts";
import { Cells } from "../src/streams/operators/cells.ts";
import { Turns } from "../src/streams/operators/turns.ts";
import { TimerHeap } from "../src/windows/timer-heap.ts";

const seed = Deno.env.get("WEIR_SEED");
const options = seed === undefined ? {} : { seed: Number(seed) };

/** Few hashes, many of which begin their search at neighbouring slots, so that cells lie in each other's way. */
const hash = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer());

const allOf = (index: CellIndex, hash: number): Array<number> => {
  const cells: Array<number> = [];
  for (let cell = index.first(hash); cell >= 0; cell = index.next(hash)) cells.push(cell);
  return cells.sort((a, b) => a - b);
};

Deno.test("an index of cells holds what was added, and not what was taken out", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(hash, fc.nat(2), fc.nat(1_000)), { maxLength: 300 }), (steps) => {
      const index = new CellIndex();
      const held: Array<{ readonly hash: number; cell: number }> = [];
      let next = 0;
      for (const [hash, kind, at] of steps) {
        const chosen = held[at % held.length];
        if (kind === 0 || chosen === undefined) {
          index.add(hash, next);
          held.push({ hash, cell: next++ });
        } else if (kind === 1) {
          index.remove(chosen.hash, chosen.cell);
          held.splice(at % held.length, 1);
        } else {
          index.replace(chosen.hash, chosen.cell, next);
          chosen.cell = next++;
        }
        const touched = new Set([hash, ...held.map((one) => one.hash)]);
        for (const one of touched) {
          const expected = held.filter((other) => other.hash === one).map(({ cell }) => cell).sort((a, b) => a - b);
          assert.deepEqual(allOf(index, one), expected);
        }
      }
    }),
    options,
  );
});

Deno.test("timers go off by time, then by id, whatever comes between", () => {
  const timer = fc.tuple(fc.oneof(fc.nat(20), fc.constant(Infinity)), fc.nat(1e6));
  fc.assert(
    fc.property(fc.array(fc.oneof(timer, fc.constant(null)), { maxLength: 200 }), (steps) => {
      const heap = new TimerHeap();
      let model: Array<readonly [time: number, id: number, item: number]> = [];
      for (const [item, step] of steps.entries()) {
        if (step !== null) {
          heap.push(step[0], step[1], item);
          model.push([step[0], step[1], item]);
        } else if (model.length > 0) {
          const least = model.toSorted(([time, id], [t, i]) => time === t ? id - i : time - t)[0];
          assert.deepEqual([heap.nextTime, heap.nextId], least.slice(0, 2));
          const { nextItem } = heap;
          heap.pop();
          assert.ok(model.some(([time, id, item]) => time === least[0] && id === least[1] && item === nextItem));
          model = model.filter(([, , item]) => item !== nextItem);
        }
        assert.equal(heap.size, model.length);
      }
    }),
    options,
  );
});

const cellsOf = (): Cells =>
  new Cells({
    width: 2,
    objectWidth: 1,
    encode: (objects, at) => [String(objects[at])],
    decode: ([stored], objects, at) => objects[at] = Number(stored),
  });

const contentOf = (cells: Cells): Array<unknown> =>
  cells.all().map((cell) => [
    cells.rowOf(cell),
    cells.keyOf(cell),
    cells.numbers[2 * cell],
    cells.numbers[2 * cell + 1],
    cells.objects[cell],
  ]).sort((a, b) => (a[0] as number) - (b[0] as number));

Deno.test("the deltas of cells make the same cells again, whichever were taken out and in again", () => {
  const step = fc.tuple(
    fc.nat(3),
    fc.nat(1_000),
    fc.oneof(fc.string({ maxLength: 2 }), fc.tuple(fc.nat(3), fc.nat(3))),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const cells = cellsOf();
      const restored = cellsOf();
      const store = (): void => {
        const deltas: Array<Delta> = [];
        cells.takeDeltas("t", 0, deltas);
        for (const delta of deltas) {
          assert.deepEqual([...delta.rows], [...delta.rows].sort((a, b) => a - b));
          restored.applyDelta(structuredClone(delta));
        }
      };
      for (const [kind, at, key] of steps) {
        const all = cells.all();
        if (kind === 3) {
          store();
        } else if (kind === 2 && all.length > 0) {
          cells.remove(all[at % all.length]);
        } else {
          const cell = kind === 1 && all.length > 0 ? all[at % all.length] : cells.add(keyId(key), key, at);
          cells.numbers[2 * cell] = at;
          cells.numbers[2 * cell + 1] = -at;
          cells.objects[cell] = at;
          cells.touch(cell);
        }
      }
      store();
      restored.restore(cells.nextRow);
      assert.deepEqual(contentOf(restored), contentOf(cells));
      const nothing: Array<Delta> = [];
      cells.takeDeltas("t", 0, nothing);
      assert.deepEqual(nothing, []);
    }),
    options,
  );
});

//  cell a   ─────────────▶ due at 10, moved to 30, then to 25
//  cell b   ──▶ due at 5, forgotten; its number goes to cell d
//  cell c   ──▶ due at 5
//  cell d   ──▶ due at 5, behind c, which is older
Deno.test("a cell has its turn when it is due, and not when one was that had its number before", () => {
  const cells = cellsOf();
  const turns = new Turns(cells);
  const [a, b, c] = ["a", "b", "c"].map((name, k) => cells.add(name, name, k));
  turns.set(a, 10);
  turns.set(b, 5);
  turns.set(c, 5);
  turns.set(a, 30);
  turns.forget(b);
  cells.remove(b);
  const d = cells.add("d", "d", 4);
  assert.equal(d, b);
  turns.set(d, 5);
  assert.equal(turns.take(4), -1);
  assert.deepEqual([turns.take(20), turns.time], [c, 5]);
  assert.deepEqual([turns.take(20), turns.time], [d, 5]);
  assert.equal(turns.take(20), -1);
  turns.set(a, 25);
  assert.deepEqual([turns.take(100), turns.time], [a, 25]);
  assert.equal(turns.take(100), -1);
});

const { key } = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<Key>("", "a", "\u0000", 0, -0, 1, NaN, Infinity, 0n, 1n, true, false),
    fc.uint8Array({ maxLength: 2 }),
    fc.array(tie("key"), { maxLength: 3 }),
  ),
}));

Deno.test("keys are the same when their ids are, and then their hashes are, too", () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.equal(isSameKey(a, b), Object.is(keyId(a), keyId(b)) || keyId(a) === keyId(b));
      if (isSameKey(a, b)) assert.equal(contentHash(a), contentHash(b));
      assert.ok(isSameKey(a, copyOfKey(a)));
      assert.equal(contentHash(a), contentHash(copyOfKey(a)));
    }),
    { ...options, numRuns: 2_000 },
  );
});

Deno.test("what is no key has no hash", () => {
  for (const no of [null, undefined, {}, [1, {}], () => 1]) {
    assert.throws(() => contentHash(no as unknown as Key), RangeError, String(no));
  }
});
