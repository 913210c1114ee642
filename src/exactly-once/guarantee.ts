/**
 * What a job promises about its output when a process dies.
 *
 * @module
 */
import type { Acknowledged, AppendOnly, Idempotent, LiveOnly, Transactional } from "./sink.ts";

/**
 * What a job promises about its output when a process dies. State is exactly-once under each of them.
 *
 * - `"exactly-once"`: every row of output is visible once. Output is written to the outbox with the epoch, and to the sink
 *   from there: twice in all. Every sink must be transactional or idempotent, and every source must replay.
 * - `"at-least-once"`: no row is lost. It costs the same, and also admits append-only sinks, to which the rows of the
 *   epoch that was being published may be written again; and sources that repeat what was not acknowledged, which the
 *   state then holds as two records.
 * - `"at-most-once"`: no row is written twice. Output is not written to the outbox, so it costs least; the rows of the
 *   epoch that was being published are lost, and the job counts them. It also admits sources that cannot replay, whose
 *   records in flight are lost without being counted.
 */
export type Guarantee = "exactly-once" | "at-least-once" | "at-most-once";

/** Where the flows of a job may end, and what they may come from, under each guarantee. */
export interface EndsAllowed {
  /** Output is visible once, so every sink can refuse a repetition and every source replays. */
  readonly "exactly-once": Transactional | Idempotent;
  /** Output may be repeated, so a sink may also only append, and a source repeat what was not acknowledged. */
  readonly "at-least-once": Transactional | Idempotent | AppendOnly | Acknowledged;
  /** Output may be lost, so a source need not replay. */
  readonly "at-most-once": Transactional | Idempotent | AppendOnly | Acknowledged | LiveOnly;
}

/** Where flows may end when the guarantee may be one of several: where the strictest of them lets them end. */
export type EndsOf<G extends Guarantee> = "exactly-once" extends G ? EndsAllowed["exactly-once"]
  : "at-least-once" extends G ? EndsAllowed["at-least-once"]
  : EndsAllowed["at-most-once"];

/** Whether a sink that can only append, or a source that cannot replay, may stand in a job: {@link EndsAllowed}. */
export const admits = (guarantee: Guarantee, what: "append-only" | "live source" | "acknowledged source"): boolean =>
  what === "live source" ? guarantee === "at-most-once" : guarantee !== "exactly-once";
