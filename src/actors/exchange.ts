/**
 * An exchange: where records leave one actor for others, by the hash of their key or all to one.
 *
 * @module
 */
import { Effect } from "effect";
import { type Key, keyHash, type KeyId, keyId } from "../kv-state/key.ts";
import { Columns, rowsFrom, twice } from "./columns.ts";
import type { HotKeys } from "./hot-keys.ts";
import type { Mailbox } from "./mailbox.ts";
import { GrowingMarks, type Marks, noMarks } from "./marks.ts";
import type { Barrier, Batch, Message } from "./message.ts";
import { beginningOfTime } from "../windows/watermark.ts";
import type { Letter, Receiver } from "./receiver.ts";
import type { TaskContext } from "./task-context.ts";

/** The columns of a round while they are filled, one record after the other. */
class GrowingColumns {
  size = 0;
  readonly #values: Array<unknown> = [];
  readonly #keys: Array<unknown> = [];
  readonly #positions: Array<number | string> = [];
  #times: Float64Array;
  #watermarks: Float64Array;
  #ordinals: Float64Array;

  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#watermarks = new Float64Array(capacity);
    this.#ordinals = new Float64Array(capacity);
  }

  add(value: unknown, key: unknown, time: number, watermark: number, position: number | string, ordinal: number): void {
    const row = this.size++;
    if (row === this.#times.length) this.#grow();
    this.#values.push(value);
    this.#keys.push(key);
    this.#positions.push(position);
    this.#ordinals[row] = ordinal;
    this.#times[row] = time;
    this.#watermarks[row] = watermark;
  }

  addRows({ values, keys, times, watermarks, positions, ordinals }: Columns, rows: Uint32Array): void {
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      this.add(values[row], keys[row], times[row], watermarks[row], positions[row], ordinals[row]);
    }
  }

  /** What was added, which must be all. */
  columns(): Columns {
    return new Columns(
      this.size,
      this.#values,
      this.#keys,
      this.#times,
      this.#watermarks,
      this.#positions,
      this.#ordinals,
    );
  }

  #grow(): void {
    this.#times = twice(this.#times);
    this.#watermarks = twice(this.#watermarks);
    this.#ordinals = twice(this.#ordinals);
  }
}

/** How many records new columns have room for at least. */
const capacityMin = 16;

const noRecords: Records = { columns: new GrowingColumns(0).columns(), rows: new Uint32Array(0) };

const noLetters: ReadonlyArray<Letter> = [];

/** How many times as many records as it has itself what waits for a destination may keep in memory. */
const sharedRecordsRatioMax = 4;

/**
 * The same records, in columns of their own if their share of those that they lie in, of which each destination may have one,
 * is a small one. What a filter has dropped is not to wait in a mailbox along with what it has kept.
 */
const withoutOthers = (columns: Columns, rows: Uint32Array, destinations: number): Records =>
  columns.size <= sharedRecordsRatioMax * destinations * rows.length
    ? { columns, rows }
    : { columns: columns.only(rows), rows: rowsFrom(0, rows.length) };

/**
 * Whether an exchange sends how the watermark moves within a round: not at all, as it is told, or as the round brought it
 * here, which is right for a keyed partition, since operators there pass the watermark on as it is.
 */
export type Marking = "none" | "as they come" | "as they came";

/** Some rows of some columns. */
interface Records {
  readonly columns: Columns;
  readonly rows: Uint32Array;
}

/** Gathers the records of a round, and sends each destination its share. */
export class Exchange implements Receiver {
  readonly #mailboxes: ReadonlyArray<Mailbox>;
  readonly #context: TaskContext;
  readonly #onLetter: ((letter: Letter) => void) | null;
  /** The records of the round that came at once, as long as no others have come. */
  #whole: Records | null = null;
  /** The records of the round that came in several parts; null while there are none. */
  #gathered: GrowingColumns | null = null;
  /** How many records new columns have room for: the next round is likely to be as large as the one before. */
  #capacity = capacityMin;
  /** The destination of each record of a round, while it is routed. */
  #destinations = new Uint16Array(capacityMin);
  readonly #isKeyed: boolean;
  #letters: Array<Letter> = [];
  readonly #marking: Marking;
  readonly #hotKeys: HotKeys | null;
  /** Which of the records to come is the next whose key is looked at. */
  #untilSample = 1;
  #marks: GrowingMarks | null = null;
  #marked = beginningOfTime;
  #watermark = beginningOfTime;

  constructor(options: {
    readonly context: TaskContext;
    readonly mailboxes: ReadonlyArray<Mailbox>;
    /** Whether records are routed by key. */
    readonly isKeyed: boolean;
    /** Takes letters where they cannot be sent on, since they have no key. */
    readonly onLetter: ((letter: Letter) => void) | null;
    readonly marking: Marking;
    /** Counts the keys of the records. */
    readonly hotKeys: HotKeys | null;
  }) {
    this.#mailboxes = options.mailboxes;
    this.#context = options.context;
    this.#isKeyed = options.isKeyed;
    this.#onLetter = options.onLetter;
    this.#marking = options.marking;
    this.#hotKeys = options.hotKeys;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    const { position, ordinal } = this.#context;
    this.#gathering().add(value, key, time, watermark, position, ordinal);
    this.#watermark = watermark;
  }

  batch(columns: Columns, rows: Uint32Array): void {
    if (rows.length === 0) return;
    if (this.#whole === null && this.#gathered === null) this.#whole = { columns, rows };
    else this.#gathering().addRows(columns, rows);
    this.#watermark = columns.watermarks[rows[rows.length - 1]];
  }

  /** Where the records of the round are gathered, those that came at once included. */
  #gathering(): GrowingColumns {
    if (this.#gathered !== null) return this.#gathered;
    this.#gathered = new GrowingColumns(this.#capacity);
    if (this.#whole !== null) {
      this.#gathered.addRows(this.#whole.columns, this.#whole.rows);
      this.#whole = null;
    }
    return this.#gathered;
  }

  watermark(watermark: number): void {
    if (this.#marking === "as they come" && watermark > this.#marked) {
      this.#marks ??= new GrowingMarks();
      this.#marks.add(this.#context.ordinal, watermark);
      this.#marked = watermark;
    }
    this.#watermark = watermark;
  }

  letter(letter: Letter): void {
    if (this.#onLetter === null) this.#letters.push(letter);
    else this.#onLetter(letter);
  }

  /** Sends the round on its way, to every destination. Returns an Effect only where there is no room yet. */
  flush(splitEnded: boolean): Effect.Effect<void> | undefined {
    const { round, now, silences, split } = this.#context;
    const { columns, selections } = this.#routed(this.#take());
    const letters = this.#letters.length === 0 ? noLetters : this.#letters;
    const marks: Marks = this.#marking === "as they came" ? this.#context.marks : this.#marks ?? noMarks;
    const watermark = this.#watermark;
    const batchOf = (columns: Columns, selection: Uint32Array, letters: ReadonlyArray<Letter>): Batch => ({
      _tag: "Batch",
      round,
      now,
      silences,
      split,
      splitEnded,
      columns,
      selection,
      marks,
      letters,
      watermark,
    });
    // All those that get nothing get the same.
    const nothing = batchOf(noRecords.columns, noRecords.rows, noLetters);
    const batches = selections.map((selection, to) => {
      const own = to === 0 ? letters : noLetters;
      if (selection.length === 0 && own.length === 0) return nothing;
      const records = withoutOthers(columns, selection, selections.length);
      return batchOf(records.columns, records.rows, own);
    });
    if (letters.length > 0) this.#letters = [];
    this.#marks = null;
    return this.#send(batches);
  }

  /** The records of the round. What a batch in a mailbox holds does not change. */
  #take(): Records {
    let records = this.#whole === null ? noRecords : withoutOthers(this.#whole.columns, this.#whole.rows, 1);
    if (this.#gathered !== null) {
      const { size } = this.#gathered;
      records = { columns: this.#gathered.columns(), rows: rowsFrom(0, size) };
      this.#capacity = Math.max(capacityMin, size);
      this.#gathered = null;
    }
    this.#whole = null;
    return records;
  }

  /** Sends a barrier to every destination. Returns an Effect only where there is no room yet. */
  barrier(barrier: Barrier): Effect.Effect<void> | undefined {
    return this.#send(this.#mailboxes.map(() => barrier));
  }

  /** Has everything sent so far read: to be called before waiting, since nobody else would. */
  wakeReaders(): void {
    for (const mailbox of this.#mailboxes) mailbox.wakeReader();
  }

  /** Sends messages to the destinations from one on. Returns an Effect only where there is no room yet. */
  #send(messages: ReadonlyArray<Message>, from: number = 0): Effect.Effect<void> | undefined {
    for (let to = from; to < messages.length; to++) {
      if (!this.#mailboxes[to].tryOffer(messages[to])) return this.#sendLater(messages, to);
    }
    return undefined;
  }

  /** Waits for room. It makes no generator for each round, for the reason that the reader of a split has. */
  #sendLater(messages: ReadonlyArray<Message>, from: number): Effect.Effect<void> {
    return Effect.andThen(
      this.#mailboxes[from].offer(messages[from], () => this.wakeReaders()),
      Effect.suspend(() => this.#send(messages, from + 1) ?? Effect.void),
    );
  }

  /** Which rows go to each destination: the destinations' rows side by side in one list, in order (a counting sort). */
  #routed({ columns, rows }: Records): { readonly columns: Columns; readonly selections: ReadonlyArray<Uint32Array> } {
    const { length } = this.#mailboxes;
    if (!this.#isKeyed || rows.length === 0) {
      const selections = new Array<Uint32Array>(length).fill(noRecords.rows);
      selections[0] = rows;
      return { columns, selections };
    }
    if (this.#hotKeys !== null) this.#sample(this.#hotKeys, columns, rows);
    if (this.#destinations.length < rows.length) this.#destinations = new Uint16Array(rows.length);
    const destinations = this.#destinations;
    const starts = new Uint32Array(length + 1);
    const { keys } = columns;
    const hashes = new Uint32Array(columns.size);
    let ids = keys as ReadonlyArray<KeyId>;
    let ownIds: Array<KeyId> | null = null;
    // The number of destinations is most often a power of 2.
    const mask = (length & (length - 1)) === 0 ? length - 1 : -1;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      const key = keys[row];
      const id = keyId(key as Key);
      if (id !== key) {
        // Ids differ from keys only where keys are no primitives, and NaN from itself.
        if (ownIds === null) ids = ownIds = keys.slice(0, columns.size) as Array<KeyId>;
        ownIds[row] = id;
      }
      const hash = keyHash(id);
      hashes[row] = hash;
      const to = mask >= 0 ? hash & mask : hash % length;
      destinations[k] = to;
      starts[to + 1]++;
    }
    for (let to = 0; to < length; to++) starts[to + 1] += starts[to];
    const sorted = new Uint32Array(rows.length);
    const selections = Array.from(
      { length },
      (_, to) => starts[to] === starts[to + 1] ? noRecords.rows : sorted.subarray(starts[to], starts[to + 1]),
    );
    for (let k = 0; k < rows.length; k++) sorted[starts[destinations[k]]++] = rows[k];
    return { columns: columns.withIds(ids, hashes), selections };
  }

  /** Has some of the keys counted. */
  #sample(hotKeys: HotKeys, { keys }: Columns, rows: Uint32Array): void {
    let next = this.#untilSample - 1;
    while (next < rows.length) next += hotKeys.sample(keys[rows[next]] as Key);
    this.#untilSample = next - rows.length + 1;
  }
}

/** Has everything read that was sent through several exchanges. */
export const wakeReaders = (exchanges: ReadonlyArray<Exchange>): void => {
  for (const exchange of exchanges) exchange.wakeReaders();
};
