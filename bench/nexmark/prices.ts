/**
 * Prices, of which each power of ten has the same share: 1 to 1,000,000 in the public generator, times 100, as
 * `10 ** (6 * u) * 100` (PriceGenerator.nextPrice).
 *
 * Powers with fractions are not the same bits in every language, so there is a table of whole numbers that grow by the same
 * factor at each step, and a straight line from each to the next.
 *
 * @module
 */

/** Steps from a number to ten times that number. */
const stepsPerDecade = 1_024;

const decades = 6;

/** What numbers within a decade are counted in while the table is made: `unit` stands for 1. */
const unit = 10_000_000;

/** `10 ** (1 / stepsPerDecade)`, in units. All products stay below 2^53. */
const factor = 10_022_511;

/** The least price, in cents. */
const priceMin = 100;

const steps = decades * stepsPerDecade;

/** The prices at which the steps begin, and the end of the last one. */
export const priceSteps: Int32Array = (() => {
  const table = new Int32Array(steps + 1);
  let mantissa = unit;
  for (let k = 0; k < stepsPerDecade; k++) {
    let power = priceMin;
    for (let decade = 0; decade < decades; decade++) {
      table[decade * stepsPerDecade + k] = Math.floor(mantissa * power / unit);
      power *= 10;
    }
    mantissa = Math.floor(mantissa * factor / unit);
  }
  table[steps] = priceMin * 10 ** decades;
  return table;
})();

/** The price that a 32-bit word draws. Its place in the table is a step and 65,536ths of one. */
export const priceOf = (word: number): number => {
  const place = Math.floor((word >>> 0) * steps / 65_536); // below 2^29
  const step = place >>> 16;
  const from = priceSteps[step];
  return from + Math.floor((priceSteps[step + 1] - from) * (place & 0xffff) / 65_536);
};
