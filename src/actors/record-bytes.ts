/**
 * What a letter keeps of a record that did not come as bytes: its JSON or, where JSON cannot express it, words about it.
 *
 * Nothing here throws, whatever the record is: getters, proxies and `toJSON` may.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { inWords } from "../windows/in-words.ts";

/**
 * What the bytes of a letter are: those that the source read; the record that the operator was given, as JSON; words about
 * a record that JSON cannot express; or none, as the record that the source read has no value.
 */
export type RawForm = "bytes" | "json" | "words" | "none";

/** The bytes of a letter. */
export interface RecordBytes {
  readonly raw: Uint8Array;
  /** How many bytes there are in all. */
  readonly rawLength: number;
  readonly rawForm: RawForm;
}

/**
 * What a letter says of a record that its source could not decode, besides its value: of sources whose records have a key,
 * headers, and a place and a time of their own. Of other records, and of those that an operator further on refused, there
 * is none of it.
 */
export interface RecordParts {
  /** The bytes of the record's key, as the source read them; `null` where it has none. */
  readonly key: Uint8Array | null;
  /** How many bytes the whole key has: where `key` has fewer, it was cut. 0 where there is none. */
  readonly keyLength: number;
  /** The record's headers, as the source read them, in their order. One for which there is no room is left out as a whole. */
  readonly headers: ReadonlyArray<readonly [name: string, value: Uint8Array | null]>;
  /** How many headers the record has: where `headers` has fewer, some were left out. */
  readonly headerCount: number;
  /**
   * The record's own place in the split that it was read from, also when it is retried, as the source numbers records;
   * `null` where it does not.
   */
  readonly offset: number | null;
  /** Epoch milliseconds: the record's time, as its source says it; `null` where it does not. */
  readonly timestamp: number | null;
}

/** Of a record that is nothing but its value. */
export const noParts: RecordParts = {
  key: null,
  keyLength: 0,
  headers: [],
  headerCount: 0,
  offset: null,
  timestamp: null,
};

/** How many bytes of a record that did not come as bytes a letter carries at most. */
export const recordBytesMax = 32_768;

const encoder = new TextEncoder();

/** What a letter keeps of a record. */
export const recordBytes = (record: unknown): RecordBytes => {
  const json = jsonOf(record);
  const text = json ?? inWords(record);
  // A character takes a byte or more.
  const raw = encoder.encode(text.slice(0, recordBytesMax)).subarray(0, recordBytesMax);
  return { raw, rawLength: Buffer.byteLength(text), rawForm: json === null ? "words" : "json" };
};

/** A value as JSON that says all of it, bytes in base64, or null where JSON cannot. */
const jsonOf = (value: unknown): string | null => {
  let isFaithful = true;
  try {
    const json = JSON.stringify(value, function (this: unknown, name: string, part: unknown) {
      const original = (this as Record<string, unknown>)[name];
      if (original instanceof Uint8Array) return original.toBase64();
      isFaithful &&= hasJson(part, original);
      return part;
    });
    return isFaithful && json !== undefined ? json : null;
  } catch {
    return null; // It contains itself, is nested too deeply, holds a bigint, or its getters throw.
  }
};

/** Whether JSON keeps what a part says. `original` is the part before its `toJSON`. */
const hasJson = (part: unknown, original: unknown): boolean => {
  switch (typeof part) {
    case "number":
      return Number.isFinite(part);
    case "object":
      // A date that is none becomes null. Maps, sets, arrays of numbers and the like would lose what they hold.
      return part === null ? original === null : plainTags.has(Object.prototype.toString.call(part));
    case "string":
    case "boolean":
    case "undefined": // A property that is undefined is left out, as if it were missing.
      return true;
    default:
      return false;
  }
};

const plainTags: ReadonlySet<string> = new Set(["[object Object]", "[object Array]"]);
