/** An exactly-once job whose sink can only append. */
import { Flow, Job, Sink } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = Job.make({
  name: "clicks",
  guarantee: "exactly-once",
  flows: [clicks.pipe(Flow.to(Sink.console("clicks")))],
});
