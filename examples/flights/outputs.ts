/**
 * What the job leaves in its folder, read as any other program would read it.
 *
 * @module
 */

/** A row of the table: one carrier, one hour. */
export interface Row {
  readonly carrier: string;
  readonly hour: string;
  readonly flights: number;
  readonly meanDelay: number;
  readonly worstDelay: number;
  /** How often the row was reported before. */
  readonly pane: number;
}

/** Everything that a finished job has written. */
export interface Outputs {
  readonly hourly: ReadonlyArray<Row>;
  /** The lines of each file. */
  readonly files: Readonly<Record<typeof fileNames[number], string>>;
}

/** The files of lines. */
export const fileNames = ["changes.ndjson", "late.ndjson", "dead-letters.ndjson"] as const;

/** Deno KV keeps a file in several while it is open. */
const kvFiles = ["hourly.kv", "state.kv"].flatMap((name) => [name, `${name}-shm`, `${name}-wal`]);

/** Makes the folder, and removes what an earlier run has left in it. */
export const startEmpty = async (folder: string): Promise<void> => {
  await Deno.mkdir(folder, { recursive: true });
  for (const name of [...fileNames, ...kvFiles]) {
    try {
      await Deno.remove(`${folder}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
};

/** Reads everything that a finished job has written. */
export const readOutputs = async (folder: string): Promise<Outputs> => {
  using kv = await Deno.openKv(`${folder}/hourly.kv`);
  const entries = await Array.fromAsync(kv.list<Row>({ prefix: ["hourly"] }));
  const texts = await Promise.all(fileNames.map((name) => Deno.readTextFile(`${folder}/${name}`)));
  return {
    hourly: entries.map(({ value }) => value),
    files: Object.fromEntries(fileNames.map((name, k) => [name, texts[k]])) as Outputs["files"],
  };
};

/** The lines of a text, without the empty one after the last line ending. */
export const linesOf = (text: string): ReadonlyArray<string> => text.split("\n").slice(0, -1);
