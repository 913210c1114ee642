/**
 * Outages: what is tried again in silence for a while, and then no longer in silence.
 *
 * @module
 */
import { Clock, Effect } from "effect";

/** After how long it is said that something does not work, in milliseconds. A partition that moves takes less. */
export const outageSaidMillis = 5_000;

/** Says in the log that something has failed for a while, and that it does not any more. */
export class Outage {
  #since: number | null = null;
  #isSaid = false;

  constructor(
    /** Who is hindered, as in `Source "orders"`. */
    readonly who: string,
    /** For how long it is tried again, in milliseconds. */
    readonly millisMax: number,
  ) {}

  /** It has failed, for the first time or again. */
  failed(message: string): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.#since ??= now;
      if (this.#isSaid || now - this.#since < outageSaidMillis) return Effect.void;
      this.#isSaid = true;
      return Effect.logWarning(
        `${this.who}: no success for ${inSeconds(now - this.#since)}; it is tried again, for ${
          inSeconds(this.millisMax)
        } in all: ${message}`,
      );
    });
  }

  /** It has succeeded. */
  get passed(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const since = this.#since;
      const isSaid = this.#isSaid;
      this.#since = null;
      this.#isSaid = false;
      if (since === null || !isSaid) return Effect.void;
      return Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => Effect.logInfo(`${this.who}: goes on after ${inSeconds(now - since)}`),
      );
    });
  }
}

const inSeconds = (millis: number): string => `${Math.round(millis / 1_000)} s`;
