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
 * What the bytes of a letter are: those that the source read; the record that the operator was given, as JSON; or words
 * about a record that JSON cannot express.
 */
export type RawForm = "bytes" | "json" | "words";

/** The bytes of a letter. */
export interface RecordBytes {
  readonly raw: Uint8Array;
  /** How many bytes there are in all. */
  readonly rawLength: number;
  readonly rawForm: RawForm;
}

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

/** A value as JSON that says all of it, or null where JSON cannot. */
const jsonOf = (value: unknown): string | null => {
  let isFaithful = true;
  try {
    const json = JSON.stringify(value, function (this: unknown, name: string, part: unknown) {
      isFaithful &&= hasJson(part, (this as Record<string, unknown>)[name]);
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
      // A date that is none becomes null. Maps, sets, typed arrays and the like would lose what they hold.
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
