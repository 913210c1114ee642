/**
 * The limits of Deno KV, by name: what one key, one value and one atomic commit may hold, locally and over KV Connect.
 *
 * The numbers are those of `denokv` (`proto/limits.rs`) and were measured on Deno 2.9.6.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { KvKey } from "./kv.ts";

/** The most bytes that a value may take once serialized. */
export const valueBytesMax = 65_536;
/** The most bytes that an encoded key may take. */
export const keyBytesMax = 2_048;
/** The most mutations that one atomic commit may hold. */
export const commitMutationsMax = 1_000;
/** The most bytes that the keys and values of one atomic commit may take together. */
export const commitBytesMax = 819_200;
/** The most bytes that the keys of one atomic commit may take together. */
export const commitKeyBytesMax = 81_920;
/** The most checks that one atomic commit may hold; the limit of a remote store, which is the lower one. */
export const commitChecksMax = 10;
/** The most keys that one `getMany` may name. */
export const getManyKeysMax = 10;
/** The most entries that one `list` fetches in a single batch. */
export const listBatchEntriesMax = 500;

/** A part of a key that is a number takes a tag and eight bytes. */
const numberPartBytes = 9;

/** The bytes that a key takes once encoded. */
export const keyBytes = (key: KvKey): number => {
  let bytes = 0;
  for (const part of key) bytes += typeof part === "number" ? numberPartBytes : stringPartBytes(part);
  return bytes;
};

/** A part that is a string takes a tag, its UTF-8 with every NUL escaped, and a terminator. */
const stringPartBytes = (part: string): number =>
  2 + Buffer.byteLength(part) + (part.includes("\0") ? part.split("\0").length - 1 : 0);
