/**
 * The bins of a DDSketch: ranges of numbers whose bounds differ by one factor, so that whichever number of a bin is meant,
 * the middle of the bin is close to it in proportion.
 *
 * With a relative error `e` that factor is `gamma = (1 + e) / (1 - e)`: bin `k` holds the numbers above `gamma ** (k - 1)`
 * up to `gamma ** k`, and stands for `2 * gamma ** k / (gamma + 1)`, which is no further than `e` from either end (Masson,
 * Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with relative-error guarantees, 2019).
 *
 * Bins are numbered from 1 for the least positive number, 0 is for zero, and what is negative has the negative of the bin
 * of its magnitude: the order of bins is that of numbers.
 *
 * @module
 */

/** The bins of one relative error. */
export interface Bins {
  /** The bin of a number that is not NaN. */
  readonly of: (x: number) => number;
  /** The number that a bin stands for. */
  readonly middle: (bin: number) => number;
}

/** The bins of a relative error between 0 and 1. */
export const bins = (relativeError: number): Bins => {
  const logGamma = Math.log1p(2 * relativeError / (1 - relativeError));
  // The middle of bin k is gamma ** k / ((gamma + 1) / 2), and (gamma + 1) / 2 is 1 / (1 - e).
  const logToMiddle = Math.log1p(-relativeError);
  const exponentOf = (magnitude: number): number => Math.ceil(Math.log(magnitude) / logGamma);
  const least = exponentOf(Number.MIN_VALUE);
  const infinite = exponentOf(Number.MAX_VALUE) - least + 2;
  return {
    of: (x) => {
      if (x === 0) return 0;
      const magnitude = Math.abs(x);
      const bin = magnitude === Infinity ? infinite : exponentOf(magnitude) - least + 1;
      return x < 0 ? -bin : bin;
    },
    middle: (bin) => {
      if (bin === 0) return 0;
      const magnitude = Math.abs(bin) === infinite
        ? Infinity
        : Math.exp((Math.abs(bin) - 1 + least) * logGamma + logToMiddle);
      return bin < 0 ? -magnitude : magnitude;
    },
  };
};
