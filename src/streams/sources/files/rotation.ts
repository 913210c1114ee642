/**
 * Finds the files that a log was rotated to.
 *
 * A rotated file keeps its identity and gets a name in the same folder. Files of one log are made one after another, so
 * the order in which they were made is the order in which they are to be read.
 *
 * @module
 */
import { Effect } from "effect";
import { basename, dirname, extname, join, normalize } from "node:path";
import type { FileError, FileInfo, FileSystem } from "../../files.ts";

/** A file in the folder of a log. */
export interface Sibling {
  readonly path: string;
  readonly info: FileInfo;
}

/** A log whose rotated files are looked for. */
export interface Log {
  readonly path: string;
  /** The paths of other logs, whose files are not its own. */
  readonly others: ReadonlyArray<string>;
}

/**
 * What may be added to a name when a file is rotated: a number or a date, behind something that separates it, so that
 * `server10.log` is no file of `server1.log`.
 */
const addition = /^[-._][-._:T0-9]*[0-9][-._:T0-9]*$/;

/** What stands behind the name of a rotated file that was compressed. */
const compressedEnding = /\.(gz|bz2|xz|zst|lz4|Z)$/;

/** Whether a file of this name is one that a log was rotated to, and not some other that stands beside it. */
const isRotatedName = (plain: string, log: string): boolean => {
  if (plain.startsWith(log) && addition.test(plain.slice(log.length))) return true;
  const ending = extname(log);
  const stem = log.slice(0, log.length - ending.length);
  return ending !== "" && plain.length > log.length && plain.startsWith(stem) && plain.endsWith(ending) &&
    addition.test(plain.slice(stem.length, plain.length - ending.length));
};

/** Whether a file of this name is one that a log was rotated to, and is not another log or more likely of one. */
const isRotationOf = (name: string, { path, others }: Log): boolean => {
  const log = basename(path);
  if (!isRotatedName(name, log)) return false;
  return !others.some((other) => {
    const otherLog = basename(other);
    return normalize(dirname(other)) === normalize(dirname(path)) &&
      (otherLog === name || (otherLog.length > log.length && isRotatedName(name, otherLog)));
  });
};

/** All files in the folder of a log, but for what is gone before it can be looked at. */
const siblings = (
  files: FileSystem,
  log: string,
  wanted: (name: string) => boolean,
): Effect.Effect<ReadonlyArray<Sibling>, FileError> =>
  Effect.gen(function* () {
    const folder = dirname(log);
    const found: Array<Sibling> = [];
    for (const name of yield* files.list(folder)) {
      if (!wanted(name)) continue;
      const path = join(folder, name);
      const info = yield* orNone(files.info(path));
      if (info !== null && info.isFile) found.push({ path, info });
    }
    return found;
  });

/** A result, or `null` where there is no such file. */
export const orNone = <A>(operation: Effect.Effect<A, FileError>): Effect.Effect<A | null, FileError> =>
  Effect.catchIf(operation, ({ reason }) => reason === "missing", () => Effect.succeed(null));

/** The file of an identity in the folder of a log, under whatever name. */
export const findIdentity = (
  files: FileSystem,
  log: string,
  identity: string,
): Effect.Effect<Sibling | null, FileError> =>
  Effect.map(
    siblings(files, log, () => true),
    (all) => all.find(({ info }) => info.identity === identity) ?? null,
  );

/** The rotated file that was made next after a file of the log, if there is one. */
export const findNextRotated = (
  files: FileSystem,
  log: Log,
  after: FileInfo,
): Effect.Effect<Sibling | null, FileError> =>
  Effect.map(
    siblings(files, log.path, (name) => isRotationOf(name, log)),
    (all) => {
      const own = all.find(({ info }) => info.identity === after.identity) ?? { path: "", info: after };
      return all.filter((one) => one !== own && inOrder(own, one) < 0).sort(inOrder)[0] ?? null;
    },
  );

/**
 * A rotated file that was written to later than a file of the log, and has been compressed since. Compressing makes a new
 * file with the old time of the last change, so that is all that its place among the others can be told from.
 */
export const findCompressed = (
  files: FileSystem,
  log: Log,
  after: FileInfo,
): Effect.Effect<Sibling | null, FileError> => {
  const isCompressed = (name: string): boolean =>
    compressedEnding.test(name) && isRotationOf(name.replace(compressedEnding, ""), log);
  return Effect.map(
    siblings(files, log.path, isCompressed),
    (all) => all.find(({ info }) => info.modifiedMillis > after.modifiedMillis) ?? null,
  );
};

/** Compares two files of a log: the one that was made first comes first. */
const inOrder = (a: Sibling, b: Sibling): number =>
  madeAt(a) - madeAt(b) || a.info.modifiedMillis - b.info.modifiedMillis || rotations(b) - rotations(a);

const madeAt = ({ info }: Sibling): number => info.madeMillis ?? info.modifiedMillis;

/** How often a file was rotated by the number at the end of its name: `app.log.2` is older than `app.log.1`. */
const rotations = ({ path }: Sibling): number => Number(path.match(/\.(\d+)$/)?.[1] ?? 0);
