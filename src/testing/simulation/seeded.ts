/**
 * Chance that can be had again: everything that a simulation draws comes from one seed.
 *
 * @module
 */
import { Effect, Random } from "effect";

/** Draws numbers. Two that were made of one seed draw the same. */
export class Seeded {
  /** Effect's own service, so that whatever runs inside draws from the same seed. */
  readonly service: Random.Random;

  constructor(seed: number | string) {
    this.service = Effect.runSync(Effect.service(Random.Random).pipe(Random.withSeed(String(seed))));
  }

  /** A number from 0 up to, but not including, 1. */
  next(): number {
    return this.service.nextDoubleUnsafe();
  }

  /** A whole number from 0 up to, but not including, `below`. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of several. */
  pick<A>(choices: ReadonlyArray<A>): A {
    return choices[this.below(choices.length)];
  }
}
