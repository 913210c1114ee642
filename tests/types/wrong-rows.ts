/** A sink that takes other values than the flow has. */
import { Flow, Sink } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = clicks.pipe(Flow.to(Sink.memory<number>("numbers")));
