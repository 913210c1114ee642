/**
 * How long a query takes to go on after a crash.
 *
 * The job is torn down in the middle, its last epoch not taken, and started again from its file. The clock runs from the
 * start until the source is asked to read on, which is when all state is back in place, and until the first event has
 * reached the query.
 *
 * @module
 */
import { Flow, Job, Sink } from "@weir/streams";
import { Effect } from "effect";
import { type Measurement, rowsOf, whenRead } from "./measured.ts";
import { nexmarkSource } from "./source.ts";

/** How a job came back. */
export interface Recovery {
  /** From the start until its state is restored. */
  readonly recoveryMillis: number;
  /** How many events the restored state stands for. */
  readonly eventsRestored: number;
  /** How many events were read before the crash: those beyond the restored ones are read again. */
  readonly eventsRead: number;
  /** The size of the file with the state. */
  readonly stateBytes: number;
}

/** How often a job is asked how far it is, in milliseconds. */
const lookMillis = 5;

/** Runs a query up to the middle of its events, crashes it and starts it again. Null where it ended before. */
export const measureRecovery = async (measurement: Measurement): Promise<Recovery | null> => {
  const { query, events, epochMillis, folder } = measurement;
  const state = `${folder}/state.kv`;
  const jobOver = (tell: (from: number) => void) =>
    Job.make({
      name: `nexmark-${query.name}`,
      guarantee: "exactly-once",
      flows: [
        rowsOf(measurement, whenRead(nexmarkSource(measurement), (from) => tell(Number(from ?? 0)))).pipe(
          Flow.filter(() => false),
          Flow.to(Sink.memory("rows")),
        ),
      ],
    });
  const options: Job.RunOptions = { state, epochInterval: epochMillis };
  const eventsRead = await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(jobOver(() => {}), options);
    for (;;) {
      yield* Effect.sleep(lookMillis);
      const { splits: [split], epochs } = yield* running.metrics;
      if (split?.ended) return null;
      if (split !== undefined && split.records >= events / 2 && epochs.committed > 0) return split.records;
    }
  })));
  if (eventsRead === null) return null;
  const stateBytes = (await Deno.stat(state)).size;
  const began = performance.now();
  return await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const { promise, resolve } = Promise.withResolvers<Recovery>();
    const tell = (eventsRestored: number): void =>
      resolve({ recoveryMillis: performance.now() - began, eventsRestored, eventsRead, stateBytes });
    const running = yield* Job.start(jobOver(tell), options);
    // A job that cannot come back says why.
    return yield* Effect.raceFirst(
      Effect.promise(() => promise),
      Effect.andThen(running.await, Effect.never),
    );
  })));
};
