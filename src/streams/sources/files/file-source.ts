/**
 * A source of files, whatever the format of their records: each file is a split, and a position is the offset in bytes
 * after a record.
 *
 * @module
 */
import { Cause, Effect, Stream } from "effect";
import type { DecodeError, SourceError } from "../../errors.ts";
import type { Source, SourceBatch } from "../../source.ts";
import { Batches } from "./batches.ts";
import { type FileOfSource, notBehindHeader, type OpenBytes, openFile, plainBytes } from "./file-bytes.ts";
import { type FollowOptions, followRules } from "./follow-options.ts";
import { followFile } from "./following.ts";
import type { Format } from "./format.ts";
import { gzipBytes } from "./gzip.ts";
import { numericPosition, unknownSplit } from "../reading.ts";

/** Which files a source reads, and how. */
export interface FileSourceOptions {
  /** A file, or several; each is a split named by its path. */
  readonly paths: string | ReadonlyArray<string>;
  /**
   * Whether the files are compressed. Positions count the bytes that were compressed, so a run that goes on in the middle
   * of a file decompresses all that stands before.
   *
   * @default {"gzip" for a path that ends in `.gz`, "none" for any other}
   */
  readonly compression?: "gzip" | "none";
  /**
   * Whether to go on at the end of a file and wait for more, and how.
   *
   * @default {false}
   */
  readonly follow?: boolean | FollowOptions;
}

/** A source of files of a format. */
export const fileSource = <A>(
  name: string,
  options: FileSourceOptions,
  format: Format<A>,
): Source<A, DecodeError, never, never> => {
  const paths = pathsOf(name, options.paths);
  const rules = followRules(name, options.follow);
  const isGzip = (path: string): boolean =>
    (options.compression ?? (path.endsWith(".gz") ? "gzip" : "none")) === "gzip";
  const { compression } = options;
  if (compression !== undefined && compression !== "gzip" && compression !== "none") {
    throw new RangeError(
      `Cannot make source "${name}" as compression must be "gzip" or "none": current value is ${
        JSON.stringify(compression)
      }`,
    );
  }
  const compressed = paths.find(isGzip);
  if (rules !== null && compressed !== undefined) {
    throw new RangeError(
      `Cannot make source "${name}" as a file that is followed must not be compressed: current value is "${compressed}"`,
    );
  }
  return {
    "~weir/Source": undefined as never,
    name,
    bounded: rules === null,
    replayable: true,
    lagUnit: "bytes",
    splits: Effect.succeed(paths),
    read: (path, from, batchRecordsMax) => {
      if (!paths.includes(path)) return Stream.fail(unknownSplit(name, path, paths));
      if (rules !== null) {
        const others = paths.filter((other) => other !== path);
        return followFile({ source: name, path, others, from, batchRecordsMax, format, rules });
      }
      const position = numericPosition(name, path, from, Number.MAX_SAFE_INTEGER);
      if (typeof position !== "number") return Stream.fail(position);
      const of: FileOfSource = { source: name, split: path, path, position };
      return readFile(of, position, batchRecordsMax, format, isGzip(path) ? gzipBytes : plainBytes);
    },
  };
};

const pathsOf = (source: string, option: string | ReadonlyArray<string>): ReadonlyArray<string> => {
  const paths = typeof option === "string" ? [option] : [...option];
  if (paths.length > 0 && new Set(paths).size === paths.length) return paths;
  throw new RangeError(
    `Cannot make source "${source}" as paths must name at least one file and none twice: current value is ` +
      JSON.stringify(paths),
  );
};

/** Reads a file from an offset to its end. */
const readFile = <A>(
  of: FileOfSource,
  from: number,
  batchRecordsMax: number,
  format: Format<A>,
  openBytes: OpenBytes,
): Stream.Stream<SourceBatch<A>, SourceError> =>
  Stream.unwrap(Effect.gen(function* () {
    const file = yield* openFile(of);
    const beginning = yield* Effect.scoped(
      Effect.flatMap(openBytes(of, file, 0), (head) => format.begin(of, head, true)),
    );
    if (beginning === null && from === 0) return Stream.empty;
    if (beginning === null || (from > 0 && from < beginning.offset)) return yield* notBehindHeader(of, from);
    const start = Math.max(from, beginning.offset);
    const { read, lagAt } = yield* openBytes(of, file, start);
    const records = beginning.records(start);
    const batches = new Batches(records, batchRecordsMax, null, lagAt);
    let failure: SourceError | null = null;
    const readBlock = Effect.map(Effect.suspend(() => read(records.space())), (count) => records.filled(count));
    const pull: Effect.Effect<readonly [SourceBatch<A>], SourceError | Cause.Done> = Effect.suspend(() => {
      if (failure !== null) return Effect.fail(failure);
      const batch = batches.next();
      if (batch !== null) return Effect.succeed([batch] as const);
      return records.ended ? Cause.done() : Effect.andThen(readBlock, pull);
    });
    // When reading fails, the records before the failure still come.
    return Stream.fromPull(Effect.succeed(Effect.catchTag(pull, "SourceError", (error) => {
      failure = error;
      const batch = batches.flush(1);
      return batch === null ? Effect.fail(error) : Effect.succeed([batch] as const);
    })));
  }));
