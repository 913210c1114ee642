/**
 * A sink that keeps a table in a Deno KV file: the last value of every key.
 *
 * An epoch may hold more rows than one atomic commit of the store, so it is published in chunks. Each chunk is one
 * atomic commit that writes its rows and moves a marker on, and that holds only if the marker is where this writer left
 * it. So a chunk is never written twice, an older epoch never overwrites a newer one, and a process that has lost the
 * job to another one cannot write any more, because opening the table writes the new owner's claim into the marker.
 *
 * The file holds
 *
 * | key | value |
 * |---|---|
 * | `[...prefix, ...key]` | a row |
 * | `["weir", "table", job, sink]` | the {@link TableMarker} |
 *
 * @module
 */
import { Effect } from "effect";
import { SinkError, StateBehindOutput } from "../../exactly-once/errors.ts";
import type { ForfeitedOutput, Idempotent, Publication, Sink, SinkContext, SinkFile } from "../../exactly-once/sink.ts";
import { denoKv, isFile } from "../../kv-state/deno-kv.ts";
import type { KvError } from "../../kv-state/errors.ts";
import type { Kv, KvKey, KvMutation, KvProvider } from "../../kv-state/kv.ts";
import {
  commitBytesMax,
  commitKeyBytesMax,
  commitMutationsMax,
  keyBytes,
  keyBytesMax,
  valueBytesMax,
} from "../../kv-state/kv-limits.ts";
import { inWords } from "../../windows/in-words.ts";
import { copy, serializedBytesMax } from "./structured.ts";

/** The bytes of an atomic commit kept free for the marker: its key twice (checked and written) and its value. */
const markerBytesMax = 2 * keyBytesMax + 4_096;
/** The rows that one chunk holds at most; the marker is a mutation, too. */
const chunkRowsMax = commitMutationsMax - 1;
/** The bytes of rows that one chunk holds at most. */
const chunkBytesMax = commitBytesMax - markerBytesMax;
/** The bytes of keys that one chunk holds at most. */
const chunkKeyBytesMax = commitKeyBytesMax - markerBytesMax;
/** How often a commit that found a moved marker is tried again in a row. */
const movedMarkerRetriesMax = 5;

/** How far a table has got. It is written with every chunk. */
export interface TableMarker {
  /** The run of the job that the table belongs to. */
  readonly lineage: string;
  /** The claim of the process that writes it. */
  readonly claim: string;
  /** The last epoch of which rows are here; 0 before the first. */
  readonly epoch: number;
  /** How many chunks of that epoch are here. */
  readonly chunk: number;
  /** Whether these are all its chunks. */
  readonly complete: boolean;
  /** How many rows the table has taken in all. */
  readonly rows: number;
}

/** Where {@link table} keeps its rows, and how. */
export interface TableOptions<A> {
  /** The KV file. It may hold other tables, but not a job's state. */
  readonly path: string;
  /** The row's key: strings and numbers, ordered as Deno KV orders them. */
  readonly key: (value: NoInfer<A>) => KvKey;
  /** The row's value: anything the structured clone algorithm copies, of at most 65,536 bytes. */
  readonly value: (value: NoInfer<A>) => unknown;
  /**
   * Which rows take their key out of the table instead of writing it, such as results that are taken back.
   *
   * @default {none}
   */
  readonly removes?: (value: NoInfer<A>) => boolean;
  /**
   * What all keys begin with.
   *
   * @default {[name]}
   */
  readonly prefix?: KvKey;
  /**
   * Opens the store.
   *
   * @default {Deno KV}
   */
  readonly kv?: KvProvider;
}

/** A row with its whole key, and the bytes it takes in the store at most. */
export interface TableRow {
  readonly key: KvKey;
  readonly value: unknown;
  /** Whether the row takes its key out of the table. */
  readonly removes: boolean;
  readonly bytes: number;
}

/**
 * Keeps the last value of every key in a Deno KV table, which any program can read.
 *
 * Of several rows with one key the last one stays. A reader may see a part of the epoch that is being written. A key or
 * value that the store could not hold is an error of the job. Opening fails with `SinkError` if the table belongs to
 * another run of the job or has lost rows, and with `StateBehindOutput` if it holds an epoch that the job's state does
 * not know.
 *
 * @param name A stable name, unique in the job.
 * @throws {RangeError} If `prefix` begins with `"weir"`, under which the marker is kept.
 *
 * @example
 * ```ts
 * import { Sink, type Window } from "@weir/streams";
 *
 * const hourly = Sink.table<{ carrier: string; hour: number; flights: number }>("hourly", {
 *   path: "out/hourly.kv",
 *   key: (row) => [row.carrier, row.hour],
 *   value: (row) => row.flights,
 * });
 * // A window whose panes retract each other: what it takes back is taken out.
 * const visits = Sink.table<Window.WindowChange<string, number>>("visits", {
 *   path: "out/visits.kv",
 *   key: ({ key, window }) => [key, window.start, window.end],
 *   value: ({ value }) => value,
 *   removes: ({ change }) => change === "retract",
 * });
 * // Read it with `kv.list({ prefix: ["hourly", "AA"] })` after `const kv = await Deno.openKv("out/hourly.kv")`.
 * ```
 */
export function table<A>(name: string, options: TableOptions<A>): Sink<A, Idempotent> {
  const { path, prefix = [name], kv = denoKv } = options;
  if (prefix[0] === markerRoot) {
    throw new RangeError(
      `Cannot make table "${name}" as its prefix must not begin with "${markerRoot}": current value is ` +
        JSON.stringify(prefix),
    );
  }
  return {
    "~weir/Sink": undefined as never,
    name,
    driver: {
      kind: "idempotent",
      encode: (value: A): TableRow => {
        const removes = options.removes?.(value) ?? false;
        return row(name, [...prefix, ...options.key(value)], removes ? null : copy(options.value(value)), removes);
      },
      byteLength: (row: TableRow) => row.bytes,
      file: kvFile(path, kv, { shared: true }),
      open: (context) =>
        Effect.flatMap(Effect.mapError(kv.open(path), kvFailure(name, path, 0)), (store) => {
          const writer = new TableWriter(name, path, store, context);
          return Effect.map(writer.takeOver, (marker) => ({
            marker: marker.complete ? marker.epoch : marker.epoch - 1,
            publish: writer.publish,
            forfeit: writer.forfeit,
          }));
        }),
    },
  };
}

/** The file of a store, if it is in one. */
export const kvFile = (path: string, kv: KvProvider, { shared }: { readonly shared: boolean }): SinkFile | undefined =>
  kv === denoKv && isFile(path) ? { path, shared } : undefined;

const markerRoot = "weir";

const row = (table: string, key: KvKey, value: unknown, removes: boolean): TableRow => {
  const refuse = (rule: string, current: string) => {
    throw new RangeError(`Cannot write a row of table "${table}" as ${rule}: current value is ${current}`);
  };
  const keyText = () => inWords(key);
  for (const part of key) {
    if (typeof part !== "string" && typeof part !== "number") {
      refuse("its key must hold strings and numbers", keyText());
    }
    // The store keeps text in UTF-8, where all halves of surrogate pairs become the same character.
    if (typeof part === "string" && !part.isWellFormed()) {
      refuse("the texts of its key must be well-formed Unicode", keyText());
    }
  }
  // The store tells -0 from 0; nobody else does.
  if (key.some((part) => Object.is(part, -0))) key = key.map((part) => part === 0 ? 0 : part);
  if (key.length === 0 || key[0] === markerRoot) refuse(`its key must not be empty or begin with "weir"`, keyText());
  const bytesOfKey = keyBytes(key);
  if (bytesOfKey > keyBytesMax) refuse(`its key must not have more than ${keyBytesMax} bytes`, `${bytesOfKey} bytes`);
  const bytesOfValue = serializedBytesMax(value, valueBytesMax);
  if (bytesOfValue > valueBytesMax) {
    refuse(`its value must not have more than ${valueBytesMax} bytes`, `${bytesOfValue} bytes at key ${keyText()}`);
  }
  return { key, value, removes, bytes: bytesOfKey + bytesOfValue };
};

/**
 * An order of keys, so that rows are written where their neighbours are: a B-tree takes rows in order four times as fast as
 * rows at random. Rows of one key stay in the order in which they came, so the last of them stands.
 */
const compareKeys = (a: KvKey, b: KvKey): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a[i], b[i]];
    if (Object.is(x, y)) continue; // NaN is one key, too.
    if (typeof x !== typeof y) return typeof x === "string" ? -1 : 1;
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(y) ? -1 : 1; // It is neither less nor greater by itself.
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
};

/** Where the chunk that begins at a row ends. */
const chunkEnd = (rows: ReadonlyArray<TableRow>, start: number): number => {
  let bytes = 0;
  let bytesOfKeys = 0;
  let end = start;
  for (; end < rows.length && end - start < chunkRowsMax; end++) {
    bytes += rows[end].bytes;
    bytesOfKeys += keyBytes(rows[end].key);
    if (bytes > chunkBytesMax || bytesOfKeys > chunkKeyBytesMax) break;
  }
  return end;
};

const kvFailure = (sink: string, path: string, epoch: number) => (cause: KvError): SinkError =>
  new SinkError({
    message: `Cannot ${epoch === 0 ? "open" : `publish epoch ${epoch} to`} table "${sink}" in "${path}": ` +
      cause.message,
    sink,
    epoch,
    retryable: cause.retryable,
    cause,
  });

interface StoredMarker {
  readonly marker: TableMarker;
  readonly versionstamp: string | null;
}

/** Publishes epochs to one open table. */
export class TableWriter {
  readonly #markerKey: KvKey;
  /** The marker as this writer last saw it; `null` after a commit whose outcome is unknown, so that it is read again. */
  #seen: StoredMarker | null = null;

  constructor(
    readonly name: string,
    readonly path: string,
    readonly store: Kv,
    readonly context: SinkContext,
  ) {
    this.#markerKey = [markerRoot, "table", context.job, name];
  }

  /** Reads the marker and writes this process's claim into it, which shuts out every earlier owner. */
  readonly takeOver: Effect.Effect<TableMarker, SinkError | StateBehindOutput> = Effect.suspend(() =>
    this.#advance(0, (found) => {
      const error = this.#mismatch(found);
      if (error !== null) return Effect.fail(error);
      const { lineage, claim } = this.context;
      if (found.lineage !== lineage) return Effect.succeed({ marker: { ...initial, lineage, claim }, rows: [] });
      return Effect.succeed(found.claim === claim ? null : { marker: { ...found, claim }, rows: [] });
    })
  );

  readonly publish = ({ epoch, rows: unordered, offset }: Publication<TableRow>): Effect.Effect<void, SinkError> =>
    Effect.suspend(() => {
      const rows = unordered.toSorted((a, b) => compareKeys(a.key, b.key));
      const nextChunk = (found: TableMarker): Effect.Effect<Step | null, SinkError> => {
        if (found.claim !== this.context.claim) {
          return Effect.fail(this.#refuse(
            epoch,
            `Cannot publish epoch ${epoch} to table "${this.name}" as another process has taken over "${this.path}": ` +
              `current value of the claim is ${found.claim}, this process has ${this.context.claim}`,
          ));
        }
        if (found.epoch > epoch || (found.epoch === epoch && found.complete)) return Effect.succeed(null);
        const begun = found.epoch === epoch;
        const start = begun ? found.rows - offset.rows : 0;
        const end = chunkEnd(rows, start);
        const marker: TableMarker = {
          lineage: found.lineage,
          claim: found.claim,
          epoch,
          chunk: begun ? found.chunk + 1 : 1,
          complete: end === rows.length,
          rows: offset.rows + end,
        };
        return Effect.succeed({ marker, rows: rows.slice(start, end) });
      };
      const publishRest: Effect.Effect<void, SinkError> = Effect.flatMap(
        this.#advance(epoch, nextChunk),
        (marker) => marker.epoch > epoch || marker.complete ? Effect.void : publishRest,
      );
      return publishRest;
    });

  /** Moves the marker past an epoch whose rows are gone, so that the table still knows how many rows there were. */
  readonly forfeit = ({ epoch, rows, offset }: ForfeitedOutput): Effect.Effect<void, SinkError> =>
    this.#advance(
      epoch,
      (found): Effect.Effect<Step | null, SinkError> =>
        found.epoch > epoch || (found.epoch === epoch && found.complete)
          ? Effect.succeed(null)
          : Effect.succeed({ marker: { ...found, epoch, complete: true, rows: offset.rows + rows }, rows: [] }),
    ).pipe(
      Effect.asVoid,
    );

  /** Makes one step from the marker as it is, trying again when it has moved. `null`: there is no step to make. */
  #advance<E>(
    epoch: number,
    step: (found: TableMarker) => Effect.Effect<Step | null, E>,
  ): Effect.Effect<TableMarker, E | SinkError> {
    return Effect.gen({ self: this }, function* () {
      for (let retries = 0; retries <= movedMarkerRetriesMax; retries++) {
        const found: StoredMarker = this.#seen ?? (yield* this.#read(epoch));
        this.#seen = null;
        const next = yield* step(found.marker);
        if (next === null) {
          this.#seen = found;
          return found.marker;
        }
        const mutations: Array<KvMutation> = next.rows.map(({ key, value, removes }) =>
          removes ? { type: "delete", key } : { type: "set", key, value }
        );
        mutations.push({ type: "set", key: this.#markerKey, value: next.marker });
        const checks = [{ key: this.#markerKey, versionstamp: found.versionstamp }];
        const versionstamp = yield* this.#orFail(epoch, this.store.commit({ checks, mutations }));
        if (versionstamp === null) continue;
        this.#seen = { marker: next.marker, versionstamp };
        return next.marker;
      }
      return yield* new SinkError({
        message: `Cannot ${epoch === 0 ? "open" : `publish epoch ${epoch} to`} table "${this.name}" as its marker in ` +
          `"${this.path}" must stay where it is meanwhile: current value has moved ${movedMarkerRetriesMax + 1} times`,
        sink: this.name,
        epoch,
        retryable: true,
        cause: null,
      });
    });
  }

  #read(epoch: number): Effect.Effect<StoredMarker, SinkError> {
    return Effect.flatMap(
      this.#orFail(epoch, this.store.get(this.#markerKey)),
      (entry): Effect.Effect<StoredMarker, SinkError> => {
        if (entry === null) return Effect.succeed({ marker: initial, versionstamp: null });
        const { value, versionstamp } = entry;
        if (isMarker(value)) return Effect.succeed({ marker: value, versionstamp });
        return Effect.fail(this.#refuse(
          epoch,
          `Cannot ${
            epoch === 0 ? "open" : `publish epoch ${epoch} to`
          } table "${this.name}" in "${this.path}" as its ` +
            `marker must be one that a table has written: current value is ${inWords(value)}`,
        ));
      },
    );
  }

  #mismatch(found: TableMarker): SinkError | StateBehindOutput | null {
    const { lineage, committed, published, publishedOffset } = this.context;
    if (found.epoch > 0 && found.lineage !== lineage) {
      return this.#refuse(
        0,
        `Cannot open table "${this.name}" in "${this.path}" as it must not belong to another run of the job (remove ` +
          `the file or use another path): current value is run ${found.lineage}, this one is ${lineage}`,
      );
    }
    if (found.epoch > committed) {
      return new StateBehindOutput({
        message: `Cannot open table "${this.name}" in "${this.path}" as it must not be ahead of the job's state: ` +
          `current value is epoch ${found.epoch}, the last epoch committed is ${committed}`,
        sink: this.name,
        committed,
        found: found.epoch,
      });
    }
    if (found.rows < publishedOffset.rows) {
      return this.#refuse(
        0,
        `Cannot open table "${this.name}" in "${this.path}" as it must hold the ${publishedOffset.rows} rows published ` +
          `up to epoch ${published}: current value is ${found.rows}`,
      );
    }
    // Every epoch that is published has rows, so a marker that moved without any was not moved by a table.
    if (found.complete && found.epoch > published && found.rows === publishedOffset.rows) {
      return this.#refuse(
        0,
        `Cannot open table "${this.name}" in "${this.path}" as it must hold more than the ${found.rows} rows of epoch ` +
          `${published} once it is further on: current value is epoch ${found.epoch} with ${found.rows} rows`,
      );
    }
    return null;
  }

  #refuse(epoch: number, message: string): SinkError {
    return new SinkError({ message, sink: this.name, epoch, retryable: false, cause: null });
  }

  #orFail<A>(epoch: number, effect: Effect.Effect<A, KvError>): Effect.Effect<A, SinkError> {
    return Effect.mapError(effect, kvFailure(this.name, this.path, epoch));
  }
}

/** Rows to write, and the marker that stands for them. */
interface Step {
  readonly rows: ReadonlyArray<TableRow>;
  readonly marker: TableMarker;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && value as number >= 0;

/** Whether what is stored in a marker's place is one. */
const isMarker = (value: unknown): value is TableMarker => {
  if (typeof value !== "object" || value === null) return false;
  const { lineage, claim, epoch, chunk, complete, rows } = value as Partial<TableMarker>;
  return typeof lineage === "string" && typeof claim === "string" && typeof complete === "boolean" &&
    isCount(epoch) && isCount(chunk) && isCount(rows);
};

const initial: TableMarker = { lineage: "", claim: "", epoch: 0, chunk: 0, complete: true, rows: 0 };
