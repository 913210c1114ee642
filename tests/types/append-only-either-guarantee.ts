/** A sink that can only append, in a job that may be exactly-once. */
import { Flow, Job, Sink } from "@weir/streams";
import { clicks } from "./shared.ts";

declare const guarantee: "exactly-once" | "at-least-once";

export const wrong = Job.make({
  name: "clicks",
  guarantee,
  flows: [clicks.pipe(Flow.to(Sink.console("clicks")))],
});
