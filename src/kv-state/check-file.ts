/**
 * A look at a KV file before Deno opens it.
 *
 * Deno reads the file's queue and its expiring keys in a thread of its own. Where their pages are damaged that thread
 * panics (Deno 2.9.6), and with it the process. SQLite's own check finds this first, and it can be answered.
 *
 * @module
 */

/** How SQLite says that it has found nothing. */
const nothingFound = "ok";

/**
 * Checks that the pages of a SQLite file hang together, as fast as it can be read. What the pages hold has no checksum
 * there. A file that is missing or empty is sound.
 *
 * @throws {Error} If they do not, or if it is no SQLite file.
 */
export const checkFile = async (path: string): Promise<void> => {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const [found] = database.prepare("PRAGMA quick_check(1)").all();
    const text = String(found?.["quick_check"] ?? nothingFound);
    if (text !== nothingFound) throw new Error(`database disk image is malformed: ${text}`);
  } finally {
    database.close();
  }
};
