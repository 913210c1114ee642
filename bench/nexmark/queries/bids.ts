/**
 * The bids among the events: what nearly all queries begin with.
 *
 * @module
 */
import { Flow } from "@weir/streams";
import type { Bid } from "../event.ts";
import type { Events } from "../source.ts";

/** A flow of bids with their event time. */
export type Bids = Flow.Flow<Bid, never, never, Flow.NotKeyed, Flow.EventTime, Flow.Append, never>;

/** Keeps the bids. */
export const bids = (events: Events): Bids => events.pipe(Flow.filter((event): event is Bid => event.kind === "bid"));
