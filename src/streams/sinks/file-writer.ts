/**
 * Writes the rows of epochs to a file of their own, exactly once.
 *
 * A file has no transactions, but it has a length: the job's state records how long the file is after each epoch. So an
 * epoch is written where the one before it ended. Writing it again, whole or after half of it, gives the same bytes.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { dirname } from "node:path";
import { SinkError, StateBehindOutput } from "../../exactly-once/errors.ts";
import type { Publication, SinkContext, SinkOffset, SinkWriter } from "../../exactly-once/sink.ts";
import { type FileError, type FileHandle, Files, type FileSystem } from "../files.ts";

/** How many characters are gathered for one write, about. */
const writeCharactersMin = 262_144;

/** What the rows of a file look like. */
export interface RowFile {
  readonly sink: string;
  readonly path: string;
  /** What stands before the first row. It is written with the first epoch, and is not part of any offset. */
  readonly header: string;
  /** How many bytes the whole rows take with which some bytes begin. */
  readonly wholeRowsBytes: (bytes: Uint8Array<ArrayBuffer>) => number;
  /** Bytes that readers take for no row. */
  readonly noRow: (length: number) => Uint8Array<ArrayBuffer>;
}

/** Opens the file, and makes sure that it is the one that the job's state knows. */
export const openRowFile = (
  rowFile: RowFile,
  context: SinkContext,
): Effect.Effect<SinkWriter<string>, SinkError | StateBehindOutput, Scope.Scope> =>
  Effect.gen(function* () {
    const { sink, path } = rowFile;
    const header = new TextEncoder().encode(rowFile.header);
    const files = yield* Files;
    // Opening it would make an empty one.
    if (context.publishedOffset.bytes > 0 && (yield* isMissing(files, path))) return yield* gone(sink, path, context);
    const file = yield* Effect.acquireRelease(
      attempt(sink, 0, `open "${path}"`, openFile(files, path)),
      (file) => file.close,
    );
    const { sizeBytes } = yield* attempt(sink, 0, `open "${path}"`, file.info);
    const error = mismatch(sink, path, context, sizeBytes, header.length);
    if (error !== null) return yield* error;
    if (header.length > 0 && context.publishedOffset.bytes > 0) {
      const found = yield* attempt(sink, 0, `read "${path}"`, readBytes(files, path, 0, header.length));
      if (!header.every((byte, i) => byte === found[i])) return yield* otherHeader(sink, path, rowFile.header);
    }
    return {
      marker: null,
      publish: (publication: Publication<string>) =>
        attempt(sink, publication.epoch, `write to "${path}"`, write(file, publication, rowFile.header, header.length)),
      forfeit: ({ epoch, bytes, offset }) =>
        attempt(sink, epoch, `fill a gap in "${path}"`, fillGap(files, file, rowFile, header, offset.bytes, bytes)),
    };
  });

/** The folder is made only when it is missing, so that permission to write the file alone is enough. */
const openFile = (files: FileSystem, path: string): Effect.Effect<FileHandle, FileError> =>
  Effect.catchIf(
    files.openToWrite(path),
    ({ reason }) => reason === "missing",
    () => Effect.andThen(files.makeFolder(dirname(path)), files.openToWrite(path)),
  );

/** Where the file may not be looked at, opening it says what there is to say. */
const isMissing = (files: FileSystem, path: string): Effect.Effect<boolean> =>
  Effect.match(files.info(path), { onSuccess: () => false, onFailure: ({ reason }) => reason === "missing" });

const gone = (sink: string, path: string, { published }: SinkContext): SinkError =>
  new SinkError({
    message: `Cannot write on in "${path}" as there must be the file that was written up to epoch ${published}: ` +
      "current value is none",
    sink,
    epoch: 0,
    retryable: false,
    cause: null,
  });

/** How many bytes the file has when its rows take some. */
const fileBytes = ({ bytes }: SinkOffset, headerBytes: number): number => bytes === 0 ? 0 : headerBytes + bytes;

/** Why a file of this size cannot be the one that the job's state knows, if so. */
const mismatch = (
  sink: string,
  path: string,
  { published, publishedOffset, committed, committedOffset }: SinkContext,
  size: number,
  headerBytes: number,
): SinkError | StateBehindOutput | null => {
  const publishedBytes = fileBytes(publishedOffset, headerBytes);
  const committedBytes = fileBytes(committedOffset, headerBytes);
  const refuse = (message: string) => new SinkError({ message, sink, epoch: 0, retryable: false, cause: null });
  if (committed === 0 && publishedBytes === 0 && size > 0) {
    return refuse(
      `Cannot write to "${path}" as the file must be empty when a job starts for the first time (remove it or choose ` +
        `another path): current value is ${size} bytes`,
    );
  }
  if (size < publishedBytes) {
    return refuse(
      `Cannot write on in "${path}" as the file has ${size} bytes, fewer than the ${publishedBytes} that were ` +
        `published up to epoch ${published}`,
    );
  }
  if (size > committedBytes) {
    return new StateBehindOutput({
      message: `Cannot write on in "${path}" as the file has ${size} bytes, more than the ${committedBytes} ` +
        `that the job's state knows of up to epoch ${committed}`,
      sink,
      committed: committedBytes,
      found: size,
    });
  }
  return null;
};

const otherHeader = (sink: string, path: string, header: string): SinkError =>
  new SinkError({
    message: `Cannot write on in "${path}" as its header must be the one that the sink writes, which is ` +
      `${JSON.stringify(header)}: current value is another one`,
    sink,
    epoch: 0,
    retryable: false,
    cause: null,
  });

/** Writes an epoch where the previous one ended, and waits until it is on disk. */
const write = (
  file: FileHandle,
  { rows, offset }: Publication<string>,
  header: string,
  headerBytes: number,
): Effect.Effect<void, FileError> =>
  Effect.gen(function* () {
    const encoder = new TextEncoder();
    let at = fileBytes(offset, headerBytes);
    let text = offset.bytes === 0 ? header : "";
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
 * Keeps the whole rows of an epoch that was being written when its process died, and fills the rest, so that what follows
 * stays where the job's state says it is and readers find nothing but rows.
 */
const fillGap = (
  files: FileSystem,
  file: FileHandle,
  { path, wholeRowsBytes, noRow }: RowFile,
  header: Uint8Array<ArrayBuffer>,
  offset: number,
  length: number,
): Effect.Effect<void, FileError> =>
  Effect.gen(function* () {
    if (offset === 0 && header.length > 0) yield* file.write(header, 0);
    const start = header.length + offset;
    const written = yield* readBytes(files, path, start, length);
    if (written.length < length) {
      const kept = wholeRowsBytes(written);
      yield* file.write(noRow(length - kept), start + kept);
    }
    yield* file.sync;
  });

/** As many bytes as there are from a place on, up to a length. */
const readBytes = (
  files: FileSystem,
  path: string,
  start: number,
  length: number,
): Effect.Effect<Uint8Array<ArrayBuffer>, FileError> =>
  Effect.acquireUseRelease(
    files.openToRead(path),
    (reader) =>
      Effect.gen(function* () {
        const bytes = new Uint8Array(length);
        let size = 0;
        for (let count; size < length && (count = yield* reader.read(bytes.subarray(size), start + size)) > 0;) {
          size += count;
        }
        return bytes.subarray(0, size);
      }),
    (reader) => reader.close,
  );

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
