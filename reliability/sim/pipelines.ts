/** Every kind of random pipeline that takes part in simulations. A new one is one more entry. */
import type { Pipeline } from "./pipeline.ts";
import { acknowledgedPipeline } from "./pipelines/acknowledged.ts";
import { bulkyPipeline } from "./pipelines/bulky.ts";
import { clockPipeline } from "./pipelines/clock.ts";
import { livePipeline } from "./pipelines/live.ts";
import { longPipeline, plannedPipeline } from "./pipelines/planned.ts";
import { resentPipeline } from "./pipelines/resent.ts";

// deno-lint-ignore no-explicit-any -- each has plans of its own
export const pipelines: ReadonlyArray<Pipeline<any>> = [
  plannedPipeline,
  longPipeline,
  livePipeline,
  clockPipeline,
  resentPipeline,
  bulkyPipeline,
  acknowledgedPipeline,
];
