/**
 * Faults: what goes wrong in a simulated world, at which operation of which port, planned before it begins.
 *
 * @module
 */
import { Context, Effect } from "effect";
import { CurrentProcess, type Process } from "./world.ts";

/**
 * Where the engine meets the world: a commit to a key-value store, a read of one, a batch of a source, the opening of a
 * sink, the publication of an epoch; and, for what befalls a process wherever it stands, a step of the world.
 */
export type Port = "commit" | "load" | "read" | "open" | "publish" | "step";

/**
 * What goes wrong.
 *
 * - `crash-before`, `crash-after`: the process is killed before, or after, the operation took effect
 * - `crash-late`: the process is killed, and the operation takes effect some time later (commits)
 * - `fail`: the operation is reported as failed and had no effect
 * - `fail-after`: it is reported as failed, but had its effect (commits and publications)
 * - `fail-late`: it is reported as failed, and has its effect some time later (commits)
 * - `locked`: the store says that its database is locked
 * - `full`: the store says that its disk is full, which no retry of the job's own heals
 * - `slow`: the operation takes {@link slowMillis}
 * - `hang`: it fails after {@link hangMillis}, as with a client's time-out
 * - `crash`: the process is killed where it stands (steps)
 * - `pause`: the process stands still, another one takes the job over, and the first goes on later as a zombie (steps)
 * - `rival`: another process takes the job over while the first goes on (steps)
 * - `clock-forward`, `clock-back`: the process's clock jumps by {@link clockJumpMillis} (steps)
 */
export type FaultKind =
  | "crash-before"
  | "crash-after"
  | "crash-late"
  | "fail"
  | "fail-after"
  | "fail-late"
  | "locked"
  | "full"
  | "slow"
  | "hang"
  | "crash"
  | "pause"
  | "rival"
  | "clock-forward"
  | "clock-back";

/** How long a slow operation takes: 20 seconds. */
export const slowMillis = 20_000;
/** After how long an operation that hangs fails: 30 seconds. */
export const hangMillis = 30_000;
/** By how much a clock jumps: 1 hour. */
export const clockJumpMillis = 3_600_000;
/** How late an operation may take effect that was reported as failed: 5 seconds. */
export const lateMillisMax = 5_000;

/** The kinds that a port knows. */
export const kindsOf: Readonly<Record<Port, ReadonlyArray<FaultKind>>> = {
  commit: [
    ...["crash-before", "crash-after", "crash-late", "fail", "fail-after", "fail-late", "locked", "full"] as const,
    "slow",
  ],
  load: ["crash-before", "fail", "locked", "slow"],
  read: ["crash-before", "fail", "slow", "hang"],
  open: ["crash-before", "crash-after", "fail", "slow", "hang"],
  publish: ["crash-before", "crash-after", "fail", "fail-after", "slow", "hang"],
  step: ["crash", "pause", "rival", "clock-forward", "clock-back"],
};

/** Something that is to go wrong. */
export interface Fault {
  /** Where. */
  readonly port: Port;
  /** At which operation of that port, counted from 0 over all processes. */
  readonly index: number;
  /** What. */
  readonly kind: FaultKind;
  /** At how many operations in a row. Default: 1. */
  readonly times?: number;
}

/** The faults of one world: which are due, and which have happened. */
export class Faults {
  readonly #planned: ReadonlyArray<Fault>;
  readonly #counts: Record<Port, number> = { commit: 0, load: 0, read: 0, open: 0, publish: 0, step: 0 };
  readonly #fired = new Set<Fault>();
  /** How long an operation takes where nothing goes wrong, in milliseconds: 0 for no time. */
  readonly #latency: () => number;

  constructor(planned: ReadonlyArray<Fault>, latency: () => number = () => 0) {
    this.#planned = planned;
    this.#latency = latency;
  }

  /** How many operations each port has seen. */
  get counts(): Readonly<Record<Port, number>> {
    return this.#counts;
  }

  /** Those that have happened. */
  get fired(): ReadonlyArray<Fault> {
    return this.#planned.filter((fault) => this.#fired.has(fault));
  }

  /** Those that have not happened. */
  get unfired(): ReadonlyArray<Fault> {
    return this.#planned.filter((fault) => !this.#fired.has(fault));
  }

  /** Counts an operation, and says what goes wrong with it. */
  take(port: Port): FaultKind | null {
    const count = this.#counts[port]++;
    for (const fault of this.#planned) {
      if (fault.port !== port || count < fault.index || count >= fault.index + (fault.times ?? 1)) continue;
      this.#fired.add(fault);
      return fault.kind;
    }
    return null;
  }

  /** Draws how long an operation takes. */
  latency(): number {
    return this.#latency();
  }
}

/** The faults of the world that an effect runs in; null where nothing is injected. */
export const CurrentFaults: Context.Reference<Faults | null> = Context.Reference<Faults | null>(
  "weir/testing/CurrentFaults",
  { defaultValue: () => null },
);

/** Kills the process that it runs in, and never goes on. */
const crash = (process: Process): Effect.Effect<never> =>
  Effect.suspend(() => {
    process.kill();
    return Effect.never;
  });

/** Says what `fail` is to make an error of: whether the job's own retries may heal it, and in which words. */
export interface Injected {
  readonly rule: string;
  readonly retryable: boolean;
}

/** Leads an operation through a port, where it may go wrong. `what` names it in the trace. */
export const throughPort = <A, E>(
  port: Exclude<Port, "step">,
  what: string,
  fail: (injected: Injected) => E,
  operation: Effect.Effect<A, E>,
): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.all([CurrentFaults, CurrentProcess]), ([faults, process]): Effect.Effect<A, E> => {
    if (faults === null || process === null) return operation;
    const kind = faults.take(port);
    process.note(kind === null ? what : `${what}: ${kind}`);
    const failed = (rule: string, retryable = true) => Effect.fail(fail({ rule, retryable }));
    const later = (): void => {
      const { world } = process;
      world.after(1 + world.random.below(lateMillisMax), () => {
        const wire = world.spawn(`what ${process.name} sent at ${world.steps}`);
        wire.run(operation as Effect.Effect<A, E>, (exit) => wire.note(`arrives late: ${what}, ${exit._tag}`));
      });
    };
    switch (kind) {
      case null: {
        const millis = faults.latency();
        return millis === 0 ? operation : Effect.andThen(process.sleep(millis), operation);
      }
      case "crash-before":
        return crash(process);
      case "crash-after":
        return Effect.andThen(Effect.exit(operation), crash(process));
      case "crash-late":
        return Effect.suspend(() => {
          later();
          return crash(process);
        });
      case "fail-after":
        return Effect.andThen(operation, failed("its answer was lost"));
      case "fail-late":
        return Effect.suspend(() => {
          later();
          return failed("its answer was lost");
        });
      case "locked":
        return failed("the database is locked");
      case "full":
        return failed("the database or disk is full", false);
      case "slow":
        return Effect.andThen(process.sleep(slowMillis), operation);
      case "hang":
        return Effect.andThen(process.sleep(hangMillis), failed(`it timed out after ${hangMillis} ms`));
      default:
        return failed("a failure was injected");
    }
  });
