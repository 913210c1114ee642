/**
 * An exchange: where records leave one actor for others, by the hash of their key or all to one.
 *
 * @module
 */
import { Effect } from "effect";
import { type Key, keyHash, keyId } from "../kv-state/key.ts";
import type { HotKeys } from "./hot-keys.ts";
import type { Mailbox } from "./mailbox.ts";
import { type Barrier, type Batch, type Columns, type Mark, type Message, noMarks } from "./message.ts";
import { beginningOfTime } from "../windows/watermark.ts";
import type { Letter, Receiver } from "./receiver.ts";
import type { TaskContext } from "./task-context.ts";

/**
 * The columns of a round while they are filled. This is the hottest place of the engine: columns made large enough
 * beforehand, rather than grown by pushing, made the pipeline of `bench/throughput.ts` a quarter faster.
 */
class GrowingColumns implements Columns {
  size = 0;
  readonly values: Array<unknown>;
  readonly keys: Array<unknown>;
  readonly positions: Array<number | string>;
  times: Float64Array;
  watermarks: Float64Array;
  ordinals: Float64Array;

  constructor(capacity: number) {
    this.values = new Array(capacity);
    this.keys = new Array(capacity);
    this.positions = new Array(capacity);
    this.times = new Float64Array(capacity);
    this.watermarks = new Float64Array(capacity);
    this.ordinals = new Float64Array(capacity);
  }

  add(value: unknown, key: unknown, time: number, watermark: number, context: TaskContext): void {
    const row = this.size++;
    if (row === this.times.length) this.#grow();
    this.values[row] = value;
    this.keys[row] = key;
    this.positions[row] = context.position;
    this.ordinals[row] = context.ordinal;
    this.times[row] = time;
    this.watermarks[row] = watermark;
  }

  #grow(): void {
    const { times, watermarks, ordinals } = this;
    this.times = new Float64Array(2 * times.length);
    this.times.set(times);
    this.watermarks = new Float64Array(2 * times.length);
    this.watermarks.set(watermarks);
    this.ordinals = new Float64Array(2 * times.length);
    this.ordinals.set(ordinals);
  }
}

/** How many records new columns have room for at least. */
const capacityMin = 16;

const noRecords: Columns = new GrowingColumns(0);

const noLetters: ReadonlyArray<Letter> = [];

const noRows = new Uint32Array(0);

/**
 * Whether an exchange sends how the watermark moves within a round: not at all, as it is told, or as the round brought it
 * here, which is right for a keyed partition, since operators there pass the watermark on as it is.
 */
export type Marking = "none" | "as they come" | "as they came";

/** Gathers the records of a round, and sends each destination its share. */
export class Exchange implements Receiver {
  readonly #mailboxes: ReadonlyArray<Mailbox>;
  readonly #context: TaskContext;
  readonly #onLetter: ((letter: Letter) => void) | null;
  #columns = new GrowingColumns(capacityMin);
  /** The destination of each record, where there are several. */
  readonly #destinations: Array<number> = [];
  /** How many records each destination gets. */
  readonly #shares: Uint32Array;
  #letters: Array<Letter> = [];
  readonly #marking: Marking;
  readonly #hotKeys: HotKeys | null;
  /** Which of the records to come is the next whose key is looked at. */
  #untilSample = 1;
  #marks: Array<Mark> = [];
  #watermark = beginningOfTime;

  constructor(options: {
    readonly context: TaskContext;
    /** With more than one, records are routed by key. */
    readonly mailboxes: ReadonlyArray<Mailbox>;
    /** Takes letters where they cannot be sent on, since they have no key. */
    readonly onLetter: ((letter: Letter) => void) | null;
    readonly marking: Marking;
    /** Counts the keys of the records. */
    readonly hotKeys: HotKeys | null;
  }) {
    this.#mailboxes = options.mailboxes;
    this.#context = options.context;
    this.#onLetter = options.onLetter;
    this.#marking = options.marking;
    this.#hotKeys = options.hotKeys;
    const { mailboxes } = options;
    this.#shares = new Uint32Array(mailboxes.length);
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    const { length } = this.#mailboxes;
    if (length > 1) {
      const to = keyHash(keyId(key as Key)) % length;
      this.#destinations.push(to);
      this.#shares[to]++;
    }
    if (this.#hotKeys !== null && --this.#untilSample === 0) this.#untilSample = this.#hotKeys.sample(key as Key);
    this.#columns.add(value, key, time, watermark, this.#context);
    this.#watermark = watermark;
  }

  watermark(watermark: number): void {
    if (this.#marking === "as they come" && watermark > this.#watermark) {
      this.#marks.push({ ordinal: this.#context.ordinal, watermark });
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
    // Columns that are still to be filled are never sent: a batch in a mailbox does not change.
    const columns = this.#columns.size === 0 ? noRecords : this.#columns;
    const letters = this.#letters.length === 0 ? noLetters : this.#letters;
    const marks = this.#marking === "as they came"
      ? this.#context.marks
      : this.#marks.length === 0
      ? noMarks
      : this.#marks;
    const watermark = this.#watermark;
    const batches = this.#selections().map((selection, to): Batch => ({
      _tag: "Batch",
      round,
      now,
      silences,
      split,
      splitEnded,
      columns,
      selection,
      marks,
      letters: to === 0 ? letters : noLetters,
      watermark,
    }));
    // The next round is likely to be as large as this one.
    if (columns !== noRecords) this.#columns = new GrowingColumns(Math.max(capacityMin, columns.size));
    if (letters.length > 0) this.#letters = [];
    if (this.#marks.length > 0) this.#marks = [];
    return this.#send(batches);
  }

  /** Sends a barrier to every destination. Returns an Effect only where there is no room yet. */
  barrier(barrier: Barrier): Effect.Effect<void> | undefined {
    return this.#send(this.#mailboxes.map(() => barrier));
  }

  /** Has everything sent so far read: to be called before waiting, since nobody else would. */
  wakeReaders(): void {
    for (const mailbox of this.#mailboxes) mailbox.wakeReader();
  }

  #send(messages: ReadonlyArray<Message>): Effect.Effect<void> | undefined {
    for (let to = 0; to < messages.length; to++) {
      if (!this.#mailboxes[to].tryOffer(messages[to])) return this.#sendLater(messages, to);
    }
    return undefined;
  }

  #sendLater(messages: ReadonlyArray<Message>, from: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let to = from; to < messages.length; to++) {
        yield* this.#mailboxes[to].offer(messages[to], () => this.wakeReaders());
      }
    });
  }

  /** Which rows go to each destination: the destinations' rows side by side in one list, in order (a counting sort). */
  #selections(): ReadonlyArray<Uint32Array | null> {
    const { length } = this.#mailboxes;
    if (length === 1) return [null];
    const rows = this.#destinations.length;
    if (rows === 0) return Array.from({ length }, () => noRows);
    const sorted = new Uint32Array(rows);
    const ends = new Uint32Array(length);
    let end = 0;
    const selections = Array.from(this.#shares, (share, to) => {
      ends[to] = end;
      end += share;
      return sorted.subarray(end - share, end);
    });
    for (let row = 0; row < rows; row++) sorted[ends[this.#destinations[row]]++] = row;
    this.#destinations.length = 0;
    this.#shares.fill(0);
    return selections;
  }
}

/** Has everything read that was sent through several exchanges. */
export const wakeReaders = (exchanges: ReadonlyArray<Exchange>): void => {
  for (const exchange of exchanges) exchange.wakeReaders();
};
