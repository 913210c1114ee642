/** Effect alone, as every program of Weir imports it. */
import { Effect } from "effect";

await Effect.runPromise(Effect.sync(() => console.log("result")));
