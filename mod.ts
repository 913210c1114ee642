/**
 * Weir answers questions about records while they come in, such as how many clicks each user made in each minute. It goes
 * by the time at which things happened, so that records that come late or out of order count where they belong. It writes
 * each answer exactly once, whatever happens to the process.
 *
 * You compose a {@link Flow} from a {@link Source} through windows to a {@link Sink}, and run it in a {@link Job}, which
 * keeps its state in Deno KV. The compiler refuses what cannot work, such as a window without event time.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
 *
 * const clicks = [{ user: "ada", at: 1_000 }, { user: "ada", at: 2_000 }, { user: "bob", at: 61_000 }];
 * const counts = Sink.memory<string>("counts");
 * const job = Job.make({
 *   name: "clicks",
 *   guarantee: "exactly-once",
 *   flows: [
 *     Flow.from(Source.array("clicks", clicks)).pipe(
 *       Flow.eventTime({ timestamp: ({ at }) => at, watermark: Watermark.boundedOutOfOrderness("5 seconds") }),
 *       Flow.keyBy(({ user }) => user),
 *       Flow.window("per-minute", { assigner: Window.tumbling("1 minute"), aggregate: Aggregate.count, late: "drop" }),
 *       Flow.map(({ key, window, value }) => `${key}: ${value} from ${window.start / 1_000} s`),
 *       Flow.to(counts),
 *     ),
 *   ],
 * });
 * await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 * assert.deepEqual(counts.values(), ["ada: 2 from 0 s", "bob: 1 from 60 s"]);
 * ```
 *
 * @module
 */

/** What a window answers: counts, sums, quantiles, or an aggregate of your own. */
export * as Aggregate from "./src/windows/aggregates.ts";
/** Records that could not be handled: list, show, retry and discard them. */
export * as DeadLetters from "./src/streams/dead-letters.ts";
/** What is computed: from a source, through operators such as `keyBy` and `window`, to a sink. */
export * as Flow from "./src/streams/flows.ts";
/** What runs flows: under a guarantee, with state, metrics and errors. Begin with `Job.make` and `Job.run`. */
export * as Job from "./src/streams/jobs.ts";
/** Where results go: files, tables, the console, memory. */
export * as Sink from "./src/streams/sinks.ts";
/** Where records come from: files, streams, arrays, or a source of your own. */
export * as Source from "./src/streams/sources.ts";
/** When a window fires: at its end, early, late, by count or by the clock. */
export * as Trigger from "./src/windows/triggers.ts";
/** How far event time has come, and how long to wait for records that are out of order. */
export * as Watermark from "./src/windows/watermarks.ts";
/** Which records are aggregated together: by time, by number, or as long as they keep coming. */
export * as Window from "./src/windows/windows.ts";
