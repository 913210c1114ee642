/**
 * A signal: wakes the one fiber that waits for it. A notice that comes while nobody waits is kept for the next wait.
 *
 * @module
 */
import { Effect } from "effect";

/** Something has changed; look again. */
export class Signal {
  #pending = false;
  #wake: (() => void) | null = null;

  /** Tells the waiting fiber, or the next one to wait. */
  notify(): void {
    const wake = this.#wake;
    if (wake === null) {
      this.#pending = true;
    } else {
      this.#wake = null;
      wake();
    }
  }

  /** Waits for a notice. */
  readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.#pending) {
      this.#pending = false;
      resume(Effect.void);
      return;
    }
    this.#wake = () => resume(Effect.void);
    return Effect.sync(() => void (this.#wake = null));
  });
}
