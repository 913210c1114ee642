/**
 * What the job has written to a folder.
 *
 * @module
 */
import type { Window } from "@weir/streams";
import type { Sink } from "@weir/streams";
import { type Answer, byKey } from "./recount.ts";

/** The files that the job writes, and in which it keeps its state. */
export const fileNames = ["read.ndjson", "sessions.ndjson"] as const;
/** The tables that it keeps, each in a file of its own. */
export const tableNames = ["running", "sums"] as const;

/** The lines of a file. What has no end yet is no line. */
export const linesOf = async (path: string): Promise<ReadonlyArray<string>> =>
  (await Deno.readTextFile(path).catch(unlessMissing(""))).split("\n").slice(0, -1);

/** Returns a default in the place of a file that is not there. */
export const unlessMissing = <A>(instead: A) => (error: unknown): A => {
  if (error instanceof Deno.errors.NotFound) return instead;
  throw error;
};

/** The rows of a table by key, and how far it has got. */
export const tableOf = async (
  path: string,
  table: string,
): Promise<{ readonly rows: Readonly<Record<string, unknown>>; readonly marker: Sink.TableMarker | null }> => {
  using kv = await Deno.openKv(path);
  const rows: Record<string, unknown> = {};
  for await (const { key, value } of kv.list({ prefix: [table] })) rows[key.slice(1).join(" ")] = value;
  const { value: marker } = await kv.get<Sink.TableMarker>(["weir", "table", "readings", table]);
  return { rows: byKey(rows), marker };
};

/** What the outputs of a job that has ended say, its tables in a folder of their own if so. */
export const answerOf = async (folder: string, tables: string = folder): Promise<Answer> => {
  const read: Record<string, Array<number>> = {};
  for (const line of await linesOf(`${folder}/read.ndjson`)) {
    const { split, n } = JSON.parse(line);
    (read[split] ??= []).push(n);
  }
  const sessions: Record<string, number> = {};
  for (const line of await linesOf(`${folder}/sessions.ndjson`)) {
    const { key, window, value, change } = JSON.parse(line) as Window.WindowChange<string, number>;
    const session = `${key} ${window.start} ${window.end}`;
    if (change === "add") sessions[session] = value;
    else if (sessions[session] === value) delete sessions[session];
    else throw new Error(`Cannot take session ${session} back: it has ${sessions[session]}, not ${value}`);
  }
  const { rows: running } = await tableOf(`${tables}/running.kv`, "running");
  const { rows: sums } = await tableOf(`${tables}/sums.kv`, "sums");
  return {
    read: byKey(read),
    running: running as Answer["running"],
    sessions: byKey(sessions),
    sums: sums as Answer["sums"],
  };
};
