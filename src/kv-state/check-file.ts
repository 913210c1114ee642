/**
 * A look at a KV file before Deno opens it.
 *
 * Deno reads the file's queue and its expiring keys in a thread of its own. Where their pages are damaged that thread
 * panics (Deno 2.9.6), and with it the process. SQLite's own check finds this first, and it can be answered. It also finds
 * keys that are no longer where a search looks for them: Deno keeps each key twice, in its table and in an index.
 *
 * @module
 */

/** How SQLite says that it has found nothing. */
const nothingFound = "ok";

/** The size up to which the whole file is checked: that takes about as long as to read it, and a microsecond a key. */
const wholeFileBytesMax = 268_435_456;

/** Checks everything. */
const wholeFile = ["PRAGMA integrity_check(1)"];

/** Checks what Deno reads as soon as it opens the file. */
const readAtOnce = [
  "PRAGMA quick_check('queue')",
  "PRAGMA quick_check('queue_running')",
  "SELECT 'ok' FROM (SELECT k FROM kv WHERE expiration_ms >= 0 LIMIT 1)",
];

/**
 * Checks that the pages of a SQLite file hang together. What the pages hold has no checksum there. Of a file of more than
 * {@link wholeFileBytesMax} only what Deno reads at once is checked.
 *
 * @throws {Error} If they do not, or if it is no SQLite file.
 */
export const checkFile = async (path: string, sizeBytes: number): Promise<void> => {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    for (const statement of sizeBytes <= wholeFileBytesMax ? wholeFile : readAtOnce) {
      for (const row of database.prepare(statement).all()) {
        for (const text of Object.values(row)) {
          if (text !== nothingFound) throw new Error(`database disk image is malformed: ${text}`);
        }
      }
    }
  } finally {
    database.close();
  }
};
