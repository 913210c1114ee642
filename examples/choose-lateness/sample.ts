/**
 * What the job's own statistics say of a sample: how many records each bound would cost.
 *
 * @module
 */
import { Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

/** Records in the order in which they came, and where their event time is. */
export interface Sample {
  /** A file of lines of JSON. */
  readonly path: string;
  /** The name of the timestamp's field; dots lead into objects. */
  readonly field: string;
  /** Whether numbers are seconds, not milliseconds. */
  readonly inSeconds: boolean;
}

const readingsOf = ({ path }: Sample) => Source.ndjson("sample", { paths: path, schema: Schema.Unknown });

/** The event time of a record: epoch milliseconds (or seconds), or a text that is a date. NaN if it is neither. */
const timestampOf = ({ field, inSeconds }: Sample) => (record: unknown): number => {
  const value = field.split(".").reduce<unknown>((part, name) => (part as Record<string, unknown>)?.[name], record);
  if (typeof value === "number") return inSeconds ? value * 1_000 : value;
  return typeof value === "string" ? Date.parse(value) : NaN;
};

/** A job that only stamps records. `metrics.lateness` then holds how late they came. */
export const lateness = (sample: Sample) => {
  const stamped = Flow.from(readingsOf(sample)).pipe(
    Flow.eventTime({ timestamp: timestampOf(sample), watermark: Watermark.monotonic }),
    Flow.onError("drop", { defects: true }),
    // Only the statistics are of interest.
    Flow.filter(() => false),
    Flow.to(Sink.memory("nothing")),
  );
  return Job.make({ name: "choose-lateness", guarantee: "exactly-once", flows: [stamped] });
};

/** The name of the window with one of the bounds. */
export const nameOf = (bound: number): string => `windows that wait for ${bound} ms`;

/** A job with the same windows for each of several bounds: `metrics.operators` then holds how many came too late. */
export const tooLate = (sample: Sample, bounds: ReadonlyArray<number>, windowMillis: number) => {
  const readings = Flow.from(readingsOf(sample));
  const flows = bounds.map((bound) =>
    readings.pipe(
      Flow.eventTime({ timestamp: timestampOf(sample), watermark: Watermark.boundedOutOfOrderness(bound) }),
      Flow.onError("drop", { defects: true }),
      Flow.keyBy(() => "all"),
      Flow.window(nameOf(bound), { assigner: Window.tumbling(windowMillis), aggregate: Aggregate.count, late: "drop" }),
      Flow.to(Sink.memory(nameOf(bound))),
    )
  );
  return Job.make({ name: "choose-lateness", guarantee: "exactly-once", flows });
};
