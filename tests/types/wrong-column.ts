/** A file of CSV with a column that the rows do not have. */
import { Flow, Sink } from "@weir/streams";
import { clicks } from "./shared.ts";

export const wrong = clicks.pipe(Flow.to(Sink.csv("clicks", { path: "clicks.csv", columns: ["user", "a"] })));
