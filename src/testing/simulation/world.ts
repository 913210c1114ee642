/**
 * A simulated world: processes whose fibers, timers and chance are all moved by one loop, out of one seed.
 *
 * It is like a puppet theatre. The puppets (fibers) only move when the player pulls a string, one at a time; which string
 * comes next is drawn from the seed. A puppet that is dropped does not fall over politely: it just does not move again,
 * as a process that was killed.
 *
 * Nothing in it waits for the real clock, so hours pass in milliseconds, and the loop is synchronous: what does not reach
 * out of the world is done when {@link World.run} returns.
 *
 * @module
 */
import { Clock, Context, Duration, Effect, type Exit, Random, References, Scheduler } from "effect";
import { forgetAsyncContexts } from "../../actors/async-context.ts";
import { Seeded } from "./seeded.ts";
import { Trace } from "./trace.ts";

/** When worlds begin unless they are told otherwise: 1 January 2026, in epoch milliseconds. */
export const worldBegins = 1_767_225_600_000;

/** How a world differs from the plainest one, in which nothing takes time and everybody has their turn in order. */
export interface WorldOptions {
  /** What everything is drawn from. */
  readonly seed: number | string;
  /** Whether the order of fibers is drawn, and the moments at which a fiber gives way to others. Default: false. */
  readonly shuffles?: boolean;
  /** How likely a millisecond goes by while a fiber works. Default: 0. */
  readonly workMillisChance?: number;
  /** When it begins, in epoch milliseconds. Default: {@link worldBegins}. */
  readonly begins?: number;
}

interface Task {
  readonly process: Process | null;
  readonly run: () => void;
}

interface Timer extends Task {
  readonly at: number;
  readonly number: number;
  cancelled: boolean;
}

/** How likely a fiber that works on is made to give way to others, where the order of fibers is drawn. */
const yieldChance = 0.02;

/** A process of a simulated world: fibers that share a clock, and that die together. */
export class Process {
  readonly world: World;
  readonly name: string;
  /** How far its clock is from the true time, in milliseconds. */
  clockOffset = 0;
  #dead = false;
  #held: Array<Task> | null = null;
  readonly #context: Context.Context<never>;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    const shuffles = world.shuffles;
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (run) => world.post({ process: this, run }),
      flush: () => {},
    };
    const scheduler: Scheduler.Scheduler = {
      executionMode: "async",
      shouldYield: (fiber) =>
        shuffles ? world.random.chance(yieldChance) : fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
      makeDispatcher: () => dispatcher,
    };
    this.#context = Context.empty().pipe(
      Context.add(Scheduler.Scheduler, scheduler),
      Context.add(Clock.Clock, this.#clock()),
      Context.add(Random.Random, new Seeded(`${world.seed} ${name}`).service),
      // What is injected on purpose is nothing to warn of.
      Context.add(References.MinimumLogLevel, "None"),
      Context.add(CurrentProcess, this),
    ) as Context.Context<never>;
  }

  /** Whether it was killed. */
  get dead(): boolean {
    return this.#dead;
  }

  /** Whether it stands still. */
  get paused(): boolean {
    return this.#held !== null;
  }

  /** What its clock says, in epoch milliseconds. */
  get now(): number {
    return this.world.now + this.clockOffset;
  }

  #clock(): Clock.Clock {
    const millis = (): number => this.now;
    const nanos = (): bigint => BigInt(millis()) * 1_000_000n;
    const monotonic = (): bigint => BigInt(this.world.now - this.world.began) * 1_000_000n;
    return {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) => this.sleep(Duration.toMillis(duration)),
    };
  }

  /** Waits, in the true time. */
  sleep(millis: number): Effect.Effect<void> {
    if (millis <= 0) return Effect.yieldNow;
    if (millis === Infinity) return Effect.never;
    return Effect.callback<void>((resume) => {
      const cancel = this.world.after(millis, () => resume(Effect.void), this);
      return Effect.sync(cancel);
    });
  }

  /** Runs an effect in this process. What it ends with is handed over, unless the process is killed first. */
  run<A, E>(
    effect: Effect.Effect<A, E>,
    onExit: (exit: Exit.Exit<A, E>) => void,
    services: Context.Context<never> = Context.empty(),
  ): void {
    const fiber = Effect.runForkWith(Context.merge(services, this.#context))(effect);
    fiber.addObserver((exit) => {
      if (!this.#dead) onExit(exit);
    });
  }

  /** Ends the process where it stands: no finalizer runs, and none of its fibers ever moves again. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#held = null;
    this.note("is killed");
  }

  /** Makes the process stand still, as one whose machine is suspended. */
  pause(): void {
    if (this.#dead || this.#held !== null) return;
    this.#held = [];
    this.note("stands still");
  }

  /** Lets the process go on. */
  resume(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.note("goes on");
    for (const task of held) this.world.post(task);
  }

  /** Keeps a task back while the process stands still. Returns false when it is to be run. */
  hold(task: Task): boolean {
    if (this.#dead) return true;
    if (this.#held === null) return false;
    this.#held.push(task);
    return true;
  }

  /** Writes something down that happened to it. */
  note(what: string): void {
    this.world.trace.note(this.world.now - this.world.began, this.name, what);
  }
}

/** The process that an effect runs in; null outside of a simulation. */
export const CurrentProcess: Context.Reference<Process | null> = Context.Reference<Process | null>(
  "weir/testing/CurrentProcess",
  { defaultValue: () => null },
);

/** A world and its loop. */
export class World {
  readonly seed: number | string;
  readonly shuffles: boolean;
  readonly began: number;
  readonly random: Seeded;
  readonly trace: Trace = new Trace();
  /** The true time, in epoch milliseconds. */
  now: number;
  /** How many tasks were run. */
  steps = 0;
  readonly #workMillisChance: number;
  #ready: Array<Task> = [];
  #timers: Array<Timer> = [];
  #timerNumber = 0;
  readonly #processes: Array<Process> = [];

  constructor({ seed, shuffles = false, workMillisChance = 0, begins = worldBegins }: WorldOptions) {
    forgetAsyncContexts();
    this.seed = seed;
    this.shuffles = shuffles;
    this.random = new Seeded(seed);
    this.began = begins;
    this.now = begins;
    this.#workMillisChance = workMillisChance;
  }

  /** Starts a process. Its name must be one of its own, as its chance is drawn from it. */
  spawn(name: string): Process {
    const process = new Process(this, name);
    process.note("starts");
    this.#processes.push(process);
    return process;
  }

  /** Kills every process. */
  killAll(): void {
    for (const process of this.#processes.splice(0)) if (!process.dead) process.kill();
  }

  /** Has a task run at the next turn. */
  post(task: Task): void {
    this.#ready.push(task);
  }

  /** Has something done after a time, in milliseconds; by the world itself unless a process is named. Returns how to call it off. */
  after(millis: number, run: () => void, process: Process | null = null): () => void {
    const at = this.now + Math.max(0, Math.ceil(millis));
    const timer: Timer = { at, number: this.#timerNumber++, process, run, cancelled: false };
    const timers = this.#timers;
    let low = 0;
    let high = timers.length;
    // Sorted with the next one last.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (timers[middle].at > at) low = middle + 1;
      else high = middle;
    }
    timers.splice(low, 0, timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Runs what can be run now, without letting time pass for it. */
  settle(): void {
    while (this.#step());
  }

  /** Settles, and lets time pass up to an instant; each timer on the way goes off at its time. */
  advanceTo(instant: number): void {
    for (;;) {
      this.settle();
      const next = this.#nextTimer();
      if (next === null || next.at > instant) break;
      this.now = Math.max(this.now, next.at);
    }
    this.now = Math.max(this.now, instant);
    this.settle();
  }

  /**
   * Lets the world go on until something is true, or nothing is left that could move, or so many tasks were run; says
   * which.
   */
  run(until: () => boolean, stepsMax: number): "done" | "at rest" | "too long" {
    const last = this.steps + stepsMax;
    while (!until()) {
      if (this.steps >= last) return "too long";
      if (this.#step()) continue;
      const next = this.#nextTimer();
      if (next === null) return "at rest";
      this.now = Math.max(this.now, next.at);
    }
    return "done";
  }

  #nextTimer(): Timer | null {
    const timers = this.#timers;
    while (timers.length > 0) {
      const next = timers[timers.length - 1];
      if (!next.cancelled && !(next.process?.dead ?? false)) return next;
      timers.pop();
    }
    return null;
  }

  /** Runs one task. Returns false when none can be run before time has passed. */
  #step(): boolean {
    for (let next = this.#nextTimer(); next !== null && next.at <= this.now; next = this.#nextTimer()) {
      this.#timers.pop();
      const timer = next;
      this.#ready.push({ process: timer.process, run: () => timer.cancelled || timer.run() });
    }
    while (this.#ready.length > 0) {
      const ready = this.#ready;
      let task: Task;
      if (this.shuffles) {
        const at = this.random.below(ready.length);
        task = ready[at];
        ready[at] = ready[ready.length - 1];
        ready.pop();
      } else {
        task = this.#takeFirst();
      }
      if (task.process?.hold(task)) continue;
      this.steps++;
      if (this.#workMillisChance > 0 && this.random.chance(this.#workMillisChance)) this.now++;
      task.run();
      return true;
    }
    return false;
  }

  #first = 0;

  #takeFirst(): Task {
    const task = this.#ready[this.#first++];
    if (this.#first === this.#ready.length) {
      this.#ready = [];
      this.#first = 0;
    }
    return task;
  }
}
