/**
 * Keys: two are one exactly when their ids are, and a key that was stored is still the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { deserialize, serialize } from "node:v8";
import { assertKey, type Key, keyHash, keyId } from "../../../src/kv-state/key.ts";
import type { Target } from "../target.ts";
import { anything, key } from "../values.ts";

/** Whether two keys have the same type and content, said the long way. */
const same = (a: Key, b: Key): boolean => {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((part, k) => same(part, b[k]));
  if (a instanceof Uint8Array) return b instanceof Uint8Array && a.length === b.length && a.every((x, k) => x === b[k]);
  // The two zeros are one.
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
};

const sameId = (a: unknown, b: unknown): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

/** Pairs of keys. */
export const keys: Target = {
  name: "keys",
  about:
    "pairs of keys to their ids and hashes, before and after they are stored, and anything else to the check of keys",
  rejects: ["RangeError"],
  check: (draw) => {
    if (draw.once(4)) {
      const value = draw.once(10) ? nested(draw.below(3_000)) : anything(draw);
      assertKey(value);
      const id = keyId(value as Key);
      assert.ok(keyHash(id) >>> 0 === keyHash(id));
      return "accepted";
    }
    const a = key(draw);
    // One in three is a copy, so that equal keys are seen too.
    const b = draw.once(3) ? deserialize(serialize(a)) as Key : key(draw);
    assertKey(a);
    assert.equal(sameId(keyId(a), keyId(b)), same(a, b));
    const hash = keyHash(keyId(a));
    assert.equal(hash, hash >>> 0);
    if (same(a, b)) assert.equal(keyHash(keyId(b)), hash);
    assert.ok(sameId(keyId(deserialize(serialize(a)) as Key), keyId(a)), "a stored key is another");
    return "accepted";
  },
};

/** A list in a list in a list. */
const nested = (depth: number): Key => {
  let value: Key = "x";
  for (let k = 0; k < depth; k++) value = [value];
  return value;
};
