/**
 * A sink that writes newline-delimited JSON to a file.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Sink, Transactional } from "../../exactly-once/sink.ts";
import { schemaWords } from "../../windows/schema-words.ts";
import { inWords } from "../../windows/in-words.ts";
import { openRowFile } from "./file-writer.ts";
import { lostInJson } from "./lost-in-json.ts";
import { utf8Bytes } from "./utf8.ts";

/** Where {@link ndjson} writes, and how. */
export interface NdjsonSinkOptions<A> {
  /** The file. Its folder is created when it is missing. */
  readonly path: string;
  /**
   * Encodes the values before they become JSON. It must encode without services and without waiting.
   *
   * @default {undefined} Values become JSON as they are.
   */
  readonly schema?: Schema.ConstraintCodec<A, unknown, unknown>;
}

/**
 * Writes a line of JSON per value to a file of its own, exactly once.
 *
 * A reader may see a part of the epoch that is being written. A value that JSON cannot express is an error of the job,
 * never a missing line: nor does it become `null` or `{}`, as NaN, Infinity, maps, sets and promises would, wherever they
 * are in it. A property that is undefined is left out. Opening fails with `SinkError` if the file holds something that the job did not write, or less
 * than was published to it, and with `StateBehindOutput` if it holds more than the job's state knows.
 *
 * @param name A stable name, unique in the job.
 *
 * @example
 * ```ts
 * import { Sink } from "@weir/streams";
 * import * as Schema from "@effect/schema";
 *
 * const Departure = Schema.Struct({ flight: Schema.String, at: Schema.DateFromString });
 * const departures = Sink.ndjson("departures", { path: "out/departures.ndjson", schema: Departure });
 * ```
 */
export function ndjson<A>(name: string, options: NdjsonSinkOptions<A>): Sink<A, Transactional> {
  const { path, schema } = options;
  const prepare = schema === undefined
    ? (value: A): unknown => value
    : orInWords(Schema.encodeUnknownSync(schema as Schema.ConstraintEncoder<unknown>));
  return {
    "~weir/Sink": undefined as never,
    name,
    driver: {
      kind: "transactional",
      encode: (value: A): string => {
        const prepared = prepare(value);
        const line = JSON.stringify(prepared);
        const lost = line === undefined ? inWords(value) : lostInJson(prepared);
        if (lost !== null) {
          throw new TypeError(
            `Cannot write a line to "${path}" as a value must have a form in JSON: current value is ${lost}`,
          );
        }
        return `${line}\n`;
      },
      byteLength: utf8Bytes,
      file: { path, shared: false },
      open: (context) =>
        openRowFile({ sink: name, path, header: "", wholeRowsBytes: wholeLinesBytes, noRow: blankLine }, context),
    },
  };
}

const newline = 0x0a;
const space = 0x20;

const wholeLinesBytes = (bytes: Uint8Array): number => bytes.lastIndexOf(newline) + 1;

const blankLine = (length: number): Uint8Array<ArrayBuffer> => {
  const blank = new Uint8Array(length).fill(space);
  blank[length - 1] = newline;
  return blank;
};

/** Runs a Schema; what it throws says why. */
const orInWords = (encode: (value: unknown) => unknown) => (value: unknown): unknown => {
  try {
    return encode(value);
  } catch (cause) {
    throw new TypeError(`Cannot encode a value as its schema must take it: ${schemaWords(cause)}`, { cause });
  }
};
