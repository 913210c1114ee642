/**
 * Marks: how the watermark moves within a round, for whoever must know that exactly.
 *
 * @module
 */
import { twice } from "./columns.ts";

/** The steps of the watermark in a round, in order, as parallel columns of which the first `size` count. */
export interface Marks {
  readonly size: number;
  /** The `TaskContext.ordinal` after whose records the watermark moves. */
  readonly ordinals: Float64Array;
  /** How far it comes. */
  readonly watermarks: Float64Array;
}

/** What a round brings where nobody must know how the watermark moved. */
export const noMarks: Marks = { size: 0, ordinals: new Float64Array(0), watermarks: new Float64Array(0) };

/** How many marks there is room for at first. */
const capacityMin = 16;

/** Marks while they are made. */
export class GrowingMarks implements Marks {
  size = 0;
  ordinals: Float64Array = new Float64Array(capacityMin);
  watermarks: Float64Array = new Float64Array(capacityMin);

  add(ordinal: number, watermark: number): void {
    const at = this.size++;
    if (at === this.ordinals.length) {
      this.ordinals = twice(this.ordinals);
      this.watermarks = twice(this.watermarks);
    }
    this.ordinals[at] = ordinal;
    this.watermarks[at] = watermark;
  }
}
