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
    : Schema.encodeUnknownSync(schema as Schema.ConstraintEncoder<unknown>);
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
          const file = yield* Effect.acquireRelease(
            attempt(name, 0, `open "${path}"`, () => openFile(path)),
            (file) => Effect.sync(() => file.close()),
          );
          const { size } = yield* attempt(name, 0, `open "${path}"`, () => file.stat());
          const error = mismatch(name, path, context, size);
          if (error !== null) return yield* error;
          return {
            marker: null,
            publish: (publication: Publication<string>) =>
              attempt(name, publication.epoch, `write to "${path}"`, () => write(file, publication)),
            forfeit: ({ epoch, bytes, offset }) =>
              attempt(name, epoch, `fill a gap in "${path}"`, () => fillGap(file, path, offset.bytes, bytes)),
          };
        }),
    },
  };
}

const openFile = async (path: string): Promise<Deno.FsFile> => {
  const options = { write: true, create: true };
  try {
    return await Deno.open(path, options);
  } catch (error) {
    // The folder is made only when it is missing, so that permission to write the file alone is enough.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dirname(path), { recursive: true });
    return await Deno.open(path, options);
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
const write = async (file: Deno.FsFile, { rows, offset }: Publication<string>): Promise<void> => {
  await file.seek(offset.bytes, Deno.SeekMode.Start);
  const encoder = new TextEncoder();
  let text = "";
  for (let i = 0; i < rows.length; i++) {
    text += rows[i];
    if (text.length < writeCharactersMin && i + 1 < rows.length) continue;
    const bytes = encoder.encode(text);
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    text = "";
  }
  await file.sync();
};

/**
 * Keeps the whole lines of an epoch that was being written when its process died, and makes the rest a blank line, so that
 * what follows stays where the job's state says it is and readers find nothing but lines.
 */
const fillGap = async (file: Deno.FsFile, path: string, start: number, length: number): Promise<void> => {
  const written = new Uint8Array(length);
  using reader = await Deno.open(path, { read: true });
  await reader.seek(start, Deno.SeekMode.Start);
  let size = 0;
  for (let read; size < length && (read = await reader.read(written.subarray(size))) !== null;) size += read;
  if (size === length) return;
  const kept = written.lastIndexOf(newline, size) + 1;
  const blank = new Uint8Array(length - kept).fill(space);
  blank[blank.length - 1] = newline;
  await file.seek(start + kept, Deno.SeekMode.Start);
  for (let filled = 0; filled < blank.length;) filled += await file.write(blank.subarray(filled));
  await file.sync();
};

const newline = 0x0a;
const space = 0x20;

/** Runs an operation on the file. Not interruptible: the file must not be closed under a write. */
const attempt = <A>(
  sink: string,
  epoch: number,
  action: string,
  run: () => Promise<A>,
): Effect.Effect<A, SinkError> =>
  Effect.uninterruptible(Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new SinkError({
        message: `Cannot ${action} for sink "${sink}": ${cause instanceof Error ? cause.message : String(cause)}`,
        sink,
        epoch,
        retryable: !(cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable ||
          cause instanceof Deno.errors.IsADirectory),
        cause,
      }),
  }));
