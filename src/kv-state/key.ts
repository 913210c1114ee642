/**
 * Keys: what records are grouped by, how two keys are told apart, and which keyed partition a key belongs to.
 *
 * @module
 */
import { inWords } from "../windows/in-words.ts";

/** What a flow can be keyed by. Two keys are the same when they have the same type and content; NaN equals NaN. */
export type Key = string | number | bigint | boolean | Uint8Array | ReadonlyArray<Key>;

/** A key as a primitive that a `Map` can look up: equal for equal keys, different for different ones. */
export type KeyId = string | number | bigint | boolean;

/** Begins the id of a key that is not a primitive. A string key that begins with it gets it doubled. */
const compositeMark = "\u0000";

/** The id of a key. Primitives are their own, so that ordinary keys cost nothing. */
export const keyId = (key: Key): KeyId => {
  if (typeof key === "string") return key.charCodeAt(0) === 0 ? `${compositeMark}s${key}` : key;
  if (typeof key === "number" || typeof key === "boolean" || typeof key === "bigint") return key;
  return `${compositeMark}${describe(key)}`;
};

/** How deep the lists of a key may be nested. Each level is a call where keys are told apart. */
export const keyDepthMax = 100;

/**
 * Checks that a value is a key: types do not see everything.
 *
 * @throws {RangeError} If it is none.
 */
export const assertKey = (value: unknown, depthLeft: number = keyDepthMax): void => {
  if (Array.isArray(value)) {
    if (depthLeft === 0) {
      throw new RangeError(
        `Cannot key a record as the lists of a key must not be nested more than ${keyDepthMax} deep: current value is more`,
      );
    }
    for (const part of value) assertKey(part, depthLeft - 1);
  } else if (!primitives.has(typeof value) && !(value instanceof Uint8Array)) {
    refuse(value);
  }
};

/** The types of the keys that are no lists and no bytes. */
const primitives: ReadonlySet<string> = new Set(["string", "number", "bigint", "boolean"]);

const refuse = (value: unknown): never => {
  throw new RangeError(
    `Cannot key a record as a key must be a string, number, bigint, boolean, bytes or a list of these: ` +
      `current value is ${inWords(value)}`,
  );
};

/**
 * A text that is different for different keys: each part says its type and, where it could be ambiguous, its length. It is
 * made for each record of a flow with composite keys, so it is short.
 */
const describe = (key: Key): string => {
  switch (typeof key) {
    case "string":
      return `s${key.length}:${key}`;
    case "number":
      // Whole numbers of 32 bits are two code units, whichever these are; others are digits.
      return (key | 0) === key ? `w${String.fromCharCode(key & 0xffff, key >>> 16)}` : `n${key};`;
    case "bigint":
      return `i${key};`;
    case "boolean":
      return key ? "t" : "f";
    default: {
      if (key instanceof Uint8Array) return `b${key.length}:${key.toHex()}`;
      if (!Array.isArray(key)) return refuse(key);
      let text = "[";
      for (let k = 0; k < key.length; k++) text += describe(key[k]);
      return text + "]";
    }
  }
};

/** Spreads a 32-bit number over all its bits (the finalizer of MurmurHash3, by Austin Appleby, public domain). */
const finalize = (hash: number): number => {
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
};

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/**
 * A hash of a key, from 0 to 2^32 - 1: FNV-1a over its content.
 *
 * It decides which partition holds a key's state, so it is part of the stored format and never changes.
 */
export const keyHash = (key: KeyId): number => {
  if (typeof key === "number") {
    // The two zeros are one key, and so are all the bit patterns of NaN.
    float[0] = key === 0 ? 0 : key;
    if (key !== key) words.set([0, 0x7ff80000]);
    return finalize(words[0] ^ Math.imul(words[1], 0x9e3779b1));
  }
  const text = typeof key === "string" ? key : `${typeof key} ${key}`;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return finalize(hash);
};
