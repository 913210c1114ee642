/**
 * The bytes of an open file from an offset on, and the words for what goes wrong with them.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { SourceError } from "../../errors.ts";
import { type FileError, type FileHandle, Files } from "../../files.ts";
import type { Position } from "../../source.ts";
import { lastingError } from "../reading.ts";

/** A file that a source reads, as errors name it. */
export interface FileOfSource {
  readonly source: string;
  readonly split: string;
  /** The path of the file, which differs from that of the split when the file was renamed. */
  readonly path: string;
  /** The position from which the split is read. */
  readonly position: Position | null;
}

/** Bytes in their order. */
export interface ByteReader {
  /** Reads what comes next into a buffer and says how many bytes; 0 at the end. */
  readonly read: (into: Uint8Array<ArrayBuffer>) => Effect.Effect<number, SourceError>;
  /** How many bytes are known to lie behind an offset that was read. */
  readonly lagAt: (offset: number) => number;
}

/** Reads an open file from an offset at which a record begins. */
export type OpenBytes = (
  of: FileOfSource,
  file: FileHandle,
  offset: number,
) => Effect.Effect<ByteReader, SourceError, Scope.Scope>;

/** Opens a file. The scope closes it. */
export const openFile = (of: FileOfSource): Effect.Effect<FileHandle, SourceError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* Files;
    return yield* Effect.acquireRelease(
      Effect.mapError(files.openToRead(of.path), (error) => fileFailure(of, "open", error)),
      (file) => file.close,
    );
  });

/** The bytes as they are in the file. */
export const plainBytes: OpenBytes = (of, file, offset) =>
  Effect.gen(function* () {
    const { sizeBytes } = yield* Effect.mapError(file.info, (error) => fileFailure(of, "open", error));
    if (sizeBytes < offset) return yield* tooShort(of, offset, sizeBytes);
    if (offset > 0 && offset < sizeBytes) {
      const before = new Uint8Array(1);
      yield* Effect.mapError(file.read(before, offset - 1), (error) => fileFailure(of, "read", error));
      if (before[0] !== newline) return yield* noRecordBegins(of, offset);
    }
    const read = readOn(of, file, offset);
    let at = offset;
    return {
      read: (into) =>
        Effect.flatMap(read(into), (count) => {
          at += count;
          return count === 0 && at < sizeBytes ? Effect.fail(shrunk(of, at, sizeBytes)) : Effect.succeed(count);
        }),
      // A file that has grown since it was opened has no negative lag.
      lagAt: (offset) => Math.max(0, sizeBytes - offset),
    };
  });

/** Reads a file block by block from an offset. */
export const readOn = (of: FileOfSource, file: FileHandle, offset: number): ByteReader["read"] => {
  let at = offset;
  return (into) =>
    Effect.mapBoth(file.read(into, at), {
      onSuccess: (count) => {
        at += count;
        return count;
      },
      onFailure: (error) => fileFailure(of, "read", error),
    });
};

/** Reads until a buffer is full or the file ends, and says how many bytes. */
export const readFully = (
  of: FileOfSource,
  file: FileHandle,
  into: Uint8Array<ArrayBuffer>,
  offset: number,
): Effect.Effect<number, SourceError> =>
  Effect.gen(function* () {
    const read = readOn(of, file, offset);
    let size = 0;
    for (let count; size < into.length && (count = yield* read(into.subarray(size))) > 0;) size += count;
    return size;
  });

/** A line ends before the offset at which a record begins. */
export const newline = 0x0a;

/** A source cannot do something with a file, and a retry will not heal it. */
export const fileRefusal = (of: FileOfSource, action: string, rule: string, value: string): SourceError =>
  lastingError(
    of.source,
    of.split,
    of.position,
    `Cannot ${action} "${of.path}" for source "${of.source}" as ${rule}: current value is ${value}`,
  );

/** A source cannot be read on in a file. */
export const cannotGoOn = (of: FileOfSource, rule: string, value: string): SourceError =>
  fileRefusal(of, "read on in", rule, value);

/** What a source says of a file that ends before a recorded position. */
export const tooShort = (of: FileOfSource, offset: number, sizeBytes: number): SourceError =>
  cannotGoOn(
    of,
    `the file must not be shorter than the recorded position, which is ${offset}`,
    `${sizeBytes} bytes`,
  );

const shrunk = (of: FileOfSource, at: number, sizeBytes: number): SourceError =>
  cannotGoOn(
    of,
    `the file must not shrink while it is read, and had ${sizeBytes} bytes at first`,
    `one that ends after ${at} bytes`,
  );

/** What a source says of a file that has something else at a recorded position. */
export const noRecordBegins = (of: FileOfSource, offset: number): SourceError =>
  cannotGoOn(
    of,
    `a line must begin at the recorded position, which is ${offset}`,
    `the middle of a line, so the file has changed since`,
  );

/** What a source says of a position within the header of a file. */
export const notBehindHeader = (of: FileOfSource, offset: number): SourceError =>
  cannotGoOn(
    of,
    `the recorded position, which is ${offset}, must be behind the header`,
    `one in the midst of it, so the file has changed since`,
  );

/** What a failed operation on a file means for its source. */
export const fileFailure = (
  { source, split, path, position }: FileOfSource,
  action: "open" | "read",
  { reason, message, cause }: FileError,
): SourceError =>
  new SourceError({
    message: reason === "missing"
      ? `Cannot ${action} "${path}" for source "${source}" as there must be a file${
        /[*?]/.test(path) ? " of just this name (patterns are not expanded)" : ""
      }: current value is none`
      : `Cannot ${action} "${path}" for source "${source}" (split "${split}", position ${position}): ${message}`,
    source,
    split,
    position,
    retryable: reason === "other",
    cause,
  });
