/**
 * Deno KV as a {@link KvProvider}: one SQLite file (or KV Connect address) per owner, one fsync per commit.
 *
 * @module
 */
import { Effect, Schedule, type Scope } from "effect";
import { dirname } from "node:path";
import { errorWords } from "../windows/error-words.ts";
import { checkFile } from "./check-file.ts";
import { KvError } from "./errors.ts";
import type { Kv, KvCommit, KvEntry, KvKey, KvProvider } from "./kv.ts";
import { getManyKeysMax, listBatchEntriesMax } from "./kv-limits.ts";

/** How often a read is repeated when another connection holds the file's lock. */
const lockedReadRetriesMax = 20;
/** The pause between two such reads, in milliseconds. SQLite itself waits before it gives up. */
const lockedReadPauseMs = 25;

const lockedPattern = /database is locked|database table is locked|SQLITE_BUSY/i;
const retryablePattern = /I\/O|connection|network|timed? ?out|temporar|unavailable|os error|HTTP (429|5\d\d)/i;

/** What a failure means: what must hold, and whether it may yet come to hold by itself. */
interface Meaning {
  readonly pattern: RegExp;
  readonly rule: string;
  readonly retryable: boolean;
}

/** What SQLite and Deno say, and what it means. */
const meanings: ReadonlyArray<Meaning> = [
  {
    pattern: /database or disk is full|no space left|disk quota/i,
    rule: "there must be room on the disk",
    retryable: true,
  },
  {
    pattern: /is not a database|unsupported file format|table kv already exists|no such table/i,
    rule: "it must be a file that Deno KV has written",
    retryable: false,
  },
  {
    pattern: /malformed|corrupt|deserializ|data ?clone|invalid (tag|utf|column)|no such column|encoding .* is unknown/i,
    rule: "its file must not be damaged",
    retryable: false,
  },
  {
    pattern: /read-?only/i,
    rule: "its file and the folder of it must be writable",
    retryable: false,
  },
  {
    pattern: /unable to open database/i,
    rule: "it must be a file that may be written, in a folder that may be written",
    retryable: false,
  },
  {
    pattern: /openKv is not a function/,
    rule: 'Deno KV must be switched on, by --unstable-kv or by "unstable": ["kv"] in deno.json',
    retryable: false,
  },
];

/** Errors of the operating system and of Deno's permissions that do not pass. */
const lastingErrors: ReadonlyArray<abstract new (...args: Array<never>) => Error> = [
  Deno.errors.NotCapable,
  Deno.errors.PermissionDenied,
  Deno.errors.IsADirectory,
  Deno.errors.NotADirectory,
  Deno.errors.AlreadyExists,
];

/** What an error says, in one line. */
const describe = (cause: unknown): string => errorWords(cause).trim().replaceAll(/\s+/g, " ");

const isLocked = (error: KvError): boolean => lockedPattern.test(describe(error.cause));

const failure = (operation: string, doing: string, cause: unknown): KvError => {
  const text = describe(cause);
  const meaning = meanings.find(({ pattern }) => pattern.test(text));
  const isLasting = lastingErrors.some((error) => cause instanceof error);
  return new KvError({
    message: meaning === undefined ? `Cannot ${doing}: ${text}` : `Cannot ${doing} as ${meaning.rule}: ${text}`,
    operation,
    retryable: !isLasting && (meaning?.retryable ?? (lockedPattern.test(text) || retryablePattern.test(text))),
    cause,
  });
};

/** Runs one call. Not interruptible: a call that has left cannot be recalled, and the file must not close under it. */
const call = <A>(operation: string, doing: () => string, run: () => Promise<A>): Effect.Effect<A, KvError> =>
  Effect.uninterruptible(Effect.tryPromise({ try: run, catch: (cause) => failure(operation, doing(), cause) }));

/** A read changes nothing, so it may be repeated; a failed commit has an unknown outcome and may not. */
const whileLocked = <A>(read: Effect.Effect<A, KvError>): Effect.Effect<A, KvError> =>
  Effect.retry(read, {
    while: isLocked,
    times: lockedReadRetriesMax,
    schedule: Schedule.spaced(lockedReadPauseMs),
  });

const entryOf = (entry: Deno.KvEntryMaybe<unknown>): KvEntry | null =>
  entry.versionstamp === null
    ? null
    : { key: entry.key as KvKey, value: entry.value, versionstamp: entry.versionstamp };

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const wrap = (kv: Deno.Kv, location: string): Kv => ({
  get: (key) =>
    whileLocked(
      call("get", () => `read ${JSON.stringify(key)} of ${location}`, async () => entryOf(await kv.get(key))),
    ),

  getMany: (keys) =>
    whileLocked(call("getMany", () => `read ${counted(keys.length, "key")} of ${location}`, async () => {
      if (keys.length <= getManyKeysMax) return (await kv.getMany(keys as Array<KvKey>)).map(entryOf);
      const entries: Array<KvEntry | null> = [];
      for (let at = 0; at < keys.length; at += getManyKeysMax) {
        for (const entry of await kv.getMany(keys.slice(at, at + getManyKeysMax))) entries.push(entryOf(entry));
      }
      return entries;
    })),

  list: (range, limit) =>
    whileLocked(call("list", () => `list ${JSON.stringify(range.prefix)} of ${location}`, async () => {
      const { prefix, start, end } = range;
      // Deno KV takes a prefix with a start or with an end; a start and an end under one prefix need no prefix.
      const selector: Deno.KvListSelector = start !== undefined && end !== undefined
        ? { start, end }
        : start !== undefined
        ? { prefix, start }
        : end !== undefined
        ? { prefix, end }
        : { prefix };
      const entries: Array<KvEntry> = [];
      const options = { limit, batchSize: Math.max(1, Math.min(limit, listBatchEntriesMax)) };
      for await (const { key, value, versionstamp } of kv.list(selector, options)) {
        entries.push({ key: key as KvKey, value, versionstamp });
      }
      return entries;
    })),

  commit: (commit: KvCommit) =>
    call("commit", () => `commit ${counted(commit.mutations.length, "mutation")} to ${location}`, async () => {
      const atomic = kv.atomic();
      for (const check of commit.checks) atomic.check(check);
      for (const mutation of commit.mutations) {
        if (mutation.type === "set") atomic.set(mutation.key, mutation.value);
        else atomic.delete(mutation.key);
      }
      const result = await atomic.commit();
      return result.ok ? result.versionstamp : null;
    }),
});

/** Whether a location is the address of a KV Connect server, which several jobs may share, unlike a file. */
export const isRemote = (location: string): boolean => /^https?:\/\//.test(location);

/** Whether a location is a file. */
export const isFile = (location: string): boolean => location !== ":memory:" && !isRemote(location);

/** Makes the folder of a file that is not there yet, and looks at one that is. */
const prepare = async (path: string): Promise<void> => {
  let found: Deno.FileInfo;
  try {
    found = await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return await Deno.mkdir(dirname(path), { recursive: true });
  }
  // SQLite says no more than that it cannot open it.
  if (found.isDirectory) throw new Deno.errors.IsADirectory("it must be a file: current value is a folder");
  if (found.size > 0) await checkFile(path, found.size);
};

/**
 * Opens Deno KV stores: `location` is a file (its folder is created when it is missing), `":memory:"`, or the address of
 * a KV Connect server. The store is closed with the scope.
 *
 * Reads wait for another connection's lock, a bounded number of times. A commit is never repeated, because a commit that
 * failed may have been applied.
 */
export const denoKv: KvProvider = {
  open: (location): Effect.Effect<Kv, KvError, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        whileLocked(call("open", () => `open the key-value store ${location}`, async () => {
          if (isFile(location)) await prepare(location);
          return await Deno.openKv(location);
        })),
        (kv) => Effect.sync(() => kv.close()),
      ),
      (kv) => wrap(kv, location),
    ),
};
