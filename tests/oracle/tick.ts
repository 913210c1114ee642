/** What happens in a flow, one thing after the other. */

/** One record of a flow, or one step of its watermark. */
export type Tick<A> = Row<A> | Tide;

/** A record. */
export interface Row<A> {
  readonly tick: "record";
  /** The number of the reading event that it stems from: what two flows are merged by. */
  readonly at: number;
  readonly value: A;
  /** Its event time. */
  readonly time: number;
  /** The watermark that it meets. */
  readonly met: number;
}

/** The watermark has become this. */
export interface Tide {
  readonly tick: "watermark";
  readonly at: number;
  readonly watermark: number;
}
