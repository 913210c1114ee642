/**
 * The loops by the names of their queries.
 *
 * @module
 */
import { q18, q19 } from "./loops/latest-and-greatest.ts";
import type { MakeLoop } from "./loops/loop.ts";
import { q15, q16, q17 } from "./loops/reports.ts";
import { q0, q1, q14, q2, q21, q22 } from "./loops/stateless.ts";
import { q11, q12, q5, q7 } from "./loops/windows.ts";

/** In the order of their numbers. */
export const loops: { readonly [query: string]: MakeLoop } = {
  q0,
  q1,
  q2,
  q5,
  q7,
  q11,
  q12,
  q14,
  q15,
  q16,
  q17,
  q18,
  q19,
  q21,
  q22,
};
