/**
 * The bytes that a gzip file stands for.
 *
 * Offsets count them, not those of the file, so going on at an offset means decompressing all that stands before it. The
 * file is decompressed piece by piece, and no piece before the one before it has been read: what is in memory is what one
 * piece stands for, however well it was compressed.
 *
 * @module
 */
import { Effect } from "effect";
import { createGunzip } from "node:zlib";
import { SourceError } from "../../errors.ts";
import { type FileOfSource, newline, noRecordBegins, type OpenBytes, readOn, tooShort } from "./file-bytes.ts";
import { blockBytes } from "../formats/lines.ts";

/** How many bytes of the file are decompressed at a time. They stand for at most about a thousand times as many. */
const pieceBytes = 8_192;

/** Decompresses what it is handed. A file may consist of several members, one behind the other. */
class Gunzip {
  /** Why the rest cannot be decompressed. What was before it has been handed out by then. */
  failure: Error | null = null;
  #chunks: Array<Uint8Array> = [];
  #first = 0;
  #isOver = false;
  #onNews: () => void = () => {};
  readonly #stream = createGunzip();

  constructor() {
    this.#stream.on("data", (chunk: Uint8Array) => void this.#chunks.push(chunk));
    this.#stream.on("end", () => this.#settle());
    this.#stream.on("error", (error: Error) => {
      this.failure = error;
      this.#settle();
    });
  }

  #settle(): void {
    this.#isOver = true;
    this.#onNews();
  }

  /** Decompresses a piece. Its buffer is free again afterwards. */
  push(piece: Uint8Array): Effect.Effect<void> {
    return this.#until((onNews) => this.#stream.write(piece, onNews));
  }

  /** Tells that there are no more pieces. */
  end(): Effect.Effect<void> {
    return this.#until(() => this.#stream.end());
  }

  #until(start: (onNews: () => void) => void): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#isOver) return resume(Effect.void);
      this.#onNews = () => resume(Effect.void);
      start(this.#onNews);
    });
  }

  /** Moves what has been decompressed into a buffer, as far as it fits, and says how many bytes. */
  take(into: Uint8Array): number {
    let count = 0;
    while (this.#chunks.length > 0 && count < into.length) {
      const chunk = this.#chunks[0].subarray(this.#first);
      const part = chunk.subarray(0, into.length - count);
      into.set(part, count);
      count += part.length;
      if (part.length === chunk.length) {
        this.#chunks.shift();
        this.#first = 0;
      } else {
        this.#first += part.length;
      }
    }
    return count;
  }

  /** How many of the bytes that it was handed it has used. It uses none behind a member that zeros follow. */
  get used(): number {
    return this.#stream.bytesWritten;
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** The bytes that a gzip file stands for, from an offset in them. */
export const gzipBytes: OpenBytes = (of, file, offset) =>
  Effect.gen(function* () {
    const gunzip = yield* Effect.acquireRelease(
      Effect.sync(() => new Gunzip()),
      (gunzip) => Effect.sync(() => gunzip.close()),
    );
    const readPiece = readOn(of, file, 0);
    const piece = new Uint8Array(pieceBytes);
    const { sizeBytes } = yield* Effect.orElseSucceed(file.info, () => ({ sizeBytes: 0 }));
    let compressed = 0;
    let decompressed = 0;
    let isOver = false;
    const read = (into: Uint8Array<ArrayBuffer>): Effect.Effect<number, SourceError> =>
      Effect.gen(function* () {
        for (;;) {
          const count = gunzip.take(into);
          decompressed += count;
          if (count > 0) return count;
          if (gunzip.failure !== null) {
            return yield* damaged(of, compressed, decompressed, gunzip.failure);
          }
          if (isOver) return 0;
          const length = yield* readPiece(piece);
          compressed += length;
          isOver = length === 0;
          yield* isOver ? gunzip.end() : gunzip.push(piece.subarray(0, length));
          // What zeros follow may be filled up with them, but where there is more it would be left out without a word.
          const unused = Math.min(length, compressed - gunzip.used);
          if (gunzip.failure === null && piece.subarray(length - unused, length).some((byte) => byte !== 0)) {
            // It may be about to say itself what is wrong.
            yield* gunzip.end();
            gunzip.failure ??= new Error("there is more behind zeros");
          }
        }
      });
    const scratch = new Uint8Array(blockBytes);
    let last = newline;
    while (decompressed < offset) {
      const count = yield* read(scratch.subarray(0, Math.min(scratch.length, offset - decompressed)));
      if (count === 0) return yield* tooShort(of, offset, decompressed);
      last = scratch[count - 1];
    }
    if (last !== newline) {
      // The end of the file is a position, too.
      const next = new Uint8Array(1);
      if ((yield* read(next)) > 0) return yield* noRecordBegins(of, offset);
    }
    return {
      read,
      // Compressed bytes are the ones that are known to be there, and 0 would say that this is all.
      lagAt: () => isOver ? 0 : Math.max(1, sizeBytes - compressed),
    };
  });

const damaged = (
  { source, split, path, position }: FileOfSource,
  compressed: number,
  decompressed: number,
  cause: Error,
): SourceError =>
  new SourceError({
    message: `Cannot read on in "${path}" for source "${source}" as a gzip file must be whole: current value is one ` +
      `that is ${
        "code" in cause && cause.code === "Z_BUF_ERROR" ? "cut off" : `damaged (${cause.message})`
      } within its ` +
      `first ${compressed} bytes, after ${decompressed} bytes were decompressed`,
    source,
    split,
    position,
    retryable: false,
    cause,
  });
