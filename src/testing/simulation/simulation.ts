/**
 * One run of a job in a simulated world: faults as planned, a new process whenever one has died, and an account of it.
 *
 * @module
 */
import { Cause, type Context, Effect, Exit } from "effect";
import { type Job, replaceEnds } from "../../streams/job.ts";
import { type JobError, type JobSummary, run, type RunOptions } from "../../streams/run.ts";
import { clockJumpMillis, CurrentFaults, type Fault, type FaultKind, Faults, type Port } from "./faults.ts";
import { type MemoryKv, memoryKv } from "../memory-kv.ts";
import { Seeded } from "./seeded.ts";
import { faultyKv, faultySink, faultySource } from "./simulated-ports.ts";
import type { TraceEvent } from "./trace.ts";
import { type Process, World } from "./world.ts";

/** How many tasks a world runs before it counts as one that does not come to an end. */
export const stepsMaxDefault = 2_000_000;
/** How many processes a world starts before it counts as one that does not come to an end. */
export const processesMax = 300;
/** How long a process is gone at most before another one takes its place, in milliseconds. */
const downMillisMax = 2_000;
/** How long a process that stands still is waited for at most before another one takes over, in milliseconds. */
const takeoverMillisMax = 2_000;
/** How long a process stands still after another one took over at most, in milliseconds. */
const zombieMillisMax = 5_000;
/** How likely a millisecond goes by while a fiber works. */
const workMillisChance = 0.05;
/** How likely an operation of a port takes time though nothing is wrong. */
const latencyChance = 0.2;
/** How much time that is at most, in milliseconds. */
const latencyMillisMax = 8;

/** What is run, and what goes wrong. */
export interface Simulation<R> {
  readonly job: Job<R>;
  readonly seed: number | string;
  readonly faults: ReadonlyArray<Fault>;
  /** The disk that outlives processes. Default: an empty one. */
  readonly disk?: MemoryKv;
  /** Default: those of a run, with the state kept in `"simulated.kv"` of the disk. */
  readonly options?: Omit<RunOptions, "kv">;
  /** What the job's functions need. */
  readonly services?: Context.Context<R>;
  /** Default: {@link stepsMaxDefault}. */
  readonly stepsMax?: number;
  /** Kills everything once this is so, and never starts it again: the disk stays as it is. Default: never. */
  readonly until?: () => boolean;
}

/** How it went. */
export interface SimulationReport {
  /** What broke a rule, in words; null when nothing did. What the job has written is for the caller to judge. */
  readonly violation: string | null;
  /** What the process that came to the end says; null when none did, or the world was ended before. */
  readonly summary: JobSummary | null;
  /** The planned faults that happened, and those that did not. */
  readonly fired: ReadonlyArray<Fault>;
  readonly unfired: ReadonlyArray<Fault>;
  /** How many operations each port has seen. */
  readonly operations: Readonly<Record<Port, number>>;
  /** How many processes there were, and how many of them were killed. */
  readonly processes: number;
  readonly killed: number;
  /** Equal for equal runs. */
  readonly traceHash: string;
  /** What happened last. */
  readonly timeline: ReadonlyArray<TraceEvent>;
}

/** Errors that end a process and that a later one may get over. */
const mayBeInjected = (error: JobError): boolean =>
  error._tag === "KvError" || error._tag === "SinkError" || error._tag === "SourceError";

/** Runs a job in a world of its own, until it has come to its end or something cannot go on. */
export const simulateOnce = <R>(simulation: Simulation<R>): SimulationReport => {
  const { job, seed, faults: planned, disk = memoryKv(), options = {}, services, stepsMax = stepsMaxDefault } =
    simulation;
  const { until = () => false } = simulation;
  const world = new World({ seed, shuffles: true, workMillisChance });
  const draw = new Seeded(`${seed} ports`);
  const latency = (): number => draw.chance(latencyChance) ? 1 + draw.below(latencyMillisMax) : 0;
  const faults = new Faults(planned, latency);
  const faulty = replaceEnds(job, { source: faultySource, sink: faultySink });
  const kv = faultyKv(disk);
  const running = new Set<Process>();
  /** The process that claims the job last. */
  let newest: Process | null = null;
  let processes = 0;
  let killed = 0;
  let summary: JobSummary | null = null;
  let violation: string | null = null;
  /** Whether a process is about to be started. */
  let starting = 0;

  const startLater = (millisMax: number): void => {
    starting++;
    world.after(world.random.below(millisMax + 1), () => {
      starting--;
      start();
    });
  };
  const start = (): void => {
    if (processes === processesMax) {
      violation ??= `${processesMax} processes did not bring the job to its end`;
      return;
    }
    const process = world.spawn(`process ${++processes}`);
    newest = process;
    running.add(process);
    const main = run(faulty, { state: "simulated.kv", ...options, kv }).pipe(
      Effect.provideService(CurrentFaults, faults),
      // deno-lint-ignore no-explicit-any -- what the job needs is given by the caller
      services === undefined ? (effect) => effect : Effect.provideContext(services as any),
    ) as Effect.Effect<JobSummary, JobError>;
    process.run(main, (exit) => ended(process, exit));
  };
  const ended = (process: Process, exit: Exit.Exit<JobSummary, JobError>): void => {
    running.delete(process);
    if (Exit.isSuccess(exit)) {
      process.note(`ends: ${exit.value.outcome}`);
      summary = exit.value;
      return;
    }
    const error = Cause.squash(exit.cause) as JobError;
    process.note(`fails: ${error}`);
    // Whoever claims last owns the job, which need not be who was started last.
    if (error._tag === "Fenced" && processes > 1) return;
    if (faults.fired.length > 0 && mayBeInjected(error)) return;
    violation ??= `${process.name} failed: ${Cause.pretty(exit.cause)}`;
  };
  const buryTheDead = (): void => {
    for (const process of running) {
      if (!process.dead) continue;
      running.delete(process);
      killed++;
    }
  };
  /** The process that faults befall: the one that was started last, if it moves. */
  const victim = (): Process | null => newest !== null && running.has(newest) && !newest.paused ? newest : null;
  const befall = (process: Process, kind: FaultKind): void => {
    switch (kind) {
      case "crash":
        return process.kill();
      case "pause":
        process.pause();
        startLater(takeoverMillisMax);
        world.after(takeoverMillisMax + world.random.below(zombieMillisMax), () => process.resume());
        return;
      case "rival":
        return start();
      case "clock-forward":
      case "clock-back":
        process.clockOffset += kind === "clock-forward" ? clockJumpMillis : -clockJumpMillis;
        return process.note(kind);
    }
  };

  start();
  const isOver = (): boolean => {
    if (until()) {
      world.killAll();
      return true;
    }
    const process = victim();
    const kind = process === null ? null : faults.take("step");
    if (kind !== null) befall(process!, kind);
    buryTheDead();
    if (violation !== null) return true;
    if (running.size > 0 || starting > 0) return false;
    if (summary === null) startLater(downMillisMax);
    return summary !== null;
  };
  const how = world.run(isOver, stepsMax);
  if (how !== "done" && violation === null) {
    violation = how === "too long"
      ? `the job did not come to its end in ${stepsMax} steps`
      : "the job did not come to its end, and nothing moves any more";
  }
  return {
    violation,
    summary,
    fired: faults.fired,
    unfired: faults.unfired,
    operations: { ...faults.counts },
    processes,
    killed,
    traceHash: world.trace.hash,
    timeline: world.trace.events,
  };
};
