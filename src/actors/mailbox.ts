/**
 * A mailbox: a channel between two actors that is bounded by records, so that a slow reader slows the writer.
 *
 * It has one writer and one reader. Both have a synchronous way (`tryOffer`, `tryTake`) that costs no Effect, and an
 * Effect to wait with when that way is closed. Waking a fiber costs as much as handling a few dozen records, so a waiting
 * reader sleeps on until the mailbox is half full or the writer, about to rest itself, calls `wakeReader`.
 *
 * @module
 */
import { Clock, Effect } from "effect";
import { type Message, weightOf } from "./message.ts";

/** How full a mailbox is, and how long its writer has waited for room in all. */
export interface MailboxStats {
  /** Records waiting to be read. */
  readonly depth: number;
  /** How many records have come in. */
  readonly records: number;
  /** The most records that waited at any time. */
  readonly depthMax: number;
  /** The bound on `depth`. One message that alone exceeds it is let in when the mailbox is empty. */
  readonly recordsMax: number;
  /** How long the writer has waited for room, in milliseconds. */
  readonly blockedMillis: number;
}

/** A bounded channel of messages with one writer and one reader. */
export class Mailbox {
  readonly recordsMax: number;
  #messages: Array<Message> = [];
  #head = 0;
  #depth = 0;
  #records = 0;
  #depthMax = 0;
  #blockedMillis = 0;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  constructor(recordsMax: number) {
    this.recordsMax = recordsMax;
  }

  get stats(): MailboxStats {
    return {
      depth: this.#depth,
      records: this.#records,
      depthMax: this.#depthMax,
      recordsMax: this.recordsMax,
      blockedMillis: this.#blockedMillis,
    };
  }

  #hasRoomFor(message: Message): boolean {
    return this.#depth === 0 || this.#depth + weightOf(message) <= this.recordsMax;
  }

  /** Puts a message in unless the mailbox is full. */
  tryOffer(message: Message): boolean {
    if (!this.#hasRoomFor(message)) return false;
    this.#messages.push(message);
    this.#depth += weightOf(message);
    if (message._tag === "Batch") this.#records += message.selection.length;
    if (this.#depth > this.#depthMax) this.#depthMax = this.#depth;
    if (2 * this.#depth >= this.recordsMax) this.wakeReader();
    return true;
  }

  /** Wakes the reader if it is waiting and there is something to read. The writer calls this before it waits itself. */
  wakeReader(): void {
    const wake = this.#wakeReader;
    if (wake === null || this.#depth === 0) return;
    this.#wakeReader = null;
    wake();
  }

  /**
   * Puts a message in, and waits for room as long as it takes. `beforeWaiting` is called each time, with the writer ready
   * to be woken: it wakes the readers of everything that the writer has sent.
   */
  offer(message: Message, beforeWaiting: () => void): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.tryOffer(message)
        ? Effect.void
        : Effect.flatMap(Clock.currentTimeMillis, (since) => this.#offerSince(since, message, beforeWaiting))
    );
  }

  #offerSince(since: number, message: Message, beforeWaiting: () => void): Effect.Effect<void> {
    const room = Effect.callback<void>((resume) => {
      // The reader may have had its turn since the last try, and would have woken nobody.
      if (this.#hasRoomFor(message)) {
        resume(Effect.void);
        return;
      }
      this.#wakeWriter = () => resume(Effect.void);
      beforeWaiting();
      return Effect.sync(() => void (this.#wakeWriter = null));
    });
    const retry = Effect.suspend(() =>
      this.tryOffer(message)
        ? Effect.map(Clock.currentTimeMillis, (now) => void (this.#blockedMillis += now - since))
        : this.#offerSince(since, message, beforeWaiting)
    );
    return Effect.andThen(room, retry);
  }

  /** Takes the next message, or undefined when there is none. */
  tryTake(): Message | undefined {
    if (this.#head === this.#messages.length) return undefined;
    const message = this.#messages[this.#head];
    this.#messages[this.#head++] = taken;
    if (this.#head === this.#messages.length) {
      this.#messages = [];
      this.#head = 0;
    } else if (this.#head === takenMax) {
      this.#messages = this.#messages.slice(takenMax);
      this.#head = 0;
    }
    this.#depth -= weightOf(message);
    const wake = this.#wakeWriter;
    if (wake !== null) {
      this.#wakeWriter = null;
      wake();
    }
    return message;
  }

  /** Waits until there is a message to take. */
  readonly available: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.#head < this.#messages.length) {
      resume(Effect.void);
      return;
    }
    this.#wakeReader = () => resume(Effect.void);
    return Effect.sync(() => void (this.#wakeReader = null));
  });
}

/** How many places of taken messages are kept at most before the rest moves up. */
const takenMax = 1_024;

/** Stands where a message has been, so that it can be collected. */
const taken: Message = { _tag: "Barrier", epoch: 0, last: false };
