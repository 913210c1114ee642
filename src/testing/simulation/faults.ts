/**
 * Faults: what goes wrong in a simulated world, at which operation of which port, planned before it begins.
 *
 * @module
 */
import { Context, Effect } from "effect";
import { CurrentProcess, type Process } from "./world.ts";

/**
 * Where the engine meets the world: a commit to a key-value store, a read of one, a batch of a source, the opening of a
 * sink, the publication of an epoch, whatever looks into a file, and whatever changes one; and, for what befalls a process
 * wherever it stands, a step of the world.
 *
 * A broker would be two more: one for what is fetched, and one for what is sent.
 */
export type Port = "commit" | "load" | "read" | "open" | "publish" | "file-read" | "file-write" | "step";

/** Every port. */
export const ports: ReadonlyArray<Port> = [
  ...["commit", "load", "read", "open", "publish", "file-read", "file-write", "step"] as const,
];

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
 * - `slow`: the operation takes 20 seconds
 * - `hang`: it fails after 30 seconds, as with a client's time-out
 * - `torn`: a part of it takes effect, and the process is killed (files)
 * - `power`: the machine loses its power: every process is killed, and what was not synced may be gone (files)
 * - `crash`: the process is killed where it stands (steps)
 * - `pause`: the process stands still, another one takes the job over, and the first goes on later as a zombie (steps)
 * - `rival`: another process takes the job over while the first goes on (steps)
 * - `clock-forward`, `clock-back`: the process's clock jumps by an hour (steps)
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
  | "torn"
  | "power"
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
  "file-read": ["crash-before", "fail", "slow"],
  "file-write": ["crash-before", "crash-after", "torn", "power", "fail", "fail-after", "full", "slow"],
  step: ["crash", "pause", "rival", "clock-forward", "clock-back"],
};

/** Something that is to go wrong. */
export interface Fault {
  /** Where. */
  readonly port: Port;
  /**
   * From which operation of that port on, counted from 0 over all processes: at the first one at which nothing else goes
   * wrong.
   */
  readonly index: number;
  /** What. */
  readonly kind: FaultKind;
  /** At how many operations in a row. Default: 1. */
  readonly times?: number;
}

/** The faults of one world: which are due, and which have happened. */
export class Faults {
  readonly #planned: ReadonlyArray<Fault>;
  readonly #counts = Object.fromEntries(ports.map((port) => [port, 0])) as Record<Port, number>;
  /** How often each has happened. */
  readonly #times = new Map<Fault, number>();
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
    return this.#planned.filter((fault) => this.#times.has(fault));
  }

  /** Those that have not happened. */
  get unfired(): ReadonlyArray<Fault> {
    return this.#planned.filter((fault) => !this.#times.has(fault));
  }

  /** Counts an operation, and says what goes wrong with it. */
  take(port: Port): FaultKind | null {
    const count = this.#counts[port]++;
    for (const fault of this.#planned) {
      const times = this.#times.get(fault) ?? 0;
      if (fault.port !== port || count < fault.index || times >= (fault.times ?? 1)) continue;
      this.#times.set(fault, times + 1);
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

/**
 * Leads an operation through a port, where it may go wrong. `what` names it in the trace, and `others` says what happens
 * at faults that only this port knows.
 */
export const throughPort = <A, E>(
  port: Exclude<Port, "step">,
  what: string,
  fail: (injected: Injected) => E,
  operation: Effect.Effect<A, E>,
  others: { readonly [Kind in FaultKind]?: (process: Process) => void } = {},
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
      case "torn":
      case "power":
        return Effect.suspend(() => {
          others[kind]?.(process);
          return crash(process);
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
