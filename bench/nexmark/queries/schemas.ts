/**
 * Schemas of what queries keep.
 *
 * @module
 */
import { Schema } from "effect";
import type { Bid } from "../event.ts";

/** A bid, kept as it is. */
export const bidSchema: Schema.Codec<Bid> = Schema.Struct({
  kind: Schema.Literal("bid"),
  auction: Schema.Number,
  bidder: Schema.Number,
  price: Schema.Number,
  channel: Schema.String,
  url: Schema.String,
  dateTime: Schema.Number,
  extra: Schema.String,
});
