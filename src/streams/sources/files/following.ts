/**
 * Follows a file: reads what is there, waits for more, and goes on with the next file when it is rotated.
 *
 * It is like reading a diary over the shoulder of its writer. A line counts once it has been finished. When a new volume
 * lies on the desk, the old one is read to its end first, and is put aside only when the writer has begun the new one: a
 * writer that was told of the rotation late may still be writing in the old one.
 *
 * A position is `⟨offset⟩@⟨identity of the file⟩`, so that it is known whose offset it is.
 *
 * @module
 */
import { Effect, Result, Stream } from "effect";
import { dirname } from "node:path";
import type { SourceError } from "../../errors.ts";
import { type FileError, type FileHandle, type FileInfo, Files, type FileSystem } from "../../files.ts";
import { type Position, PositionNotice, type SourceBatch } from "../../source.ts";
import { Batches } from "./batches.ts";
import {
  cannotGoOn,
  fileFailure,
  type FileOfSource,
  newline,
  noRecordBegins,
  notBehindHeader,
  readFully,
  readOn,
} from "./file-bytes.ts";
import type { FollowRules } from "./follow-options.ts";
import type { Format } from "./format.ts";
import { lastingError } from "../reading.ts";
import { findCompressed, findIdentity, findNextRotated, orNone } from "./rotation.ts";

/** What is followed, from where, and how. */
export interface FollowedFile<A> {
  readonly source: string;
  readonly path: string;
  /** The other files that the source follows. */
  readonly others: ReadonlyArray<string>;
  readonly from: Position | null;
  readonly batchRecordsMax: number;
  readonly format: Format<A>;
  readonly rules: FollowRules;
}

/** Follows a file from a position. */
export const followFile = <A>(followed: FollowedFile<A>): Stream.Stream<SourceBatch<A>, SourceError> =>
  Stream.unwrap(Effect.gen(function* () {
    const position = parsePosition(followed);
    if ("_tag" in position) return yield* position;
    const files = yield* Files;
    const follower = yield* Effect.acquireRelease(
      Effect.sync(() => new Follower(followed, files, position)),
      (follower) => follower.close,
    );
    return Stream.fromPull(Effect.succeed(follower.pull));
  }));

/** Where to read on: in the file of an identity, or in the one that the path names. */
interface Place {
  readonly identity: string | null;
  readonly offset: number;
}

const placePattern = /^(\d+)@(.+)$/s;

const parsePosition = ({ source, path, from }: FollowedFile<unknown>): Place | SourceError => {
  if (from === null) return { identity: null, offset: 0 };
  // A position of the time before the file was followed.
  if (typeof from === "number" && Number.isSafeInteger(from) && from >= 0) return { identity: null, offset: from };
  const parts = typeof from === "string" ? from.match(placePattern) : null;
  if (parts !== null && Number.isSafeInteger(Number(parts[1]))) return { identity: parts[2], offset: Number(parts[1]) };
  return lastingError(
    source,
    path,
    from,
    `Cannot read split "${path}" of source "${source}" as its position must be an offset in a file: current value is ` +
      JSON.stringify(from),
  );
};

/** How often the file of a position is looked for before it is taken for gone. */
const missesMax = 3;

/** How many bytes before the end of what was read are compared when a file goes on after a silence. */
const tailBytesMax = 64;

/** The end of what was read, after more of it: however little that is, as a line ending may be written on its own. */
const lastOf = (tail: Uint8Array, more: Uint8Array): Uint8Array => {
  const fresh = more.subarray(-tailBytesMax);
  const kept = tail.subarray(Math.max(0, tail.length + fresh.length - tailBytesMax));
  const last = new Uint8Array(kept.length + fresh.length);
  last.set(kept);
  last.set(fresh, kept.length);
  return last;
};

/** Says that there is nothing more right now. */
const nothingNow: SourceBatch<never> = { records: [], positions: [], lag: 0 };

/** The file that is being read. */
interface OpenFile<A> {
  readonly handle: FileHandle;
  readonly path: string;
  readonly identity: string;
  /** Where to begin: at 0, or where a record begins. */
  readonly from: number;
  /** What is cut from it; `null` as long as its header is not there. */
  batches: Batches<A> | null;
  /** How far it has been read. */
  at: number;
  /** The last bytes that were read, or its header. */
  tail: Uint8Array;
  /** How many bytes it had when it was last looked at. */
  sizeBytes: number;
  /** Whether a position in it has been handed over. */
  hasPosition: boolean;
  /** Whether another file of the log is known to come after it. */
  hasSuccessor: boolean;
  /** Whether the next file has been begun, so that this one has come to its end when nothing more is in it. */
  isLeft: boolean;
  /** Whether nothing more will be read of it: what it ends with is its last record, even without a line ending. */
  isOver: boolean;
  /** Whether it is to be read from its beginning, as it was cut off. */
  startsOver: boolean;
}

class Follower<A> {
  readonly #files: FileSystem;
  readonly #followed: FollowedFile<A>;
  /** Where to go on when no file is open; `null` when that is in the one after `#last`. */
  #place: Place | null;
  #file: OpenFile<A> | null = null;
  /** The file that was read last. */
  #last: FileInfo | null = null;
  /** Whether it has said that there is nothing more, and nothing has come since. */
  #said = false;
  /** Whether the last batch said that this is all that was there at the last look. */
  #isStale = false;
  /** How often the file of a position was looked for in vain. */
  #misses = 0;

  constructor(followed: FollowedFile<A>, files: FileSystem, place: Place) {
    this.#followed = followed;
    this.#files = files;
    this.#place = place;
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => this.#file?.handle.close ?? Effect.void);

  /** The next batch, as soon as there is one or it is to be said that there is none. */
  readonly pull: Effect.Effect<readonly [SourceBatch<A>], SourceError> = Effect.gen({ self: this }, function* () {
    for (;;) {
      const batch = yield* this.#step();
      if (batch === null) continue;
      this.#isStale = batch.lag === 0;
      return [batch] as const;
    }
  });

  #step(): Effect.Effect<SourceBatch<A> | null, SourceError> {
    return Effect.gen({ self: this }, function* () {
      const file = this.#file;
      if (file === null) return yield* this.#open();
      if (file.startsOver) return yield* this.#putAside(file);
      if (this.#isStale) {
        this.#isStale = false;
        file.sizeBytes = (yield* this.#attempt("read", file.handle.info)).sizeBytes;
      }
      const { batches } = file;
      if (batches === null) return yield* this.#begin(file);
      const batch = batches.next();
      if (batch !== null) {
        file.hasPosition = true;
        return batch;
      }
      if (batches.cut.ended) return yield* this.#putAside(file);
      const space = batches.cut.space();
      const read = yield* Effect.result(this.#attempt("read", file.handle.read(space, file.at)));
      // What was read before the failure comes first. The file is tried again after that.
      if (Result.isFailure(read)) return batches.flush(1) ?? (yield* read.failure);
      const count = read.success;
      if (count === 0) return yield* this.#atEnd(file);
      if (this.#said && !(yield* this.#goesOn(file))) {
        return yield* this.#cutOff(file, writtenAnew(this.#of(), file.at));
      }
      file.tail = lastOf(file.tail, space.subarray(0, count));
      file.at += count;
      batches.cut.filled(count);
      this.#said = false;
      return null;
    });
  }

  /** Reads what stands before the first record. */
  #begin(file: OpenFile<A>): Effect.Effect<SourceBatch<A> | null, SourceError> {
    return Effect.gen({ self: this }, function* () {
      const { batchRecordsMax, format } = this.#followed;
      const head = { read: readOn(this.#of(), file.handle, 0), lagAt: () => 1 };
      const beginning = yield* format.begin(this.#of(), head, file.isOver);
      if (beginning === null) return yield* file.isOver ? this.#putAside(file) : this.#atEnd(file);
      if (file.from > 0 && file.from < beginning.offset) return yield* notBehindHeader(this.#of(), file.from);
      if (file.from === 0) {
        // Nothing but the header has been read of it: all of that is compared, as columns may change their places.
        const header = new Uint8Array(beginning.offset);
        file.tail = header.subarray(0, yield* readFully(this.#of(), file.handle, header, 0));
      }
      file.at = Math.max(file.from, beginning.offset);
      const lagAt = (offset: number) => Math.max(file.hasSuccessor ? 1 : 0, file.sizeBytes - offset);
      file.batches = new Batches(beginning.records(file.at), batchRecordsMax, `@${file.identity}`, lagAt);
      return null;
    });
  }

  /** Goes on where nothing more is in the file right now. */
  #atEnd(file: OpenFile<A>): Effect.Effect<SourceBatch<A> | null, SourceError> {
    return Effect.gen({ self: this }, function* () {
      if (file.isOver) {
        file.batches?.cut.filled(0);
        return null;
      }
      if (file.isLeft) {
        file.isOver = true;
        return null;
      }
      const info = yield* this.#attempt("read", file.handle.info);
      if (info.sizeBytes < file.at) return yield* this.#cutOff(file, cutOff(this.#of(), file.at, info.sizeBytes));
      if ((yield* this.#successor(info)) !== null) {
        // Whoever wrote here may have done so until just now, so the end has to be seen once more.
        file.hasSuccessor = file.isLeft = true;
        return null;
      }
      const batch = file.batches?.flush(0) ?? null;
      if (batch === null && file.hasPosition) return yield* this.#nothing();
      this.#said = file.hasPosition = true;
      // The next start must know where it waited, though it may be rotated by then.
      return batch ??
        { records: [new PositionNotice()], positions: [`${file.from}@${file.identity}`], lag: 0 };
    });
  }

  /** Whether a file that has grown still has what was read of it at last: else it was cut off and has outgrown that. */
  #goesOn({ handle, at, tail }: OpenFile<A>): Effect.Effect<boolean, SourceError> {
    const found = new Uint8Array(tail.length);
    return Effect.map(
      readFully(this.#of(), handle, found, at - tail.length),
      (count) => count === tail.length && tail.every((byte, i) => byte === found[i]),
    );
  }

  /** Begins a file anew that was cut off, if that is wanted. What was read of it comes first. */
  #cutOff(file: OpenFile<A>, error: SourceError): Effect.Effect<SourceBatch<A> | null, SourceError> {
    if (this.#followed.rules.startsOver) {
      file.startsOver = true;
      // A line that had not been finished is none, and never will be.
      return Effect.succeed(file.batches?.flush(1) ?? null);
    }
    const batch = file.batches?.flush(1) ?? null;
    return batch === null ? Effect.fail(error) : Effect.succeed(batch);
  }

  /** Says once that there is nothing more right now, and then waits until it is time to look again. */
  #nothing(): Effect.Effect<SourceBatch<A> | null> {
    if (this.#said) return Effect.as(Effect.sleep(this.#followed.rules.pollMillis), null);
    this.#said = true;
    return Effect.succeed(nothingNow);
  }

  /** Closes a file that has been read, or begins it anew. */
  #putAside(file: OpenFile<A>): Effect.Effect<null, SourceError> {
    return Effect.uninterruptible(Effect.gen({ self: this }, function* () {
      const info = yield* this.#attempt("read", file.handle.info);
      if (file.startsOver) {
        this.#file = this.#fresh(file.handle, file.path, info, 0);
        return null;
      }
      this.#last = info;
      this.#place = null;
      this.#file = null;
      yield* file.handle.close;
      return null;
    }));
  }

  #fresh(handle: FileHandle, path: string, { identity, sizeBytes }: FileInfo, from: number): OpenFile<A> {
    const hasSuccessor = path !== this.#followed.path;
    return {
      handle,
      path,
      identity,
      from,
      batches: null,
      at: from,
      tail: new Uint8Array(0),
      sizeBytes,
      hasPosition: false,
      hasSuccessor,
      isLeft: false,
      isOver: false,
      startsOver: false,
    };
  }

  /** The file that comes after one of the log, as soon as it has been begun. */
  #successor(after: FileInfo): Effect.Effect<{ readonly path: string; readonly identity: string } | null, SourceError> {
    return Effect.gen({ self: this }, function* () {
      const { path, others, rules } = this.#followed;
      const named = yield* this.#attempt("open", orNone(this.#files.info(path)));
      if (named?.identity === after.identity) return null;
      const compressed = yield* this.#attempt("open", findCompressed(this.#files, { path, others }, after));
      if (compressed !== null && !rules.goesOn) return yield* unreadCompressed(this.#of(), compressed.path);
      const rotated = yield* this.#attempt("open", findNextRotated(this.#files, { path, others }, after));
      if (rotated !== null) return { path: rotated.path, identity: rotated.info.identity };
      return named === null || !named.isFile || named.sizeBytes === 0 ? null : { path, identity: named.identity };
    });
  }

  /** Opens the file to go on in, if it is there. */
  #open(): Effect.Effect<SourceBatch<A> | null, SourceError> {
    return Effect.gen({ self: this }, function* () {
      const { path, rules } = this.#followed;
      const place = this.#place;
      if (place === null) {
        const next = yield* this.#successor(this.#last!);
        if (next === null) return yield* this.#nothing();
        yield* this.#openFile(next.path, next.identity, 0);
        return null; // If it was renamed just now it is looked for again.
      }
      const { identity, offset } = place;
      if (yield* this.#openFile(path, identity, offset)) return null;
      if (identity === null) return yield* this.#nothing();
      const found = yield* this.#attempt("open", findIdentity(this.#files, path, identity));
      if (found !== null && (yield* this.#openFile(found.path, identity, offset))) return null;
      // It may have been renamed between the look at its path and that at its folder.
      if (++this.#misses < missesMax) return null;
      if (!rules.goesOn) return yield* lost(this.#of(), offset);
      this.#place = { identity: null, offset: 0 };
      return null;
    });
  }

  /** Opens a file if it is the wanted one, and says whether it is. */
  #openFile(path: string, identity: string | null, offset: number): Effect.Effect<boolean, SourceError> {
    return Effect.uninterruptible(Effect.gen({ self: this }, function* () {
      const { source, path: split, from, rules } = this.#followed;
      const of: FileOfSource = { source, split, path, position: from };
      const handle = yield* this.#attempt("open", orNone(this.#files.openToRead(path)), of);
      if (handle === null) return false;
      const info = yield* Effect.onError(this.#attempt("open", handle.info, of), () => handle.close);
      if (identity !== null && info.identity !== identity) {
        yield* handle.close;
        return false;
      }
      // From here on it is closed with the follower.
      const file = this.#file = this.#fresh(handle, path, info, offset);
      if (!info.isFile) return yield* noFile(of);
      const changed = yield* this.#changed(of, file);
      if (changed !== null && !rules.startsOver) return yield* changed;
      if (changed !== null) this.#file = this.#fresh(handle, path, info, 0);
      else file.hasPosition = from === `${offset}@${info.identity}`;
      return true;
    }));
  }

  /** Why nobody can read on in a file from where it is to begin, if so. */
  #changed(of: FileOfSource, file: OpenFile<A>): Effect.Effect<SourceError | null, SourceError> {
    return Effect.gen({ self: this }, function* () {
      const { handle, from, sizeBytes } = file;
      if (sizeBytes < from) return cutOff(of, from, sizeBytes);
      if (from === 0) return null;
      const tail = new Uint8Array(Math.min(from, tailBytesMax));
      const count = yield* readFully(of, handle, tail, from - tail.length);
      file.tail = tail.subarray(0, count);
      return from === sizeBytes || tail[tail.length - 1] === newline ? null : noRecordBegins(of, from);
    });
  }

  /** The file that is open, as errors name it. */
  #of(): FileOfSource {
    const { source, path, from } = this.#followed;
    const file = this.#file;
    return file === null
      ? { source, split: path, path, position: from }
      : { source, split: path, path: file.path, position: `${file.at}@${file.identity}` };
  }

  #attempt<B>(
    action: "open" | "read",
    operation: Effect.Effect<B, FileError>,
    of: FileOfSource = this.#of(),
  ): Effect.Effect<B, SourceError> {
    return Effect.mapError(operation, (error) => fileFailure(of, action, error));
  }
}

const cutOff = (of: FileOfSource, at: number, sizeBytes: number): SourceError =>
  cannotGoOn(
    of,
    `the file must not be shorter than what was read of it, which is ${at} bytes`,
    `${sizeBytes} bytes, so it was cut off, and what was written to it since it was last read may be lost`,
  );

const writtenAnew = (of: FileOfSource, at: number): SourceError =>
  cannotGoOn(
    of,
    `the file must go on after what was read of it, which is ${at} bytes`,
    "something else before that, so it was cut off and written anew, and what was written to it meanwhile may be lost",
  );

const lost = (of: FileOfSource, offset: number): SourceError =>
  cannotGoOn(
    of,
    `the file that was read up to byte ${offset} must still be in its folder, under whatever name`,
    `none in "${dirname(of.path)}", so what it may have had behind that byte is lost`,
  );

const unreadCompressed = (of: FileOfSource, path: string): SourceError =>
  cannotGoOn(
    of,
    "a rotated file must be read before it is compressed",
    `"${path}", none of which has been read`,
  );

const noFile = (of: FileOfSource): SourceError =>
  cannotGoOn(of, "what is followed must be a file", "a folder or a device");
