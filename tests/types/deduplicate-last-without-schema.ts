/** A de-duplication that keeps values in the state without their Schema. */
import { Flow } from "@weir/streams";
import { keyedClicks } from "./shared.ts";

export const wrong = keyedClicks.pipe(Flow.deduplicate("once", { within: "1 hour", keep: "last", late: "drop" }));
