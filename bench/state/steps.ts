/**
 * A source that is let go step by step, and tells when what it gave is stored.
 *
 * @module
 */
import { type Cause, Effect, Stream } from "effect";
import { Source } from "@weir/streams";

/** How far a source may go, and how far the state knows of it. */
export class Steps {
  /** When the source was first asked for records, by `performance.now()`; before that NaN. */
  askedAt = NaN;
  #released: number;
  #stored = 0;
  #changed = Promise.withResolvers<void>();

  /** Lets the first `released` records go. */
  constructor(released: number) {
    this.#released = released;
  }

  /** Lets records go, up to number `end` (exclusive). */
  release(end: number): void {
    this.#released = end;
    this.#notify();
  }

  /** Waits until the first `end` records are stored. */
  async stored(end: number): Promise<void> {
    while (this.#stored < end) await this.#changed.promise;
  }

  /** Waits until the source was asked for records. */
  async asked(): Promise<void> {
    while (Number.isNaN(this.askedAt)) await this.#changed.promise;
  }

  /** The source, of which record `n` is `make(n)`. */
  source<A>(make: (n: number) => A) {
    return Source.make({
      name: "steps",
      bounded: false,
      splits: Effect.succeed(["all"]),
      read: (_split, from, batchRecordsMax) =>
        Stream.fromPull(Effect.sync(() => {
          this.askedAt = performance.now();
          this.#notify();
          let next = Number(from ?? 0);
          const pull: Effect.Effect<readonly [{ records: Array<A>; positions: Array<number> }], Cause.Done> = Effect
            .suspend(() => {
              const end = Math.min(this.#released, next + batchRecordsMax);
              if (end <= next) return Effect.andThen(Effect.promise(() => this.#changed.promise), pull);
              const records: Array<A> = [];
              const positions: Array<number> = [];
              for (; next < end; next++) {
                records.push(make(next));
                positions.push(next + 1);
              }
              return Effect.succeed([{ records, positions }] as const);
            });
          return pull;
        })),
      committed: (positions) =>
        Effect.sync(() => {
          this.#stored = Number(positions.get("all") ?? 0);
          this.#notify();
        }),
    });
  }

  #notify(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
