/**
 * Keys compared as they are, where no text is to be made of them: for keys that are met once and mostly not kept.
 *
 * @module
 */
import { type Key, keyHash, keyId } from "./key.ts";

/** Whether two keys are the same: whether they have the same id. */
export const isSameKey = (a: Key, b: Key): boolean => {
  if (a === b || (a !== a && b !== b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a.length !== b.length) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && a.every((byte, k) => byte === b[k]);
  }
  for (let k = 0; k < a.length; k++) if (!isSameKey(a[k], b[k])) return false;
  return true;
};

/**
 * A hash of a key, 32 bits, which is the same for keys that are the same. It is for memory alone: where a key belongs, in the
 * state too, its id's hash says.
 *
 * @throws {RangeError} If it is no key.
 */
export const contentHash = (key: Key): number => {
  if (!Array.isArray(key)) return keyHash(keyId(key));
  let hash = key.length;
  for (const part of key as ReadonlyArray<Key>) hash = Math.imul(hash ^ contentHash(part), prime) ^ hash >>> 15;
  return hash | 0;
};

/** An odd number with its bits well spread (2^32 divided by the golden ratio). */
const prime = 0x9e3779b1;

/** A key that does not change when lists or bytes in it do. */
export const copyOfKey = (key: Key): Key => {
  if (key instanceof Uint8Array) return key.slice();
  return Array.isArray(key) ? (key as ReadonlyArray<Key>).map(copyOfKey) : key;
};
