/**
 * Jobs that stand in a shell pipe, by name: `deno run … tests/programs/pipe.ts NAME [STATE]`.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Window } from "@weir/streams";

const [name, state = ":memory:"] = Deno.args;

const lines = Flow.from(
  Source.stdin("lines", { schema: Schema.String, format: "lines", lineBytesMax: 1_000_000 }),
);
const numbers = Flow.from(
  Source.stdin("numbers", { schema: Schema.Struct({ n: Schema.Number }), lineBytesMax: 1_000 }),
);

const cities = Flow.from(
  Source.stdin("cities", {
    schema: Schema.Struct({ city: Schema.String, people: Schema.NumberFromString.check(Schema.isInt()) }),
    format: "csv",
  }),
);

/** A sink whose second epoch fails once, after which the job starts anew. */
const failingOnce = (): Sink.Sink<string, Sink.AppendOnly> => {
  let epochs = 0;
  return Sink.appendOnly("failing", {
    encode: (line: string) => line,
    byteLength: (line) => line.length,
    open: (_context) =>
      Effect.succeed({
        marker: null,
        publish: ({ epoch, rows }) =>
          Effect.suspend(() => {
            if (++epochs === 2) {
              return Effect.fail(
                new Sink.SinkError({ message: "Cannot", sink: "failing", epoch, retryable: true, cause: null }),
              );
            }
            for (const row of rows) console.log(row);
            return Effect.void;
          }),
      }),
  });
};

const flows = {
  /** Each line as it is. */
  copy: () => [lines.pipe(Flow.onError("fail"), Flow.to(Sink.console("copy")))],
  /** The same line from two sinks at once. */
  twice: () => {
    const decoded = lines.pipe(Flow.onError("fail"));
    return [decoded.pipe(Flow.to(Sink.console("a"))), decoded.pipe(Flow.to(Sink.console("b")))];
  },
  /** Numbers, and the coordinates of what is none. */
  letters: () => [
    numbers.pipe(
      Flow.onError((side) =>
        side.pipe(
          Flow.map(({ position, reason, raw, rawLength }) => ({ position, reason, kept: raw!.length, rawLength })),
          Flow.to(Sink.console("letters", { write: console.error })),
        )
      ),
      Flow.to(Sink.console("numbers")),
    ),
  ],
  /** The sum of pairs of numbers. */
  pairs: () => [
    numbers.pipe(
      Flow.onError("fail"),
      Flow.keyBy(() => "all"),
      Flow.window("pairs", { assigner: Window.count(2), aggregate: Aggregate.sum(({ n }) => n), late: "drop" }),
      Flow.map(({ value }) => value),
      Flow.to(Sink.console("pairs")),
    ),
  ],
  /** The cities of a table, and what is none. */
  cities: () => [
    cities.pipe(
      Flow.onError((side) =>
        side.pipe(Flow.map(({ reason }) => reason), Flow.to(Sink.console("letters", { write: console.error })))
      ),
      Flow.to(Sink.console("cities")),
    ),
  ],
  failing: () => [lines.pipe(Flow.onError("fail"), Flow.to(failingOnce()))],
  /** Two sources of one standard input. */
  both: () => [
    lines.pipe(Flow.onError("fail"), Flow.to(Sink.console("lines"))),
    numbers.pipe(Flow.onError("fail"), Flow.to(Sink.console("numbers"))),
  ],
};

await Job.main(Job.make({ name: "pipe", guarantee: "at-most-once", flows: flows[name as keyof typeof flows]() }), {
  state,
  mode: state === ":memory:" ? "continuous" : "available-now",
  epochInterval: "20 millis",
  epochRecordsMax: 1_000,
  onProgress: () => {},
});
