/** A job of a flow that ends in no sink. */
import { Flow, Job } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = Job.make({
  name: "clicks",
  guarantee: "exactly-once",
  flows: [clicks.pipe(Flow.map((click) => click.user))],
});
