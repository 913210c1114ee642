/**
 * The levels of price that some queries count by, called ranks in the benchmark.
 *
 * @module
 */
import type { Bid } from "../event.ts";

/** Where the second level begins, in cents. */
const secondFrom = 10_000;

/** Where the third level begins, in cents. */
const thirdFrom = 1_000_000;

/** Whether a bid is on the lowest level. */
export const isRank1 = ({ price }: Bid): boolean => price < secondFrom;
/** Whether a bid is on the middle level. */
export const isRank2 = ({ price }: Bid): boolean => price >= secondFrom && price < thirdFrom;
/** Whether a bid is on the highest level. */
export const isRank3 = ({ price }: Bid): boolean => price >= thirdFrom;
