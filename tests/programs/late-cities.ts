/** A program that drops records, or sends them elsewhere where it can: `late-cities.ts drop|keep`. */
import { Effect } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";

const [how] = Deno.args;

// at      0    9    1 late    2 late    ✗ one that is no city    19
const visits = Source.array("visits", [
  { city: "Bern", at: 0 },
  { city: "Bern", at: 9 },
  { city: "Bern", at: 1 },
  { city: "Bern", at: 2 },
  { city: "", at: 9 },
  { city: "Chur", at: 19 },
]);

const { bern, otherwise } = Flow.from(visits).pipe(
  Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.monotonic }),
  Flow.mapEffect((visit) => visit.city === "" ? Effect.fail("no city") : Effect.succeed(visit)),
  Flow.onError(how === "drop" ? "drop" : Sink.memory("dead")),
  Flow.branch({ bern: ({ city }) => city === "Bern" }),
);

const counts = bern.pipe(
  Flow.keyBy(({ city }) => city),
  Flow.window("counts", {
    assigner: Window.tumbling("5 millis"),
    aggregate: Aggregate.count,
    late: how === "drop" ? "drop" : Sink.memory("late"),
  }),
  Flow.to(Sink.memory("out")),
);

const flows = how === "drop" ? [counts] : [counts, otherwise.pipe(Flow.to(Sink.memory("others")))];

await Job.main(Job.make({ name: "visits", guarantee: "exactly-once", flows }), { state: ":memory:" });
