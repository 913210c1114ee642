/**
 * Opens a file where a recorded position says that a record begins, or says why nobody can read on there.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { SourceError } from "../errors.ts";
import { type FileError, Files } from "../files.ts";
import { lastingError, messageOf } from "./reading.ts";

/** Bytes in their order. */
export interface ByteReader {
  /** Reads what comes next into a buffer and says how many bytes; 0 at the end. */
  readonly read: (into: Uint8Array<ArrayBuffer>) => Effect.Effect<number, SourceError>;
  /** How many bytes there were when reading began. */
  readonly sizeBytes: number;
}

/** Opens a file where a record begins. */
export const openAt = (
  source: string,
  path: string,
  position: number,
): Effect.Effect<ByteReader, SourceError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* Files;
    const because = (action: "open" | "read") => (error: FileError) =>
      fileFailure(source, path, position, action, error);
    const file = yield* Effect.acquireRelease(
      Effect.mapError(files.openToRead(path), because("open")),
      (file) => file.close,
    );
    const { sizeBytes } = yield* Effect.mapError(file.info, because("open"));
    const cannotGoOn = (rule: string, value: string) =>
      lastingError(
        source,
        path,
        position,
        `Cannot read on in "${path}" for source "${source}" as ${rule}: current value is ${value}`,
      );
    if (sizeBytes < position) {
      return yield* cannotGoOn(
        `the file must not be shorter than the recorded position, which is ${position}`,
        `${sizeBytes} bytes`,
      );
    }
    if (position > 0) {
      const before = new Uint8Array(1);
      yield* Effect.mapError(file.read(before, position - 1), because("read"));
      if (before[0] !== newline && position < sizeBytes) {
        return yield* cannotGoOn(
          `a line must begin at the recorded position, which is ${position}`,
          `the middle of a line, so the file has changed since`,
        );
      }
    }
    let at = position;
    return {
      sizeBytes,
      read: (into) =>
        Effect.mapError(file.read(into, at), because("read")).pipe(Effect.map((count) => {
          at += count;
          return count;
        })),
    };
  });

const newline = 0x0a;

/** What a failed operation on a file means for its source: the error names the file, the source and the split. */
export const fileFailure = (
  source: string,
  path: string,
  position: number,
  action: "open" | "read",
  { reason, message, cause }: FileError,
): SourceError =>
  new SourceError({
    message: reason === "missing"
      ? `Cannot ${action} "${path}" for source "${source}" as there must be a file: current value is none`
      : `Cannot ${action} "${path}" for source "${source}" (split "${path}", position ${position}): ` +
        messageOf(message),
    source,
    split: path,
    position,
    retryable: reason === "other",
    cause,
  });
