/**
 * The intake: requests whose records wait to be read, and then to be stored.
 *
 * It is like the counter of a left-luggage office: cases are numbered as they go through the hatch, and a customer is
 * given the ticket only once the last of their cases stands on the shelf. Nothing here waits or reads; whoever holds a
 * request waits for its outcome.
 *
 * @module
 */
import { Deferred, Effect } from "effect";
import type { Rejected, SourceBatch } from "../../source.ts";
import { indexPositions } from "../reading.ts";

/** What became of a request: its records are stored, or its source ended before that was known. */
export type Outcome = "stored" | "unknown";

/** A request whose records have not been stored yet. */
interface Waiting<A> {
  readonly records: ReadonlyArray<A | Rejected>;
  readonly outcome: Deferred.Deferred<Outcome>;
  /** How many of its records have been read. */
  read: number;
  /** The position after its last record. Known when that has been read. */
  last: number;
}

/** The requests of one reader of a source. */
export class Intake<A> {
  /** How many records have no outcome yet. */
  records = 0;
  /** How many bytes of requests are in memory. */
  bytes = 0;
  closed = false;
  /** Done when it is closed. */
  readonly closing: Deferred.Deferred<void> = Deferred.makeUnsafe<void>();
  #unread: Array<Waiting<A>> = [];
  #unstored: Array<Waiting<A>> = [];
  #position: number;
  #unreadRecords = 0;

  /** Counts positions on from a recorded one. `onNews` is called when there is something to read. */
  constructor(position: number, readonly onNews: () => void) {
    this.#position = position;
  }

  /** Takes the records of a request, of which there must be at least one. */
  offer(records: ReadonlyArray<A | Rejected>): Deferred.Deferred<Outcome> {
    const waiting: Waiting<A> = { records, outcome: Deferred.makeUnsafe<Outcome>(), read: 0, last: Infinity };
    this.#unread.push(waiting);
    this.records += records.length;
    this.#unreadRecords += records.length;
    this.onNews();
    return waiting.outcome;
  }

  /** The next records in the order of their requests, or `null` when there are none now. */
  take(recordsMax: number): SourceBatch<A> | null {
    if (this.#unread.length === 0) return null;
    const records: Array<A | Rejected> = [];
    const first = this.#position;
    let requests = 0;
    for (const waiting of this.#unread) {
      const end = Math.min(waiting.records.length, waiting.read + recordsMax - records.length);
      for (let i = waiting.read; i < end; i++) records.push(waiting.records[i]);
      waiting.read = end;
      if (end < waiting.records.length) break;
      waiting.last = first + records.length;
      this.#unstored.push(waiting);
      requests++;
      if (records.length === recordsMax) break;
    }
    this.#unread = this.#unread.slice(requests);
    this.#position += records.length;
    this.#unreadRecords -= records.length;
    return { records, positions: indexPositions(first, records.length), lag: this.#unreadRecords };
  }

  /** Learns up to where records are stored. */
  stored(position: number): void {
    const still = this.#unstored.findIndex(({ last }) => last > position);
    const stored = this.#unstored.splice(0, still < 0 ? this.#unstored.length : still);
    for (const waiting of stored) this.#end(waiting, "stored");
  }

  /** Ends every request whose records are not known to be stored. */
  close(): void {
    this.closed = true;
    Deferred.doneUnsafe(this.closing, Effect.void);
    for (const waiting of [...this.#unstored, ...this.#unread]) this.#end(waiting, "unknown");
    this.#unstored = [];
    this.#unread = [];
  }

  #end(waiting: Waiting<A>, outcome: Outcome): void {
    this.records -= waiting.records.length;
    Deferred.doneUnsafe(waiting.outcome, Effect.succeed(outcome));
  }
}
