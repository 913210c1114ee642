/**
 * The runs of one query, each in a process of its own.
 *
 * @module
 */
import { measureInChild } from "../measure/child.ts";
import type { Verdict } from "./check.ts";
import { defaultEventsPerSecond } from "./generator.ts";
import type { Latency } from "./latency.ts";
import type { NexmarkQuery } from "./query.ts";
import type { Recovery } from "./recovery.ts";
import type { SinkKind, Throughput } from "./throughput.ts";

/** How many events tell about how fast a query is. */
const trialEvents = 300_000;

/** How many events warm a process up: so many at most, and no more than this part of those that count. */
const warmUpEventsMax = 300_000;
const warmUpShare = 1 / 4;

/** The rate at which results are timed, where the query can take twice as much. */
const rateDefault = 50_000;

/** Checked is a thousand seconds of event time, so that even the windows of ten minutes end. */
const checkEventsPerSecond = 20;

/**
 * How many events there are in a second of event time while results are timed, where it is not as many as usual: windows of
 * ten minutes would not end within a run.
 */
const latencyEventsPerSecond: Readonly<Record<string, number>> = { q15: 100, q16: 100, q17: 100 };

/** What starting a process, and taking state down, adds to a run. */
const startSeconds = 0.8;

/** How long the other parts of a round are, as a part of the run at full speed: its warm-up, and half of it until a crash. */
const otherShare = 0.6;

/** After how many times the expected duration a process is given up, and after how long at the soonest. */
const patience = 10;
const timeoutMillisMin = 60_000;

const program = ["deno", "run", "-P=nexmark", "--no-prompt", "--quiet", "bench/nexmark/run-query.ts"];

const warmUpOf = (events: number): number => Math.min(warmUpEventsMax, Math.ceil(events * warmUpShare));

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** What all runs share. */
export interface RunSettings {
  readonly seed: number;
  readonly sink: SinkKind;
  /** Whether runs at full speed are held to one core. */
  readonly pinned: boolean;
}

/** The runs of one query. */
export class QueryRuns {
  readonly query: NexmarkQuery;
  /** Whether a run has failed, so that there are no figures. */
  hasFailed = false;
  /** How many events a run at full speed has. */
  events = 0;
  readonly throughput: Array<Throughput> = [];
  readonly recovery: Array<Recovery> = [];
  readonly latency: Array<Latency> = [];
  verdict: (Verdict & { readonly query: string }) | null = null;
  readonly #settings: RunSettings;
  #expectedSeconds = 0;

  constructor(query: NexmarkQuery, settings: RunSettings) {
    this.query = query;
    this.#settings = settings;
  }

  /** How long a round takes, about. */
  get roundSeconds(): number {
    return this.#expectedSeconds * (1 + otherShare) + 2 * startSeconds;
  }

  /** How long a run at a rate takes, about. */
  latencySeconds(seconds: number): number {
    return seconds + 2 * startSeconds;
  }

  /** Takes so many events, or as many as take about so long. */
  async chooseEvents(wanted: number | { readonly seconds: number }): Promise<void> {
    if (typeof wanted === "number") {
      this.events = wanted;
      return;
    }
    const options = { events: trialEvents, warmup: warmUpOf(trialEvents), sink: this.#settings.sink };
    const { eventsPerSecond } = await this.#run<Throughput>("throughput", options);
    this.events = roundUp(eventsPerSecond * wanted.seconds, trialEvents / 3);
    this.#expectedSeconds = this.events / eventsPerSecond;
  }

  /** Runs it at full speed, and through a crash. */
  async round(): Promise<void> {
    const { events } = this;
    const { sink } = this.#settings;
    this.throughput.push(await this.#run<Throughput>("throughput", { events, warmup: warmUpOf(events), sink }));
    const { recovery } = await this.#run<{ readonly recovery: Recovery | null }>("recovery", { events });
    if (recovery !== null) this.recovery.push(recovery);
  }

  /** Runs it at a rate; null: the usual one, or half of what it takes at full speed where that is less. */
  async latencyRound(
    { rate, warmUpSeconds, seconds }: {
      readonly rate: number | null;
      readonly warmUpSeconds: number;
      readonly seconds: number;
    },
  ): Promise<void> {
    const able = Math.min(...this.throughput.map(({ eventsPerSecond }) => eventsPerSecond));
    const chosen = rate ?? Math.min(rateDefault, Math.floor(able / 2));
    this.latency.push(
      await this.#run<Latency>("latency", {
        rate: chosen,
        events: Math.ceil(chosen * (warmUpSeconds + seconds)),
        "warmup-seconds": warmUpSeconds,
        "events-per-second": latencyEventsPerSecond[this.query.name] ?? defaultEventsPerSecond,
      }),
    );
  }

  /** Compares its rows with those of the oracle. */
  async check(events: number): Promise<Verdict> {
    const options = { events, "events-per-second": checkEventsPerSecond };
    this.verdict = await this.#run<Verdict & { readonly query: string }>("check", options);
    return this.verdict;
  }

  async #run<A>(
    mode: "throughput" | "recovery" | "latency" | "check",
    options: Readonly<Record<string, string | number>>,
  ): Promise<A> {
    const { seed, pinned } = this.#settings;
    const args = Object.entries({ query: this.query.name, mode, seed, ...options }).map(([name, value]) =>
      `--${name}=${value}`
    );
    return await measureInChild([...program, ...args], {
      pinned: pinned && mode === "throughput",
      timeoutMillis: Math.max(timeoutMillisMin, this.#expectedSeconds * patience * 1_000),
    }) as A;
  }
}
