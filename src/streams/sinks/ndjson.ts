/**
 * A sink that writes newline-delimited JSON to a file.
 *
 * A file has no transactions, but it has a length: the job's state records how long the file is after each epoch. So an
 * epoch is written where the one before it ended. Writing it again, whole or after half of it, gives the same bytes.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect } from "effect";
import { dirname } from "node:path";
import { SinkError, StateBehindOutput } from "../../exactly-once/errors.ts";
import type { Publication, Sink, SinkContext, Transactional } from "../../exactly-once/sink.ts";
import { type FileError, type FileHandle, Files, type FileSystem } from "../files.ts";
import { schemaWords } from "../../windows/schema-words.ts";
import { utf8Bytes } from "./utf8.ts";

/** How many characters are gathered for one write, about. */
const writeCharactersMin = 262_144;

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
 * never a missing line. Opening fails with `SinkError` if the file holds something that the job did not write, or less
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
        const line = JSON.stringify(prepare(value));
        if (line === undefined) {
          throw new TypeError(
            `Cannot write a line to "${path}" as a value must have a form in JSON: current value is ${String(value)}`,
          );
        }
        return `${line}\n`;
      },
      byteLength: utf8Bytes,
      open: (context) =>
        Effect.gen(function* () {
          const files = yield* Files;
          const file = yield* Effect.acquireRelease(
            attempt(name, 0, `open "${path}"`, openFile(files, path)),
            (file) => file.close,
          );
          const { sizeBytes } = yield* attempt(name, 0, `open "${path}"`, file.info);
          const error = mismatch(name, path, context, sizeBytes);
          if (error !== null) return yield* error;
          return {
            marker: null,
            publish: (publication: Publication<string>) =>
              attempt(name, publication.epoch, `write to "${path}"`, write(file, publication)),
            forfeit: ({ epoch, bytes, offset }) =>
              attempt(name, epoch, `fill a gap in "${path}"`, fillGap(files, file, path, offset.bytes, bytes)),
          };
        }),
    },
  };
}

/** The folder is made only when it is missing, so that permission to write the file alone is enough. */
const openFile = (files: FileSystem, path: string): Effect.Effect<FileHandle, FileError> =>
  Effect.catchIf(
    files.openToWrite(path),
    ({ reason }) => reason === "missing",
    () => Effect.andThen(files.makeFolder(dirname(path)), files.openToWrite(path)),
  );

/** Runs a Schema; what it throws says why. */
const orInWords = (encode: (value: unknown) => unknown) => (value: unknown): unknown => {
  try {
    return encode(value);
  } catch (cause) {
    throw new TypeError(`Cannot encode a value as its schema must take it: ${schemaWords(cause)}`, { cause });
  }
};

/** Why a file of this size cannot be the one that the job's state knows, if so. */
const mismatch = (
  sink: string,
  path: string,
  { published, publishedOffset, committed, committedOffset }: SinkContext,
  size: number,
): SinkError | StateBehindOutput | null => {
  const refuse = (message: string) => new SinkError({ message, sink, epoch: 0, retryable: false, cause: null });
  if (committed === 0 && publishedOffset.bytes === 0 && size > 0) {
    return refuse(
      `Cannot write to "${path}" as the file must be empty when a job starts for the first time (remove it or choose ` +
        `another path): current value is ${size} bytes`,
    );
  }
  if (size < publishedOffset.bytes) {
    return refuse(
      `Cannot write on in "${path}" as the file has ${size} bytes, fewer than the ${publishedOffset.bytes} that were ` +
        `published up to epoch ${published}`,
    );
  }
  if (size > committedOffset.bytes) {
    return new StateBehindOutput({
      message: `Cannot write on in "${path}" as the file has ${size} bytes, more than the ${committedOffset.bytes} ` +
        `that the job's state knows of up to epoch ${committed}`,
      sink,
      committed: committedOffset.bytes,
      found: size,
    });
  }
  return null;
};

/** Writes an epoch where the previous one ended, and waits until it is on disk. */
const write = (file: FileHandle, { rows, offset }: Publication<string>): Effect.Effect<void, FileError> =>
  Effect.gen(function* () {
    const encoder = new TextEncoder();
    let at = offset.bytes;
    let text = "";
    for (let i = 0; i < rows.length; i++) {
      text += rows[i];
      if (text.length < writeCharactersMin && i + 1 < rows.length) continue;
      const bytes = encoder.encode(text);
      yield* file.write(bytes, at);
      at += bytes.length;
      text = "";
    }
    yield* file.sync;
  });

/**
 * Keeps the whole lines of an epoch that was being written when its process died, and makes the rest a blank line, so that
 * what follows stays where the job's state says it is and readers find nothing but lines.
 */
const fillGap = (
  files: FileSystem,
  file: FileHandle,
  path: string,
  start: number,
  length: number,
): Effect.Effect<void, FileError> =>
  Effect.gen(function* () {
    const written = new Uint8Array(length);
    const size = yield* Effect.acquireUseRelease(
      files.openToRead(path),
      (reader) =>
        Effect.gen(function* () {
          let size = 0;
          for (let count; size < length && (count = yield* reader.read(written.subarray(size), start + size)) > 0;) {
            size += count;
          }
          return size;
        }),
      (reader) => reader.close,
    );
    if (size === length) return;
    const kept = written.lastIndexOf(newline, size) + 1;
    const blank = new Uint8Array(length - kept).fill(space);
    blank[blank.length - 1] = newline;
    yield* file.write(blank, start + kept);
    yield* file.sync;
  });

const newline = 0x0a;
const space = 0x20;

/** Runs an operation on the file. Not interruptible: the file must not be closed under a write. */
const attempt = <A>(
  sink: string,
  epoch: number,
  action: string,
  operation: Effect.Effect<A, FileError>,
): Effect.Effect<A, SinkError> =>
  Effect.uninterruptible(Effect.mapError(operation, ({ reason, message, cause }) =>
    new SinkError({
      message: `Cannot ${action} for sink "${sink}": ${message}`,
      sink,
      epoch,
      retryable: reason === "other" || reason === "missing",
      cause,
    })));
