/** Sources whose records come at given instants of a clock that a test moves. */
import { setImmediate } from "node:timers";
import { Clock, Effect, Stream } from "effect";
import { TestClock } from "effect/testing";
import { Source } from "@weir/streams";

/** A record with an event time. */
export interface Reading {
  readonly split: string;
  readonly at: number;
}

/** What comes of a split: `[when, at]` is a record that comes `when` milliseconds after the start and happened at `at`. */
export type Script = ReadonlyArray<readonly [when: number, at: number]>;

/**
 * A source that goes on for ever, of splits that follow a script. A split that `ends` does so after its last record; the
 * others are silent from then on, and say so.
 */
export const scripted = (
  name: string,
  scripts: Readonly<Record<string, Script>>,
  ends: ReadonlyArray<string> = [],
): Source.Source<Reading, never, never, never> =>
  Source.make({
    name,
    bounded: false,
    splits: Effect.succeed(Object.keys(scripts)),
    read: (split, from) => {
      const first = Number(from ?? 0);
      const records = Stream.fromIterable(scripts[split].slice(first)).pipe(
        // One by one, so that none waits for another.
        Stream.rechunk(1),
        Stream.mapEffect(([when, at]) =>
          Effect.gen(function* () {
            yield* Effect.sleep(Math.max(0, when - (yield* Clock.currentTimeMillis)));
            return { split, at };
          })
        ),
        Stream.zipWithIndex,
        Stream.map(([record, k]) => ({ records: [record], positions: [first + k + 1] })),
      );
      if (ends.includes(split)) return records;
      const silence = Stream.make({ records: [], positions: [], lag: 0 });
      return records.pipe(Stream.concat(silence), Stream.concat(Stream.never));
    },
  });

/** Runs a test under a clock that stands still until the test moves it; it begins at 0. */
export const withTestClock = <E>(body: Effect.Effect<void, E, never>): Promise<void> =>
  Effect.runPromise(
    body.pipe(Effect.provide(TestClock.layer({ warningDelay: "1 hour" }))) as Effect.Effect<void, E>,
  );

/** Moves the clock, and lets everything that follows from it happen. */
export const pass = (millis: number): Effect.Effect<void> => TestClock.adjust(millis).pipe(Effect.andThen(settle));

/** How many times other work of the process has its turn before a test takes it for settled. */
const turns = 20;

/** Lets everything happen that needs no time. */
export const settle: Effect.Effect<void> = Effect.promise(async () => {
  for (let k = 0; k < turns; k++) await new Promise((resolve) => setImmediate(resolve));
});
