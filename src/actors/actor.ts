/**
 * An actor: one fiber that takes a message, handles it, and takes the next.
 *
 * It reads its channels in a fixed order, one round of each at a time, so what it does never depends on timing.
 *
 * @module
 */
import { Effect } from "effect";
import { type Exchange, wakeReaders } from "./exchange.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Barrier, Batch } from "./message.ts";
import type { TaskContext } from "./task-context.ts";

/** One channel of an actor. */
export interface ActorInput<out E, out R> {
  readonly mailbox: Mailbox;
  /** Handles a batch; returns an Effect only where it has to wait. What it throws ends the actor. */
  readonly receive: (batch: Batch) => Effect.Effect<void, E, R> | undefined;
}

/** What an actor is made of. */
export interface ActorOptions<out E, out R> {
  readonly context: TaskContext;
  readonly inputs: ReadonlyArray<ActorInput<E, R>>;
  readonly exchanges: ReadonlyArray<Exchange>;
  /** Takes the actor's share of an epoch: synchronous, between two rounds. What it throws ends the actor. */
  readonly onBarrier: (barrier: Barrier) => void;
  /** Makes an error of the job of what a receiver or the end of an epoch threw. */
  readonly onThrow: (thrown: unknown) => E;
}

/** Runs an actor until the last barrier. */
export const runActor = <E, R>(options: ActorOptions<E, R>): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    const { context, inputs, exchanges } = options;
    /** Waits, with the readers of everything sent so far awake: one of them may be what is waited for. */
    const afterWaking = <A, E2, R2>(waiting: Effect.Effect<A, E2, R2>): Effect.Effect<A, E2, R2> => {
      wakeReaders(exchanges);
      return waiting;
    };
    for (;;) {
      let barrier: Barrier | null = null;
      let splitEnded = false;
      for (const { mailbox, receive } of inputs) {
        let message = mailbox.tryTake();
        while (message === undefined) {
          yield* afterWaking(mailbox.available);
          message = mailbox.tryTake();
        }
        if (message._tag === "Barrier") {
          barrier = message;
          continue;
        }
        context.round = message.round;
        context.now = message.now;
        context.silences = message.silences;
        context.marks = message.marks;
        context.split = message.split;
        splitEnded = message.splitEnded;
        let pending;
        try {
          pending = receive(message);
        } catch (thrown) {
          return yield* Effect.fail(options.onThrow(thrown));
        }
        if (pending !== undefined) yield* afterWaking(pending);
      }
      if (barrier === null) {
        for (const exchange of exchanges) {
          const full = exchange.flush(splitEnded);
          if (full !== undefined) yield* afterWaking(full);
        }
      } else {
        try {
          options.onBarrier(barrier);
        } catch (thrown) {
          return yield* Effect.fail(options.onThrow(thrown));
        }
        for (const exchange of exchanges) {
          const full = exchange.barrier(barrier);
          if (full !== undefined) yield* afterWaking(full);
        }
        if (barrier.last) return wakeReaders(exchanges);
      }
    }
  });
