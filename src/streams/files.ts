/**
 * The files port: the few things that sources and sinks ask of a file system.
 *
 * Everything that touches a disk goes through it, like letters through one slot in the door: a test that puts another
 * disk behind the slot (one that is slow, tears writes apart, or forgets what was not synced) has caught them all.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { type Cause, Context, Effect } from "effect";
import { errorWords } from "../windows/error-words.ts";

/** Why an operation on a file failed, as far as it matters to those who asked for it. */
export type FileErrorReason = "missing" | "folder" | "denied" | "other";

/** The class that {@link FileError} extends: its fields and its constructor. */
export const FileErrorBase: Schema.Class<
  FileError,
  Schema.TaggedStruct<"FileError", {
    readonly message: Schema.String;
    readonly reason: Schema.Literals<ReadonlyArray<FileErrorReason>>;
    readonly cause: Schema.Unknown;
  }>,
  Cause.YieldableError
> = Schema.TaggedError<FileError>()("FileError", {
  message: Schema.String,
  reason: Schema.Literals<ReadonlyArray<FileErrorReason>>(["missing", "folder", "denied", "other"]),
  cause: Schema.Unknown,
});

/**
 * An operation on a file failed. `reason` is `"missing"` where there is no such file or folder, `"folder"` where there
 * should be a file, `"denied"` where it may not be touched, and `"other"` for all that may pass.
 */
export class FileError extends FileErrorBase {}

/** What is known of a file. */
export interface FileInfo {
  /** How many bytes it has. */
  readonly sizeBytes: number;
  /**
   * Tells it from every other file, under whatever name: its device, its inode and, as inodes are given out again, the
   * time at which it was made. It has no `@`.
   */
  readonly identity: string;
  /** Whether it is a file, and not a folder or a device. */
  readonly isFile: boolean;
  /** When it was made, in milliseconds since the epoch, or null where the file system does not tell. */
  readonly madeMillis: number | null;
  /** When it was last written to, in milliseconds since the epoch. */
  readonly modifiedMillis: number;
}

/** An open file. Offsets are in bytes from its beginning. It goes on being this file when its path is given to another. */
export interface FileHandle {
  /** Reads into a buffer from an offset and says how many bytes; 0 at the end of the file. It may be fewer than there are. */
  readonly read: (into: Uint8Array<ArrayBuffer>, offset: number) => Effect.Effect<number, FileError>;
  /** Writes all of the bytes at an offset. They outlive the machine only once {@link sync} has succeeded. */
  readonly write: (bytes: Uint8Array<ArrayBuffer>, offset: number) => Effect.Effect<void, FileError>;
  /** What is known of the file right now. */
  readonly info: Effect.Effect<FileInfo, FileError>;
  /** Waits until everything that was written is on disk. */
  readonly sync: Effect.Effect<void, FileError>;
  /** Closes the file. Closing it again does nothing. */
  readonly close: Effect.Effect<void>;
}

/** A file system. */
export interface FileSystem {
  /** Opens a file to be read from. */
  readonly openToRead: (path: string) => Effect.Effect<FileHandle, FileError>;
  /** Opens a file to be written to. It is made, empty, where it is missing. */
  readonly openToWrite: (path: string) => Effect.Effect<FileHandle, FileError>;
  /** What is known of the file that a path names right now. */
  readonly info: (path: string) => Effect.Effect<FileInfo, FileError>;
  /** The names of everything in a folder, in no particular order. */
  readonly list: (folder: string) => Effect.Effect<ReadonlyArray<string>, FileError>;
  /** Makes a folder and those that it is in, where they are missing. */
  readonly makeFolder: (folder: string) => Effect.Effect<void, FileError>;
}

const reasonOf = (cause: unknown): FileErrorReason => {
  if (cause instanceof Deno.errors.NotFound) return "missing";
  if (cause instanceof Deno.errors.IsADirectory) return "folder";
  return cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable ? "denied" : "other";
};

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, FileError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new FileError({
        message: errorWords(cause),
        reason: reasonOf(cause),
        cause,
      }),
  });

const infoOf = ({ size, dev, ino, isFile, birthtime, mtime }: Deno.FileInfo): FileInfo => {
  const madeMillis = birthtime?.getTime() ?? null;
  return {
    sizeBytes: size,
    identity: `${dev}:${ino}:${madeMillis ?? ""}`,
    isFile,
    madeMillis,
    modifiedMillis: mtime?.getTime() ?? 0,
  };
};

/** Where the file itself stands is not known: an operation was interrupted. */
const nowhere = -1;

/** Reads and writes where it is told to, and seeks only where the file does not stand there anyway. */
class DenoFile implements FileHandle {
  readonly info: Effect.Effect<FileInfo, FileError>;
  readonly sync: Effect.Effect<void, FileError>;
  readonly close: Effect.Effect<void>;
  readonly #file: Deno.FsFile;
  #at = 0;
  #isOpen = true;

  constructor(file: Deno.FsFile) {
    this.#file = file;
    this.info = Effect.map(attempt(() => file.stat()), infoOf);
    this.sync = attempt(() => file.sync());
    this.close = Effect.sync(() => {
      if (this.#isOpen) file.close();
      this.#isOpen = false;
    });
  }

  read(into: Uint8Array<ArrayBuffer>, offset: number): Effect.Effect<number, FileError> {
    return attempt(async () => {
      await this.#seek(offset);
      const count = await this.#file.read(into) ?? 0;
      this.#at = offset + count;
      return count;
    });
  }

  write(bytes: Uint8Array<ArrayBuffer>, offset: number): Effect.Effect<void, FileError> {
    return attempt(async () => {
      await this.#seek(offset);
      for (let written = 0; written < bytes.length;) written += await this.#file.write(bytes.subarray(written));
      this.#at = offset + bytes.length;
    });
  }

  async #seek(offset: number): Promise<void> {
    if (this.#at !== offset) await this.#file.seek(offset, Deno.SeekMode.Start);
    this.#at = nowhere;
  }
}

/** The files of this machine. */
const denoFiles: FileSystem = {
  openToRead: (path) => Effect.map(attempt(() => Deno.open(path, { read: true })), (file) => new DenoFile(file)),
  openToWrite: (path) =>
    Effect.map(
      attempt(() => Deno.open(path, { write: true, create: true })),
      (file) => new DenoFile(file),
    ),
  info: (path) => Effect.map(attempt(() => Deno.stat(path)), infoOf),
  list: (folder) => attempt(async () => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)),
  makeFolder: (folder) => attempt(() => Deno.mkdir(folder, { recursive: true })),
};

/** The file system that sources and sinks use: Deno's, unless another is provided. */
export const Files: Context.Reference<FileSystem> = Context.Reference("@weir/streams/Files", {
  defaultValue: () => denoFiles,
});
