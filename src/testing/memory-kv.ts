/**
 * A key-value store that lives in memory, for tests: it plays the disk, and it can fail at any commit.
 *
 * Its contents survive the closing of a store, as a file's do, so that a test can crash a job and open it again. It
 * keeps Deno KV's order of keys, versionstamps and limits, and refuses what Deno KV would refuse.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { Buffer } from "node:buffer";
import { serialize } from "node:v8";
import { KvError } from "../kv-state/errors.ts";
import type { Kv, KvCommit, KvEntry, KvKey, KvProvider } from "../kv-state/kv.ts";
import {
  commitBytesMax,
  commitChecksMax,
  commitKeyBytesMax,
  commitMutationsMax,
  getManyKeysMax,
  keyBytesMax,
  valueBytesMax,
} from "../kv-state/kv-limits.ts";

/**
 * What becomes of one commit.
 *
 * - `ok`: it is carried out.
 * - `fail-before`: it is reported as failed, and was not applied.
 * - `fail-after`: it is reported as failed, but was applied.
 * - `crash-before`, `crash-after`: the same, and every later operation of that open store fails too, until it is opened
 *   again.
 */
export type CommitFate = "ok" | "fail-before" | "fail-after" | "crash-before" | "crash-after";

/** An in-memory provider with its controls. */
export interface MemoryKv extends KvProvider {
  /** Decides the fate of every commit from now on. Commits are counted from 0 over all stores of this provider. */
  readonly onCommit: (fate: (commitIndex: number) => CommitFate) => void;
  /** How many commits have been asked for so far. */
  readonly commits: () => number;
  /** How many keys have been read so far, found or not. */
  readonly reads: () => number;
  /** Everything that is stored at a location, in key order. */
  readonly entries: (location: string) => ReadonlyArray<KvEntry>;
  /** Replaces a stored value behind the back of every open store, as a failing disk would. */
  readonly tamper: (location: string, key: KvKey, change: (value: unknown) => unknown) => void;
}

interface Stored {
  readonly order: string;
  readonly entry: KvEntry;
}

/** One location: entries sorted by the order of their keys. */
interface Disk {
  readonly stored: Array<Stored>;
  readonly index: Map<string, Stored>;
}

const numberOrder = Buffer.alloc(8);

/** A string whose UTF-16 order is the order of the key in Deno KV: one character for each byte of the encoded key. */
const orderOf = (key: KvKey): string => {
  let order = "";
  for (const part of key) {
    if (typeof part === "string") {
      order += `\x02${Buffer.from(part, "utf8").toString("latin1").replaceAll("\0", "\0\xff")}\0`;
    } else {
      numberOrder.writeDoubleBE(part);
      // Negative numbers sort in reverse: flip all their bits, and only the sign of the others.
      if (numberOrder[0] & 0x80) { for (let i = 0; i < 8; i++) numberOrder[i] ^= 0xff; }
      else numberOrder[0] ^= 0x80;
      order += `\x21${numberOrder.toString("latin1")}`;
    }
  }
  return order;
};

/** Whether a key begins with all parts of a prefix; a longer last part begins with an escaped NUL where it goes on. */
const isUnder = (prefix: string, order: string): boolean =>
  order.startsWith(prefix) && order.charCodeAt(prefix.length) !== 0xff;

/** The first index whose order is not below `order`. */
const lowerBound = (stored: ReadonlyArray<Stored>, order: string): number => {
  let low = 0;
  let high = stored.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (stored[middle].order < order) low = middle + 1;
    else high = middle;
  }
  return low;
};

const copy = (value: unknown): unknown => value instanceof Uint8Array ? value.slice() : structuredClone(value);

const copyEntry = (entry: KvEntry): KvEntry => ({ ...entry, value: copy(entry.value) });

const versionstampDigits = 20;

/** Opens an empty set of in-memory stores. */
export const memoryKv = (): MemoryKv => {
  const disks = new Map<string, Disk>();
  let fateOf: (commitIndex: number) => CommitFate = () => "ok";
  let commits = 0;
  let reads = 0;
  let version = 0;

  const diskAt = (location: string): Disk => {
    let disk = disks.get(location);
    if (disk === undefined) disks.set(location, disk = { stored: [], index: new Map() });
    return disk;
  };

  const put = (disk: Disk, key: KvKey, value: unknown, versionstamp: string): void => {
    const order = orderOf(key);
    const item: Stored = { order, entry: { key, value, versionstamp } };
    const at = lowerBound(disk.stored, order);
    disk.stored.splice(at, disk.index.has(order) ? 1 : 0, item);
    disk.index.set(order, item);
  };

  const remove = (disk: Disk, key: KvKey): void => {
    const order = orderOf(key);
    if (disk.index.delete(order)) disk.stored.splice(lowerBound(disk.stored, order), 1);
  };

  const openDisk = (location: string): { readonly kv: Kv; readonly close: () => void } => {
    const disk = diskAt(location);
    let crashed = false;
    let closed = false;

    const operate = <A>(operation: string, run: () => A): Effect.Effect<A, KvError> =>
      // Every operation gives other fibers a turn, as real storage does.
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => {
          if (closed) return Effect.fail(refuse(operation, `use ${location} as it was closed`));
          if (crashed) {
            return Effect.fail(refuse("crashed", `use ${location} as a crash was injected`));
          }
          try {
            return Effect.succeed(run());
          } catch (error) {
            return error instanceof KvError ? Effect.fail(error) : Effect.die(error);
          }
        }),
      );

    const refuse = (operation: string, rule: string, retryable = false): KvError =>
      new KvError({ message: `Cannot ${rule}`, operation, retryable, cause: undefined });

    const limit = (operation: string, what: string, value: number, max: number): void => {
      if (value > max) {
        throw refuse(operation, `${operation} as ${what} may be at most ${max}: current value is ${value}`);
      }
    };

    const checkKey = (operation: string, key: KvKey): number => {
      const bytes = orderOf(key).length;
      limit(operation, "the bytes of a key", bytes, keyBytesMax);
      return bytes;
    };

    const find = (key: KvKey): KvEntry | null => {
      checkKey("read", key);
      reads++;
      const stored = disk.index.get(orderOf(key));
      return stored === undefined ? null : copyEntry(stored.entry);
    };

    const apply = ({ checks, mutations }: KvCommit): string | null => {
      limit("commit", "checks", checks.length, commitChecksMax);
      limit("commit", "mutations", mutations.length, commitMutationsMax);
      let keys = 0;
      let values = 0;
      for (const mutation of mutations) {
        keys += checkKey("commit", mutation.key);
        if (mutation.type === "set") {
          const bytes = mutation.value instanceof Uint8Array
            ? mutation.value.byteLength
            : serialize(mutation.value).byteLength;
          limit("commit", "the bytes of a value", bytes, valueBytesMax);
          values += bytes;
        }
      }
      limit("commit", "the bytes of a commit's keys", keys, commitKeyBytesMax);
      limit("commit", "the bytes of a commit", keys + values, commitBytesMax);
      for (const { key, versionstamp } of checks) {
        if ((disk.index.get(orderOf(key))?.entry.versionstamp ?? null) !== versionstamp) return null;
      }
      const versionstamp = (++version).toString(16).padStart(versionstampDigits, "0");
      for (const mutation of mutations) {
        if (mutation.type === "set") put(disk, mutation.key, copy(mutation.value), versionstamp);
        else remove(disk, mutation.key);
      }
      return versionstamp;
    };

    const kv: Kv = {
      get: (key) => operate("get", () => find(key)),
      getMany: (keys) =>
        operate("getMany", () => {
          limit("getMany", "keys", keys.length, getManyKeysMax);
          return keys.map(find);
        }),
      list: ({ prefix, start, end }, max) =>
        operate("list", () => {
          const prefixOrder = orderOf(prefix);
          const first = start === undefined ? prefixOrder : orderOf(start);
          const last = end === undefined ? undefined : orderOf(end);
          const entries: Array<KvEntry> = [];
          for (let at = lowerBound(disk.stored, first); at < disk.stored.length && entries.length < max; at++) {
            const { order, entry } = disk.stored[at];
            if (!isUnder(prefixOrder, order) || (last !== undefined && order >= last)) break;
            // The prefix itself is not a key under it.
            if (order !== prefixOrder) entries.push(copyEntry(entry));
          }
          reads += entries.length;
          return entries;
        }),
      commit: (commit) =>
        operate("commit", () => {
          const fate = fateOf(commits++);
          if (fate === "ok") return apply(commit);
          if (fate === "fail-after" || fate === "crash-after") apply(commit);
          if (fate === "fail-before" || fate === "fail-after") {
            throw refuse("commit", `commit to ${location} as a failure was injected`, true);
          }
          crashed = true;
          throw refuse("crashed", `commit to ${location} as a crash was injected`);
        }),
    };
    return { kv, close: () => void (closed = true) };
  };

  return {
    open: (location): Effect.Effect<Kv, KvError, Scope.Scope> =>
      Effect.map(
        Effect.acquireRelease(Effect.sync(() => openDisk(location)), ({ close }) => Effect.sync(close)),
        ({ kv }) => kv,
      ),
    onCommit: (fate) => void (fateOf = fate),
    commits: () => commits,
    reads: () => reads,
    entries: (location) => diskAt(location).stored.map(({ entry }) => copyEntry(entry)),
    tamper: (location, key, change) => {
      const disk = diskAt(location);
      const stored = disk.index.get(orderOf(key));
      if (stored === undefined) throw new RangeError(`Cannot tamper with ${JSON.stringify(key)} as it is not stored`);
      put(disk, key, change(copy(stored.entry.value)), stored.entry.versionstamp);
    },
  };
};
