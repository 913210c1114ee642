/**
 * Adds up what each customer has paid, in a shell pipe:
 *
 * ```sh
 * printf '{"customer":"ada","paid":3}\n{"customer":"bob","paid":5}\n{"customer":"ada","paid":4}\n' |
 *   deno run -P examples/pipe.ts | sort
 * ```
 *
 * Results go to standard output; what cannot be read, and how it went, to standard error.
 *
 * @module
 */
import { Schema } from "effect";
import { Aggregate, Flow, Job, Sink, Source, Window } from "@weir/streams";

const payment = Schema.Struct({ customer: Schema.String, paid: Schema.Number });

const totals = Flow.from(Source.stdin("payments", { schema: payment })).pipe(
  Flow.onError((letters) =>
    letters.pipe(
      Flow.map(({ position, reason }) => `up to byte ${position}: the line ${reason}`),
      Flow.to(Sink.console("rejected", { write: console.error })),
    )
  ),
  Flow.keyBy(({ customer }) => customer),
  Flow.window("totals", { assigner: Window.global, aggregate: Aggregate.sum(({ paid }) => paid), late: "drop" }),
  Flow.map(({ key, value }) => ({ customer: key, paid: value })),
  Flow.to(Sink.console("totals")),
);

const job = Job.make({ name: "pipe", guarantee: "at-most-once", flows: [totals] });

export default job;

if (import.meta.main) await Job.main(job, { state: ":memory:" });
