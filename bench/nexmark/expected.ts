/**
 * What every port of the queries must say of the first events: how many rows, and their digest.
 *
 * @module
 */

/** The answers are those to so many events of the default options, in one split. */
export const expectedOfEvents = 20_000;

/** The rows of each query and the digest of what counts of them; of q12 the clock may make rows more. */
export const expected: { readonly [query: string]: { readonly rows: number; readonly digest: number } } = {
  q0: { rows: 18_400, digest: 496_201_220 },
  q1: { rows: 18_400, digest: 636_320_719 },
  q2: { rows: 64, digest: 2_070_837_892 },
  q5: { rows: 5, digest: 1_292_063_156 },
  q7: { rows: 1, digest: 126_630_284 },
  q11: { rows: 377, digest: 1_645_174_356 },
  q12: { rows: 377, digest: 3_363_768_796 },
  q14: { rows: 5_310, digest: 1_856_069_545 },
  q15: { rows: 1, digest: 3_532_279_586 },
  q16: { rows: 6_025, digest: 3_338_001_751 },
  q17: { rows: 1_197, digest: 4_040_617_003 },
  q18: { rows: 5_099, digest: 3_820_424_330 },
  q19: { rows: 29_072, digest: 2_921_615_186 },
  q21: { rows: 17_444, digest: 607_571_956 },
  q22: { rows: 18_400, digest: 2_739_186_712 },
};
