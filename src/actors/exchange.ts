/**
 * An exchange: where records leave one actor for others, by the hash of their key or all to one.
 *
 * @module
 */
import { Effect } from "effect";
import { type Key, keyHash, keyId } from "../kv-state/key.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Barrier, Batch } from "./message.ts";
import { beginningOfTime } from "../windows/watermark.ts";
import type { Letter, Receiver } from "./receiver.ts";
import type { TaskContext } from "./task-context.ts";

/** The columns of a batch while it is filled. */
interface Columns {
  values: Array<unknown>;
  keys: Array<unknown>;
  times: Array<number>;
  watermarks: Array<number>;
  positions: Array<number | string>;
}

const emptyColumns = (): Columns => ({ values: [], keys: [], times: [], watermarks: [], positions: [] });

const noLetters: ReadonlyArray<Letter> = [];

/** Gathers the records of a round, and sends each destination its share. */
export class Exchange implements Receiver {
  readonly #mailboxes: ReadonlyArray<Mailbox>;
  readonly #context: TaskContext;
  readonly #onLetter: ((letter: Letter) => void) | null;
  readonly #columns: Array<Columns>;
  #letters: Array<Letter> = [];
  #watermark = beginningOfTime;

  /** With more than one mailbox records are routed by key, and `onLetter` takes the letters, which have none. */
  constructor(mailboxes: ReadonlyArray<Mailbox>, context: TaskContext, onLetter: ((letter: Letter) => void) | null) {
    this.#mailboxes = mailboxes;
    this.#context = context;
    this.#onLetter = onLetter;
    this.#columns = mailboxes.map(emptyColumns);
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    const { length } = this.#columns;
    const columns = this.#columns[length === 1 ? 0 : keyHash(keyId(key as Key)) % length];
    columns.values.push(value);
    columns.keys.push(key);
    columns.times.push(time);
    columns.watermarks.push(watermark);
    columns.positions.push(this.#context.position);
    this.#watermark = watermark;
  }

  watermark(watermark: number): void {
    this.#watermark = watermark;
  }

  letter(letter: Letter): void {
    if (this.#onLetter === null) this.#letters.push(letter);
    else this.#onLetter(letter);
  }

  /** Sends the round on its way, to every destination; waits where there is no room. */
  readonly flush = (splitEnded: boolean): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      for (let to = 0; to < this.#mailboxes.length; to++) {
        const columns = this.#columns[to];
        const batch: Batch = {
          _tag: "Batch",
          round: this.#context.round,
          split: this.#context.split,
          splitEnded,
          ...columns,
          letters: to === 0 && this.#letters.length > 0 ? this.#letters : noLetters,
          watermark: this.#watermark,
        };
        if (columns.values.length > 0) this.#columns[to] = emptyColumns();
        if (!this.#mailboxes[to].tryOffer(batch)) yield* this.#mailboxes[to].offer(batch);
      }
      if (this.#letters.length > 0) this.#letters = [];
    });

  /** Sends a barrier to every destination. */
  readonly barrier = (barrier: Barrier): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      for (const mailbox of this.#mailboxes) {
        if (!mailbox.tryOffer(barrier)) yield* mailbox.offer(barrier);
      }
    });
}
