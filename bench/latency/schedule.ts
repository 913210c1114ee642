/**
 * A source that keeps to a schedule, whoever is late.
 *
 * A train is late by the timetable, not by when the previous one left. So record `n` is due at an instant that was fixed
 * at the start, and a latency counts from there: what the engine, a commit or the collector of garbage holds up counts for
 * every record that should have come meanwhile (otherwise it would be left out: "coordinated omission").
 *
 * @module
 */
import { Cause, Effect, Stream } from "effect";
import { Source } from "@weir/streams";
import type { Latencies } from "./latencies.ts";

/** When each record is due, by `performance.now()`. */
export class Schedule {
  readonly #perMilli: number;
  #began = NaN;

  constructor(recordsPerSecond: number) {
    this.#perMilli = recordsPerSecond / 1_000;
  }

  /** Has the first record be due now. */
  begin(): void {
    this.#began = performance.now();
  }

  /** When record `n` is due. */
  dueAt(n: number): number {
    return this.#began + n / this.#perMilli;
  }

  /** How many records have arrived by an instant: those of each millisecond come together, as from a socket. */
  arrivedBy(instant: number): number {
    return Math.floor(Math.floor(instant - this.#began) * this.#perMilli) + 1;
  }

  /** The first record whose event time, in whole milliseconds since the start, is `millis` or more. */
  firstAt(millis: number): number {
    return Math.ceil(millis * this.#perMilli);
  }

  /** The event time of a record, in whole milliseconds since the start. */
  millisOf(n: number): number {
    return Math.floor(n / this.#perMilli);
  }
}

/** How long the source sleeps when nothing has arrived. */
const napMillis = 1;

/** A source of `count` records, each of them read when it has arrived or as soon after as somebody asks for it. */
export const scheduled = <A>(options: {
  readonly schedule: Schedule;
  readonly count: number;
  /** Takes how late each record is when it is read. */
  readonly read: Latencies;
  readonly make: (n: number) => A;
}) =>
  Source.make({
    name: "scheduled",
    bounded: true,
    paced: true,
    splits: Effect.succeed(["all"]),
    read: (_split, from, batchRecordsMax) => {
      const { schedule, count, read, make } = options;
      return Stream.fromPull(Effect.sync(() => {
        let next = Number(from ?? 0);
        if (next === 0) schedule.begin();
        const nap = Effect.sleep(napMillis);
        const pull: Effect.Effect<readonly [{ records: Array<A>; positions: Array<number> }], Cause.Done> = Effect
          .suspend(
            () => {
              if (next === count) return Cause.done();
              const now = performance.now();
              const end = Math.min(count, next + batchRecordsMax, schedule.arrivedBy(now));
              if (end <= next) return Effect.andThen(nap, pull);
              const records: Array<A> = [];
              const positions: Array<number> = [];
              for (; next < end; next++) {
                records.push(make(next));
                positions.push(next + 1);
                read.add(next, now - schedule.dueAt(next));
              }
              return Effect.succeed([{ records, positions }] as const);
            },
          );
        return pull;
      }));
    },
  });
