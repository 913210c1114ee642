/**
 * A disk that lives in memory, for simulations: it may be slow, full or torn, and it forgets what was not synced when the
 * machine loses its power.
 *
 * It is like a clerk with a notepad. Whatever is dictated stands on the notepad at once, for everyone in the room to read,
 * and is copied into the book only when somebody insists (`sync`). When the lights go out the notepad is lost, or some of
 * its pages are.
 *
 * @module
 */
import { Effect } from "effect";
import {
  FileError,
  type FileErrorReason,
  type FileHandle,
  type FileInfo,
  type FileSystem,
} from "../../streams/files.ts";
import { type Injected, throughPort } from "./faults.ts";
import type { Seeded } from "./seeded.ts";
import { CurrentProcess, type Process } from "./world.ts";

/** How likely a read gives fewer bytes than there are. */
const shortReadChance = 0.2;
/** How likely a write that was not synced outlives a loss of power, as a whole or in part. */
const survivesChance = 0.5;

/** A disk with its files, and a look at them past every fault. */
export interface ModelDisk extends FileSystem {
  /** The bytes of a file as a process would read them; null where there is none. */
  readonly bytesOf: (path: string) => Uint8Array<ArrayBuffer> | null;
  /** Puts a file there, for good. */
  readonly put: (path: string, bytes: Uint8Array<ArrayBuffer>) => void;
  /** Has the disk forget what was not synced, or some of it. */
  readonly losePower: (random: Seeded) => void;
}

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A file under whatever name. */
interface Inode {
  readonly identity: string;
  /** What is read. */
  bytes: Uint8Array<ArrayBuffer>;
  /** What outlives a loss of power; null where not even the file itself does. */
  synced: Uint8Array<ArrayBuffer> | null;
  /** What was written since. */
  unsynced: Array<Write>;
}

/** Bytes with others put into them; what is between the two is zero. */
const withWrite = (bytes: Uint8Array<ArrayBuffer>, { offset, bytes: written }: Write): Uint8Array<ArrayBuffer> => {
  const after = new Uint8Array(Math.max(bytes.length, offset + written.length));
  after.set(bytes);
  after.set(written, offset);
  return after;
};

const failure = (action: string, path: string, reason: FileErrorReason, rule: string): FileError =>
  new FileError({ message: `Cannot ${action} "${path}" as ${rule}`, reason, cause: null });

/** The random numbers of the world that an effect runs in; null outside of one. */
const currentRandom: Effect.Effect<Seeded | null> = Effect.map(
  CurrentProcess,
  (process) => process?.world.random ?? null,
);

/** Makes an empty disk. */
export const modelDisk = (): ModelDisk => {
  const inodes = new Map<string, Inode>();
  let made = 0;

  const create = (path: string, synced: Uint8Array<ArrayBuffer> | null): Inode => {
    const bytes: Uint8Array<ArrayBuffer> = synced ?? new Uint8Array(0);
    const inode: Inode = { identity: `model:${++made}`, bytes, synced, unsynced: [] };
    inodes.set(path, inode);
    return inode;
  };
  const infoOf = ({ identity, bytes }: Inode): FileInfo => ({
    sizeBytes: bytes.length,
    identity,
    isFile: true,
    madeMillis: null,
    modifiedMillis: 0,
  });
  const fail = (action: string, path: string) => ({ rule }: Injected): FileError =>
    failure(action, path, "other", rule);
  const find = (action: string, path: string): Effect.Effect<Inode, FileError> =>
    Effect.suspend(() => {
      const inode = inodes.get(path);
      return inode === undefined
        ? Effect.fail(failure(action, path, "missing", "there must be a file: current value is none"))
        : Effect.succeed(inode);
    });
  const losePower = (random: Seeded): void => {
    for (const [path, inode] of inodes) {
      const { synced, unsynced } = inode;
      if (synced === null && !random.chance(survivesChance)) {
        inodes.delete(path);
        continue;
      }
      let bytes = synced ?? new Uint8Array(0);
      for (const { offset, bytes: written } of unsynced) {
        if (!random.chance(survivesChance)) continue;
        const kept = random.chance(survivesChance) ? written.length : random.below(written.length);
        bytes = withWrite(bytes, { offset, bytes: written.slice(0, kept) });
      }
      inode.bytes = inode.synced = bytes;
      inode.unsynced = [];
    }
  };
  const power = (process: Process): void => {
    process.note("the power fails");
    losePower(process.world.random);
    process.world.killAll();
  };
  const apply = (inode: Inode, write: Write): void => {
    if (write.bytes.length === 0) return;
    inode.bytes = withWrite(inode.bytes, write);
    inode.unsynced.push(write);
  };

  const handleOf = (path: string, inode: Inode): FileHandle => ({
    read: (into, offset) =>
      throughPort(
        "file-read",
        `reads from ${path} at ${offset}`,
        fail("read", path),
        Effect.map(currentRandom, (random) => {
          const there = inode.bytes.subarray(offset, offset + into.length);
          const isShort = there.length > 1 && random !== null && random.chance(shortReadChance);
          const count = isShort ? 1 + random.below(there.length - 1) : there.length;
          into.set(there.subarray(0, count));
          return count;
        }),
      ),
    write: (bytes, offset) =>
      throughPort(
        "file-write",
        `writes ${bytes.length} bytes to ${path} at ${offset}`,
        fail("write to", path),
        Effect.sync(() => apply(inode, { offset, bytes: bytes.slice() })),
        {
          power,
          torn: (process) =>
            apply(inode, { offset, bytes: bytes.slice(0, process.world.random.below(bytes.length + 1)) }),
        },
      ),
    info: throughPort("file-read", `looks at ${path}`, fail("look at", path), Effect.sync(() => infoOf(inode))),
    sync: throughPort(
      "file-write",
      `syncs ${path}`,
      fail("sync", path),
      Effect.sync(() => {
        inode.synced = inode.bytes;
        inode.unsynced = [];
      }),
      { power },
    ),
    close: Effect.void,
  });

  return {
    openToRead: (path) =>
      throughPort(
        "file-read",
        `opens ${path} to read`,
        fail("open", path),
        Effect.map(find("open", path), (inode) => handleOf(path, inode)),
      ),
    openToWrite: (path) =>
      throughPort(
        "file-write",
        `opens ${path} to write`,
        fail("open", path),
        Effect.sync(() => handleOf(path, inodes.get(path) ?? create(path, null))),
        { power },
      ),
    info: (path) =>
      throughPort("file-read", `looks at ${path}`, fail("look at", path), Effect.map(find("look at", path), infoOf)),
    list: (folder) =>
      throughPort(
        "file-read",
        `lists ${folder}`,
        fail("list", folder),
        Effect.sync(() => {
          const under = `${folder}/`;
          const names = Array.from(inodes.keys()).filter((path) => path.startsWith(under));
          return Array.from(new Set(names.map((path) => path.slice(under.length).split("/")[0])));
        }),
      ),
    makeFolder: () => Effect.void,
    bytesOf: (path) => inodes.get(path)?.bytes.slice() ?? null,
    put: (path, bytes) => void create(path, bytes),
    losePower,
  };
};
