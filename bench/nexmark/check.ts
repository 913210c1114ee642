/**
 * Whether a query's rows are those of its oracle, after a crash in the middle.
 *
 * @module
 */
import { Flow, Job, Sink } from "@weir/streams";
import { Effect } from "effect";
import { RowsDigest } from "./digest.ts";
import { eventsOf } from "./generator.ts";
import { type Measurement, rowsOf } from "./measured.ts";
import { oracles } from "./oracle.ts";
import type { NexmarkQuery } from "./query.ts";

/** What came of a query, and what should have. */
export interface Verdict {
  readonly ok: boolean;
  readonly results: number;
  /** Folded from the rows' texts, whatever their order. */
  readonly digest: number;
  readonly expectedResults: number;
  readonly expectedDigest: number;
  /** How many events had been read when the job was torn down; null where it ended before. */
  readonly crashedAt: number | null;
}

/** Small batches and short epochs, so that a crash finds something half done. */
const batchRecordsMax = 256;
const epochMillisMax = 20;

/** Runs a query with a crash, and recounts it. */
export const checkRows = async (measurement: Measurement): Promise<Verdict> => {
  const { query, events, epochMillis, folder } = measurement;
  const sink = Sink.memory<unknown>("rows");
  const job = Job.make({
    name: `nexmark-${query.name}`,
    guarantee: "exactly-once",
    flows: [rowsOf(measurement).pipe(Flow.to(sink))],
  });
  const options: Job.RunOptions = {
    state: `${folder}/state.kv`,
    epochInterval: Math.min(epochMillis, epochMillisMax),
    batchRecordsMax,
  };
  const crashedAt = await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
    const running = yield* Job.start(job, options);
    for (;;) {
      yield* Effect.sleep(1);
      const { splits: [split] } = yield* running.metrics;
      if (split?.ended) {
        yield* running.await;
        return null;
      }
      if (split !== undefined && split.records >= events / 2) return split.records;
    }
  })));
  await Effect.runPromise(Job.run(job, options));
  const found = digestOfRows(query, sink.values());
  const eventAt = eventsOf(measurement);
  const expected = digestOfRows(query, oracles[query.name](Array.from({ length: events }, (_, n) => eventAt(n))));
  return {
    ok: found.value === expected.value,
    results: found.rows,
    digest: found.value,
    expectedResults: expected.rows,
    expectedDigest: expected.value,
    crashedAt,
  };
};

const digestOfRows = ({ checked }: NexmarkQuery, rows: ReadonlyArray<unknown>): RowsDigest => {
  const digest = new RowsDigest();
  for (const row of rows) {
    const { text, times } = checked(row);
    digest.add(text, times);
  }
  return digest;
};
