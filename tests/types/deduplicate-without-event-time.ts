/** A de-duplication of a flow that has no event time. */
import { Flow } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = clicks.pipe(
  Flow.keyBy((click) => click.user),
  Flow.deduplicate("once", { within: "1 hour", late: "drop" }),
);
