/**
 * HyperLogLog: how many different hashes there were, from a few bits of each.
 *
 * The hashes are dealt out to `m = 2 ** precision` registers. A register keeps the longest run of zeros that a hash of its
 * own began with, and long runs are a sign of many hashes (Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, the analysis of
 * a near-optimal cardinality estimation algorithm, 2007). The standard error is `1.04 / sqrt(m)` of the count.
 *
 * The estimate is the improved raw one of Ertl (New cardinality estimation algorithms for HyperLogLog sketches, 2017,
 * section 3). It has no bias anywhere in its range, so it takes neither tables of corrections nor a second way of
 * counting where there are few.
 *
 * @module
 */

/** The bits of a hash. */
const hashBits = 53;

/** The standard error of one register. */
const errorOfOne = 1.04;

/** How many bits choose the register, so that the standard error is at most `error`. */
export const precisionOf = (error: number): number => Math.ceil(Math.log2((errorOfOne / error) ** 2));

/** The greatest number that a register holds. */
export const runMaxOf = (precision: number): number => hashBits - precision + 1;

/** The zeros that a word of 32 bits, which is not 0, ends with. */
const trailingZeros = (word: number): number => 31 - Math.clz32(word & -word);

/** Lets a hash of 53 bits count. */
export const record = (registers: Uint8Array, precision: number, hash: number): void => {
  const low = hash >>> 0;
  const high = Math.floor(hash / 2 ** 32);
  const register = low & registers.length - 1;
  const rest = low >>> precision;
  // The run is taken from the lower end, where it is as long; one more than its length, so that 0 is a register unused.
  let run: number;
  if (rest !== 0) run = trailingZeros(rest) + 1;
  else if (high !== 0) run = 32 - precision + trailingZeros(high) + 1;
  else run = runMaxOf(precision);
  if (run > registers[register]) registers[register] = run;
};

/** Ertl's sigma: what the registers that are still unused tell. */
const sigma = (unused: number): number => {
  if (unused === 1) return Infinity;
  let power = unused;
  let weight = 1;
  let sum = unused;
  for (let before = NaN; sum !== before;) {
    power *= power;
    before = sum;
    sum += power * weight;
    weight *= 2;
  }
  return sum;
};

/** Ertl's tau: what the registers that are full tell, of which there is at least one that is not. */
const tau = (notFull: number): number => {
  if (notFull === 0 || notFull === 1) return 0;
  let root = notFull;
  let weight = 1;
  let sum = 1 - notFull;
  for (let before = NaN; sum !== before;) {
    root = Math.sqrt(root);
    before = sum;
    weight /= 2;
    sum -= (1 - root) ** 2 * weight;
  }
  return sum / 3;
};

/** How many different hashes there were, about. */
export const estimate = (registers: Uint8Array, precision: number): number => {
  const m = registers.length;
  const full = runMaxOf(precision);
  const counts = new Uint32Array(full + 1);
  for (const run of registers) counts[run]++;
  let z = m * tau(1 - counts[full] / m);
  for (let run = full - 1; run >= 1; run--) z = (z + counts[run]) / 2;
  z += m * sigma(counts[0] / m);
  return m * m / (2 * Math.LN2 * z);
};
