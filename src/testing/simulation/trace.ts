/**
 * What happened in a simulated world: a hash of all of it, and the end of it in words.
 *
 * @module
 */

/** How many events are kept in words; of earlier ones only the hash is. */
export const traceEventsMax = 10_000;

/** Something that happened. */
export interface TraceEvent {
  /** The true time, in milliseconds since the world began. */
  readonly at: number;
  /** Which process it happened to; empty for the world itself. */
  readonly process: string;
  /** What happened. */
  readonly what: string;
}

const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;

/** Writes events down. */
export class Trace {
  #events: Array<TraceEvent> = [];
  #hash = fnvOffset;
  #count = 0;

  /** Notes an event. */
  note(at: number, process: string, what: string): void {
    this.#count++;
    let hash = this.#hash ^ at;
    for (const text of [process, what]) {
      for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), fnvPrime);
      hash = Math.imul(hash ^ 0xff, fnvPrime);
    }
    this.#hash = hash >>> 0;
    this.#events.push({ at, process, what });
    if (this.#events.length > 2 * traceEventsMax) this.#events = this.#events.slice(-traceEventsMax);
  }

  /** How many events there were. */
  get count(): number {
    return this.#count;
  }

  /** Equal for equal traces. */
  get hash(): string {
    return this.#hash.toString(16).padStart(8, "0");
  }

  /** The last events, at most {@link traceEventsMax}. */
  get events(): ReadonlyArray<TraceEvent> {
    return this.#events.slice(-traceEventsMax);
  }
}
