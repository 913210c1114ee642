/**
 * Reading what a job has written, wherever it is.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect, Stream } from "effect";
import { isFile } from "../../kv-state/deno-kv.ts";
import { Rejected, type Source, WatermarkNotice } from "../../streams/source.ts";
import { csv } from "../../streams/sources/csv.ts";
import { ndjson } from "../../streams/sources/ndjson.ts";

/** Where output is. */
export type Output =
  | { readonly ndjson: string; readonly schema?: Schema.ConstraintCodec<unknown, unknown, never, unknown> }
  | { readonly csv: string }
  | { readonly table: string; readonly prefix: ReadonlyArray<string | number> }
  | { readonly rows: Iterable<unknown> | AsyncIterable<unknown> };

/** Where a row is: its number, counted from 1, and in a file the offset in bytes of its end. */
export interface Place {
  readonly index: number;
  readonly offset: number | null;
}

/** What takes rows. */
export interface Reader {
  readonly onRow: (row: unknown, place: Place) => void;
  /** Takes what is no row, in words. */
  readonly onInvalid: (text: string, place: Place) => void;
}

/** How many records of a file are read at once. */
const batchRecords = 2_048;

/** How many bytes a line or record may have: 64 MiB. */
const recordBytesMax = 67_108_864;

/** Reads output from its beginning to its end. */
export const readOutput = async (output: Output, reader: Reader): Promise<void> => {
  if ("ndjson" in output) {
    const { ndjson: paths, schema = Schema.Unknown } = output;
    await readFile(ndjson("output", { paths, schema, lineBytesMax: recordBytesMax }), paths, reader);
  } else if ("csv" in output) {
    const schema = Schema.Record(Schema.String, Schema.String);
    await readFile(csv("output", { paths: output.csv, schema, recordBytesMax }), output.csv, reader);
  } else if ("table" in output) {
    await readTable(output.table, output.prefix, reader);
  } else {
    let index = 0;
    for await (const row of output.rows) reader.onRow(row, { index: ++index, offset: null });
  }
};

const readFile = (
  source: Source<unknown, unknown, never, unknown>,
  path: string,
  { onRow, onInvalid }: Reader,
): Promise<void> => {
  let index = 0;
  return Effect.runPromise(
    source.read(path, null, batchRecords).pipe(
      Stream.runForEach(({ records, positions }) =>
        Effect.sync(() => {
          records.forEach((record, k) => {
            const place = { index: ++index, offset: Number(positions[k]) };
            if (record instanceof Rejected) onInvalid(record.reason, place);
            else if (!(record instanceof WatermarkNotice)) onRow(record, place);
          });
        })
      ),
    ),
  );
};

const readTable = async (
  path: string,
  prefix: ReadonlyArray<string | number>,
  { onRow }: Reader,
): Promise<void> => {
  // Opening it would make an empty one.
  if (isFile(path)) {
    await Deno.stat(path).catch((cause) => {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
      throw new Error(`Cannot read the table in "${path}" as there must be a file: current value is none`, { cause });
    });
  }
  using kv = await Deno.openKv(path);
  let index = 0;
  for await (const { key, value } of kv.list({ prefix: [...prefix] })) {
    onRow({ key: key.slice(prefix.length), value }, { index: ++index, offset: null });
  }
};

/** What an expected row is once it was written to such an output and read back. */
export const asStored = (output: Output): (row: unknown) => unknown => {
  if ("ndjson" in output && output.schema === undefined) {
    return (row) => {
      const text = JSON.stringify(row);
      return text === undefined ? undefined : JSON.parse(text);
    };
  }
  if ("csv" in output) {
    return (row) =>
      Object.fromEntries(
        Object.entries(row as object).map((
          [name, value],
        ) => [name, value === undefined || value === null ? "" : String(value)]),
      );
  }
  return (row) => row;
};

const newline = 10;

/** The lines of a file, counted from 1, that end at some offsets in bytes. */
export const linesAt = async (
  path: string,
  offsets: ReadonlyArray<number>,
): Promise<ReadonlyMap<number, number>> => {
  const wanted = [...new Set(offsets)].sort((a, b) => a - b);
  const lines = new Map<number, number>();
  let seen = 0;
  let breaks = 0;
  let next = 0;
  using file = await Deno.open(path);
  const block = new Uint8Array(65_536);
  for (let read = await file.read(block); read !== null && next < wanted.length; read = await file.read(block)) {
    for (let k = 0; k < read; k++) {
      seen++;
      // A line break belongs to the line that it ends.
      if (seen === wanted[next]) lines.set(wanted[next++], breaks + 1);
      if (block[k] === newline) breaks++;
    }
  }
  return lines;
};
