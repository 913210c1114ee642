/**
 * The job that is maltreated here: a bit of everything that keeps state, into files and tables.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Aggregate, Flow, Job, Sink, Source, Trigger, Watermark, Window } from "@weir/streams";
import { Effect, Stream } from "effect";
import { disorderMillis, type Reading } from "./readings.ts";

const ReadingSchema = Schema.Struct({
  split: Schema.String,
  n: Schema.Number,
  id: Schema.String,
  user: Schema.String,
  at: Schema.Number,
  value: Schema.Number,
});

/** How long a user is silent between two sessions, at least. */
export const gapMillis = 2_500;
/** How long a window of sums is. */
export const windowMillis = 10_000;

/** How every run is set, as the order of rows depends on it. */
export const runOptions: Pick<Job.RunOptions, "batchRecordsMax" | "keyedPartitions"> = {
  batchRecordsMax: 32,
  keyedPartitions: 4,
};

/**
 * The job, its output in a folder, the tables in one of their own if so wanted. `cut` ends each file at a position;
 * `onPublish` is told of each epoch that is committed.
 */
export const readingsJob = (options: {
  readonly paths: ReadonlyArray<string>;
  readonly folder: string;
  readonly tables?: string;
  readonly cut?: ReadonlyMap<string, number>;
  readonly onPublish?: (epoch: number) => void;
}): Job.Job<never> => {
  const { paths, folder, tables = folder, cut, onPublish = () => {} } = options;
  const files = Source.ndjson("readings", { paths, schema: ReadingSchema });
  const readings = Flow.from(cut === undefined ? files : cutAt(files, cut)).pipe(Flow.onError("fail"));

  const read = readings.pipe(
    Flow.map(({ split, n }) => ({ split, n })),
    Flow.to(Sink.ndjson("read", { path: `${folder}/read.ndjson` })),
  );
  const running = readings.pipe(
    Flow.keyBy(({ split }) => split),
    Flow.window("running", {
      assigner: Window.global,
      aggregate: { count: Aggregate.count, sum: Aggregate.sum((reading: Reading) => reading.value) },
      trigger: Trigger.repeatedly(Trigger.afterCount(1)),
      late: "drop",
    }),
    Flow.to(Sink.table("running", {
      path: `${tables}/running.kv`,
      key: ({ key }) => [key],
      value: ({ value }) => value,
    })),
  );
  const once = readings.pipe(
    Flow.eventTime({
      timestamp: ({ at }) => at,
      watermark: Watermark.boundedOutOfOrderness(disorderMillis),
    }),
    Flow.keyBy(({ id }) => id),
    Flow.deduplicate("once", { within: "1 minute", late: "drop" }),
    Flow.keyBy(({ user }) => user),
  );
  const sessions = once.pipe(
    Flow.window("sessions", {
      assigner: Window.session({ gap: gapMillis }),
      aggregate: Aggregate.count,
      trigger: Trigger.atWatermark({ early: Trigger.afterCount(5) }),
      panes: "retracting",
      late: "drop",
    }),
    Flow.to(Sink.ndjson("sessions", { path: `${folder}/sessions.ndjson` })),
  );
  const sums = once.pipe(
    Flow.window("sums", {
      assigner: Window.tumbling(windowMillis),
      aggregate: Aggregate.sum(({ value }: Reading) => value),
      late: "drop",
    }),
    Flow.to(Sink.table("sums", {
      path: `${tables}/sums.kv`,
      key: ({ key, window }) => [key, window.start],
      value: ({ value }) => value,
    })),
  );
  const told = readings.pipe(
    Flow.map(({ n }) => n),
    Flow.to(Sink.idempotent<number, number>("told", {
      encode: (n) => n,
      byteLength: () => 1,
      open: () => Effect.succeed({ marker: null, publish: ({ epoch }) => Effect.sync(() => onPublish(epoch)) }),
    })),
  );
  return Job.make({ name: "readings", guarantee: "exactly-once", flows: [read, running, sessions, sums, told] });
};

/** A source that ends each split at a position. */
const cutAt = <A, E, R, S>(
  source: Source.Source<A, E, R, S>,
  cut: ReadonlyMap<string, number>,
): Source.Source<A, E, R, S> => ({
  ...source,
  read: (split, from, batchRecordsMax) =>
    source.read(split, from, batchRecordsMax).pipe(
      Stream.map((batch) => {
        const positions = Array.from(batch.positions).filter((position) => Number(position) <= (cut.get(split) ?? 0));
        return { ...batch, positions, records: batch.records.slice(0, positions.length) };
      }),
    ),
});
