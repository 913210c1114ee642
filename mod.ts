/**
 * Weir: a typed, actor-model stream processor for Deno.
 *
 * A pipeline is a {@link Flow} from a {@link Source} to a {@link Sink}; a {@link Job} runs flows, and keeps their state so
 * that each result is written exactly once, whatever happens to the process.
 *
 * @module
 */
export * as Aggregate from "./src/windows/aggregates.ts";
export * as Flow from "./src/streams/flows.ts";
export * as Job from "./src/streams/jobs.ts";
export * as Sink from "./src/streams/sinks.ts";
export * as Source from "./src/streams/sources.ts";
export * as Trigger from "./src/windows/triggers.ts";
export * as Watermark from "./src/windows/watermarks.ts";
export * as Window from "./src/windows/windows.ts";
