/** A de-duplication of a flow that has no key, which says what a duplicate is. */
import { Flow } from "@weir/streams";
import { clicks, eventTime } from "./shared.ts";

export const wrong = clicks.pipe(eventTime, Flow.deduplicate("once", { within: "1 hour", late: "drop" }));
