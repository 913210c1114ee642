/**
 * How many events a second a query takes when they come as fast as they are read.
 *
 * @module
 */
import { Flow, Job, Sink } from "@weir/streams";
import { Effect } from "effect";
import { type EpochCosts, watchEpochs } from "../measure/epochs.ts";
import { cpuSeconds, peakMemoryBytes } from "../measure/process.ts";
import { type Measurement, rowsOf, whenRead } from "./measured.ts";
import { nexmarkSource } from "./source.ts";

/** What becomes of the rows: they are counted and dropped, or written to a file, exactly once. */
export const sinkKinds = ["none", "file"] as const;
/** See {@link sinkKinds}. */
export type SinkKind = typeof sinkKinds[number];

/** What a run at full speed has shown. */
export interface Throughput extends EpochCosts {
  /** From the instant at which the source is first asked for events until the job has ended. */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** User and system time of all threads over the same span. */
  readonly cpuSeconds: number;
  readonly results: number;
  readonly peakMemoryBytes: number;
}

/** Runs a query over its events once. */
export const measureThroughput = async (measurement: Measurement, sinkKind: SinkKind): Promise<Throughput> => {
  const { query, events, epochMillis, folder } = measurement;
  let results = 0;
  const isWritten = sinkKind === "file";
  const count = (): boolean => {
    results++;
    return isWritten;
  };
  let began = NaN;
  let cpuBefore = NaN;
  const source = whenRead(nexmarkSource(measurement), () => {
    began = performance.now();
    cpuBefore = cpuSeconds();
  });
  const job = Job.make({
    name: `nexmark-${query.name}`,
    guarantee: "exactly-once",
    flows: [
      rowsOf(measurement, source).pipe(
        Flow.filter(count),
        Flow.to(Sink.ndjson("rows", { path: `${folder}/rows.ndjson` })),
      ),
    ],
  });
  return await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, { state: `${folder}/state.kv`, epochInterval: epochMillis });
    const costs = yield* watchEpochs(running);
    const { metrics } = yield* running.await;
    const seconds = (performance.now() - began) / 1_000;
    return {
      seconds,
      eventsPerSecond: events / seconds,
      cpuSeconds: cpuSeconds() - cpuBefore,
      results,
      peakMemoryBytes: peakMemoryBytes(),
      ...costs(metrics),
    };
  })));
};
